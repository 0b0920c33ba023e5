//! The ends of one direction: the seal around the payload, and the block with the number that
//! the chain of ivs ends in (W-6.3): `number u64 || "masq-dgm"`.

use bytes::{BufMut, BytesMut};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{DatagramError, IV_LENGTH, MAX_PAYLOAD, OVERHEAD, Window};
use crate::layer::SecretKey;

pub(super) struct Sealing {
    key: LessSafeKey,
    number: u64,
}

pub(super) struct Opening {
    key: LessSafeKey,
    window: Window,
}

impl Sealing {
    pub(super) fn new(secret: &SecretKey) -> Self {
        Sealing {
            key: key(secret),
            number: 0,
        }
    }

    /// Appends the number's block and the sealed payload.
    pub(super) fn seal<'a>(
        &mut self,
        payload: &[u8],
        out: &'a mut BytesMut,
    ) -> Result<&'a mut [u8], DatagramError> {
        let length = payload.len();
        if length > MAX_PAYLOAD {
            return Err(DatagramError::Length { length });
        }
        if self.number >= MAX_DATAGRAMS {
            return Err(DatagramError::UsedUp);
        }
        let start = out.len();
        out.reserve(length + OVERHEAD);
        out.put_u64(self.number);
        out.put_slice(MARK);
        out.put_slice(payload);
        let plain = &mut out[start + IV_LENGTH..];
        let sealed =
            self.key
                .seal_in_place_separate_tag(nonce(self.number), Aad::from(DOMAIN), plain);
        match sealed {
            Ok(tag) => out.put_slice(tag.as_ref()),
            Err(_) => {
                out.truncate(start);
                return Err(DatagramError::Length { length });
            }
        }
        self.number += 1;
        Ok(&mut out[start..])
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.number = number;
    }
}

impl Opening {
    pub(super) fn new(secret: &SecretKey) -> Self {
        Opening {
            key: key(secret),
            window: Window::default(),
        }
    }

    /// Opens a body whose number's block has been recovered.
    pub(super) fn open<'a>(
        &mut self,
        block: &[u8; IV_LENGTH],
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], DatagramError> {
        let (number, mark) = block.split_first_chunk().ok_or(DatagramError::Sealed)?;
        let number = u64::from_be_bytes(*number);
        if mark != MARK || number >= MAX_DATAGRAMS {
            return Err(DatagramError::Sealed);
        }
        if !self.window.is_new(number) {
            return Err(DatagramError::Replayed { number });
        }
        let payload = self
            .key
            .open_in_place(nonce(number), Aad::from(DOMAIN), body)
            .map_err(|_| DatagramError::Sealed)?;
        self.window.mark(number);
        Ok(payload)
    }
}

fn key(secret: &SecretKey) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, secret.as_bytes()).expect("AES-256 takes 32 bytes");
    LessSafeKey::new(key)
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

const MARK: &[u8] = b"masq-dgm";
const DOMAIN: &[u8; 16] = b"masq-datagram-v1";

/// How many datagrams one key seals. As for frames: below 2^-40 with datagrams of 64 KiB, below
/// 2^-50 at the size that links carry.
pub(super) const MAX_DATAGRAMS: u64 = 1 << 32;
