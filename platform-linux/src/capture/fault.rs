//! The points where a test may have the process die as if by `kill -9`.
//!
//! `MASQ_TEST_HALT_AT=STEP:before` dies with the inverses stored and the
//! change not made; `STEP:after` with the change made. Release builds have
//! this only with the feature `fault-injection`.

#[cfg(any(debug_assertions, feature = "fault-injection"))]
pub(crate) fn point(step: &str, moment: &str) {
    let chosen = std::env::var("MASQ_TEST_HALT_AT").unwrap_or_default();
    if chosen == format!("{step}:{moment}") {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}

#[cfg(not(any(debug_assertions, feature = "fault-injection")))]
pub(crate) fn point(_step: &str, _moment: &str) {}
