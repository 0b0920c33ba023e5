//! What this Node knows of the others: their records, which links are up, and
//! how they have served.
//!
//! Gossip or the static list of a file fills it. Two Nodes count as neighbors
//! when both records say so, so that no Node draws routes to itself by
//! claiming links that the other side does not confirm; our own links are what
//! the shell says is up. Failures are remembered for a while: a Node that took
//! part in one is chosen less until it has been quiet or has served well.
//! Reputation and guards outlive the process: whoever keeps them asks for what
//! changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::destination::HostName;
use crate::guards::{Guard, Guards};
use crate::identity::NodeId;
use crate::record::NodeRecord;
use crate::reputation::{Reputation, Reputations};

mod load;
mod unresolved;
mod weight;

pub use load::{LoadError, Loaded, MAX_FILE, RefusedLine};
pub use unresolved::{AVOIDED, MAX_EXITS, MAX_NAMES};
pub use weight::MOST;

use unresolved::Unresolved;
use weight::Medians;

/// The most Nodes that are remembered.
pub const MAX_NODES: usize = 20_000;

/// After this many seconds half of a penalty is forgotten.
const HALF_LIFE: f32 = 30.0;
/// How strongly one fresh failure counts against a Node that has none.
const SEVERITY: f32 = 50.0;
/// Medians are taken anew when this part of the view has changed.
const DRIFT: usize = 4;
/// Bytes for which a Node's price is worked out: a flow of ordinary length.
const PRICED_BYTES: u128 = 1_000_000;
/// An exit that cannot resolve so many names has a fault of its own.
const SUSPICIOUS_NAMES: usize = 3;

/// The Nodes of the mesh, as far as they are known.
#[derive(Debug)]
pub struct Directory {
    own: NodeId,
    pub(crate) nodes: Vec<Node>,
    index: HashMap<NodeId, u32>,
    links: Vec<NodeId>,
    medians: Medians,
    /// Records and reputations changed since the medians were taken.
    changes: usize,
    reputations: Reputations,
    unresolved: Unresolved,
    guards: Guards,
    guards_in_use: Vec<NodeId>,
    unix_time: u64,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) record: Arc<NodeRecord>,
    /// Nodes that name this one as it names them.
    pub(crate) adjacent: Vec<u32>,
    pub(crate) as_relay: f32,
    pub(crate) as_exit: f32,
    failures: f32,
    failed_at: Option<Instant>,
}

/// What came of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// The Node was unknown.
    Added,
    /// The record is newer than the known one.
    Replaced,
    /// The known record is the same or newer.
    Old,
    /// There is no room for another Node.
    Full,
}

impl Directory {
    /// An empty directory of the Node `own`, which no route leads through.
    pub fn new(own: NodeId) -> Directory {
        Directory {
            own,
            nodes: Vec::new(),
            index: HashMap::new(),
            links: Vec::new(),
            medians: Medians::default(),
            changes: 0,
            reputations: Reputations::default(),
            unresolved: Unresolved::default(),
            guards: Guards::default(),
            guards_in_use: Vec::new(),
            unix_time: 0,
        }
    }

    /// Takes what was kept when the process last ran.
    pub fn restore(
        &mut self,
        guards: Vec<Guard>,
        reputation: Vec<(NodeId, Reputation)>,
        now_unix: u64,
    ) {
        self.guards = Guards::restore(guards, now_unix);
        self.reputations = Reputations::restore(reputation, now_unix);
        self.unix_time = now_unix;
        self.take_medians();
    }

    /// Takes a record, unless a newer one of the same Node is known.
    pub fn insert(&mut self, record: impl Into<Arc<NodeRecord>>) -> Insertion {
        let record = record.into();
        let id = record.id();
        if let Some(&place) = self.index.get(&id) {
            if record.version() <= self.nodes[place as usize].record.version() {
                return Insertion::Old;
            }
            self.disconnect(place);
            self.nodes[place as usize].record = record;
            self.connect(place);
            self.weigh(place);
            return Insertion::Replaced;
        }
        let Ok(place) = u32::try_from(self.nodes.len()) else {
            return Insertion::Full;
        };
        if self.nodes.len() >= MAX_NODES {
            return Insertion::Full;
        }
        self.nodes.push(Node {
            record,
            adjacent: Vec::new(),
            as_relay: 1.0,
            as_exit: 1.0,
            failures: 0.0,
            failed_at: None,
        });
        self.index.insert(id, place);
        self.connect(place);
        self.weigh(place);
        Insertion::Added
    }

