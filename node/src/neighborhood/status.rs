//! How the Node stands in the mesh, for a person: `status.json` in the data
//! directory, written anew when it has changed and at most once a second.
//!
//! Keeps the core informed whether a route exists, so the stage goes up and
//! down with it. What is written is for this machine only.

use super::{Dial, Shell};
use crate::link::Link;
use crate::outside::Outside;
use masq_core::neighborhood::{Counters, NeighborStatus, Now, Stage, State, Status};
use serde::Serialize;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The name of the file.
pub const FILE: &str = "status.json";
/// Time between two writings.
const PACE: Duration = Duration::from_secs(1);
/// Time between two looks for a route while much changes.
const SETTLE: Duration = Duration::from_millis(100);
/// What depends on time alone (an onion key that ends) is looked at this often.
const STALE: Duration = Duration::from_secs(30);

/// What is not the neighborhood's.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// The Node's id.
    pub id: String,
    pub mode: &'static str,
    pub chain: &'static str,
    /// As it is now.
    pub min_hops: usize,
    /// Where the rules are, or would be.
    pub rules_file: PathBuf,
    /// The process that writes; who reads can see whether it still runs.
    pub pid: u32,
}

/// The content of the file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub facts: Facts,
    /// False in the last one that a Node writes.
    pub running: bool,
    pub written_unix: u64,
    /// None in zero-hop mode, where there is no mesh.
    pub stage: Option<Stage>,
    /// How others reach this Node.
    pub descriptor: Option<String>,
    pub neighbors: Vec<Neighbor>,
    /// Nodes known, without this one.
    pub records: usize,
    /// Circuits of others that this Node carries now.
    pub circuits: usize,
    pub gossip: Counters,
    pub links: Links,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Neighbor {
    pub id: String,
    pub address: Option<SocketAddr>,
    pub state: State,
    pub since_unix: u64,
    /// What it said, or what happened.
    pub said: String,
    /// What a person can do; empty when nothing.
    pub remedy: String,
}

/// All that crossed the links, in UDP payload: gossip, circuits, and what QUIC
/// itself needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Links {
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

impl Report {
    /// A Node that has no part in a mesh.
    pub fn alone(facts: Facts, now_unix: u64) -> Self {
        Self::new(facts, Status::default(), now_unix, None)
    }

    fn new(facts: Facts, status: Status, now_unix: u64, stage: Option<Stage>) -> Self {
        let neighbor = |neighbor: NeighborStatus| Neighbor {
            id: neighbor.id.to_string(),
            address: neighbor.address,
            state: neighbor.state,
            since_unix: now_unix.saturating_sub(neighbor.since_s),
            said: neighbor.said,
            remedy: neighbor.remedy,
        };
        Self {
            facts,
            running: true,
            written_unix: now_unix,
            stage,
            descriptor: status.own,
            neighbors: status.neighbors.into_iter().map(neighbor).collect(),
            records: status.records,
            circuits: 0,
            gossip: Counters::default(),
            links: Links::default(),
        }
    }

    /// The Node ends, and with it its links.
    pub fn end(&mut self) {
        self.running = false;
        self.stage = self.stage.map(|_| Stage::NotConnected);
        self.neighbors.clear();
        self.circuits = 0;
    }

    /// Whether a person would see a difference.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let close = |(one, two): (&Neighbor, &Neighbor)| {
            // Seconds ago become a time, which may come out one apart.
            one.since_unix.abs_diff(two.since_unix) <= 1
                && (&one.id, one.address, one.state, &one.said)
                    == (&two.id, two.address, two.state, &two.said)
        };
        self.neighbors.len() == other.neighbors.len()
            && self.neighbors.iter().zip(&other.neighbors).all(close)
            && (self.running, self.stage, self.records, self.circuits)
                == (other.running, other.stage, other.records, other.circuits)
            && (&self.descriptor, &self.gossip) == (&other.descriptor, &other.gossip)
            && self.facts == other.facts
    }

    /// Replaces the file; a reader sees the old or the new one.
    pub fn write(&self, path: &Path) {
        let partial = path.with_extension("json.new");
        let written = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&partial, text))
            .and_then(|()| fs::rename(&partial, path));
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "the status is not written");
        }
    }
}

/// What the neighborhood's stand is now.
pub fn report<L: Link, O: Outside, D: Dial<L>>(shell: &Shell<L, O, D>, facts: &Facts) -> Report {
    let (sent_bytes, received_bytes) = shell.traffic();
    shell.with_core(|core, now: Now| {
        let status = core.status(now);
        let stage = Some(status.stage);
        Report {
            circuits: shell.services.circuits(),
            gossip: core.counters().clone(),
            links: Links {
                sent_bytes,
                received_bytes,
            },
            ..Report::new(facts.clone(), status, now.unix(), stage)
        }
    })
}

/// Follows the neighborhood: tells it whether `has_route`, logs its stage, and
/// writes the file below `directory` if there is one.
pub async fn follow<L: Link, O: Outside, D: Dial<L>>(
    shell: Rc<Shell<L, O, D>>,
    facts: impl Fn() -> Facts,
    directory: Option<PathBuf>,
    has_route: impl Fn() -> bool,
) {
    let path = directory.map(|directory| directory.join(FILE));
    let mut changes = shell.changes();
    let mut changed = true;
    let mut found = None;
    let mut looked = Instant::now();
    let mut logged = None;
    let mut written: Option<Report> = None;
    let mut next_write = Instant::now();
    loop {
        if changed || looked.elapsed() > STALE {
            looked = Instant::now();
            changes.mark_unchanged();
            let now = has_route();
            if found != Some(now) {
                found = Some(now);
                shell.set_route_found(now);
            }
        }
        let report = report(&shell, &facts());
        if let Some(stage) = report.stage.filter(|stage| logged != Some(*stage)) {
            logged = Some(stage);
            tracing::info!(event = "connection-status", ?stage);
        }
        let same = written
            .as_ref()
            .is_some_and(|written| written.says_the_same_as(&report));
        if !same && Instant::now() >= next_write {
            next_write = Instant::now() + PACE;
            if let Some(path) = &path {
                report.write(path);
            }
            written = Some(report);
        }
        sleep(SETTLE).await;
        changed = tokio::select! {
            _ = changes.changed() => true,
            () = sleep_until(next_write.max(Instant::now() + PACE)) => false,
        };
    }
}
