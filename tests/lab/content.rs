//! Content that both ends can make by themselves: byte `i` depends on `i` alone.
//!
//! A receiver checks what it got without a copy of what was sent, at any offset, and names the first byte
//! that differs.

use ring::digest;

const BLOCK: usize = 8;

/// Fills `buffer` with the content that begins at `offset`.
pub fn fill(offset: u64, buffer: &mut [u8]) {
    let mut position = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        let within = (position % BLOCK as u64) as usize;
        let block = mix(position / BLOCK as u64).to_le_bytes();
        let count = rest.len().min(BLOCK - within);
        let (head, tail) = rest.split_at_mut(count);
        head.copy_from_slice(&block[within..within + count]);
        rest = tail;
        position += count as u64;
    }
}

/// The offset of the first byte of `received` that is not the content at `offset`.
pub fn first_difference(offset: u64, received: &[u8]) -> Option<u64> {
    let mut expected = [0u8; 4096];
    let mut position = offset;
    for chunk in received.chunks(expected.len()) {
        let expected = &mut expected[..chunk.len()];
        fill(position, expected);
        if expected != chunk {
            let index = expected.iter().zip(chunk).position(|(a, b)| a != b)?;
            return Some(position + index as u64);
        }
        position += chunk.len() as u64;
    }
    None
}

/// SHA-256, lower-case hexadecimal, of the first `length` bytes of the content.
pub fn digest_of(length: u64) -> String {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0u8; 64 * 1024];
    let mut position = 0;
    while position < length {
        let count = (length - position).min(buffer.len() as u64) as usize;
        fill(position, &mut buffer[..count]);
        hasher.update(&buffer[..count]);
        position += count as u64;
    }
    hasher.finish()
}

/// A SHA-256 in the making.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hasher")
    }
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hexadecimal, as `sha256sum` prints it.
    pub fn finish(self) -> String {
        let digest = self.0.finish();
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn mix(index: u64) -> u64 {
    let mut value = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_bytes() {
        let mut whole = vec![0; 1000];
        fill(0, &mut whole);
        for cut in [1, 7, 8, 9, 500] {
            let mut part = vec![0; 1000 - cut];
            fill(cut as u64, &mut part);
            assert_eq!(part, whole[cut..]);
        }
    }

    #[test]
    fn a_flipped_byte_is_found_where_it_is() {
        let mut bytes = vec![0; 10_000];
        fill(3, &mut bytes);
        assert_eq!(first_difference(3, &bytes), None);
        bytes[7777] ^= 1;
        assert_eq!(first_difference(3, &bytes), Some(7780));
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        let mut bytes = vec![0; 100_001];
        fill(0, &mut bytes);
        let mut hasher = Hasher::default();
        hasher.update(&bytes);
        assert_eq!(hasher.finish(), digest_of(100_001));
    }
}