    /// Forgets a Node; its reputation stays.
    pub fn remove(&mut self, id: &NodeId) -> bool {
        let Some(place) = self.index.remove(id) else {
            return false;
        };
        self.disconnect(place);
        self.nodes.swap_remove(place as usize);
        let last = self.nodes.len() as u32;
        if last != place {
            let moved = self.nodes[place as usize].record.id();
            self.index.insert(moved, place);
            for at in 0..self.nodes[place as usize].adjacent.len() {
                let other = self.nodes[place as usize].adjacent[at];
                for adjacent in &mut self.nodes[other as usize].adjacent {
                    if *adjacent == last {
                        *adjacent = place;
                    }
                }
            }
        }
        self.changed();
        true
    }

    /// Says which neighbors have a link with us that is up; the others have none.
    pub fn set_links(&mut self, up: &[NodeId]) {
        self.links = up.to_vec();
        self.links.sort_unstable();
        self.links.dedup();
    }

    /// The neighbors whose link is up, in ascending order.
    pub fn links(&self) -> &[NodeId] {
        &self.links
    }

    /// Says what time it is, and settles at which guards routes begin from now on.
    ///
    /// To be called before a route is drawn; a directory that is never told
    /// the time has no guards, and routes begin at any link.
    pub fn prepare(&mut self, unix_time: u64, rng: &mut impl Rng) {
        self.unix_time = unix_time;
        let may_be_first = |id: &&NodeId| {
            self.record(id).is_some_and(|record| {
                record.roles().relay && record.onion_key_at(unix_time).is_some()
            })
        };
        let up: Vec<NodeId> = self.links.iter().filter(may_be_first).copied().collect();
        self.guards_in_use = self.guards.choose(&up, unix_time, rng);
    }

    /// The guards at which routes of two or more Nodes begin.
    pub fn guards(&self) -> &[NodeId] {
        &self.guards_in_use
    }

    /// The record of a Node.
    pub fn record(&self, id: &NodeId) -> Option<&Arc<NodeRecord>> {
        let place = *self.index.get(id)?;
        Some(&self.nodes[place as usize].record)
    }

