//! The plaintext of a hop block (W-3.4): 128 bytes, every one of them checked.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 relay, 2 exit |
//! | 1 | flags, zero |
//! | 2..4 | zero |
//! | 4..8 | expiry, unix seconds, big endian |
//! | 8..40 | next Node's id; zero for an exit |
//! | 40..104 | what the payer shows this hop |
//! | 104..128 | zero |

use std::fmt;

use crate::identity::NodeId;

mod field {
    use std::ops::Range;

    pub(super) const KIND: usize = 0;
    pub(super) const RESERVED: Range<usize> = 1..4;
    pub(super) const EXPIRY: Range<usize> = 4..8;
    pub(super) const NEXT: Range<usize> = 8..40;
    pub(super) const PAYER: Range<usize> = 40..104;
    pub(super) const PADDING: Range<usize> = 104..128;
}

pub(super) const LENGTH: usize = field::PADDING.end;

/// What the payer shows one hop: opaque here, zero when there is nothing to show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Payer(pub [u8; 64]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) role: Role,
    pub(super) expiry: u32,
    pub(super) payer: Payer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Relay { next: NodeId },
    Exit,
}

impl Body {
    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[field::KIND] = match self.role {
            Role::Relay { .. } => RELAY,
            Role::Exit => EXIT,
        };
        bytes[field::EXPIRY].copy_from_slice(&self.expiry.to_be_bytes());
        if let Role::Relay { next } = self.role {
            bytes[field::NEXT].copy_from_slice(next.as_bytes());
        }
        bytes[field::PAYER].copy_from_slice(&self.payer.0);
        bytes
    }

    /// Reads a body, or names the field that is wrong.
    pub(super) fn decode(bytes: &[u8; LENGTH]) -> Result<Self, &'static str> {
        let zero = |range: std::ops::Range<usize>| bytes[range].iter().all(|&byte| byte == 0);
        if !zero(field::RESERVED) {
            return Err("flags");
        }
        if !zero(field::PADDING) {
            return Err("padding");
        }
        let role = match bytes[field::KIND] {
            RELAY if zero(field::NEXT) => return Err("next"),
            RELAY => Role::Relay {
                next: NodeId::new(array(&bytes[field::NEXT])),
            },
            EXIT if zero(field::NEXT) => Role::Exit,
            EXIT => return Err("next"),
            _ => return Err("kind"),
        };
        Ok(Body {
            role,
            expiry: u32::from_be_bytes(array(&bytes[field::EXPIRY])),
            payer: Payer(array(&bytes[field::PAYER])),
        })
    }
}

impl Default for Payer {
    fn default() -> Self {
        Payer([0; 64])
    }
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payer(..)")
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the field ranges are constant")
}

const RELAY: u8 = 1;
const EXIT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn relay() -> Body {
        Body {
            role: Role::Relay {
                next: NodeId::new([7; 32]),
            },
            expiry: 0x0102_0304,
            payer: Payer([9; 64]),
        }
    }

    #[test]
    fn bodies_read_back() {
        let exit = Body {
            role: Role::Exit,
            ..relay()
        };
        for body in [relay(), exit] {
            assert_eq!(Body::decode(&body.encode()), Ok(body));
        }
    }

    #[test]
    fn every_field_stands_where_the_specification_says() {
        let bytes = relay().encode();
        assert_eq!(bytes[..8], [1, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(bytes[8..40], [7; 32]);
        assert_eq!(bytes[40..104], [9; 64]);
        assert_eq!(bytes[104..], [0; 24]);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let cases = [
            (0, 0, "kind"),
            (0, 3, "kind"),
            (0, 2, "next"),
            (1, 1, "flags"),
            (3, 1, "flags"),
            (104, 1, "padding"),
            (127, 1, "padding"),
        ];
        for (position, value, field) in cases {
            let mut bytes = relay().encode();
            bytes[position] = value;
            assert_eq!(Body::decode(&bytes), Err(field), "byte {position}");
        }
        let mut bytes = relay().encode();
        bytes[8..40].fill(0);
        assert_eq!(Body::decode(&bytes), Err("next"));
    }
}
