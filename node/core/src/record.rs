//! What a Node says about itself to the whole mesh (W-7): its onion key, what it does for others,
//! where it is and whom it is linked with; signed, and without any address.
//!
//! A [`NodeRecord`] is always verified: reading one checks its signatures before anything in it
//! is believed. The JSON form is one line of a nodes file; the canonical bytes are what is signed.

use std::fmt;

use thiserror::Error;

use crate::config::CountryCode;
use crate::identity::{Identity, IdentityError, NodeId, OnionPublicKey, SignedOnionKey};

mod bytes;
mod json;
#[cfg(test)]
mod tests;

/// The most neighbors in one record: those a Node takes, and some that come and go.
pub const MAX_NEIGHBORS: usize = 16;

/// The highest rate that is believed, in wei: one whole token for a byte or a service.
pub const MAX_RATE: u64 = 1_000_000_000_000_000_000;

/// The longest binary form, in bytes (W-7.5).
pub const MAX_BYTES: usize = bytes::FIXED_LENGTH + 32 * MAX_NEIGHBORS;

/// The longest JSON text that is looked at, in bytes.
pub const MAX_JSON: usize = 8 * 1024;

/// What a Node offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles {
    /// Passes circuits on.
    pub relay: bool,
    /// Ends circuits and connects to the Internet.
    pub exit: bool,
}

/// What a Node asks for its services, in wei of its chain's token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rates {
    /// For each byte passed on.
    pub routing_byte: u64,
    /// For each package passed on.
    pub routing_service: u64,
    /// For each byte that leaves or enters the mesh.
    pub exit_byte: u64,
    /// For each package that leaves or enters the mesh.
    pub exit_service: u64,
}

impl Rates {
    /// In the order in which they are signed.
    fn all(&self) -> [u64; 4] {
        [
            self.routing_byte,
            self.routing_service,
            self.exit_byte,
            self.exit_service,
        ]
    }
}

/// The account that a Node's earnings go to: 20 bytes, as on every EVM chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EarningAddress(pub [u8; 20]);

/// A Node's verified statement about itself.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeRecord {
    id: NodeId,
    onion: SignedOnionKey,
    content: Content,
    signature: [u8; 64],
}

/// What a Node says of itself beside its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Counts up with every change; of two records the higher one holds. The unix time in
    /// milliseconds, or one more than the last: so a Node that lost its state outranks its past.
    pub version: u64,
    /// What it offers.
    pub roles: Roles,
    /// Takes links that others begin.
    pub accepts: bool,
    /// The country it is in, `ZZ` when unknown.
    pub country: CountryCode,
    /// What it asks for.
    pub rates: Rates,
    /// Whom to pay; nobody when absent.
    pub earning: Option<EarningAddress>,
    /// The Nodes it is linked with; at most [`MAX_NEIGHBORS`], itself not among them.
    pub neighbors: Vec<NodeId>,
}

/// Why a record is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The text is longer than any record.
    #[error("record of {length} bytes, at most {MAX_JSON} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The text is not the JSON of a record.
    #[error("record is not readable: {what}")]
    Json {
        /// What the reader met and where.
        what: String,
    },
    /// A field does not hold what it should.
    #[error("record has a wrong {field}: {remedy}")]
    Field {
        /// The field.
        field: &'static str,
        /// What belongs there.
        remedy: &'static str,
    },
    /// Too many neighbors.
    #[error("record with {count} neighbors: at most {MAX_NEIGHBORS} are allowed")]
    Neighbors {
        /// How many.
        count: usize,
    },
    /// A signature does not match.
    #[error("{part} of the record is not authentic: fetch it again from the Node it describes")]
    Signature {
        /// What it covers.
        part: &'static str,
        /// Why.
        #[source]
        source: IdentityError,
    },
}