    /// The records of all Nodes that are known.
    pub fn records(&self) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.nodes.iter().map(|node| &node.record)
    }

    /// How many Nodes are known.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no Node is known.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Remembers that a circuit through this Node failed.
    pub fn penalize(&mut self, id: NodeId, now: Instant) {
        if let Some(node) = self.node_mut(&id) {
            node.failures = node.failures_at(now) + 1.0;
            node.failed_at = Some(now);
            self.reputations.note(id, false, self.unix_time);
            self.guards.failed(&id, self.unix_time);
            self.reweigh(&id);
        }
    }

    /// Forgets the failures of a Node: a circuit through it works.
    pub fn forgive(&mut self, id: NodeId) {
        if let Some(node) = self.node_mut(&id) {
            node.failures = 0.0;
            node.failed_at = None;
            self.reputations.note(id, true, self.unix_time);
            self.guards.served(&id);
            self.reweigh(&id);
        }
    }

    /// A circuit over these Nodes took so long to open.
    pub fn opened(&mut self, path: &[NodeId], took: Duration) {
        let known: Vec<NodeId> = path
            .iter()
            .filter(|id| self.index.contains_key(*id))
            .copied()
            .collect();
        self.reputations.opened(&known, took, self.unix_time);
        for id in &known {
            self.reweigh(id);
        }
    }

    /// This exit could not resolve this name: others are asked for it for a while. That speaks
    /// against the exit only once there are several names.
    pub fn note_unresolved(&mut self, name: &HostName, exit: NodeId, now: Instant) {
        self.unresolved.note(name, exit, now);
        if self.unresolved.names_of(&exit, now) >= SUSPICIOUS_NAMES {
            self.penalize(exit, now);
        }
    }

    /// This exit has resolved this name.
    pub fn note_resolved(&mut self, name: &HostName, exit: &NodeId) {
        self.unresolved.forget(name, exit);
    }

    /// What changed of the reputations since this was last asked, to be kept.
    pub fn take_reputation_changes(&mut self) -> Vec<(NodeId, Reputation)> {
        self.reputations.take_changes()
    }

    /// The list of guards, if it changed since this was last asked, to be kept.
    pub fn take_guard_changes(&mut self) -> Option<Vec<Guard>> {
        self.guards.take_changes()
    }

    /// What is known of how a Node has served.
    pub fn reputation(&self, id: &NodeId) -> Option<Reputation> {
        self.reputations.of(id)
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    pub(crate) fn place_of(&self, id: &NodeId) -> Option<u32> {
        self.index.get(id).copied()
    }

    pub(crate) fn unresolved(&self, name: &HostName, now: Instant) -> Vec<u32> {
        let exits = self.unresolved.exits(name, now);
        exits.filter_map(|id| self.place_of(&id)).collect()
    }

    fn node_mut(&mut self, id: &NodeId) -> Option<&mut Node> {
        let place = *self.index.get(id)?;
        self.nodes.get_mut(place as usize)
    }

    fn connect(&mut self, place: u32) {
        let node = &self.nodes[place as usize].record;
        let id = node.id();
        let mutual: Vec<u32> = node
            .neighbors()
            .iter()
            .filter_map(|neighbor| self.index.get(neighbor).copied())
            .filter(|other| {
                let theirs = self.nodes[*other as usize].record.neighbors();
                *other != place && theirs.binary_search(&id).is_ok()
            })
            .collect();
        for other in &mutual {
            self.nodes[*other as usize].adjacent.push(place);
        }
        self.nodes[place as usize].adjacent = mutual;
    }

    fn disconnect(&mut self, place: u32) {
        for other in std::mem::take(&mut self.nodes[place as usize].adjacent) {
            self.nodes[other as usize]
                .adjacent
                .retain(|adjacent| *adjacent != place);
        }
    }

    fn weigh(&mut self, place: u32) {
        let node = &self.nodes[place as usize];
        let reputation = self.reputations.of(&node.record.id());
        let (relay, exit) = self.medians.weights(prices(&node.record), reputation);
        let node = &mut self.nodes[place as usize];
        (node.as_relay, node.as_exit) = (relay, exit);
        self.changed();
    }

    fn reweigh(&mut self, id: &NodeId) {
        if let Some(place) = self.place_of(id) {
            self.weigh(place);
        }
    }

    fn changed(&mut self) {
        self.changes += 1;
        if self.changes * DRIFT > self.nodes.len() {
            self.take_medians();
        }
    }

    fn take_medians(&mut self) {
        self.changes = 0;
        let prices: Vec<(u128, u128)> = self.nodes.iter().map(|one| prices(&one.record)).collect();
        let known = self.nodes.iter().map(|node| {
            let reputation = self.reputations.of(&node.record.id());
            reputation.and_then(|known| known.latency_us)
        });
        let mut latencies: Vec<u32> = known.flatten().collect();
        let medians = Medians::of(&prices, &mut latencies);
        if medians == self.medians {
            return;
        }
        self.medians = medians;
        for (node, prices) in self.nodes.iter_mut().zip(prices) {
            let reputation = self.reputations.of(&node.record.id());
            (node.as_relay, node.as_exit) = medians.weights(prices, reputation);
        }
    }
}

impl Node {
    /// How much recent failures leave of the weight: 1 without any, near 0 after fresh ones.
    pub(crate) fn trust(&self, now: Instant) -> f32 {
        if self.failed_at.is_none() {
            return 1.0;
        }
        1.0 / (1.0 + SEVERITY * self.failures_at(now))
    }

    fn failures_at(&self, now: Instant) -> f32 {
        let Some(at) = self.failed_at else { return 0.0 };
        let age = now.saturating_duration_since(at).as_secs_f32();
        self.failures * (-age / HALF_LIFE).exp2()
    }
}

/// What a flow of [`PRICED_BYTES`] costs at this Node, as relay and as exit, in wei.
pub(crate) fn prices(record: &NodeRecord) -> (u128, u128) {
    let rates = record.rates();
    let price = |service: u64, byte: u64| u128::from(service) + u128::from(byte) * PRICED_BYTES;
    (
        price(rates.routing_service, rates.routing_byte),
        price(rates.exit_service, rates.exit_byte),
    )
}

#[cfg(test)]
pub(crate) mod tests;
