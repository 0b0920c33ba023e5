//! What is simulated: the size of the mesh, its churn, who attacks it.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::time::{Micros, seconds};

/// What malicious Nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attack {
    /// Take every Node that asks, introduce nobody but each other
    Eclipse,
    /// Change the records of others before they pass them on
    Forge,
    /// Take circuits and drop them
    Blackhole,
}

/// One run.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Options {
    /// Nodes alive at a time
    #[arg(long, default_value_t = 1_000)]
    pub nodes: u32,
    /// Simulated time
    #[arg(long, default_value_t = 30.0)]
    pub minutes: f64,
    /// Percent of the Nodes that leave in an hour; as many come
    #[arg(long, default_value_t = 10.0)]
    pub churn: f64,
    /// The same seed gives the same run, whatever the number of threads
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Percent of the Nodes that are malicious
    #[arg(long, default_value_t = 0.0)]
    pub malicious: f64,
    /// What the malicious ones do
    #[arg(long)]
    pub attack: Option<Attack>,
    /// How many links from itself a Node looks
    #[arg(long, default_value_t = 3)]
    pub radius: u8,
    /// Threads that share the Nodes
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Seconds within which the first Nodes start
    #[arg(long, default_value_t = 300.0)]
    pub ramp: f64,
    /// Seconds after the ramp before flows begin and the steady state is measured
    #[arg(long, default_value_t = 120.0)]
    pub settle: f64,
    /// Percent of the Nodes that cannot be dialled (behind a NAT) but serve
    #[arg(long, default_value_t = 20.0)]
    pub originate_only: f64,
    /// Percent of the Nodes that only consume
    #[arg(long, default_value_t = 10.0)]
    pub consume_only: f64,
    /// Percent of those that left who come back with the same key
    #[arg(long, default_value_t = 50.0)]
    pub rejoin: f64,
    /// Percent of those coming back who have another address
    #[arg(long, default_value_t = 20.0)]
    pub new_address: f64,
    /// Descriptors that a Node is configured with
    #[arg(long, default_value_t = 1)]
    pub descriptors: usize,
    /// Nodes that are there from the beginning and never leave
    #[arg(long, default_value_t = 5)]
    pub well_known: u32,
    /// Percent of the descriptors that are of a well-known Node
    #[arg(long, default_value_t = 20.0)]
    pub well_known_share: f64,
    /// Seconds between two flows of a Node, on average
    #[arg(long, default_value_t = 60.0)]
    pub flow_every: f64,
    /// Compare each record that a Node believes with what its owner signed
    #[arg(long)]
    pub audit: bool,
}

impl Options {
    /// When the run ends.
    pub fn end(&self) -> Micros {
        seconds(self.minutes * 60.0)
    }

    /// When the last of the first Nodes has started.
    pub fn ramped(&self) -> Micros {
        seconds(self.ramp).min(self.end() / 3)
    }

    /// From when on the mesh counts as settled.
    pub fn steady(&self) -> Micros {
        (self.ramped() + seconds(self.settle)).min(self.end() / 2)
    }
}
