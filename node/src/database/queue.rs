//! What waits to be written: of each Node only the newest, and never more than
//! a fixed number.

use super::{Change, PastNeighbor};
use masq_core::guards::Guard;
use masq_core::identity::NodeId;
use masq_core::reputation::Reputation;
use std::collections::BTreeMap;

/// Nodes of one kind that may wait; more change only when the disk fails.
const MOST: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// None: to be forgotten.
    pub(super) neighbors: BTreeMap<NodeId, Option<PastNeighbor>>,
    pub(super) guards: Option<Vec<Guard>>,
    pub(super) reputation: BTreeMap<NodeId, Reputation>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.neighbors.is_empty() && self.guards.is_none() && self.reputation.is_empty()
    }

    /// Takes a change in; how many were too many.
    pub(super) fn add(&mut self, change: Change) -> usize {
        match change {
            Change::Neighbor(neighbor) => {
                let id = neighbor.descriptor.id();
                insert(&mut self.neighbors, id, Some(neighbor))
            }
            Change::ForgetNeighbor(id) => insert(&mut self.neighbors, id, None),
            Change::Guards(guards) => {
                self.guards = Some(guards);
                0
            }
            Change::Reputation(list) => list
                .into_iter()
                .map(|(id, reputation)| insert(&mut self.reputation, id, reputation))
                .sum(),
        }
    }

    /// Takes back what could not be written; what came since is newer.
    pub(super) fn take_back(&mut self, older: Pending) {
        for (id, neighbor) in older.neighbors {
            if !self.neighbors.contains_key(&id) {
                insert(&mut self.neighbors, id, neighbor);
            }
        }
        self.guards = self.guards.take().or(older.guards);
        for (id, reputation) in older.reputation {
            if !self.reputation.contains_key(&id) {
                insert(&mut self.reputation, id, reputation);
            }
        }
    }
}

fn insert<V>(map: &mut BTreeMap<NodeId, V>, id: NodeId, value: V) -> usize {
    if map.len() >= MOST && !map.contains_key(&id) {
        return 1;
    }
    map.insert(id, value);
    0
}
