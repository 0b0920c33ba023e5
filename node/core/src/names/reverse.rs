//! Reverse names: `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5) and `ip6.arpa` (RFC 3596 section 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::exit_policy::is_public;

/// What a name below one of the two reverse domains stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reverse {
    /// The address, if the name has exactly all its digits.
    pub(super) address: Option<IpAddr>,
    /// Whether all addresses under it belong to the local network.
    pub(super) is_local: bool,
}

/// Reads lower-case labels; `None` when they are not below a reverse domain.
///
/// Labels left of the digits are service names (RFC 6763 section 11) and do
/// not change whose network it is.
pub(super) fn parse(labels: &[Vec<u8>]) -> Option<Reverse> {
    match labels {
        [rest @ .., domain, arpa] if arpa == b"arpa" && domain == b"in-addr" => {
            Some(parse_v4(rest))
        }
        [rest @ .., domain, arpa] if arpa == b"arpa" && domain == b"ip6" => Some(parse_v6(rest)),
        _ => None,
    }
}

fn parse_v4(labels: &[Vec<u8>]) -> Reverse {
    let digits: Vec<u8> = labels
        .iter()
        .rev()
        .map_while(|label| octet(label))
        .take(4)
        .collect();
    let mut octets = [0; 4];
    octets
        .iter_mut()
        .zip(&digits)
        .for_each(|(octet, digit)| *octet = *digit);
    let bits = digits.len() * 8;
    let address = IpAddr::V4(Ipv4Addr::from(octets));
    let last = IpAddr::V4(Ipv4Addr::from(
        u32::from_be_bytes(octets) | u32::MAX.checked_shr(bits as u32).unwrap_or(0),
    ));
    Reverse {
        address: (digits.len() == 4 && labels.len() == 4).then_some(address),
        is_local: bits >= 8 && !is_public(address) && !is_public(last),
    }
}

fn parse_v6(labels: &[Vec<u8>]) -> Reverse {
    let digits: Vec<u8> = labels
        .iter()
        .rev()
        .map_while(|label| nibble(label))
        .take(32)
        .collect();
    let bits = digits.len() * 4;
    let start = digits
        .iter()
        .enumerate()
        .fold(0u128, |address, (place, digit)| {
            address | u128::from(*digit) << (124 - 4 * place)
        });
    let address = IpAddr::V6(Ipv6Addr::from(start));
    let last = IpAddr::V6(Ipv6Addr::from(
        start | u128::MAX.checked_shr(bits as u32).unwrap_or(0),
    ));
    Reverse {
        address: (digits.len() == 32 && labels.len() == 32).then_some(address),
        is_local: bits >= 8 && !is_public(address) && !is_public(last),
    }
}

fn octet(label: &[u8]) -> Option<u8> {
    if label.len() > 3 || !label.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(label).ok()?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    char::from(*digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
