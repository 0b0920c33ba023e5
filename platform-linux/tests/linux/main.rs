//! Capture on a real kernel, in network namespaces of the tests' own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod capture;
mod crash;
mod support;
