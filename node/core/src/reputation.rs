//! How well Nodes have served this one: what is kept of it, and how it is counted.
//!
//! Only circuits of this Node's own count, so nobody can speak for or against
//! another. A circuit's opening time is shared out among its Nodes by what is
//! known of each: whoever makes many circuits slow is found out, whatever the
//! company. What is old fades towards what an unknown Node has.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::identity::NodeId;

/// The most Nodes of which anything is remembered.
pub const MAX_NODES: usize = 4_096;
/// What stands for every circuit served.
pub const PERFECT: u16 = 10_000;
/// What an unknown Node has.
pub const UNKNOWN: u16 = 9_000;

/// One circuit moves what is known by this part.
const SMOOTHING: f64 = 1.0 / 16.0;
/// An opening that takes longer says more about the destination than about the Nodes.
const LONGEST: Duration = Duration::from_secs(3);
/// After so many seconds half of what was known has faded.
const HALF_LIFE: f64 = 7.0 * 24.0 * 3_600.0;

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

/// What is remembered of all Nodes.
#[derive(Debug, Default)]
pub struct Reputations {
    known: HashMap<NodeId, Reputation>,
    changed: BTreeSet<NodeId>,
}

impl Reputation {
    fn unknown(now_unix: u64) -> Reputation {
        Reputation {
            latency_us: None,
            reliability: UNKNOWN,
            seen_unix: now_unix,
        }
    }

    fn faded(mut self, now_unix: u64) -> Reputation {
        let age = now_unix.saturating_sub(self.seen_unix) as f64;
        let left = (-age / HALF_LIFE).exp2();
        let known = f64::from(self.reliability.min(PERFECT)) - f64::from(UNKNOWN);
        self.reliability = (f64::from(UNKNOWN) + known * left).round() as u16;
        if left < 0.25 {
            self.latency_us = None;
        }
        self
    }

    fn note(&mut self, served: bool) {
        let aim = if served { f64::from(PERFECT) } else { 0.0 };
        let known = f64::from(self.reliability);
        let step = (aim - known) * SMOOTHING;
        // Away from zero, so that the ends are reached.
        let step = if step < 0.0 {
            step.floor()
        } else {
            step.ceil()
        };
        self.reliability = (known + step).clamp(0.0, PERFECT.into()) as u16;
    }
}

impl Reputations {
    /// What was kept, faded by its age.
    pub fn restore(kept: Vec<(NodeId, Reputation)>, now_unix: u64) -> Reputations {
        let kept = kept.into_iter().take(MAX_NODES);
        Reputations {
            known: kept
                .map(|(id, reputation)| (id, reputation.faded(now_unix)))
                .collect(),
            changed: BTreeSet::new(),
        }
    }

    /// What is known of a Node.
    pub fn of(&self, id: &NodeId) -> Option<Reputation> {
        self.known.get(id).copied()
    }

    /// A circuit through the Node opened, or failed by its fault as far as anyone can tell.
    pub fn note(&mut self, id: NodeId, served: bool, now_unix: u64) {
        let reputation = self.entry(id, now_unix);
        reputation.seen_unix = now_unix;
        reputation.note(served);
        self.changed.insert(id);
    }

    /// A circuit took so long to open.
    pub fn opened(&mut self, path: &[NodeId], took: Duration, now_unix: u64) {
        let took = took.min(LONGEST).as_micros() as f64;
        let count = path.len().max(1) as f64;
        let even = took / count;
        let share = |known: Option<u32>| known.map_or(even, f64::from);
        let expected: f64 = path
            .iter()
            .map(|id| share(self.known.get(id).and_then(|known| known.latency_us)))
            .sum();
        let error = (took - expected) / count;
        for id in path {
            let reputation = self.entry(*id, now_unix);
            let known = reputation.latency_us;
            let step = error * SMOOTHING * 4.0;
            let latency = (share(known) + step).clamp(1.0, LONGEST.as_micros() as f64);
            reputation.latency_us = Some(latency as u32);
            self.changed.insert(*id);
        }
    }

    /// What changed since this was last asked, to be kept.
    pub fn take_changes(&mut self) -> Vec<(NodeId, Reputation)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.filter_map(|id| Some((id, self.of(&id)?))).collect()
    }

    fn entry(&mut self, id: NodeId, now_unix: u64) -> &mut Reputation {
        if self.known.len() >= MAX_NODES && !self.known.contains_key(&id) {
            self.make_room();
        }
        self.known
            .entry(id)
            .or_insert_with(|| Reputation::unknown(now_unix))
    }

    /// Forgets the eighth that was seen longest ago.
    fn make_room(&mut self) {
        let mut seen: Vec<(u64, NodeId)> = self
            .known
            .iter()
            .map(|(id, reputation)| (reputation.seen_unix, *id))
            .collect();
        seen.sort_unstable();
        for (_, id) in seen.into_iter().take(MAX_NODES / 8) {
            self.known.remove(&id);
            self.changed.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
