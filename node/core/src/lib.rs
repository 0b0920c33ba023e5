#![forbid(unsafe_code)]

pub mod destination;
pub mod failure;
pub mod fake_ip;
