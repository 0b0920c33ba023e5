//! The receiving end of one direction. The caller owns the buffer that arriving bytes are
//! appended to (layers removed); frames are decrypted in it and split off its front.
//!
//! The buffer needs no more than [`super::MAX_FRAME`] bytes: call [`Opener::open`] until it asks
//! for more before reading again.

use std::fmt;

use bytes::{Buf, BytesMut};
use ring::aead::LessSafeKey;
use thiserror::Error;

use super::{
    KIND_LENGTH, Kind, KindError, LENGTH_LENGTH, MAX_FRAME, MAX_FRAMES, Progress, TAG_LENGTH,
    associated, key, nonce,
};
use crate::failure::Code;
use crate::layer::SecretKey;

/// Opens the frames of one direction.
pub struct Opener {
    key: LessSafeKey,
    number: u64,
    progress: Progress,
    failed: Option<OpenError>,
}

/// Why a direction cannot go on. The first error is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// A length that no frame has.
    #[error("frame of {length} sealed bytes")]
    Length {
        /// The length on the wire.
        length: usize,
    },
    /// The frame was changed on the way, or made with another key or out of its turn.
    #[error("frame {number} fails its authentication")]
    Sealed {
        /// Its number.
        number: u64,
    },
    /// The kind is unknown.
    #[error("frame {number} is not understood")]
    Kind {
        /// Its number.
        number: u64,
        /// The kind.
        #[source]
        source: KindError,
    },
    /// A frame that may not follow the end of a direction.
    #[error("{kind:?} frame after the end of the direction")]
    Ended {
        /// Its kind.
        kind: Kind,
    },
    /// The key has opened as much as it safely can.
    #[error("the circuit's key is used up after {MAX_FRAMES} frames")]
    UsedUp,
    /// The stream ended without an authenticated end.
    #[error("stream cut off after {frames} frames and {bytes} bytes of another")]
    Truncated {
        /// Whole frames that came.
        frames: u64,
        /// Bytes beyond them.
        bytes: usize,
    },
}

impl OpenError {
    /// The code to end the flow with.
    pub fn code(&self) -> Code {
        match self {
            OpenError::Length { .. } | OpenError::Kind { .. } | OpenError::Ended { .. } => {
                Code::BadFrame
            }
            OpenError::Sealed { .. } => Code::Unauthenticated,
            OpenError::UsedUp => Code::Overloaded,
            OpenError::Truncated { .. } => Code::LinkLost,
        }
    }
}

impl Opener {
    /// Starts at the first frame of a direction.
    pub fn new(secret: &SecretKey) -> Self {
        Opener {
            key: key(secret),
            number: 0,
            progress: Progress::Running,
            failed: None,
        }
    }

    /// Opens the first frame in `input` and splits its payload off, or says `None` when more
    /// bytes are needed. Padding and keep-alives come out too; they have no meaning to a flow.
    pub fn open(&mut self, input: &mut BytesMut) -> Result<Option<(Kind, BytesMut)>, OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let opened = self.open_next(input);
        if let Err(error) = opened {
            self.failed = Some(error);
        }
        opened
    }

    /// How many more bytes complete the first frame in `input`; up to [`MAX_FRAME`].
    pub fn missing(input: &BytesMut) -> usize {
        let whole = input.first_chunk().map_or(LENGTH_LENGTH, |length| {
            LENGTH_LENGTH + usize::from(u16::from_be_bytes(*length))
        });
        whole.min(MAX_FRAME).saturating_sub(input.len())
    }

    /// Judges the end of the stream, given what is left of `input`: an error unless an
    /// authenticated end came and nothing after it.
    pub fn end(&self, input: &BytesMut) -> Result<(), OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.progress == Progress::Running || !input.is_empty() {
            return Err(OpenError::Truncated {
                frames: self.number,
                bytes: input.len(),
            });
        }
        Ok(())
    }

    /// Whether an authenticated end came: FIN, RESET or FAILED.
    pub fn has_ended(&self) -> bool {
        self.progress != Progress::Running
    }

    fn open_next(&mut self, input: &mut BytesMut) -> Result<Option<(Kind, BytesMut)>, OpenError> {
        let Some(&sealed_length) = input.first_chunk() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(sealed_length));
        if !(KIND_LENGTH + TAG_LENGTH..=MAX_FRAME - LENGTH_LENGTH).contains(&length) {
            return Err(OpenError::Length { length });
        }
        if input.len() < LENGTH_LENGTH + length {
            return Ok(None);
        }
        if self.number >= MAX_FRAMES {
            return Err(OpenError::UsedUp);
        }
        let number = self.number;
        let mut frame = input.split_to(LENGTH_LENGTH + length);
        frame.advance(LENGTH_LENGTH);
        self.key
            .open_in_place(nonce(number), associated(sealed_length), &mut frame)
            .map_err(|_| OpenError::Sealed { number })?;
        let kind = Kind::try_from(frame[0]).map_err(|source| OpenError::Kind { number, source })?;
        self.progress = self.progress.after(kind).ok_or(OpenError::Ended { kind })?;
        self.number += 1;
        frame.truncate(length - TAG_LENGTH);
        frame.advance(KIND_LENGTH);
        Ok(Some((kind, frame)))
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.number = number;
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("number", &self.number)
            .field("progress", &self.progress)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
