//! The part of the mesh that a Node keeps: records within some links of itself (W-9.3).
//!
//! Distance counts links that both ends have signed, never what a neighbor claims. It is computed
//! when asked for, for all changes since the last time at once. What no chain of links joins to
//! this Node waits for a while, in limited number, and is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::Limits;

/// The distance of what no chain of links reaches.
pub(super) const FAR: u8 = u8::MAX;

/// Versions of one Node that are taken at once; then one every [`UPDATE_SECONDS`].
const UPDATES: u8 = 32;
const UPDATE_SECONDS: u32 = 3;

pub(super) struct View {
    entries: HashMap<NodeId, Entry, IdHash>,
    radius: u8,
    records: usize,
    unconnected: usize,
    unconnected_for: Duration,
    born: Instant,
    connected: usize,
    whole: bool,
    dirty: bool,
}

struct Entry {
    record: Arc<NodeRecord>,
    /// The slots of neighbors that have this version.
    known_by: u16,
    /// The slot of the neighbor it came from.
    source: u8,
    distance: u8,
    next: u8,
    updates: u8,
    changed: bool,
    /// Seconds since the start: of the last update, or since when it is not connected.
    updated: u32,
    since: u32,
}

/// What a computation of the view brought.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) learned: Vec<Arc<NodeRecord>>,
    pub(super) forgotten: Vec<NodeId>,
    /// What is new and near enough to concern neighbors.
    pub(super) news: Vec<NodeId>,
    /// The sources of records that were never connected to anything, with their number.
    pub(super) useless: Vec<(u8, u32)>,
    /// Records that had no room.
    pub(super) crowded_out: u64,
    /// When what is not connected is next forgotten.
    pub(super) forget_at: Option<Instant>,
}

/// What came of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insertion {
    /// It is kept.
    New,
    /// It is not newer than the known one.
    Old,
    /// Its owner signs more versions than anyone has to take.
    TooMany,
}

impl View {
    pub(super) fn new(radius: u8, limits: &Limits, born: Instant, seed: u64) -> Self {
        View {
            entries: HashMap::with_hasher(IdHash(seed)),
            radius: radius.clamp(1, FAR - 1),
            records: limits.records,
            unconnected: limits.unconnected,
            unconnected_for: limits.unconnected_for,
            born,
            connected: 0,
            whole: false,
            dirty: false,
        }
    }

