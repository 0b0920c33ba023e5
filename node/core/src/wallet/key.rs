//! The private key of a wallet: 64 hexadecimal digits, or derived from a seed along a path of
//! BIP-32.

use super::{Address, Seed};
use k256::ecdsa::SigningKey;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Where the key that pays is, unless told otherwise.
pub const CONSUMING_PATH: &str = "m/44'/60'/0'/0/0";
/// Where the key that earns is, unless told otherwise.
pub const EARNING_PATH: &str = "m/44'/60'/0'/0/1";
/// The longest path that is read; those of wallets have about 20 characters.
const LONGEST_PATH: usize = 200;

/// A path of BIP-32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationPath(bip32::DerivationPath);

/// The text is no path of BIP-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a derivation path is m and numbers below 2147483648, for example {CONSUMING_PATH}")]
pub struct PathError;

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not have the form.
    #[error("a private key is 64 hexadecimal digits")]
    Form,
    /// It is zero or not below the order of the curve.
    #[error("these 64 digits are no private key of secp256k1")]
    Range,
    /// BIP-32 has no key at this place, which one of 2^127 has not.
    #[error("there is no key at this derivation path; take the next one")]
    Derivation,
}

/// The private key of a wallet.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(SigningKey);

impl FromStr for DerivationPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > LONGEST_PATH {
            return Err(PathError);
        }
        text.parse().map(DerivationPath).map_err(|_| PathError)
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl PrivateKey {
    /// The key of a seed at a path.
    pub fn derive(seed: &Seed, path: &DerivationPath) -> Result<Self, KeyError> {
        let key = bip32::XPrv::derive_from_path(seed.as_bytes(), &path.0)
            .map_err(|_| KeyError::Derivation)?;
        Ok(PrivateKey(key.private_key().clone()))
    }

    /// The digits, small, without 0x.
    pub fn to_hex(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(<[u8; 32]>::from(self.0.to_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(64));
        super::push_hex(&mut text, bytes.as_slice());
        text
    }

    /// The address of the wallet.
    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        // The first byte says that the point is not compressed.
        let hash = super::keccak(&point.as_bytes()[1..]);
        let mut address = [0; 20];
        address.copy_from_slice(&hash[12..]);
        Address::new(address)
    }
}

/// With or without 0x, in either case.
impl FromStr for PrivateKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes: Zeroizing<[u8; 32]> =
            Zeroizing::new(super::from_hex(digits).ok_or(KeyError::Form)?);
        SigningKey::from_slice(bytes.as_slice())
            .map(PrivateKey)
            .map_err(|_| KeyError::Range)
    }
}

/// Only whose it is.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(of {})", self.address())
    }
}
