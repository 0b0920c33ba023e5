//! Who a Node is (W-1): an Ed25519 key, whose public half is its id, and onion keys (X25519)
//! that it signs and rotates.
//!
//! Secrets are wiped when dropped and never printed. Randomness is an argument; whoever stores
//! the bytes of [`Identity::to_bytes`] keeps them readable by their owner only.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::onion::kem::KeyPair;
use crate::random::{self, CryptoRng};

/// A Node's id: its Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

/// The public half of an onion key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OnionPublicKey([u8; 32]);

/// When a key may be used: unix seconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: u64,
    not_after: u64,
}

/// The secret half of an onion key, with its validity.
#[derive(Clone)]
pub struct OnionSecret {
    pair: KeyPair,
    validity: Validity,
}

/// An onion key as others see it: signed by the Node it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedOnionKey {
    key: OnionPublicKey,
    validity: Validity,
    signature: [u8; 64],
}

/// A Node's secrets: the signing key and the onion keys in use.
pub struct Identity {
    signing: SigningKey,
    onion: Vec<OnionSecret>,
}

/// Why bytes or text are not a key or an identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The text of an id is not 43 characters of base64url.
    #[error(
        "\"{text}\" is not a Node id: give the 43 characters of base64url that the Node prints"
    )]
    Text {
        /// The text, cut to 64 characters.
        text: String,
    },
    /// The bytes end early, go on too long or do not match their checksum.
    #[error(
        "identity is damaged ({what}): restore it from a copy or make a new one with --new-identity"
    )]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// The validity ends before it begins.
    #[error(
        "onion key is valid until {not_after}, before it begins at {not_before} (unix seconds)"
    )]
    Validity {
        /// Begin, unix seconds.
        not_before: u64,
        /// End, unix seconds.
        not_after: u64,
    },
    /// The id is not a usable Ed25519 public key.
    #[error("{id} is not a usable Ed25519 key")]
    Key {
        /// The id.
        id: NodeId,
    },
    /// The signature does not belong to the key and the content.
    #[error("signature by {id} does not match")]
    Signature {
        /// Who should have signed.
        id: NodeId,
    },
}

impl NodeId {
    /// Takes the 32 bytes of an Ed25519 public key.
    pub const fn new(bytes: [u8; 32]) -> Self {
        NodeId(bytes)
    }

    /// The public key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight characters, for logs.
    pub fn short(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0[..6])
    }

    /// Checks a signature of this Node over `message`; strict in the sense of RFC 8032 with small
    /// orders refused.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), IdentityError> {
        let key =
            VerifyingKey::from_bytes(&self.0).map_err(|_| IdentityError::Key { id: *self })?;
        key.verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| IdentityError::Signature { id: *self })
    }
}

impl OnionPublicKey {
    /// Takes the 32 bytes of an X25519 public key.
    pub const fn new(bytes: [u8; 32]) -> Self {
        OnionPublicKey(bytes)
    }

    /// The public key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Validity {
    /// Takes begin and end in unix seconds.
    pub fn new(not_before: u64, not_after: u64) -> Result<Self, IdentityError> {
        if not_after < not_before {
            return Err(IdentityError::Validity {
                not_before,
                not_after,
            });
        }
        Ok(Validity {
            not_before,
            not_after,
        })
    }

    /// Begin, unix seconds.
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// End, unix seconds.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Whether the time lies within.
    pub fn contains(&self, now_unix: u64) -> bool {
        (self.not_before..=self.not_after).contains(&now_unix)
    }
}

impl OnionSecret {
    /// Makes a fresh key.
    pub fn generate(validity: Validity, rng: &mut impl CryptoRng) -> Self {
        OnionSecret {
            pair: KeyPair::generate(rng),
            validity,
        }
    }

    /// The public half.
    pub fn public(&self) -> OnionPublicKey {
        OnionPublicKey(*self.pair.public())
    }

    /// When it may be used.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether it still opens, or already opens, set-ups of originators whose clock differs.
    pub fn opens_at(&self, now_unix: u64) -> bool {
        let begin = self.validity.not_before.saturating_sub(GRACE);
        let end = self.validity.not_after.saturating_add(GRACE);
        (begin..=end).contains(&now_unix)
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }
}

impl SignedOnionKey {
    /// Joins the parts as they came from outside, believed only after [`Self::verify`].
    pub fn unverified(key: OnionPublicKey, validity: Validity, signature: [u8; 64]) -> Self {
        SignedOnionKey {
            key,
            validity,
            signature,
        }
    }

    /// The onion key.
    pub fn key(&self) -> OnionPublicKey {
        self.key
    }

    /// When it may be used.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The signature over key and validity.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Checks that the Node `id` signed it.
    pub fn verify(&self, id: &NodeId) -> Result<(), IdentityError> {
        id.verify(
            &onion_key_message(&self.key, &self.validity),
            &self.signature,
        )
    }
}

impl Identity {
    /// Makes a new Node: a fresh signing key and a first onion key.
    pub fn generate(validity: Validity, rng: &mut impl CryptoRng) -> Self {
        let seed = Zeroizing::new(random::array(rng));
        Identity {
            signing: SigningKey::from_bytes(&seed),
            onion: vec![OnionSecret::generate(validity, rng)],
        }
    }

