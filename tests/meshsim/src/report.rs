//! What a run has shown, in numbers: one JSON object, or a table for a person.

mod figures;
mod table;

use serde::{Deserialize, Serialize};

use crate::crew::Outcome;
use crate::options::Options;

/// All results of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// Keys that took part, also one after the other.
    pub members: usize,
    /// The same for two runs in which the same happened.
    pub digest: String,
    /// How quickly routes are found.
    pub routes: Routes,
    /// Messages of the neighborhood.
    pub gossip: Gossip,
    /// What the Nodes keep.
    pub kept: Kept,
    /// Flows.
    pub flows: Flows,
    /// The shape of the mesh.
    pub shape: Shape,
    /// What the malicious ones achieved.
    pub attack: Harm,
    /// What the simulation itself took.
    pub cost: Cost,
    /// Curves over time.
    pub curves: Curves,
}

/// How quickly a three-hop route is found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Routes {
    /// Seconds from the last of the first starts until 99 % of the Nodes that run have found one.
    pub until_99_percent: Option<f64>,
    /// Seconds from a Node's start to its first route: median.
    pub median: f64,
    /// The same: 95th percentile.
    pub p95: f64,
    /// The same: 99th percentile.
    pub p99: f64,
    /// The same: the longest.
    pub longest: f64,
    /// Percent of the sessions of at least a minute that never found one.
    pub never_percent: f64,
}

/// What an honest Node sends to its neighbors, lengths included, without what QUIC adds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gossip {
    /// Bytes within two minutes of a start: mean.
    pub young_bytes: f64,
    /// The same: 95th percentile.
    pub young_bytes_p95: f64,
    /// Messages within two minutes of a start: mean.
    pub young_messages: f64,
    /// Bytes per hour in the settled mesh: mean.
    pub bytes_per_hour: f64,
    /// The same: 95th percentile.
    pub bytes_per_hour_p95: f64,
    /// Messages per hour in the settled mesh: mean.
    pub messages_per_hour: f64,
}

/// What a Node keeps of the others in the settled mesh.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Records: mean.
    pub records: f64,
    /// Records: 95th percentile.
    pub records_p95: f64,
    /// Records: the most at any Node.
    pub records_most: usize,
    /// Estimated bytes in memory of one Node's view: mean.
    pub bytes: f64,
    /// The same at the Node with the most.
    pub bytes_most: f64,
}

/// Flows of honest Nodes in the settled mesh, over three hops.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flows {
    /// How many were tried.
    pub tried: usize,
    /// Percent whose first route worked.
    pub first_percent: f64,
    /// Percent of which one of three routes worked.
    pub three_percent: f64,
    /// Percent of which one of the entry's routes worked.
    pub all_percent: f64,
    /// Flows that ended because the Node knew no route.
    pub no_route: u64,
    /// Routes that failed: a relay had no link with the next.
    pub no_next_hop: u64,
    /// Routes that failed: a Node of it was gone.
    pub link_lost: u64,
    /// Routes that failed: nothing was heard.
    pub overdue: u64,
    /// Routes with a Node that does not exist.
    pub invented: u64,
    /// Percent of all places in routes that the busiest 1 % of the Nodes had.
    pub busiest_percent: f64,
}

/// The graph of links among Nodes that serve, in the settled mesh.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shape {
    /// Neighbors: mean.
    pub degree: f64,
    /// Neighbors: the most at any Node.
    pub degree_most: usize,
    /// Percent of the Nodes with each number of neighbors.
    pub degrees: Vec<f64>,
    /// Percent with fewer than three, of those that run for half a minute.
    pub few_percent: f64,
    /// The most percent of the Nodes that were outside the largest part at any look.
    pub outside_percent: f64,
    /// The same at the last look.
    pub outside_end_percent: f64,
    /// The most parts of at least three Nodes at any look.
    pub parts: usize,
    /// The same at the last look.
    pub parts_end: usize,
}

/// What malicious Nodes achieved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Harm {
    /// Percent of all Nodes that are malicious.
    pub malicious_percent: f64,
    /// Percent of the honest Nodes all of whose neighbors are malicious, at the end.
    pub eclipsed_percent: f64,
    /// Percent of the links of honest Nodes that lead to malicious ones, at the end.
    pub links_percent: f64,
    /// Records refused, each counted once.
    pub refused: u64,
    /// Records believed that their owners never signed.
    pub believed: u64,
    /// Circuits dropped.
    pub swallowed: u64,
}

/// What the simulation took; not part of what the seed determines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds of wall time.
    pub wall: f64,
    /// Seconds of processor time, of all threads.
    pub processor: f64,
    /// The most resident bytes.
    pub resident: u64,
    /// Events handled.
    pub events: u64,
    /// Records whose signatures were verified.
    pub verified: u64,
}

/// Values over time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curves {
    /// Each second: Nodes that run, and those of them that have found a route.
    pub found: Vec<(u32, u32)>,
    /// Each half minute: bytes per second and running Node.
    pub gossip: Vec<f64>,
    /// At each look from the beginning: percent of the Nodes outside the largest part.
    pub outside: Vec<f64>,
    /// Each minute: flows begun, percent at first try, percent within three tries.
    pub flows: Vec<(u32, f64, f64)>,
}

impl Report {
    /// Draws the results out of what happened.
    pub fn new(outcome: &Outcome) -> Report {
        figures::report(outcome)
    }

    /// The results for a person.
    pub fn table(&self) -> String {
        table::table(self)
    }
}
