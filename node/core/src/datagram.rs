//! UDP payloads on the unreliable datagrams of the links (W-6): sealed end to end with the exit,
//! the same size on every link, and different bytes on each.
//!
//! A datagram is `iv (16) || body`. Each relay XORs the body with a keystream that starts at the
//! iv and then permutes the iv; the originator computes the chain so that the exit's step gives
//! a block with the datagram's number. Lost, reordered and repeated datagrams are dealt with by a
//! sliding window; anything forged fails its tag. All calls work in place.

use std::fmt;

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256Dec, Aes256Enc};
use bytes::BytesMut;
use ctr::CtrCore;
use ctr::cipher::{InnerIvInit, StreamCipherCore};
use ctr::flavors::Ctr128BE;
use thiserror::Error;

use crate::onion::{DatagramKeys, ExitKeys, OriginatorKeys, RelayKeys};

mod endpoint;
#[cfg(test)]
mod tests;
mod window;

use endpoint::{Opening, Sealing};
pub use window::Window;

/// Bytes of a datagram beyond its payload.
pub const OVERHEAD: usize = IV_LENGTH + TAG_LENGTH;

/// The largest payload; what UDP carries at most over IPv4.
pub const MAX_PAYLOAD: usize = 65_507;

/// A relay's part in the datagrams of one circuit.
pub struct RelayDatagrams {
    forward: Layer<Aes256Enc>,
    backward: Layer<Aes256Enc>,
}

/// The exit's end.
pub struct ExitDatagrams {
    sealing: Sealing,
    sealing_iv: Aes256Enc,
    opening: Opening,
    opening_iv: Aes256Enc,
}

/// The originator's end.
pub struct OriginatorDatagrams {
    forward: Vec<Layer<Aes256Dec>>,
    sealing: Sealing,
    sealing_iv: Aes256Dec,
    backward: Vec<Layer<Aes256Dec>>,
    opening: Opening,
    opening_iv: Aes256Dec,
}

/// Why a datagram is dropped. None of these ends the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DatagramError {
    /// It has no room for what every datagram holds, or its payload is too long.
    #[error("datagram of {length} bytes")]
    Length {
        /// Its length.
        length: usize,
    },
    /// It was changed on the way or belongs to another circuit.
    #[error("datagram fails its authentication")]
    Sealed,
    /// It came before, or so late that this can no longer be told.
    #[error("datagram {number} is repeated or too late")]
    Replayed {
        /// Its number.
        number: u64,
    },
    /// The circuit has sent as many as its key safely can.
    #[error("the circuit's key is used up: open a new circuit")]
    UsedUp,
}

impl RelayDatagrams {
    /// Prepares the ciphers of a relay.
    pub fn new(keys: &RelayKeys) -> Self {
        RelayDatagrams {
            forward: Layer::new(&keys.datagram.forward),
            backward: Layer::new(&keys.datagram.backward),
        }
    }

    /// Takes a datagram one step towards the exit.
    pub fn forward(&self, datagram: &mut [u8]) -> Result<(), DatagramError> {
        self.forward.step(datagram)
    }

    /// Takes a datagram one step towards the originator.
    pub fn backward(&self, datagram: &mut [u8]) -> Result<(), DatagramError> {
        self.backward.step(datagram)
    }
}

impl ExitDatagrams {
    /// Prepares the exit's end, at the first datagram.
    pub fn new(keys: &ExitKeys) -> Self {
        let keys = &keys.datagram;
        ExitDatagrams {
            sealing: Sealing::new(&keys.backward.body),
            sealing_iv: cipher(&keys.backward.iv),
            opening: Opening::new(&keys.forward.body),
            opening_iv: cipher(&keys.forward.iv),
        }
    }

