//! Frames: what the originator and the exit say to each other on a circuit's stream (W-5), sealed
//! end to end. Relays carry the bytes of [`Sealer`] through their [`crate::layer`]s unread.
//!
//! A frame is `length u16 || AES-256-GCM(kind u8 || payload)`, with a counter as the nonce, so
//! frames can neither be changed, repeated, reordered nor left out. A direction that ends without
//! an authenticated end is a truncation, told apart from a finished flow by [`Opener::end`].

use thiserror::Error;

mod message;
mod open;
mod seal;
#[cfg(test)]
mod tests;

pub use message::{Backward, DecodeError, EncodeError, Forward, Host, MAX_DETAIL, Target};
pub use open::{OpenError, Opener};
pub use seal::{Draft, SealError, Sealer};

/// The most payload one frame carries.
pub const MAX_PAYLOAD: usize = 16 * 1024;

/// Bytes of a frame beyond its payload: length, kind and tag.
pub const OVERHEAD: usize = LENGTH_LENGTH + KIND_LENGTH + TAG_LENGTH;

/// The largest frame on the wire.
pub const MAX_FRAME: usize = MAX_PAYLOAD + OVERHEAD;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Forward: asks the exit to connect, or to resolve.
    Open,
    /// Backward: the exit is connected.
    Opened,
    /// Backward: the exit could not do what was asked; nothing follows.
    Failed,
    /// Bytes of the flow.
    Data,
    /// No more bytes of the flow in this direction.
    Fin,
    /// The flow is over at once, in both directions; nothing follows.
    Reset,
    /// One UDP datagram that did not fit an unreliable one.
    Datagram,
    /// Forward: a DNS query to be answered at the exit.
    Query,
    /// Backward: the answer to a DNS query.
    Answer,
    /// Nothing; keeps the path alive.
    KeepAlive,
    /// Nothing; hides the amount of traffic.
    Padding,
    /// How many bytes of the other direction have come.
    Ack,
    /// Forward: goes on with a flow whose circuit was lost.
    Resume,
    /// Backward: the flow goes on.
    Resumed,
}

/// The kind of a frame that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown frame kind {code}")]
pub struct KindError {
    /// The number on the wire.
    pub code: u8,
}

impl Kind {
    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Kind::Open => 1,
            Kind::Opened => 2,
            Kind::Failed => 3,
            Kind::Data => 4,
            Kind::Fin => 5,
            Kind::Reset => 6,
            Kind::Datagram => 7,
            Kind::Query => 8,
            Kind::Answer => 9,
            Kind::KeepAlive => 10,
            Kind::Padding => 11,
            Kind::Ack => 12,
            Kind::Resume => 13,
            Kind::Resumed => 14,
        }
    }

    /// What may still follow a frame of this kind in its direction.
    const fn closes(self) -> Progress {
        match self {
            Kind::Fin => Progress::Finished,
            Kind::Failed | Kind::Reset => Progress::Over,
            Kind::Open
            | Kind::Opened
            | Kind::Data
            | Kind::Datagram
            | Kind::Query
            | Kind::Answer
            | Kind::KeepAlive
            | Kind::Padding
            | Kind::Ack
            | Kind::Resume
            | Kind::Resumed => Progress::Running,
        }
    }

    /// Whether a frame of this kind may follow a FIN.
    const fn may_follow_fin(self) -> bool {
        matches!(
            self,
            Kind::Reset | Kind::KeepAlive | Kind::Padding | Kind::Ack
        )
    }
}

impl TryFrom<u8> for Kind {
    type Error = KindError;

    fn try_from(code: u8) -> Result<Self, KindError> {
        Ok(match code {
            1 => Kind::Open,
            2 => Kind::Opened,
            3 => Kind::Failed,
            4 => Kind::Data,
            5 => Kind::Fin,
            6 => Kind::Reset,
            7 => Kind::Datagram,
            8 => Kind::Query,
            9 => Kind::Answer,
            10 => Kind::KeepAlive,
            11 => Kind::Padding,
            12 => Kind::Ack,
            13 => Kind::Resume,
            14 => Kind::Resumed,
            _ => return Err(KindError { code }),
        })
    }
}

/// How far a direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Finished,
    Over,
}

impl Progress {
    /// Where the direction stands after a frame of `kind`; none when the frame is not allowed.
    fn after(self, kind: Kind) -> Option<Progress> {
        match self {
            Progress::Running => Some(kind.closes()),
            Progress::Finished if kind.may_follow_fin() => Some(match kind.closes() {
                Progress::Running | Progress::Finished => Progress::Finished,
                Progress::Over => Progress::Over,
            }),
            Progress::Finished | Progress::Over => None,
        }
    }
}

/// The nonce of the frame with this number (W-5.3): 96 bits, big endian.
fn nonce(number: u64) -> ring::aead::Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    ring::aead::Nonce::assume_unique_for_key(bytes)
}

/// What is authenticated beside the sealed bytes: exactly one block of the AEAD.
fn associated(length: [u8; LENGTH_LENGTH]) -> ring::aead::Aad<[u8; 16]> {
    let mut bytes = *b"\0\0masq-frame-v1\0";
    bytes[..LENGTH_LENGTH].copy_from_slice(&length);
    ring::aead::Aad::from(bytes)
}

fn key(secret: &crate::layer::SecretKey) -> ring::aead::LessSafeKey {
    let key = ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, secret.as_bytes())
        .expect("AES-256 takes 32 bytes");
    ring::aead::LessSafeKey::new(key)
}

const LENGTH_LENGTH: usize = 2;
const KIND_LENGTH: usize = 1;
const TAG_LENGTH: usize = 16;

/// How many frames one key seals: 64 TiB at full size. With 2^42 blocks an attacker's advantage
/// in telling AES from a random function stays below blocks^2 / 2^129, that is 2^-45.
const MAX_FRAMES: u64 = 1 << 32;
