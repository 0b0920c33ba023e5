//! Circuit set-up in one packet (W-3): the originator seals a block for each hop, each hop opens
//! the first block, strips it and passes on a packet of the same size.
//!
//! RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM; the keys of
//! the circuit come from the exporter of the same context. Wall-clock time and randomness are
//! arguments; what was opened is remembered in the caller's [`crate::replay::ReplayCache`].

use std::fmt;

use ctr::cipher::{KeyIvInit, StreamCipher};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;

use crate::identity::{NodeId, OnionPublicKey};

mod body;
mod build;
pub(crate) mod kem;
mod keys;
mod open;
#[cfg(test)]
mod tests;

pub use body::Payer;
pub use build::{BuildError, build};
pub use keys::{DatagramKeys, Directions, ExitKeys, OriginatorKeys, RelayKeys};
pub use open::{OnionError, Opened, open};

/// The largest number of hops: Nodes beyond the originator, the exit included.
pub const MAX_HOPS: usize = 6;

/// Bytes of a set-up packet, the same at every hop and for every number of hops.
pub const SETUP_LENGTH: usize = 1 + HEADER_LENGTH;

/// One Node of a path, as the originator sees it.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Who it is.
    pub id: NodeId,
    /// Its onion key, out of a verified record and within its validity.
    pub key: OnionPublicKey,
    /// What the payer shows this hop.
    pub payer: Payer,
}

/// A set-up packet of exactly [`SETUP_LENGTH`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Setup(Box<[u8; SETUP_LENGTH]>);

/// Bytes that are not a set-up packet for their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("set-up packet of {length} bytes, not {SETUP_LENGTH}")]
pub struct SetupLengthError {
    /// How many bytes there were.
    pub length: usize,
}

impl From<(NodeId, OnionPublicKey)> for Hop {
    fn from((id, key): (NodeId, OnionPublicKey)) -> Self {
        Hop {
            id,
            key,
            payer: Payer::default(),
        }
    }
}

impl Setup {
    fn new(header: &[u8; HEADER_LENGTH]) -> Self {
        let mut bytes = Box::new([0; SETUP_LENGTH]);
        bytes[0] = VERSION;
        bytes[1..].copy_from_slice(header);
        Setup(bytes)
    }

    /// The packet.
    pub fn as_bytes(&self) -> &[u8; SETUP_LENGTH] {
        &self.0
    }

    fn version(&self) -> u8 {
        self.0[0]
    }

    fn header(&self) -> &[u8; HEADER_LENGTH] {
        self.0
            .last_chunk()
            .expect("a set-up is a version and a header")
    }
}

impl TryFrom<&[u8]> for Setup {
    type Error = SetupLengthError;

    fn try_from(bytes: &[u8]) -> Result<Self, SetupLengthError> {
        let length = bytes.len();
        let bytes = bytes.try_into().map_err(|_| SetupLengthError { length })?;
        Ok(Setup(Box::new(bytes)))
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup(..)")
    }
}

/// XORs the header keystream of one hop (W-3.5) onto `bytes`, from its first byte.
fn apply_header_keystream(key: &[u8; 32], bytes: &mut [u8; HEADER_LENGTH]) {
    ctr::Ctr64BE::<aes::Aes256Enc>::new(key.into(), &[0; 16].into()).apply_keystream(bytes);
}

/// What HPKE binds to the protocol and to the Node that is meant to open the block (W-3.3).
fn info(id: &NodeId) -> [u8; INFO_TAG.len() + 32] {
    let mut info = [0; INFO_TAG.len() + 32];
    info[..INFO_TAG.len()].copy_from_slice(INFO_TAG);
    info[INFO_TAG.len()..].copy_from_slice(id.as_bytes());
    info
}

type Aead = AesGcm256;
type Kdf = HkdfSha256;
type Kem = kem::OnionKem;

const VERSION: u8 = 1;
const INFO_TAG: &[u8] = b"masq-circuit-v1";
const ENCAPSULATED_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;
const BLOCK_LENGTH: usize = ENCAPSULATED_LENGTH + body::LENGTH + TAG_LENGTH;
const HEADER_LENGTH: usize = MAX_HOPS * BLOCK_LENGTH;
const REST_LENGTH: usize = HEADER_LENGTH - BLOCK_LENGTH;

/// How long a set-up lives at least, in seconds; the expiry is rounded up to [`EXPIRY_STEP`].
const LIFETIME: u64 = 90;

/// Expiries are multiples of this many seconds, so that they do not tell one originator's clock
/// from another's.
const EXPIRY_STEP: u64 = 60;

/// The furthest in the future that a hop believes an expiry: what it has to remember is bounded
/// by it. Covers a full life plus 90 s of clock difference.
const MAX_AHEAD: u64 = 240;
