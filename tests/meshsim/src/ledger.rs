//! What every Node really signed. A record that some Node believes and that is not in here is a forgery
//! that was believed, whatever the signatures say. Kept only where somebody forges, or when asked for.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use masq_core::record::NodeRecord;

const SHARDS: usize = 64;

type Hashes = HashSet<[u8; 32]>;

/// The hashes of all records that were signed by their owners.
#[derive(Debug)]
pub(crate) struct Ledger {
    shards: Option<Vec<Mutex<Hashes>>>,
}

impl Ledger {
    pub(crate) fn new(kept: bool) -> Ledger {
        let shards = || (0..SHARDS).map(|_| Mutex::default()).collect();
        Ledger {
            shards: kept.then(shards),
        }
    }

    pub(crate) fn enter(&self, record: &NodeRecord) {
        if let Some((mut shard, hash)) = self.shard(record) {
            shard.insert(hash);
        }
    }

    /// Whether its owner signed it; true when no ledger is kept.
    pub(crate) fn holds(&self, record: &NodeRecord) -> bool {
        self.shard(record)
            .is_none_or(|(shard, hash)| shard.contains(&hash))
    }

    fn shard(&self, record: &NodeRecord) -> Option<(MutexGuard<'_, Hashes>, [u8; 32])> {
        let shards = self.shards.as_ref()?;
        let hash: [u8; 32] = blake3::hash(&record.to_bytes()).into();
        let shard = &shards[usize::from(hash[0]) % SHARDS];
        Some((shard.lock().unwrap_or_else(PoisonError::into_inner), hash))
    }
}
