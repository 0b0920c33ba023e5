//! The few neighbors at which routes begin.
//!
//! The first Node of a route knows this machine's address. Were it drawn anew
//! for each flow, every flow would be another chance for an adversary's Node
//! to be first, and over weeks all neighbors would have been. So routes begin
//! at one of at most two guards, taken in order out of a list that outlives
//! the process. A guard whose link is down is skipped but keeps its place for
//! days; only when none of the first three is up is another one taken.
//! Time and randomness are arguments; who is up is the caller's to say.

use std::collections::HashMap;

use rand::Rng;

use crate::identity::NodeId;

/// The most guards at which routes begin at one time.
pub const IN_USE: usize = 2;
/// The guards that are waited for before another neighbor is taken.
pub const PRIMARY: usize = 3;
/// The longest list that is kept.
pub const MAX_GUARDS: usize = 16;
/// A guard serves 60 to 90 days, drawn when it is taken.
pub const LIFETIME: std::ops::Range<u64> = 60 * DAY..90 * DAY;
/// A guard that was down for so long has lost its place.
pub const DOWN: u64 = 14 * DAY;

const DAY: u64 = 24 * 3_600;
/// After so many failed circuits in a row a guard is no better than one that is down.
const STREAK: u32 = 16;
/// How long it is skipped then, in seconds.
const REST: u64 = 600;

/// A neighbor at which routes may begin. The order of the list is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Whose link it is.
    pub id: NodeId,
    /// When it was taken, unix seconds.
    pub added_unix: u64,
    /// When it is given up, unix seconds.
    pub expires_unix: u64,
    /// Since when it has no link that is up, unix seconds.
    pub down_since_unix: Option<u64>,
}

/// The list of guards.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    list: Vec<Guard>,
    changed: bool,
    /// Failed circuits in a row and the time of the last one; not kept.
    streaks: HashMap<NodeId, (u32, u64)>,
}

impl Guards {
    /// The list as it was kept; what no Node would have written is put right.
    pub fn restore(list: Vec<Guard>, now_unix: u64) -> Guards {
        let mut guards = Guards::default();
        for mut guard in list.into_iter().take(MAX_GUARDS) {
            let latest = now_unix.saturating_add(LIFETIME.end);
            guard.expires_unix = guard.expires_unix.min(latest);
            if !guards.contains(&guard.id) {
                guards.list.push(guard);
            }
        }
        guards
    }

    /// The list to keep, the most preferred first.
    pub fn snapshot(&self) -> Vec<Guard> {
        self.list.clone()
    }

    /// The list to keep, if it changed since it was last asked for.
    pub fn take_changes(&mut self) -> Option<Vec<Guard>> {
        std::mem::take(&mut self.changed).then(|| self.snapshot())
    }

    /// The guards at which routes begin now; none only if no neighbor is up.
    ///
    /// `up` are the neighbors with a link that is up and that may be first.
    pub fn choose(&mut self, up: &[NodeId], now_unix: u64, rng: &mut impl Rng) -> Vec<NodeId> {
        self.age(up, now_unix);
        let usable = |guards: &Guards, guard: &Guard| {
            guard.down_since_unix.is_none() && !guards.rests(&guard.id, now_unix)
        };
        let mut in_use: Vec<NodeId> = self
            .list
            .iter()
            .take(PRIMARY)
            .filter(|guard| usable(self, guard))
            .map(|guard| guard.id)
            .take(IN_USE)
            .collect();
        while in_use.len() < IN_USE && self.list.len() < PRIMARY {
            let Some(id) = self.take_one(up, now_unix, rng) else {
                break;
            };
            in_use.push(id);
        }
        if in_use.is_empty() {
            let mut later = self.list.iter().skip(PRIMARY);
            let next = later.find(|guard| usable(self, guard));
            in_use.extend(next.map(|guard| guard.id));
        }
        if in_use.is_empty() {
            in_use.extend(self.take_one(up, now_unix, rng));
        }
        if in_use.is_empty() {
            let up = self.list.iter().filter(|one| one.down_since_unix.is_none());
            in_use.extend(up.map(|guard| guard.id).take(IN_USE));
        }
        in_use
    }

    /// A circuit that began here opened.
    pub fn served(&mut self, id: &NodeId) {
        self.streaks.remove(id);
    }

    /// A circuit that began here did not open, and nobody else confessed to it.
    pub fn failed(&mut self, id: &NodeId, now_unix: u64) {
        if self.contains(id) {
            let streak = self.streaks.entry(*id).or_default();
            *streak = (streak.0.saturating_add(1), now_unix);
        }
    }

    fn contains(&self, id: &NodeId) -> bool {
        self.list.iter().any(|guard| guard.id == *id)
    }

    fn rests(&self, id: &NodeId, now_unix: u64) -> bool {
        self.streaks
            .get(id)
            .is_some_and(|(count, last)| *count >= STREAK && now_unix.abs_diff(*last) < REST)
    }

    /// Notes who is up, and drops those whose time is over.
    fn age(&mut self, up: &[NodeId], now_unix: u64) {
        for guard in &mut self.list {
            let down = (!up.contains(&guard.id))
                .then(|| guard.down_since_unix.unwrap_or(now_unix).min(now_unix));
            self.changed |= guard.down_since_unix != down;
            guard.down_since_unix = down;
        }
        let before = self.list.len();
        self.list.retain(|guard| {
            let down = guard
                .down_since_unix
                .map_or(0, |since| now_unix.saturating_sub(since));
            guard.expires_unix > now_unix && down < DOWN
        });
        if self.list.len() != before {
            self.changed = true;
            let list = &self.list;
            self.streaks
                .retain(|id, _| list.iter().any(|guard| guard.id == *id));
        }
    }

    /// Appends a neighbor that is not on the list yet.
    fn take_one(&mut self, up: &[NodeId], now_unix: u64, rng: &mut impl Rng) -> Option<NodeId> {
        let fresh: Vec<&NodeId> = up.iter().filter(|id| !self.contains(id)).collect();
        if fresh.is_empty() {
            return None;
        }
        let id = *fresh[rng.random_range(0..fresh.len())];
        if self.list.len() >= MAX_GUARDS {
            self.list.pop();
        }
        self.list.push(Guard {
            id,
            added_unix: now_unix,
            expires_unix: now_unix.saturating_add(rng.random_range(LIFETIME)),
            down_since_unix: None,
        });
        self.changed = true;
        Some(id)
    }
}

#[cfg(test)]
mod tests;
