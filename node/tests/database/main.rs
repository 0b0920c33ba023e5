//! The database from outside: what it remembers, whom it refuses, and that no
//! crash and no full disk costs more than the last moments.
//!
//! Some of these start this program again as another process: to be killed, as
//! another user, or on a file system of its own. What needs root says
//! `SKIPPED:` without it.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(clippy::disallowed_methods, reason = "real files and real time")]

mod crash;
mod disk;
mod dump;
mod identity;
mod memory;
mod refusal;
mod secrets;
mod support;
