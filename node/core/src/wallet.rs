//! Wallets: phrases of BIP-39, keys of BIP-32, addresses with the checksum of EIP-55.
//!
//! All of it is pure: randomness comes in as an argument, nothing is stored or sent here. What
//! is secret is overwritten with zeros when it is dropped and never printed.

mod address;
mod key;
mod phrase;

pub use address::{Address, AddressError};
pub use key::{CONSUMING_PATH, DerivationPath, EARNING_PATH, KeyError, PathError, PrivateKey};
pub use phrase::{Language, LanguageError, Phrase, PhraseError, Seed, WordCount, WordCountError};

use sha3::{Digest, Keccak256};

fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The bytes of exactly `2 * N` hexadecimal digits, in either case.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |of: u8| char::from(of).to_digit(16);
        let value = digit(pair[0])? << 4 | digit(pair[1])?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(bytes)
}

/// Lower-case hexadecimal digits.
fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
}

#[cfg(test)]
mod tests;
