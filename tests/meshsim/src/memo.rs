//! Every record is verified once in the process, with the Node's own code; ten thousand Nodes that get the
//! same bytes share what came of it. Bytes that differ in one bit are verified for themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::chance::mix;
use masq_core::record::{NodeRecord, RecordError};

const SHARDS: usize = 64;

/// The table of all records that were met.
#[derive(Debug)]
pub struct Memo {
    shards: Vec<Mutex<Shard>>,
    verified: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<u128, Result<Weak<NodeRecord>, RecordError>>,
    sweep_at: usize,
}

impl Memo {
    /// An empty table.
    pub fn new() -> Memo {
        Memo {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            verified: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The record in these bytes, verified now or before.
    pub fn read(&self, bytes: &[u8]) -> Result<Arc<NodeRecord>, RecordError> {
        let key = key_of(bytes);
        let mut shard = self.shard(key);
        match shard.known.get(&key) {
            Some(Ok(weak)) => {
                if let Some(record) = weak.upgrade() {
                    return Ok(record);
                }
            }
            Some(Err(error)) => return Err(error.clone()),
            None => {}
        }
        let read = NodeRecord::from_bytes(bytes).map(Arc::new);
        match &read {
            Ok(_) => self.verified.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.refused.fetch_add(1, Ordering::Relaxed),
        };
        let kept = read.as_ref().map(Arc::downgrade).map_err(Clone::clone);
        shard.known.insert(key, kept);
        shard.sweep();
        read
    }

    /// How many records were verified and believed.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn shard(&self, key: u128) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(key % SHARDS as u128).expect("fewer shards than usize counts");
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fingerprint of all the bytes, and the end of the signature. Nobody in a simulation looks for two records
/// with the same one.
fn key_of(bytes: &[u8]) -> u128 {
    let (words, rest) = bytes.as_chunks::<8>();
    let all = words.iter().fold(bytes.len() as u64, |sum, word| {
        mix(sum ^ u64::from_le_bytes(*word))
    });
    let all = rest
        .iter()
        .fold(all, |sum, byte| mix(sum ^ u64::from(*byte)));
    let end = bytes.last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
    (u128::from(end) << 64) | u128::from(all)
}

impl Default for Memo {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    /// Drops what no Node holds any more, each time the table has doubled.
    fn sweep(&mut self) {
        if self.known.len() < self.sweep_at.max(256) {
            return;
        }
        self.known.retain(|_, kept| match kept {
            Ok(weak) => weak.strong_count() > 0,
            Err(_) => true,
        });
        self.sweep_at = 2 * self.known.len();
    }
}
