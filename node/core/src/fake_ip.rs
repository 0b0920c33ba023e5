//! Addresses that stand for names.
//!
//! A captured app asks for a name and gets an address of ours; when it connects
//! there, the address leads back to the name, and the exit resolves the real
//! one. One entry has both an IPv4 address of 198.18.0.0/15 (RFC 2544, never
//! routed) and an IPv6 address of fd6d:6173:71::/64 (RFC 4193, a range of our
//! own) whose low 32 bits are the IPv4 one. The map is bounded: the name unused
//! for longest makes room, but never one that a flow holds or that was answered
//! within [`KEEP`], and its addresses rest until all others had their turn.
//! An address that was forgotten has no name: the caller refuses it at once.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::destination::HostName;

mod order;
mod snapshot;

use order::{NONE, Order};
pub use snapshot::{MAX_SNAPSHOT, Restored};

/// How long a name keeps its addresses after its last answer or flow, at least.
///
/// Six times the time-to-live of the answers, for apps that keep them longer.
pub const KEEP: Duration = Duration::from_secs(60);

/// The most names at once: 10 MB, 162 bytes a name of 23.
pub const MAX_NAMES: usize = 65_536;

const V4_BASE: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const V4_SIZE: u32 = 1 << 17;
/// The first 256 addresses are free for the TUN's own use.
const RESERVED: u32 = 256;
/// All but the reserved ones and the last, a broadcast address to some apps.
const POOL: u32 = V4_SIZE - RESERVED - 1;
const V6_PREFIX: [u16; 4] = [0xfd6d, 0x6173, 0x0071, 0];

/// Both addresses of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FakePair {
    /// The answer to an A query.
    pub v4: Ipv4Addr,
    /// The answer to an AAAA query.
    pub v6: Ipv6Addr,
}

/// Every name holds its addresses for a flow or a fresh answer, so none is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {0} names are in use")]
pub struct Full(pub usize);

/// The bounded map between names and fake addresses.
#[derive(Debug)]
pub struct FakeIps {
    capacity: usize,
    epoch: Instant,
    entries: Vec<Entry>,
    order: Order,
    by_name: HashMap<HostName, u32>,
    by_offset: HashMap<u32, u32>,
    cursor: u32,
    untouched: u32,
    resting: VecDeque<u32>,
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    name: HostName,
    offset: u32,
    pins: u32,
    used: u32,
}

/// The two ranges, each as its first address and the length of its prefix in bits.
pub fn ranges() -> [(IpAddr, u8); 2] {
    let [p, q, r, s] = V6_PREFIX;
    [
        (IpAddr::V4(Ipv4Addr::from(V4_BASE)), 15),
        (IpAddr::V6(Ipv6Addr::new(p, q, r, s, 0, 0, 0, 0)), 64),
    ]
}

/// Whether an address lies in one of the two ranges, whether or not it has a name.
pub fn is_fake(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => u32::from(address) & !(V4_SIZE - 1) == V4_BASE,
        IpAddr::V6(address) => address.segments()[..4] == V6_PREFIX,
    }
}

impl FakeIps {
    /// A map of at most `capacity` names (1 to [`MAX_NAMES`]).
    ///
    /// `start` says where in the range to begin: a random number makes it
    /// unlikely that an address which an app kept from a lost map leads to
    /// another name.
    pub fn new(capacity: usize, start: u32, now: Instant) -> FakeIps {
        FakeIps {
            capacity: capacity.clamp(1, MAX_NAMES),
            epoch: now,
            entries: Vec::new(),
            order: Order::default(),
            by_name: HashMap::new(),
            by_offset: HashMap::new(),
            cursor: start % POOL,
            untouched: POOL,
            resting: VecDeque::new(),
            changes: 0,
        }
    }

    /// The addresses of a name, which it gets if it has none.
    pub fn assign(&mut self, name: &HostName, now: Instant) -> Result<FakePair, Full> {
        if let Some(&slot) = self.by_name.get(name) {
            self.touch(slot, now);
            return Ok(pair_of(self.entries[slot as usize].offset));
        }
        let slot = self.free_slot(now).ok_or(Full(self.capacity))?;
        let offset = self.next_offset().ok_or(Full(self.capacity))?;
        self.fill(slot, name.clone(), offset, now);
        Ok(pair_of(offset))
    }

    /// The addresses that a name has, if it has any; asking keeps them no longer.
    pub fn pair_of(&self, name: &HostName) -> Option<FakePair> {
        let slot = *self.by_name.get(name)?;
        Some(pair_of(self.entries[slot as usize].offset))
    }

