//! Remembers the circuit set-ups a Node has opened, so that none is opened twice (W-3.8).
//!
//! A set-up names its own expiry and is refused after it, so an entry is kept until then and no
//! longer. Entries lie in buckets by expiry, and a bucket goes as a whole. When the cache is
//! full, new set-ups are refused: forgetting one that is still valid would let it be replayed.
//!
//! Memory: at most about 40 bytes an entry (16 of hash, one of control, in a table between 7/16
//! and 7/8 full), so 40 MB at the default capacity of 2^20.

use std::collections::{BTreeMap, HashSet};

use thiserror::Error;

/// What tells one set-up from another: a hash of its encapsulated key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

/// The bounded memory of opened set-ups.
#[derive(Debug)]
pub struct ReplayCache {
    capacity: usize,
    length: usize,
    buckets: BTreeMap<u64, HashSet<Fingerprint>>,
}

/// Why a set-up was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// The same set-up was opened before.
    #[error("set-up was opened before")]
    Replayed,
    /// There is no room to remember one more.
    #[error("replay cache is full, {capacity} set-ups are remembered")]
    Full {
        /// How many it holds.
        capacity: usize,
    },
}

impl Fingerprint {
    /// Hashes an encapsulated key.
    pub fn of(encapsulated: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(encapsulated).as_bytes()[..16]);
        Fingerprint(bytes)
    }
}

impl ReplayCache {
    /// Makes a cache of at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        ReplayCache {
            capacity,
            length: 0,
            buckets: BTreeMap::new(),
        }
    }

    /// Remembers a set-up until `expiry` (unix seconds), or says why not.
    pub fn admit(
        &mut self,
        fingerprint: Fingerprint,
        expiry: u64,
        now_unix: u64,
    ) -> Result<(), ReplayError> {
        self.forget_expired(now_unix);
        // The expiry is authenticated, so a replay looks into the bucket of its original.
        let known = self
            .buckets
            .get(&(expiry / BUCKET_SECONDS))
            .is_some_and(|bucket| bucket.contains(&fingerprint));
        if known {
            return Err(ReplayError::Replayed);
        }
        if self.length >= self.capacity {
            return Err(ReplayError::Full {
                capacity: self.capacity,
            });
        }
        self.buckets
            .entry(expiry / BUCKET_SECONDS)
            .or_default()
            .insert(fingerprint);
        self.length += 1;
        Ok(())
    }

    /// Number of set-ups remembered.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn forget_expired(&mut self, now_unix: u64) {
        while let Some(first) = self.buckets.first_entry()
            && (first.key() + 1) * BUCKET_SECONDS <= now_unix
        {
            self.length -= first.remove().len();
        }
    }
}

impl Default for ReplayCache {
    /// Room for 8,700 set-ups a second, sustained over their 120 s of life.
    fn default() -> Self {
        ReplayCache::new(1 << 20)
    }
}

const BUCKET_SECONDS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_up_is_admitted_once() {
        let mut cache = ReplayCache::new(10);
        let print = Fingerprint::of(b"a");
        assert_eq!(cache.admit(print, 1_100, 1_000), Ok(()));
        assert_eq!(
            cache.admit(print, 1_100, 1_100),
            Err(ReplayError::Replayed),
            "to the last second of its life"
        );
        assert_eq!(cache.admit(Fingerprint::of(b"b"), 1_100, 1_000), Ok(()));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_full_cache_refuses_until_something_expires() {
        let mut cache = ReplayCache::new(2);
        let prints = [b"a", b"b", b"c"].map(|name| Fingerprint::of(name));
        cache.admit(prints[0], 1_010, 1_000).unwrap();
        cache.admit(prints[1], 1_200, 1_000).unwrap();
        assert_eq!(
            cache.admit(prints[2], 1_200, 1_001),
            Err(ReplayError::Full { capacity: 2 })
        );
        assert_eq!(
            cache.admit(prints[1], 1_200, 1_001),
            Err(ReplayError::Replayed),
            "a full cache still knows what it holds"
        );
        assert_eq!(cache.admit(prints[2], 1_200, 1_050), Ok(()));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn what_expired_is_forgotten() {
        let mut cache = ReplayCache::new(1_000);
        for number in 0..1_000_u64 {
            let print = Fingerprint::of(&number.to_le_bytes());
            cache.admit(print, 2_000 + number % 100, 1_990).unwrap();
        }
        cache
            .admit(Fingerprint::of(b"later"), 9_000, 8_990)
            .unwrap();
        assert_eq!(cache.len(), 1);
    }
}
