//! An address on the chain: 20 bytes, written with the checksum of EIP-55.

use std::fmt;
use std::str::FromStr;

/// An address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not have the form.
    #[error("an address is 0x and 40 hexadecimal digits")]
    Form,
    /// Capitals and small letters are mixed, but not as the checksum wants them.
    #[error(
        "the checksum of the address is wrong, so a digit may be: copy it again; if every digit \
         is right, it is written {0}"
    )]
    Checksum(Address),
}

impl Address {
    /// An address of these bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Address(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// With the checksum.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(42);
        super::push_hex(&mut text, &self.0);
        let hash = super::keccak(text.as_bytes());
        formatter.write_str("0x")?;
        for (index, digit) in text.chars().enumerate() {
            let byte = hash[index / 2];
            let half = if index % 2 == 0 { byte >> 4 } else { byte & 15 };
            let digit = if half > 7 {
                digit.to_ascii_uppercase()
            } else {
                digit
            };
            write!(formatter, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// In small letters, in capitals, or with the right checksum.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let digits = text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))
            .ok_or(AddressError::Form)?;
        let address = Address(super::from_hex(digits).ok_or(AddressError::Form)?);
        let mixed = digits.contains(|digit: char| digit.is_ascii_lowercase())
            && digits.contains(|digit: char| digit.is_ascii_uppercase());
        if mixed && address.to_string()[2..] != *digits {
            return Err(AddressError::Checksum(address));
        }
        Ok(address)
    }
}