    /// The name that an address stands for; `None` when it is forgotten or not ours.
    pub fn name_of(&self, address: IpAddr) -> Option<&HostName> {
        Some(&self.entries[self.slot_of(address)? as usize].name)
    }

    /// The name of an address, which a flow from here on holds until [`FakeIps::unpin`].
    pub fn pin(&mut self, address: IpAddr, now: Instant) -> Option<HostName> {
        let slot = self.slot_of(address)?;
        let used = self.seconds(now);
        let entry = &mut self.entries[slot as usize];
        if entry.pins == 0 {
            self.order.remove(slot);
        }
        entry.pins += 1;
        entry.used = used;
        Some(entry.name.clone())
    }

    /// Ends one hold of [`FakeIps::pin`]; more calls than holds change nothing.
    pub fn unpin(&mut self, address: IpAddr, now: Instant) {
        let Some(slot) = self.slot_of(address) else {
            return;
        };
        let used = self.seconds(now);
        let entry = &mut self.entries[slot as usize];
        match entry.pins {
            0 => return,
            1 => self.order.push_newest(slot),
            _ => {}
        }
        entry.pins -= 1;
        entry.used = used;
    }

    /// How many names have addresses.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether no name has addresses.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Grows by one with each new name: a snapshot is due when it has moved.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn slot_of(&self, address: IpAddr) -> Option<u32> {
        self.by_offset.get(&offset_of(address)?).copied()
    }

    fn touch(&mut self, slot: u32, now: Instant) {
        let used = self.seconds(now);
        let entry = &mut self.entries[slot as usize];
        entry.used = used;
        if entry.pins == 0 {
            self.order.remove(slot);
            self.order.push_newest(slot);
        }
    }

    /// A slot for a new name; an old name has left it.
    fn free_slot(&mut self, now: Instant) -> Option<u32> {
        if self.entries.len() < self.capacity {
            return u32::try_from(self.entries.len()).ok();
        }
        let oldest = self.order.oldest();
        if oldest == NONE {
            return None;
        }
        let entry = &self.entries[oldest as usize];
        let rested = self.seconds(now).saturating_sub(entry.used);
        if u64::from(rested) < KEEP.as_secs() {
            return None;
        }
        self.order.remove(oldest);
        self.by_name.remove(&entry.name);
        self.by_offset.remove(&entry.offset);
        self.resting.push_back(entry.offset);
        Some(oldest)
    }

    /// Addresses never used come first, then the one given up longest ago.
    fn next_offset(&mut self) -> Option<u32> {
        while self.untouched > 0 {
            let offset = self.cursor;
            self.cursor = (self.cursor + 1) % POOL;
            self.untouched -= 1;
            if !self.by_offset.contains_key(&offset) {
                return Some(offset);
            }
        }
        // A restored offset can rest here and be met by the cursor as well.
        while let Some(offset) = self.resting.pop_front() {
            if !self.by_offset.contains_key(&offset) {
                return Some(offset);
            }
        }
        None
    }

    fn fill(&mut self, slot: u32, name: HostName, offset: u32, now: Instant) {
        self.by_name.insert(name.clone(), slot);
        self.by_offset.insert(offset, slot);
        let entry = Entry {
            name,
            offset,
            pins: 0,
            used: self.seconds(now),
        };
        match self.entries.get_mut(slot as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.order.push_newest(slot);
        self.changes += 1;
    }

    fn seconds(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.epoch).as_secs();
        u32::try_from(elapsed).unwrap_or(u32::MAX)
    }
}

fn pair_of(offset: u32) -> FakePair {
    let v4 = Ipv4Addr::from(V4_BASE + RESERVED + offset);
    let [a, b, c, d] = v4.octets().map(u16::from);
    let [p, q, r, s] = V6_PREFIX;
    FakePair {
        v4,
        v6: Ipv6Addr::new(p, q, r, s, 0, 0, a << 8 | b, c << 8 | d),
    }
}

fn offset_of(address: IpAddr) -> Option<u32> {
    let v4 = match address.to_canonical() {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => {
            let [p, q, r, s, 0, 0, high, low] = v6.segments() else {
                return None;
            };
            if [p, q, r, s] != V6_PREFIX {
                return None;
            }
            Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
        }
    };
    let offset = u32::from(v4).checked_sub(V4_BASE + RESERVED)?;
    (offset < POOL).then_some(offset)
}

#[cfg(test)]
mod tests;
