//! The binary form of a record (W-7.5): what is signed, without its tag, then the signature.
//!
//! Every record has exactly one form: anything beyond it, or in another order, is refused before
//! a signature is looked at.

use super::{Content, EarningAddress, MAX_NEIGHBORS, NodeRecord, Rates, RecordError, Roles};
use crate::config::CountryCode;
use crate::identity::{NodeId, OnionPublicKey, SignedOnionKey, Validity};

/// Bytes of a record without neighbors.
pub(super) const FIXED_LENGTH: usize =
    ID + KEY + 2 * NUMBER + SIGNATURE + NUMBER + 1 + 2 + 4 * NUMBER + 1 + EARNING + 1 + SIGNATURE;

const ID: usize = 32;
const KEY: usize = 32;
const NUMBER: usize = 8;
const SIGNATURE: usize = 64;
const EARNING: usize = 20;
const VERSION_AT: usize = ID + KEY + 2 * NUMBER + SIGNATURE;

mod flag {
    pub(super) const RELAY: u8 = 1;
    pub(super) const EXIT: u8 = 2;
    pub(super) const ACCEPTS: u8 = 4;
    pub(super) const ALL: u8 = RELAY | EXIT | ACCEPTS;
}

/// Appends what is signed, without the tag.
pub(super) fn put(id: &NodeId, onion: &SignedOnionKey, content: &Content, out: &mut Vec<u8>) {
    out.reserve(FIXED_LENGTH + ID * content.neighbors.len());
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(onion.key().as_bytes());
    out.extend_from_slice(&onion.validity().not_before().to_be_bytes());
    out.extend_from_slice(&onion.validity().not_after().to_be_bytes());
    out.extend_from_slice(onion.signature());
    out.extend_from_slice(&content.version.to_be_bytes());
    let flags = [
        (content.roles.relay, flag::RELAY),
        (content.roles.exit, flag::EXIT),
        (content.accepts, flag::ACCEPTS),
    ];
    let set = flags.into_iter().filter(|(is, _)| *is);
    out.push(set.fold(0, |all, (_, flag)| all | flag));
    out.extend_from_slice(content.country.as_str().as_bytes());
    for rate in content.rates.all() {
        out.extend_from_slice(&rate.to_be_bytes());
    }
    out.push(u8::from(content.earning.is_some()));
    out.extend_from_slice(&content.earning.map_or([0; EARNING], |address| address.0));
    out.push(u8::try_from(content.neighbors.len()).expect("at most MAX_NEIGHBORS"));
    for neighbor in &content.neighbors {
        out.extend_from_slice(neighbor.as_bytes());
    }
}

pub(super) fn write(record: &NodeRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&record.id, &record.onion, &record.content, &mut bytes);
    bytes.extend_from_slice(&record.signature);
    bytes
}

pub(super) fn peek(bytes: &[u8]) -> Option<(NodeId, u64)> {
    if bytes.len() < FIXED_LENGTH {
        return None;
    }
    let id = NodeId::new(*bytes.first_chunk()?);
    let version = bytes.get(VERSION_AT..)?.first_chunk()?;
    Some((id, u64::from_be_bytes(*version)))
}

pub(super) fn read(bytes: &[u8]) -> Result<NodeRecord, RecordError> {
    let mut rest = bytes;
    let id = NodeId::new(take("id", &mut rest)?);
    let key = OnionPublicKey::new(take("onion key", &mut rest)?);
    let (not_before, not_after) = (number(&mut rest)?, number(&mut rest)?);
    let validity = Validity::new(not_before, not_after)
        .map_err(|_| wrong("onion key", "an end of its validity not before the begin"))?;
    let onion = SignedOnionKey::unverified(key, validity, take("onion key", &mut rest)?);
    let version = number(&mut rest)?;
    let [flags] = take("roles", &mut rest)?;
    if flags & !flag::ALL != 0 {
        return Err(wrong("roles", "no bit beyond relay, exit and accepts"));
    }
    let country = country(take("country", &mut rest)?)?;
    let rates = Rates {
        routing_byte: number(&mut rest)?,
        routing_service: number(&mut rest)?,
        exit_byte: number(&mut rest)?,
        exit_service: number(&mut rest)?,
    };
    let [earns] = take("earning address", &mut rest)?;
    let address: [u8; EARNING] = take("earning address", &mut rest)?;
    let earning = match earns {
        0 if address == [0; EARNING] => None,
        1 => Some(EarningAddress(address)),
        _ => {
            return Err(wrong(
                "earning address",
                "1 and 20 bytes, or 21 bytes of zero",
            ));
        }
    };
    let [count] = take("neighbors", &mut rest)?;
    let count = usize::from(count);
    if count > MAX_NEIGHBORS {
        return Err(RecordError::Neighbors { count });
    }
    let mut neighbors = Vec::with_capacity(count);
    for _ in 0..count {
        neighbors.push(NodeId::new(take("neighbors", &mut rest)?));
    }
    let signature = take("signature", &mut rest)?;
    if !rest.is_empty() {
        return Err(wrong("length", "nothing behind the signature"));
    }
    let content = Content {
        version,
        roles: Roles {
            relay: flags & flag::RELAY != 0,
            exit: flags & flag::EXIT != 0,
        },
        accepts: flags & flag::ACCEPTS != 0,
        country,
        rates,
        earning,
        neighbors,
    };
    NodeRecord::verified(id, onion, content, signature)
}

fn number(rest: &mut &[u8]) -> Result<u64, RecordError> {
    take("number", rest).map(u64::from_be_bytes)
}

fn take<const N: usize>(field: &'static str, rest: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (bytes, behind) = rest
        .split_first_chunk()
        .ok_or(wrong(field, "more bytes than there are"))?;
    *rest = behind;
    Ok(*bytes)
}

fn country(bytes: [u8; 2]) -> Result<CountryCode, RecordError> {
    str::from_utf8(&bytes)
        .ok()
        .and_then(|text| CountryCode::new(text).filter(|code| code.as_str() == text))
        .ok_or(wrong("country", "two capital letters, ZZ for unknown"))
}

fn wrong(field: &'static str, remedy: &'static str) -> RecordError {
    RecordError::Field { field, remedy }
}
