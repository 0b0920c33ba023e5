//! The sending end of one direction. Bytes go straight into the buffer that is sent and are
//! sealed there: [`Sealer::begin`], fill, [`Sealer::finish`]; the other calls are shorthands.

use std::fmt;

use bytes::{BufMut, BytesMut};
use ring::aead::LessSafeKey;
use thiserror::Error;

use super::message::{Backward, EncodeError, Forward};
use super::{
    KIND_LENGTH, Kind, LENGTH_LENGTH, MAX_FRAMES, MAX_PAYLOAD, Progress, TAG_LENGTH, associated,
    key, nonce,
};
use crate::layer::SecretKey;

/// Seals the frames of one direction.
pub struct Sealer {
    key: LessSafeKey,
    number: u64,
    progress: Progress,
}

/// A frame that has been begun: where it starts in the buffer. Dropping it leaves the bytes that
/// were written; use [`Sealer::cancel`] to take them back.
#[must_use]
#[derive(Debug)]
pub struct Draft {
    start: usize,
    kind: Kind,
}

/// Why a frame cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The payload does not fit a frame.
    #[error("payload of {length} bytes, a frame takes {MAX_PAYLOAD}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The direction was finished or reset before.
    #[error("no {kind:?} frame may follow the end of a direction")]
    Ended {
        /// What was to be sent.
        kind: Kind,
    },
    /// The key has sealed as much as it safely can.
    #[error("the circuit's key is used up after {MAX_FRAMES} frames: open a new circuit")]
    UsedUp,
    /// The message cannot be expressed.
    #[error("message cannot be encoded")]
    Encode(#[source] EncodeError),
    /// The buffer holds less than when the frame was begun.
    #[error("the buffer was cut below the frame that was begun in it")]
    Buffer,
}

impl Sealer {
    /// Starts at the first frame of a direction.
    pub fn new(secret: &SecretKey) -> Self {
        Sealer {
            key: key(secret),
            number: 0,
            progress: Progress::Running,
        }
    }

    /// Begins a frame at the end of `out`. What is appended to `out` until [`Self::finish`] is
    /// its payload, at most [`MAX_PAYLOAD`] bytes.
    pub fn begin(&self, kind: Kind, out: &mut BytesMut) -> Draft {
        let start = out.len();
        out.put_slice(&[0, 0, kind.code()]);
        Draft { start, kind }
    }

    /// Seals what was begun, in place. On an error the frame is taken back out of `out`.
    pub fn finish(&mut self, draft: Draft, out: &mut BytesMut) -> Result<(), SealError> {
        let start = draft.start;
        let sealed = self.seal_in_place(draft, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Takes a begun frame back.
    pub fn cancel(&self, draft: Draft, out: &mut BytesMut) {
        out.truncate(draft.start);
    }

    /// Seals a frame whose payload is the joined `parts`.
    pub fn seal(
        &mut self,
        kind: Kind,
        parts: &[&[u8]],
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        out.reserve(length + super::OVERHEAD);
        let draft = self.begin(kind, out);
        for part in parts {
            out.extend_from_slice(part);
        }
        self.finish(draft, out)
    }

    /// Seals a data frame of up to `limit` bytes that `fill` writes; `fill` says how many it
    /// wrote, and with none there is no frame.
    pub fn seal_data_with(
        &mut self,
        limit: usize,
        out: &mut BytesMut,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, SealError> {
        let limit = limit.min(MAX_PAYLOAD);
        out.reserve(limit + super::OVERHEAD);
        let draft = self.begin(Kind::Data, out);
        let begin = out.len();
        out.resize(begin + limit, 0);
        let written = fill(&mut out[begin..]).min(limit);
        if written == 0 {
            self.cancel(draft, out);
            return Ok(0);
        }
        out.truncate(begin + written);
        self.finish(draft, out).map(|()| written)
    }

    /// Seals a message of the originator.
    pub fn seal_forward(
        &mut self,
        message: &Forward<'_>,
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let draft = self.begin(message.kind(), out);
        if let Err(error) = message.encode(out) {
            self.cancel(draft, out);
            return Err(SealError::Encode(error));
        }
        self.finish(draft, out)
    }

    /// Seals a message of the exit.
    pub fn seal_backward(
        &mut self,
        message: &Backward<'_>,
        out: &mut BytesMut,
    ) -> Result<(), SealError> {
        let draft = self.begin(message.kind(), out);
        if let Err(error) = message.encode(out) {
            self.cancel(draft, out);
            return Err(SealError::Encode(error));
        }
        self.finish(draft, out)
    }

    fn seal_in_place(&mut self, draft: Draft, out: &mut BytesMut) -> Result<(), SealError> {
        let Draft { start, kind } = draft;
        let progress = self.progress.after(kind).ok_or(SealError::Ended { kind })?;
        let plain = out.get_mut(start + LENGTH_LENGTH..).unwrap_or_default();
        let length = plain
            .len()
            .checked_sub(KIND_LENGTH)
            .ok_or(SealError::Buffer)?;
        if length > MAX_PAYLOAD {
            return Err(SealError::TooLong { length });
        }
        if self.number >= MAX_FRAMES {
            return Err(SealError::UsedUp);
        }
        let sealed_length = sealed_length(length);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(self.number), associated(sealed_length), plain)
            .map_err(|_| SealError::TooLong { length })?;
        out.put_slice(tag.as_ref());
        out[start..start + LENGTH_LENGTH].copy_from_slice(&sealed_length);
        self.number += 1;
        self.progress = progress;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.number = number;
    }
}

/// The length field of a frame whose payload fits one.
fn sealed_length(payload: usize) -> [u8; LENGTH_LENGTH] {
    u16::try_from(KIND_LENGTH + payload + TAG_LENGTH)
        .expect("the largest frame is below 64 KiB")
        .to_be_bytes()
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("number", &self.number)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
