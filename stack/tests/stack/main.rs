//! The stack as its caller and the programs behind the TUN see it.
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod support;
mod tcp;