impl NodeRecord {
    /// Signs what this Node says of itself. Neighbors are put in order, repeated ones joined.
    pub fn sign(identity: &Identity, mut content: Content) -> Result<Self, RecordError> {
        content.neighbors.sort_unstable();
        content.neighbors.dedup();
        let id = identity.id();
        content.check(&id)?;
        let onion = identity.signed_onion_key();
        let signature = identity.sign(&content.signed_bytes(&id, &onion));
        Ok(NodeRecord {
            id,
            onion,
            content,
            signature,
        })
    }

    /// Reads one record and verifies it.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        json::read(text)
    }

    /// Reads the binary form (W-7.5) and verifies it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        bytes::read(bytes)
    }

    /// Whose record of which version the binary form claims to be; nothing is verified.
    pub fn peek(bytes: &[u8]) -> Option<(NodeId, u64)> {
        bytes::peek(bytes)
    }

    /// The binary form (W-7.5), at most [`MAX_BYTES`].
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::write(self)
    }

    /// The record as one line of JSON, without the line end.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Whose it is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its onion key with validity and signature.
    pub fn onion(&self) -> &SignedOnionKey {
        &self.onion
    }

    /// Its onion key, if it is valid at this time.
    pub fn onion_key_at(&self, now_unix: u64) -> Option<OnionPublicKey> {
        self.onion
            .validity()
            .contains(now_unix)
            .then(|| self.onion.key())
    }

    /// What it offers.
    pub fn roles(&self) -> Roles {
        self.content.roles
    }

    /// Whether it takes links that others begin.
    pub fn accepts(&self) -> bool {
        self.content.accepts
    }

    /// What it asks for.
    pub fn rates(&self) -> Rates {
        self.content.rates
    }

    /// Whom to pay.
    pub fn earning(&self) -> Option<EarningAddress> {
        self.content.earning
    }

    /// Where it is.
    pub fn country(&self) -> CountryCode {
        self.content.country
    }

    /// Whom it is linked with, in ascending order.
    pub fn neighbors(&self) -> &[NodeId] {
        &self.content.neighbors
    }

    /// Counts up with every change.
    pub fn version(&self) -> u64 {
        self.content.version
    }

    /// Joins the parts once both signatures are verified.
    fn verified(
        id: NodeId,
        onion: SignedOnionKey,
        content: Content,
        signature: [u8; 64],
    ) -> Result<Self, RecordError> {
        content.check(&id)?;
        let refused = |part| move |source| RecordError::Signature { part, source };
        id.verify(&content.signed_bytes(&id, &onion), &signature)
            .map_err(refused("content"))?;
        onion.verify(&id).map_err(refused("onion key"))?;
        Ok(NodeRecord {
            id,
            onion,
            content,
            signature,
        })
    }
}

impl Content {
    fn check(&self, id: &NodeId) -> Result<(), RecordError> {
        let count = self.neighbors.len();
        if count > MAX_NEIGHBORS {
            return Err(RecordError::Neighbors { count });
        }
        if self.rates.all().iter().any(|rate| *rate > MAX_RATE) {
            return Err(RecordError::Field {
                field: "rates",
                remedy: "at most 10^18 wei each",
            });
        }
        let ascending = self.neighbors.is_sorted_by(|one, next| one < next);
        if !ascending || self.neighbors.contains(id) {
            return Err(RecordError::Field {
                field: "neighbors",
                remedy: "each id once, in ascending order, without the Node's own",
            });
        }
        Ok(())
    }

    /// The canonical bytes (W-7.2): every record has exactly one form.
    fn signed_bytes(&self, id: &NodeId, onion: &SignedOnionKey) -> Vec<u8> {
        let mut bytes = TAG.to_vec();
        bytes::put(id, onion, self, &mut bytes);
        bytes
    }
}

impl fmt::Debug for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeRecord")
            .field("id", &self.id)
            .field("onion", &self.onion.key())
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

const TAG: &[u8] = b"masq-record-v2\0";
