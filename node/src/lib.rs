//! The Node: its links, its roles for others, and the entry of this machine's
//! own flows. The decisions are [`masq_core`]'s; here bytes are moved.
//!
//! One thread runs all of it (`docs/decisions`), so nothing on the path of a
//! packet is locked.
#![forbid(unsafe_code)]

pub mod app;
#[cfg(target_os = "linux")]
pub mod captured;
pub mod circuit;
pub mod clock;
pub mod configurator;
pub mod daemon;
pub mod database;
pub mod entry;
mod exit;
pub mod gateway;
pub mod geoip;
#[cfg(target_os = "linux")]
pub mod helper;
pub mod insight;
mod ledger;
pub mod link;
pub mod log;
pub mod mesh;
pub mod neighborhood;
pub mod neighbors;
pub mod node;
pub mod outside;
pub mod ready;
mod relay;
pub mod rules;
pub mod serve;
pub mod steering;
pub mod trouble;
pub mod tun;
pub mod ui;
