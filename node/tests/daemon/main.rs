//! The Daemon as UIs meet it: the real program, a real Node without capture,
//! WebSockets on free ports of loopback. Needs root for all but one test, and
//! says `SKIPPED:` without it.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot do its work has failed the test"
)]

mod confinement;
mod ends;
mod secrets;
mod starts;
mod support;

use std::time::Duration;

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);