    /// The public id.
    pub fn id(&self) -> NodeId {
        NodeId(self.signing.verifying_key().to_bytes())
    }

    /// Signs a message that begins with a domain tag of its own.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The signing key as PKCS #8 (RFC 8410), for the link's TLS certificate.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        // RFC 8410 section 7: a fixed prefix, then the seed.
        let mut document = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        document.extend_from_slice(&PKCS8_PREFIX);
        document.extend_from_slice(self.signing.as_bytes());
        document
    }

    /// The onion keys, newest first.
    pub fn onion_secrets(&self) -> &[OnionSecret] {
        &self.onion
    }

    /// The newest onion key, signed.
    pub fn signed_onion_key(&self) -> SignedOnionKey {
        let newest = self.onion.first().expect("an identity holds an onion key");
        SignedOnionKey {
            key: newest.public(),
            validity: newest.validity,
            signature: self.sign(&onion_key_message(&newest.public(), &newest.validity)),
        }
    }

    /// Adds a fresh onion key and drops those that open nothing any more.
    pub fn rotate(&mut self, validity: Validity, now_unix: u64, rng: &mut impl CryptoRng) {
        self.onion
            .retain(|secret| secret.validity.not_after.saturating_add(GRACE) >= now_unix);
        self.onion.truncate(MAX_ONION_KEYS - 1);
        self.onion.insert(0, OnionSecret::generate(validity, rng));
    }

    /// Writes all secrets, to be kept in a file that only its owner reads (W-1.4).
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = MAGIC.len() + 33 + self.onion.len() * ONION_LENGTH + CHECKSUM_LENGTH;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.signing.as_bytes());
        bytes.push(u8::try_from(self.onion.len()).expect("at most MAX_ONION_KEYS"));
        for secret in &self.onion {
            bytes.extend_from_slice(secret.pair.secret());
            bytes.extend_from_slice(&secret.validity.not_before.to_be_bytes());
            bytes.extend_from_slice(&secret.validity.not_after.to_be_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(&checksum.as_bytes()[..CHECKSUM_LENGTH]);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let damaged = |what| IdentityError::Damaged { what };
        let (content, checksum) = bytes
            .split_last_chunk::<CHECKSUM_LENGTH>()
            .ok_or(damaged("too short"))?;
        let rest = content
            .strip_prefix(MAGIC)
            .ok_or(damaged("not an identity file"))?;
        if blake3::hash(content).as_bytes()[..CHECKSUM_LENGTH] != checksum[..] {
            return Err(damaged("checksum"));
        }
        let (seed, rest) = rest.split_first_chunk().ok_or(damaged("too short"))?;
        let (&count, rest) = rest.split_first().ok_or(damaged("too short"))?;
        let count = usize::from(count);
        let (keys, []) = rest.as_chunks::<ONION_LENGTH>() else {
            return Err(damaged("length"));
        };
        if keys.len() != count || count == 0 || count > MAX_ONION_KEYS {
            return Err(damaged("number of onion keys"));
        }
        let onion = keys
            .iter()
            .map(|key| {
                let (secret, times) = key.split_first_chunk().ok_or(damaged("onion key"))?;
                let (not_before, not_after) =
                    times.split_first_chunk().ok_or(damaged("onion key"))?;
                let not_after = not_after.try_into().map_err(|_| damaged("onion key"))?;
                let validity = Validity::new(
                    u64::from_be_bytes(*not_before),
                    u64::from_be_bytes(not_after),
                )?;
                Ok(OnionSecret {
                    pair: KeyPair::new(*secret),
                    validity,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Identity {
            signing: SigningKey::from_bytes(seed),
            onion,
        })
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

impl FromStr for NodeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError::Text {
            text: text.chars().take(64).collect(),
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        Ok(NodeId(bytes.try_into().map_err(|_| refused())?))
    }
}

impl fmt::Debug for OnionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnionPublicKey({})", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for OnionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnionSecret")
            .field("public", &self.public())
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("id", &self.id())
            .field("onion", &self.onion)
            .finish_non_exhaustive()
    }
}

fn onion_key_message(key: &OnionPublicKey, validity: &Validity) -> Vec<u8> {
    let mut message = Vec::with_capacity(ONION_KEY_TAG.len() + 48);
    message.extend_from_slice(ONION_KEY_TAG);
    message.extend_from_slice(&key.0);
    message.extend_from_slice(&validity.not_before.to_be_bytes());
    message.extend_from_slice(&validity.not_after.to_be_bytes());
    message
}

const MAGIC: &[u8] = b"MASQ-ID\x01";
const ONION_LENGTH: usize = 48;
const CHECKSUM_LENGTH: usize = 8;
const ONION_KEY_TAG: &[u8] = b"masq-onion-key-v1\0";
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// How long before and after its validity an onion key opens, in seconds: the life of a set-up
/// and 90 s of clock difference.
const GRACE: u64 = 240;

/// Onion keys an identity holds at once: the current one, its predecessors still in use by those
/// who have not heard yet, and one to come.
pub const MAX_ONION_KEYS: usize = 4;

#[cfg(test)]
mod tests;