    /// Opens a datagram of the originator; the payload lies within it.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], DatagramError> {
        let (iv, body) = split(datagram)?;
        self.opening_iv.encrypt_block(iv.into());
        self.opening.open(iv, body)
    }

    /// Appends a datagram for the originator to `out`.
    pub fn seal(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), DatagramError> {
        let datagram = self.sealing.seal(payload, out)?;
        let (iv, _) = split(datagram)?;
        self.sealing_iv.encrypt_block(iv.into());
        Ok(())
    }
}

impl OriginatorDatagrams {
    /// Prepares the originator's end, at the first datagram.
    pub fn new(keys: &OriginatorKeys) -> Self {
        let layers = |keys_of: fn(&RelayKeys) -> &DatagramKeys| {
            keys.relays
                .iter()
                .map(|relay| Layer::new(keys_of(relay)))
                .collect()
        };
        let exit = &keys.exit.datagram;
        OriginatorDatagrams {
            forward: layers(|relay| &relay.datagram.forward),
            sealing: Sealing::new(&exit.forward.body),
            sealing_iv: cipher(&exit.forward.iv),
            backward: layers(|relay| &relay.datagram.backward),
            opening: Opening::new(&exit.backward.body),
            opening_iv: cipher(&exit.backward.iv),
        }
    }

    /// Appends a datagram for the exit to `out`.
    pub fn seal(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), DatagramError> {
        let datagram = self.sealing.seal(payload, out)?;
        let (iv, _) = split(datagram)?;
        self.sealing_iv.decrypt_block(iv.into());
        for layer in self.forward.iter().rev() {
            layer.undo(datagram)?;
        }
        Ok(())
    }

    /// Opens a datagram of the exit; the payload lies within it.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], DatagramError> {
        for layer in &self.backward {
            layer.undo(datagram)?;
        }
        let (iv, body) = split(datagram)?;
        self.opening_iv.decrypt_block(iv.into());
        self.opening.open(iv, body)
    }
}

/// The ciphers of one relay in one direction; `I` permutes the iv or undoes it.
struct Layer<I> {
    body: Aes256Enc,
    iv: I,
}

impl<I: KeyInit<KeySize = aes::cipher::consts::U32>> Layer<I> {
    fn new(keys: &DatagramKeys) -> Self {
        Layer {
            body: cipher(&keys.body),
            iv: cipher(&keys.iv),
        }
    }
}

impl<I> Layer<I> {
    /// XORs the keystream that starts at the iv onto the body.
    fn apply(&self, iv: &[u8; IV_LENGTH], body: &mut [u8]) {
        CtrCore::<_, Ctr128BE>::inner_iv_init(&self.body, iv.into())
            .apply_keystream_partial(body.into());
    }
}

impl Layer<Aes256Enc> {
    fn step(&self, datagram: &mut [u8]) -> Result<(), DatagramError> {
        let (iv, body) = split(datagram)?;
        self.apply(iv, body);
        self.iv.encrypt_block(iv.into());
        Ok(())
    }
}

impl Layer<Aes256Dec> {
    fn undo(&self, datagram: &mut [u8]) -> Result<(), DatagramError> {
        let (iv, body) = split(datagram)?;
        self.iv.decrypt_block(iv.into());
        self.apply(iv, body);
        Ok(())
    }
}

fn split(datagram: &mut [u8]) -> Result<(&mut [u8; IV_LENGTH], &mut [u8]), DatagramError> {
    let length = datagram.len();
    if length < OVERHEAD {
        return Err(DatagramError::Length { length });
    }
    datagram
        .split_first_chunk_mut()
        .ok_or(DatagramError::Length { length })
}

fn cipher<C: KeyInit<KeySize = aes::cipher::consts::U32>>(key: &crate::layer::SecretKey) -> C {
    C::new(key.as_bytes().into())
}

impl fmt::Debug for RelayDatagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayDatagrams(..)")
    }
}

impl fmt::Debug for ExitDatagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExitDatagrams(..)")
    }
}

impl fmt::Debug for OriginatorDatagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginatorDatagrams(..)")
    }
}

const IV_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;
