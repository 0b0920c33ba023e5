#![forbid(unsafe_code)]
pub mod helper;
