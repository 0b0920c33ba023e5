//! `MASQNode --initialization`: the Daemon.
//!
//! [`core`] decides, without IO.

pub mod core;
