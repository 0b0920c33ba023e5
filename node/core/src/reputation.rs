//! How well Nodes have served this one: what is kept of it, and how it weighs.
//!
//! Plain data, so that whoever keeps it needs to know nothing else. The
//! [`Directory`](crate::directory::Directory) counts and forgets.

/// What is remembered of one Node, also when it is out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reputation {
    /// The share of an opening circuit's time that is this Node's, in microseconds; smoothed.
    pub latency_us: Option<u32>,
    /// How many of 10,000 circuits it served; smoothed.
    pub reliability: u16,
    /// When it last took part in a circuit, unix seconds.
    pub seen_unix: u64,
}
