//! A hop's side: opens its block, checks it, and makes the packet for the next hop.

use hpke::aead::AeadTag;
use hpke::inout::InOutBuf;
use hpke::{Deserializable, OpModeR, setup_receiver};
use thiserror::Error;

use super::body::{self, Body, Role};
use super::keys::{ExitKeys, Exporter, RelayKeys};
use super::{
    Aead, BLOCK_LENGTH, ENCAPSULATED_LENGTH, HEADER_LENGTH, Kdf, Kem, MAX_AHEAD, Payer,
    REST_LENGTH, Setup, VERSION, apply_header_keystream, info,
};
use crate::failure::Code;
use crate::identity::{NodeId, OnionSecret};
use crate::replay::{Fingerprint, ReplayCache, ReplayError};

/// What a hop learns from a set-up packet.
#[derive(Debug)]
pub enum Opened {
    /// It is to pass the circuit on.
    Relay {
        /// To whom.
        next: NodeId,
        /// The packet to open the circuit there with.
        setup: Setup,
        /// What it shares with the originator.
        keys: RelayKeys,
        /// What the payer shows it.
        payer: Payer,
    },
    /// The circuit ends here.
    Exit {
        /// What it shares with the originator.
        keys: ExitKeys,
        /// What the payer shows it.
        payer: Payer,
    },
}

/// Why a set-up packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OnionError {
    /// It is of a version that this Node does not speak.
    #[error("set-up of version {version}, this Node speaks {VERSION}")]
    Version {
        /// The version it names.
        version: u8,
    },
    /// It was changed on the way, or made for a key that this Node does not hold (any more).
    #[error("no onion key of this Node opens the set-up")]
    Sealed,
    /// Its block does not follow the specification.
    #[error("set-up has a wrong {field} field")]
    Malformed {
        /// Which field.
        field: &'static str,
    },
    /// Its time is over.
    #[error("set-up expired at {expiry}, it is {now_unix} (unix seconds)")]
    Expired {
        /// Its last second.
        expiry: u64,
        /// The time of this Node.
        now_unix: u64,
    },
    /// Its time lies further ahead than this Node remembers.
    #[error("set-up expires at {expiry}, too far from {now_unix} (unix seconds)")]
    Ahead {
        /// Its last second.
        expiry: u64,
        /// The time of this Node.
        now_unix: u64,
    },
    /// It came before, or there is no room to remember it.
    #[error("set-up is not admitted")]
    Replay(#[source] ReplayError),
}

impl OnionError {
    /// The code to refuse the circuit with.
    pub fn code(&self) -> Code {
        match self {
            OnionError::Version { .. } => Code::Version,
            OnionError::Sealed => Code::WrongKey,
            OnionError::Malformed { .. } => Code::MalformedSetup,
            OnionError::Expired { .. } | OnionError::Ahead { .. } => Code::Expired,
            OnionError::Replay(ReplayError::Replayed) => Code::Replayed,
            OnionError::Replay(ReplayError::Full { .. }) => Code::Overloaded,
        }
    }
}

/// Opens a set-up packet that arrived at the Node `id`, with whichever of its onion keys fits.
pub fn open(
    id: &NodeId,
    secrets: &[OnionSecret],
    replay: &mut ReplayCache,
    setup: &Setup,
    now_unix: u64,
) -> Result<Opened, OnionError> {
    if setup.version() != VERSION {
        return Err(OnionError::Version {
            version: setup.version(),
        });
    }
    let block = Block::of(setup.header());
    let info = info(id);
    let (plain, context) = secrets
        .iter()
        .filter(|secret| secret.opens_at(now_unix))
        .find_map(|secret| block.unseal(secret, &info))
        .ok_or(OnionError::Sealed)?;
    let body = Body::decode(&plain).map_err(|field| OnionError::Malformed { field })?;

    let expiry = u64::from(body.expiry);
    if expiry < now_unix {
        return Err(OnionError::Expired { expiry, now_unix });
    }
    if expiry > now_unix.saturating_add(MAX_AHEAD) {
        return Err(OnionError::Ahead { expiry, now_unix });
    }
    replay
        .admit(Fingerprint::of(block.encapsulated), expiry, now_unix)
        .map_err(OnionError::Replay)?;

    let payer = body.payer;
    let opened = match body.role {
        Role::Relay { next } => RelayKeys::export(&context).and_then(|keys| {
            let setup = block.next_setup(context.header_key()?.as_bytes());
            Ok(Opened::Relay {
                next,
                setup,
                keys,
                payer,
            })
        }),
        Role::Exit => ExitKeys::export(&context).map(|keys| Opened::Exit { keys, payer }),
    };
    opened.map_err(|_| OnionError::Sealed)
}

type Context = hpke::aead::AeadCtxR<Aead, Kdf, Kem>;

/// The first block of a header, and the rest.
struct Block<'a> {
    encapsulated: &'a [u8],
    sealed: &'a [u8],
    tag: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Block<'a> {
    fn of(header: &'a [u8; HEADER_LENGTH]) -> Self {
        let (encapsulated, tail) = header.split_at(ENCAPSULATED_LENGTH);
        let (sealed, tail) = tail.split_at(body::LENGTH);
        let (tag, rest) = tail.split_at(BLOCK_LENGTH - ENCAPSULATED_LENGTH - body::LENGTH);
        Block {
            encapsulated,
            sealed,
            tag,
            rest,
        }
    }

    fn unseal(&self, secret: &OnionSecret, info: &[u8]) -> Option<([u8; body::LENGTH], Context)> {
        let encapsulated = Deserializable::from_bytes(self.encapsulated).ok()?;
        let mut context =
            setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Base, secret.pair(), &encapsulated, info)
                .ok()?;
        let mut plain: [u8; body::LENGTH] = self.sealed.try_into().ok()?;
        let tag = AeadTag::from_bytes(self.tag).ok()?;
        context
            .open_inout_detached(InOutBuf::from(&mut plain[..]), self.rest, &tag)
            .ok()?;
        Some((plain, context))
    }

    fn next_setup(&self, header_key: &[u8; 32]) -> Setup {
        let mut header = [0; HEADER_LENGTH];
        header[..REST_LENGTH].copy_from_slice(self.rest);
        apply_header_keystream(header_key, &mut header);
        Setup::new(&header)
    }
}
