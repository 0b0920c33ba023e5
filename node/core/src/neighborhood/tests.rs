//! The core in a small network of its own: virtual time, links with latency, Nodes that die,
//! move and lie.

mod actor;
mod askers;
mod bounds;
mod joining;
mod liars;
pub(super) mod net;
mod recovery;
mod spreading;