    /// Records that a chain of links joins to this Node.
    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    /// All records held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Arc<NodeRecord>> {
        self.entries.get(id).map(|entry| &entry.record)
    }

    pub(super) fn version(&self, id: &NodeId) -> Option<u64> {
        self.get(id).map(|record| record.version())
    }

    pub(super) fn is_connected(&self, id: &NodeId) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.distance != FAR)
    }

    /// Whether some record of the view is like that.
    pub(super) fn any_connected(&self, like: impl Fn(&NodeRecord) -> bool) -> bool {
        let mut connected = self.entries.values().filter(|entry| entry.distance != FAR);
        connected.any(|entry| like(&entry.record))
    }

    /// Whether its distance makes it concern neighbors, too.
    pub(super) fn concerns_neighbors(&self, id: &NodeId) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.distance < self.radius)
    }

    pub(super) fn is_known_by(&self, id: &NodeId, slot: u8) -> bool {
        self.entries
            .get(id)
            .is_some_and(|entry| entry.known_by & bit(slot) != 0)
    }

    /// Notes that the neighbor has this version or a higher one.
    pub(super) fn note_known(&mut self, id: &NodeId, version: u64, slot: u8) {
        if let Some(entry) = self.entries.get_mut(id)
            && entry.record.version() <= version
        {
            entry.known_by |= bit(slot);
        }
    }

    /// A slot has a new neighbor, or one that may have forgotten everything.
    pub(super) fn clear_slot(&mut self, slot: u8) {
        for entry in self.entries.values_mut() {
            entry.known_by &= !bit(slot);
            if entry.source == slot {
                entry.source = u8::MAX;
            }
        }
    }

    /// Everything that concerns a neighbor, in ascending order.
    pub(super) fn digest(&self, except: &NodeId) -> Vec<(NodeId, u64)> {
        let near = |entry: &&Arc<NodeRecord>| entry.id() != *except;
        let mut list: Vec<_> = self
            .entries
            .values()
            .filter(|entry| entry.distance < self.radius)
            .map(|entry| &entry.record)
            .filter(near)
            .map(|record| (record.id(), record.version()))
            .collect();
        list.sort_unstable();
        list
    }

    /// Marks the near link changes that the next computation takes into account.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Takes a verified record that came from the neighbor in this slot.
    pub(super) fn insert(
        &mut self,
        record: Arc<NodeRecord>,
        source: Option<u8>,
        now: Instant,
    ) -> Insertion {
        let seconds = self.seconds(now);
        let known_by = source.map_or(0, bit);
        match self.entries.entry(record.id()) {
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                if record.version() <= entry.record.version() {
                    return Insertion::Old;
                }
                let refill = seconds.saturating_sub(entry.updated) / UPDATE_SECONDS;
                let refill = u8::try_from(refill).unwrap_or(u8::MAX);
                let updates = entry.updates.saturating_add(refill).min(UPDATES);
                if updates == 0 {
                    return Insertion::TooMany;
                }
                if refill > 0 {
                    entry.updated = seconds;
                }
                entry.updates = updates - 1;
                entry.record = record;
                entry.known_by = known_by;
                entry.source = source.unwrap_or(u8::MAX);
                entry.changed = true;
            }
            Place::Vacant(place) => {
                place.insert(Entry {
                    record,
                    known_by,
                    source: source.unwrap_or(u8::MAX),
                    distance: FAR,
                    next: FAR,
                    updates: UPDATES,
                    changed: true,
                    updated: seconds,
                    since: seconds,
                });
            }
        }
        self.dirty = true;
        Insertion::New
    }

    /// Whether everything that links lead to is within the radius: the mesh is small, or this is
    /// a part of it that lost the rest.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether so much waits for a connection that the view should be computed first.
    pub(super) fn is_crowded(&self) -> bool {
        self.entries.len() - self.connected > self.unconnected
    }

    /// Whether anything changed since the last computation.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Drops records older than this version; they are forgotten by the next computation.
    pub(super) fn expire(&mut self, oldest: u64) -> Vec<NodeId> {
        let mut gone = Vec::new();
        self.entries.retain(|id, entry| {
            let keep = entry.record.version() >= oldest;
            if !keep && entry.distance != FAR {
                gone.push(*id);
            }
            keep
        });
        self.connected -= gone.len();
        self.dirty |= !gone.is_empty();
        gone
    }

    /// Computes the distances from the neighbors in `circle`. A client is named by nobody, so for
    /// it (`own` is none) they count without naming it.
    pub(super) fn settle(
        &mut self,
        circle: impl Iterator<Item = NodeId>,
        own: Option<&NodeId>,
        now: Instant,
    ) -> Settled {
        self.dirty = false;
        for entry in self.entries.values_mut() {
            entry.next = FAR;
        }
        let mut reached = Vec::with_capacity(self.connected + 8);
        for id in circle {
            if let Some(entry) = self.entries.get_mut(&id)
                && own.is_none_or(|own| names(&entry.record, own))
            {
                entry.next = 1;
                reached.push(id);
            }
        }
        let mut place = 0;
        while let Some(id) = reached.get(place).copied() {
            place += 1;
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            let (distance, record) = (entry.next, entry.record.clone());
            if distance >= self.radius {
                break;
            }
            for neighbor in record.neighbors() {
                if reached.len() >= self.records {
                    break;
                }
                if let Some(entry) = self.entries.get_mut(neighbor)
                    && entry.next == FAR
                    && names(&entry.record, &id)
                {
                    entry.next = distance + 1;
                    reached.push(*neighbor);
                }
            }
        }
        self.connected = reached.len();
        self.whole = self.ends_within_the_radius(own);
        let mut settled = self.compare(now);
        self.limit_unconnected(&mut settled);
        settled
    }

    /// Whether no link leads from the farthest Nodes to one that is not in the view.
    fn ends_within_the_radius(&self, own: Option<&NodeId>) -> bool {
        let farthest = self
            .entries
            .values()
            .filter(|entry| entry.next == self.radius);
        farthest
            .flat_map(|entry| entry.record.neighbors())
            .filter(|id| own != Some(id))
            .all(|id| self.entries.get(id).is_some_and(|entry| entry.next != FAR))
    }

    /// Takes the new distances, and tells what they change.
    fn compare(&mut self, now: Instant) -> Settled {
        let mut settled = Settled::default();
        let seconds = self.seconds(now);
        let life = u32::try_from(self.unconnected_for.as_secs()).unwrap_or(u32::MAX);
        let mut oldest = None;
        let radius = self.radius;
        self.entries.retain(|id, entry| {
            let (before, after) = (entry.distance, entry.next);
            entry.distance = after;
            if after == FAR {
                if before != FAR {
                    settled.forgotten.push(*id);
                    entry.since = seconds;
                    entry.source = u8::MAX;
                }
                if seconds.saturating_sub(entry.since) >= life {
                    count(&mut settled.useless, entry.source);
                    return false;
                }
                oldest = Some(oldest.map_or(entry.since, |oldest: u32| oldest.min(entry.since)));
                return true;
            }
            if entry.changed || before == FAR {
                settled.learned.push(entry.record.clone());
            }
            let was_near = before < radius;
            if after < radius && (entry.changed || !was_near) {
                settled.news.push(*id);
            }
            entry.changed = false;
            true
        });
        settled.forget_at = oldest
            .map(|since| self.born + Duration::from_secs(u64::from(since)) + self.unconnected_for);
        settled
    }

    fn limit_unconnected(&mut self, settled: &mut Settled) {
        let Some(excess) = (self.entries.len() - self.connected).checked_sub(self.unconnected)
        else {
            return;
        };
        if excess == 0 {
            return;
        }
        let mut waiting: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.distance == FAR)
            .map(|(id, entry)| (entry.since, *id))
            .collect();
        waiting.sort_unstable();
        for (_, id) in waiting.into_iter().take(excess) {
            if let Some(entry) = self.entries.remove(&id) {
                count(&mut settled.useless, entry.source);
                settled.crowded_out += 1;
            }
        }
    }

    fn seconds(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.born).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

/// Whether a record names this Node as a neighbor.
pub(super) fn names(record: &NodeRecord, id: &NodeId) -> bool {
    record.neighbors().binary_search(id).is_ok()
}

fn count(list: &mut Vec<(u8, u32)>, source: u8) {
    if source == u8::MAX {
        return;
    }
    match list.iter_mut().find(|(slot, _)| *slot == source) {
        Some((_, count)) => *count += 1,
        None => list.push((source, 1)),
    }
}

fn bit(slot: u8) -> u16 {
    1_u16.checked_shl(u32::from(slot)).unwrap_or(0)
}

/// Ids are keys, so a few of their bytes, mixed with a secret, are a hash; and the order of
/// iteration repeats with the seed.
#[derive(Clone, Copy)]
struct IdHash(u64);

impl BuildHasher for IdHash {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for IdHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8).take(2) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ mixed >> 29;
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
