//! The program `masq` as its users meet it, against a Daemon and a Node that are played.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod help;
#[cfg(target_os = "linux")]
mod insight;
mod mock;
mod one_shot;
#[cfg(unix)]
mod prompt;
mod reviewed;
mod rules;
#[cfg(unix)]
mod terminal;
mod transcript;
