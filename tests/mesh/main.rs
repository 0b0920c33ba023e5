//! Whole-system tests: real processes in network namespaces, one topology a file.
//!
//! They need root, TUN and network namespaces; where these are missing they say `SKIPPED:` and why, and
//! fail if `MASQ_REQUIRE_LAB=1`.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(clippy::disallowed_methods, reason = "real processes take real time")]

mod beside;
mod capture;
mod control;
mod crash;
mod endings;
mod entry_dns;
mod exits;
mod garbage;
mod insight;
mod joining;
mod laboratory;
mod leaks;
mod masq_run;
mod names;
mod original;
mod passing;
mod rejoin;
mod rules;
mod seamless;
mod states;
mod support;
mod survival;
mod transfer;
