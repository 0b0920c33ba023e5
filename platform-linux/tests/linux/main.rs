//! Capture on a real kernel, in network namespaces of the tests' own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(clippy::print_stderr, reason = "figures and skipped tests are said")]

mod blocked;
mod capture;
mod confined;
mod crash;
mod direct;
mod passing;
mod support;
