//! Randomness as an argument: the trait that key generation and circuit building take, and the
//! operating system's generator behind it. Tests pass a seeded generator of their own.

use std::convert::Infallible;

pub use hpke::rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has a random generator");
}

/// Makes an array of random bytes.
pub(crate) fn array<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A seeded generator for tests: the keystream of AES-256 in counter mode.
#[cfg(test)]
pub(crate) mod seeded {
    use super::*;
    use ctr::cipher::{KeyIvInit, StreamCipher};

    pub(crate) struct Seeded(ctr::Ctr64BE<aes::Aes256Enc>);

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&seed.to_le_bytes());
            Seeded(ctr::Ctr64BE::new(&key.into(), &[0; 16].into()))
        }
    }

    impl TryRng for Seeded {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(u32::from_le_bytes(array(self)))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(u64::from_le_bytes(array(self)))
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill(0);
            self.0.apply_keystream(bytes);
            Ok(())
        }
    }

    impl TryCryptoRng for Seeded {}
}
