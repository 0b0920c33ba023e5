//! Which exits could not resolve which names, for a while.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::destination::HostName;
use crate::identity::NodeId;

/// The most names that are remembered; the oldest go first.
pub const MAX_NAMES: usize = 512;
/// The most exits that are remembered for one name.
pub const MAX_EXITS: usize = 8;
/// How long an exit is avoided for a name.
pub const AVOIDED: Duration = Duration::from_secs(10 * 60);

/// Exits by the names that they could not resolve.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    names: HashMap<HostName, VecDeque<(NodeId, Instant)>>,
    /// In the order in which they came.
    order: VecDeque<HostName>,
}

impl Unresolved {
    pub(super) fn note(&mut self, name: &HostName, exit: NodeId, now: Instant) {
        let exits = match self.names.get_mut(name) {
            Some(exits) => exits,
            None => {
                if self.order.len() >= MAX_NAMES
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.names.remove(&oldest);
                }
                self.order.push_back(name.clone());
                self.names.entry(name.clone()).or_default()
            }
        };
        exits.retain(|(known, _)| *known != exit);
        if exits.len() >= MAX_EXITS {
            exits.pop_front();
        }
        exits.push_back((exit, now));
    }

    pub(super) fn forget(&mut self, name: &HostName, exit: &NodeId) {
        if let Some(exits) = self.names.get_mut(name) {
            exits.retain(|(known, _)| known != exit);
        }
    }

    /// How many names this exit is avoided for.
    pub(super) fn names_of(&self, exit: &NodeId, now: Instant) -> usize {
        let names = self.names.keys();
        names
            .filter(|name| self.exits(name, now).any(|other| other == *exit))
            .count()
    }

    pub(super) fn exits(&self, name: &HostName, now: Instant) -> impl Iterator<Item = NodeId> {
        let exits = self.names.get(name).into_iter().flatten();
        exits
            .filter(move |(_, at)| now.saturating_duration_since(*at) < AVOIDED)
            .map(|(exit, _)| *exit)
    }
}
