//! The routing core of a Node: circuits, names, rules, configuration.
//!
//! All of it is pure: bytes, the time and randomness come in as arguments, decisions and bytes
//! come out. No socket, no thread, no clock. The shell in `node/` moves the bytes.

#![forbid(unsafe_code)]

pub mod circuit;
pub mod config;
pub mod datagram;
pub mod descriptor;
pub mod destination;
pub mod directory;
pub mod exit_policy;
pub mod failure;
pub mod fake_ip;
pub mod flow_kind;
pub mod frame;
pub mod guards;
pub mod identity;
pub mod impersonate;
pub mod layer;
pub mod names;
pub mod neighborhood;
pub mod onion;
pub mod random;
pub mod record;
pub mod replay;
pub mod reputation;
pub mod resume;
pub mod route;
pub mod rules;
pub mod secret;
pub mod setup;
pub mod wallet;
