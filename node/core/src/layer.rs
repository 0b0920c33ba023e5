//! One layer of the stream cipher that keeps the bytes of a circuit different on every link
//! (W-4): AES-256 in counter mode over the continuous byte stream of one direction.
//!
//! A layer hides and never authenticates; authentication is end to end, in [`crate::frame`].
//! Applying a layer twice from the same position gives the original bytes.

use std::fmt;

use aes::Aes256Enc;
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A 256-bit secret; wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

/// The cipher of one direction of one relay, at its position in the stream.
pub struct StreamLayer {
    cipher: Ctr64BE<Aes256Enc>,
}

/// All relay layers of one direction, as the originator applies (forward) or removes (backward)
/// them: both are the same operation.
#[derive(Debug, Default)]
pub struct Onion {
    layers: Vec<StreamLayer>,
}

impl SecretKey {
    /// Takes 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        SecretKey(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl StreamLayer {
    /// Starts at the first byte of the stream.
    pub fn new(key: &SecretKey) -> Self {
        // A key serves one direction of one circuit, hence the constant start (W-4.2).
        StreamLayer {
            cipher: Ctr64BE::new(key.as_bytes().into(), &[0; 16].into()),
        }
    }

    /// Adds or removes the layer on the next bytes of the stream.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.cipher.apply_keystream(bytes);
    }
}

impl Onion {
    /// Joins the layers of one direction, in any order.
    pub fn new(layers: impl IntoIterator<Item = StreamLayer>) -> Self {
        Onion {
            layers: layers.into_iter().collect(),
        }
    }

    /// Adds or removes all layers on the next bytes of the stream.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(CHUNK) {
            for layer in &mut self.layers {
                layer.apply(chunk);
            }
        }
    }

    /// Number of layers; none on a circuit of one hop.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl fmt::Debug for StreamLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamLayer(..)")
    }
}

/// Bytes that pass through all layers before the next ones are touched; a chunk stays in the
/// first-level cache.
const CHUNK: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(byte: u8) -> StreamLayer {
        StreamLayer::new(&SecretKey::new([byte; 32]))
    }

    #[test]
    fn the_keystream_is_that_of_aes_256_from_a_zero_counter() {
        let mut bytes = [0; 16];
        layer(0).apply(&mut bytes);
        // FIPS 197: AES-256 of the zero block under the zero key.
        assert_eq!(bytes[..8], [0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89]);
    }

    #[test]
    fn how_a_stream_is_cut_does_not_matter() {
        let mut whole = vec![7; 50_000];
        layer(1).apply(&mut whole);

        let mut cut = vec![7; 50_000];
        let mut cipher = layer(1);
        let mut rest = &mut cut[..];
        for step in [1, 15, 16, 17, 4_000, 1, 20_000].into_iter().cycle() {
            let (now, later) = rest.split_at_mut(step.min(rest.len()));
            cipher.apply(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(whole, cut);
    }

    #[test]
    fn relays_remove_what_the_originator_applied() {
        let mut onion = Onion::new([layer(1), layer(2), layer(3)]);
        let mut relays = [layer(1), layer(2), layer(3)];
        for length in [0, 1, 100, CHUNK, 3 * CHUNK + 5] {
            let mut bytes = vec![9; length];
            onion.apply(&mut bytes);
            assert!(length < 16 || bytes != vec![9; length]);
            for relay in &mut relays {
                relay.apply(&mut bytes);
            }
            assert_eq!(bytes, vec![9; length]);
        }
    }
}
