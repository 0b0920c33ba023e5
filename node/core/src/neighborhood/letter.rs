//! A sealed introduction (W-9.14): where a Node is reached, readable only by the newcomer it
//! wants to meet, so that those who carry it learn no address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use hpke::{single_shot_open, single_shot_seal_with_rng};

use crate::config::Chain;
use crate::descriptor::{Descriptor, MAX_PORTS};
use crate::identity::{Identity, NodeId, OnionPublicKey};
use crate::onion::kem::OnionKem;
use crate::random::CryptoRng;

/// The length of every letter.
pub const LETTER_LENGTH: usize = ENCAPSULATED + PLAIN + TAG;

const ENCAPSULATED: usize = 32;
const TAG: usize = 16;
/// Id, family, address, number of ports, ports; zero behind them.
const PLAIN: usize = 32 + 1 + 16 + 1 + 2 * MAX_PORTS;
const INFO: &[u8] = b"masq-letter-v1\0";

/// Seals a descriptor for a newcomer; nothing when its key is of no use.
pub fn seal(
    descriptor: &Descriptor,
    newcomer: &NodeId,
    key: &OnionPublicKey,
    rng: &mut impl CryptoRng,
) -> Option<[u8; LETTER_LENGTH]> {
    let mut plain = [0; PLAIN];
    plain[..32].copy_from_slice(descriptor.id().as_bytes());
    match descriptor.ip() {
        IpAddr::V4(ip) => {
            plain[32] = 4;
            plain[33..37].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            plain[32] = 6;
            plain[33..49].copy_from_slice(&ip.octets());
        }
    }
    plain[49] = u8::try_from(descriptor.ports().len()).ok()?;
    for (place, port) in plain[50..].chunks_exact_mut(2).zip(descriptor.ports()) {
        place.copy_from_slice(&port.to_be_bytes());
    }
    let key = Deserializable::from_bytes(key.as_bytes()).ok()?;
    let (encapsulated, sealed) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, OnionKem>(
        &OpModeS::Base,
        &key,
        &info(newcomer),
        &plain,
        &[],
        rng,
    )
    .ok()?;
    let mut letter = [0; LETTER_LENGTH];
    letter[..ENCAPSULATED].copy_from_slice(&encapsulated.to_bytes());
    letter[ENCAPSULATED..].copy_from_slice(&sealed);
    Some(letter)
}

/// Opens a letter to this Node.
pub(super) fn open(
    letter: &[u8; LETTER_LENGTH],
    identity: &Identity,
    chain: Chain,
) -> Option<Descriptor> {
    let (encapsulated, sealed) = letter.split_at(ENCAPSULATED);
    let encapsulated = Deserializable::from_bytes(encapsulated).ok()?;
    let info = info(&identity.id());
    let plain = identity.onion_secrets().iter().find_map(|secret| {
        single_shot_open::<AesGcm256, HkdfSha256, OnionKem>(
            &OpModeR::Base,
            secret.pair(),
            &encapsulated,
            &info,
            sealed,
            &[],
        )
        .ok()
    })?;
    read(plain.as_slice().try_into().ok()?, chain)
}

fn read(plain: &[u8; PLAIN], chain: Chain) -> Option<Descriptor> {
    let (id, rest) = plain.split_first_chunk::<32>()?;
    let ip = match rest[0] {
        4 => IpAddr::V4(Ipv4Addr::from(*rest[1..].first_chunk::<4>()?)),
        6 => IpAddr::V6(Ipv6Addr::from(*rest[1..].first_chunk::<16>()?)),
        _ => return None,
    };
    let count = usize::from(rest[17]);
    let ports = rest[18..].as_chunks::<2>().0.get(..count)?;
    let ports = ports.iter().map(|port| u16::from_be_bytes(*port)).collect();
    Descriptor::new(chain, NodeId::new(*id), ip, ports).ok()
}

fn info(newcomer: &NodeId) -> Vec<u8> {
    [INFO, newcomer.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Validity;
    use crate::random::seeded::Seeded;

    fn identity(seed: u64) -> Identity {
        Identity::generate(Validity::new(1, 2).unwrap(), &mut Seeded::new(seed))
    }

    /// W-9.14.
    #[test]
    fn a_letter_opens_at_the_newcomer_and_nowhere_else() {
        let (newcomer, other, host) = (identity(1), identity(2), identity(3));
        let ports = (0..MAX_PORTS).map(|port| 2_000 + port as u16).collect();
        for ip in ["192.0.2.9", "2001:db8::9"] {
            let ip = ip.parse().unwrap();
            let descriptor = Descriptor::new(Chain::Dev, host.id(), ip, Vec::clone(&ports));
            let descriptor = descriptor.unwrap();
            let key = newcomer.onion_secrets()[0].public();
            let rng = &mut Seeded::new(4);
            let letter = seal(&descriptor, &newcomer.id(), &key, rng).unwrap();
            assert_eq!(open(&letter, &newcomer, Chain::Dev), Some(descriptor));
            assert_eq!(open(&letter, &other, Chain::Dev), None);
            for place in 0..LETTER_LENGTH {
                let mut changed = letter;
                changed[place] ^= 1;
                assert_eq!(open(&changed, &newcomer, Chain::Dev), None);
            }
        }
    }
}
