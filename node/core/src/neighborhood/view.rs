//! The part of the mesh that a Node keeps: records within some links of itself (W-9.3).
//!
//! Distance counts links that both ends have signed, never what a neighbor claims. It is computed
//! when asked for, for all changes since the last time at once, along links that are found once,
//! when a record comes. What no chain of links joins to this Node waits for a while, in limited
//! number, and is forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::Limits;
use hash::IdHash;

mod hash;

/// The distance of what no chain of links reaches.
pub(super) const FAR: u8 = u8::MAX;

/// Versions of one Node that are taken at once; then one every [`UPDATE_SECONDS`].
const UPDATES: u8 = 32;
const UPDATE_SECONDS: u32 = 3;

pub(super) struct View {
    places: HashMap<NodeId, usize, IdHash>,
    /// By place; nothing where one was forgotten.
    entries: Vec<Option<Entry>>,
    vacant: Vec<usize>,
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
    /// The places of those that it names and that name it.
    links: Vec<usize>,
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
            places: HashMap::with_hasher(IdHash(seed)),
            entries: Vec::new(),
            vacant: Vec::new(),
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
        self.places.len()
    }

    fn entry(&self, id: &NodeId) -> Option<&Entry> {
        self.entries[*self.places.get(id)?].as_ref()
    }

    fn entry_mut(&mut self, id: &NodeId) -> Option<&mut Entry> {
        self.entries[*self.places.get(id)?].as_mut()
    }

    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Arc<NodeRecord>> {
        self.entry(id).map(|entry| &entry.record)
    }

    pub(super) fn version(&self, id: &NodeId) -> Option<u64> {
        self.get(id).map(|record| record.version())
    }

    pub(super) fn is_connected(&self, id: &NodeId) -> bool {
        self.entry(id).is_some_and(|entry| entry.distance != FAR)
    }

    /// Whether some record of the view is like that.
    pub(super) fn any_connected(&self, like: impl Fn(&NodeRecord) -> bool) -> bool {
        let mut connected = self.all().filter(|entry| entry.distance != FAR);
        connected.any(|entry| like(&entry.record))
    }

    /// The version that the neighbor in this slot is to be told of: it does not have it, and the
    /// distance of its owner makes it concern neighbors, too.
    pub(super) fn news_for(&self, slot: Option<u8>, id: &NodeId) -> Option<u64> {
        let known_by = slot.map_or(0, bit);
        self.entry(id)
            .filter(|entry| entry.distance < self.radius && entry.known_by & known_by == 0)
            .map(|entry| entry.record.version())
    }

    /// Notes that the neighbor has this version or a higher one; the version that is known here.
    pub(super) fn note_known(&mut self, id: &NodeId, version: u64, slot: u8) -> Option<u64> {
        let entry = self.entry_mut(id)?;
        let known = entry.record.version();
        if known <= version {
            entry.known_by |= bit(slot);
        }
        Some(known)
    }

    /// A slot has a new neighbor, or one that may have forgotten everything.
    pub(super) fn clear_slot(&mut self, slot: u8) {
        for entry in self.entries.iter_mut().flatten() {
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
            .all()
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
        let source = source.unwrap_or(u8::MAX);
        let id = record.id();
        let place = match self.places.get(&id) {
            Some(place) => *place,
            None => {
                let entry = Entry {
                    record,
                    links: Vec::new(),
                    known_by,
                    source,
                    distance: FAR,
                    next: FAR,
                    updates: UPDATES,
                    changed: true,
                    updated: seconds,
                    since: seconds,
                };
                self.add(id, entry);
                self.dirty = true;
                return Insertion::New;
            }
        };
        let Some(entry) = &mut self.entries[place] else {
            return Insertion::Old;
        };
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
        let same_links = record.neighbors() == entry.record.neighbors();
        entry.record = record;
        entry.known_by = known_by;
        entry.source = source;
        entry.changed = true;
        if !same_links {
            self.unlink(place);
            self.link(place, &id);
        }
        self.dirty = true;
        Insertion::New
    }

    fn add(&mut self, id: NodeId, entry: Entry) {
        let place = match self.vacant.pop() {
            Some(place) => {
                self.entries[place] = Some(entry);
                place
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
        };
        self.places.insert(id, place);
        self.link(place, &id);
    }

    fn remove(&mut self, place: usize) -> Option<Entry> {
        self.unlink(place);
        let entry = self.entries[place].take()?;
        self.places.remove(&entry.record.id());
        self.vacant.push(place);
        Some(entry)
    }

    /// Finds with whom the record in this place is linked.
    fn link(&mut self, place: usize, id: &NodeId) {
        let Some(record) = self.entries[place].as_ref().map(|entry| &entry.record) else {
            return;
        };
        let mut links = Vec::with_capacity(record.neighbors().len());
        for neighbor in record.neighbors() {
            let Some(other) = self.places.get(neighbor).copied() else {
                continue;
            };
            let other_record = self.entries[other].as_ref().map(|entry| &entry.record);
            if other != place && other_record.is_some_and(|other| names(other, id)) {
                links.push(other);
            }
        }
        for other in &links {
            if let Some(other) = &mut self.entries[*other] {
                other.links.push(place);
            }
        }
        if let Some(entry) = &mut self.entries[place] {
            entry.links = links;
        }
    }

    fn unlink(&mut self, place: usize) {
        let links = self.entries[place].as_mut();
        let links = links.map(|entry| std::mem::take(&mut entry.links));
        for other in links.unwrap_or_default() {
            if let Some(other) = &mut self.entries[other] {
                other.links.retain(|link| *link != place);
            }
        }
    }

    /// Whether everything that links lead to is within the radius: the mesh is small, or this is
    /// a part of it that lost the rest.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether so much waits for a connection that the view should be computed first.
    pub(super) fn is_crowded(&self) -> bool {
        self.places.len() - self.connected > self.unconnected
    }

    /// Whether anything changed since the last computation.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Drops records older than this version; they are forgotten by the next computation.
    pub(super) fn expire(&mut self, oldest: u64) -> Vec<NodeId> {
        let old = |entry: &Entry| entry.record.version() < oldest;
        let mut gone = Vec::new();
        for place in 0..self.entries.len() {
            if self.entries[place].as_ref().is_some_and(old)
                && let Some(entry) = self.remove(place)
                && entry.distance != FAR
            {
                gone.push(entry.record.id());
            }
        }
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
        for entry in self.entries.iter_mut().flatten() {
            entry.next = FAR;
        }
        let mut reached = Vec::with_capacity(self.connected + 8);
        for id in circle {
            if let Some(place) = self.places.get(&id).copied()
                && let Some(entry) = &mut self.entries[place]
                && own.is_none_or(|own| names(&entry.record, own))
            {
                entry.next = 1;
                reached.push(place);
            }
        }
        let mut next = 0;
        while let Some(place) = reached.get(next).copied() {
            next += 1;
            let Some(entry) = &mut self.entries[place] else {
                continue;
            };
            let distance = entry.next;
            if distance >= self.radius {
                break;
            }
            let links = std::mem::take(&mut entry.links);
            for other in &links {
                if reached.len() >= self.records {
                    break;
                }
                if let Some(entry) = &mut self.entries[*other]
                    && entry.next == FAR
                {
                    entry.next = distance + 1;
                    reached.push(*other);
                }
            }
            if let Some(entry) = &mut self.entries[place] {
                entry.links = links;
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
        let near = |entry: &Entry| entry.next != FAR;
        let leads_out = |entry: &Entry| {
            let mut links = entry.links.iter();
            if !links.all(|place| self.entries[*place].as_ref().is_some_and(near)) {
                return true;
            }
            // Most often all that it names are linked with it, and none needs to be looked up.
            let named = entry.record.neighbors();
            named.len() > entry.links.len()
                && named
                    .iter()
                    .any(|id| own != Some(id) && !self.entry(id).is_some_and(near))
        };
        let mut farthest = self.all().filter(|entry| entry.next == self.radius);
        !farthest.any(leads_out)
    }

    /// Takes the new distances, and tells what they change.
    fn compare(&mut self, now: Instant) -> Settled {
        let mut settled = Settled::default();
        let seconds = self.seconds(now);
        let life = u32::try_from(self.unconnected_for.as_secs()).unwrap_or(u32::MAX);
        let mut oldest = None;
        let radius = self.radius;
        for place in 0..self.entries.len() {
            let Some(entry) = &mut self.entries[place] else {
                continue;
            };
            let (before, after) = (entry.distance, entry.next);
            entry.distance = after;
            if after == FAR {
                if before != FAR {
                    settled.forgotten.push(entry.record.id());
                    entry.since = seconds;
                    entry.source = u8::MAX;
                }
                if seconds.saturating_sub(entry.since) >= life {
                    count(&mut settled.useless, entry.source);
                    self.remove(place);
                    continue;
                }
                oldest = Some(oldest.map_or(entry.since, |oldest: u32| oldest.min(entry.since)));
                continue;
            }
            if entry.changed || before == FAR {
                settled.learned.push(entry.record.clone());
            }
            let was_near = before < radius;
            if after < radius && (entry.changed || !was_near) {
                settled.news.push(entry.record.id());
            }
            entry.changed = false;
        }
        settled.forget_at = oldest
            .map(|since| self.born + Duration::from_secs(u64::from(since)) + self.unconnected_for);
        settled
    }

    fn limit_unconnected(&mut self, settled: &mut Settled) {
        let waiting = self.places.len() - self.connected;
        let Some(excess @ 1..) = waiting.checked_sub(self.unconnected) else {
            return;
        };
        let mut waiting: Vec<_> = self
            .all()
            .filter(|entry| entry.distance == FAR)
            .map(|entry| (entry.since, entry.record.id()))
            .collect();
        waiting.sort_unstable();
        for (_, id) in waiting.into_iter().take(excess) {
            let place = self.places.get(&id).copied();
            if let Some(entry) = place.and_then(|place| self.remove(place)) {
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
