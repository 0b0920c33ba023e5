//! Sealing values with a key from a password: Argon2id, then AES-256-GCM with the value's name
//! as associated data, so that no value can be put in another's place. Decides nothing and
//! stores nothing.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use masq_core::random::{Rng, SystemRandom};
use masq_core::secret::Secret;
use std::fmt;
use zeroize::Zeroizing;

const NONCE: usize = 12;
const SALT: usize = 16;
/// More memory than this, in KiB, is no cost that anybody wrote: 1 GiB.
const MOST_MEMORY: u32 = 1 << 20;
const MOST_PASSES: u32 = 100;
const MOST_LANES: u32 = 16;

/// What one try of a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// In KiB.
    pub memory_kib: u32,
    /// How often the memory is gone through.
    pub passes: u32,
    /// How many parts of the memory can be worked on at once.
    pub lanes: u32,
}

impl Cost {
    /// What is written: 19 MiB and two passes, the least that OWASP's Password Storage Cheat
    /// Sheet takes for enough; some 50 ms.
    pub const USUAL: Cost = Cost {
        memory_kib: 19 * 1_024,
        passes: 2,
        lanes: 1,
    };
    /// As little as there can be; for tests.
    pub const LEAST: Cost = Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
}

/// How a key is made from a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) cost: Cost,
    pub(super) salt: Vec<u8>,
}

impl Recipe {
    pub(super) fn new(cost: Cost) -> Self {
        let mut salt = vec![0; SALT];
        SystemRandom.fill_bytes(&mut salt);
        Recipe { cost, salt }
    }

    /// The key; none when the recipe is none that this program would write.
    pub(super) fn key(&self, password: &Secret) -> Option<Key> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        if memory_kib > MOST_MEMORY || passes > MOST_PASSES || lanes > MOST_LANES {
            return None;
        }
        let params = Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.expose().as_bytes(), &self.salt, key.as_mut_slice())
            .ok()?;
        Some(Key(Aes256Gcm::new(&(*key).into())))
    }
}

/// The key of the secrets. It is zeroed when it is dropped.
pub struct Key(Aes256Gcm);

impl Key {
    pub(super) fn seal(&self, name: &str, text: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        SystemRandom.fill_bytes(&mut nonce);
        let payload = Payload {
            msg: text.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .expect("a text is shorter than 64 GiB");
        [&nonce, sealed.as_slice()].concat()
    }

    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let bytes = Zeroizing::new(self.0.decrypt(&Nonce::from(*nonce), payload).ok()?);
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(Secret::new(text.to_owned()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(password: &str, recipe: &Recipe) -> Key {
        recipe.key(&Secret::new(password.to_owned())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_password_only() {
        let recipe = Recipe::new(Cost::LEAST);
        let sealed = key("one", &recipe).seal("name", "text");
        let open = |password, recipe: &_, name, sealed: &[u8]| {
            let opened = key(password, recipe).open(name, sealed);
            opened.map(|text| text.expose().to_owned())
        };
        assert_eq!(
            open("one", &recipe, "name", &sealed).as_deref(),
            Some("text")
        );
        assert_eq!(open("two", &recipe, "name", &sealed), None);
        assert_eq!(
            open("one", &Recipe::new(Cost::LEAST), "name", &sealed),
            None
        );
        assert_eq!(open("one", &recipe, "other", &sealed), None);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(open("one", &recipe, "name", &changed), None, "{index}");
            assert_eq!(open("one", &recipe, "name", &sealed[..index]), None);
        }
        assert!(key("one", &recipe).seal("name", "text") != sealed);
    }

    #[test]
    fn a_recipe_that_nobody_wrote_gives_no_key() {
        let password = Secret::new("one".to_owned());
        for (memory_kib, passes, lanes) in [
            (u32::MAX, 1, 1),
            (8, u32::MAX, 1),
            (8, 1, u32::MAX),
            (0, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
        ] {
            let mut recipe = Recipe::new(Cost {
                memory_kib,
                passes,
                lanes,
            });
            assert!(recipe.key(&password).is_none());
            recipe.cost = Cost::LEAST;
            recipe.salt.truncate(4);
            assert!(recipe.key(&password).is_none(), "a salt is longer");
        }
    }
}
