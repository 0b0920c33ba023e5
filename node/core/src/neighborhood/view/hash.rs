//! A hash of ids.

use std::hash::{BuildHasher, Hasher};

/// Ids are keys, so a few of their bytes, mixed with a secret, are a hash; and the order of
/// iteration repeats with the seed.
#[derive(Clone, Copy)]
pub(super) struct IdHash(pub(super) u64);

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
