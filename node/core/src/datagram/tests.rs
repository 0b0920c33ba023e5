use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::layer::SecretKey;
use crate::onion::Directions;
use crate::resume::Token;

/// The ends and the relays of a circuit, with keys that need no set-up.
struct Circuit {
    originator: OriginatorDatagrams,
    relays: Vec<RelayDatagrams>,
    exit: ExitDatagrams,
}

fn keys(byte: u8) -> Directions<DatagramKeys> {
    let key = |which: u8| SecretKey::new([byte * 8 + which; 32]);
    Directions {
        forward: DatagramKeys {
            body: key(0),
            iv: key(1),
        },
        backward: DatagramKeys {
            body: key(2),
            iv: key(3),
        },
    }
}

fn circuit(hops: u8) -> Circuit {
    let unused = || Directions {
        forward: SecretKey::new([0; 32]),
        backward: SecretKey::new([0; 32]),
    };
    let keys = OriginatorKeys {
        relays: (1..hops)
            .map(|number| RelayKeys {
                stream: unused(),
                datagram: keys(number),
            })
            .collect(),
        exit: ExitKeys {
            frame: unused(),
            datagram: keys(9),
            resume: Token::new([0; 32]),
        },
    };
    Circuit {
        originator: OriginatorDatagrams::new(&keys),
        relays: keys.relays.iter().map(RelayDatagrams::new).collect(),
        exit: ExitDatagrams::new(&keys.exit),
    }
}

impl Circuit {
    fn forward(&mut self, payload: &[u8]) -> BytesMut {
        let mut datagram = BytesMut::new();
        self.originator.seal(payload, &mut datagram).unwrap();
        for relay in &self.relays {
            relay.forward(&mut datagram).unwrap();
        }
        datagram
    }

    fn backward(&mut self, payload: &[u8]) -> BytesMut {
        let mut datagram = BytesMut::new();
        self.exit.seal(payload, &mut datagram).unwrap();
        for relay in self.relays.iter().rev() {
            relay.backward(&mut datagram).unwrap();
        }
        datagram
    }
}

#[test]
fn payloads_arrive_both_ways_over_every_number_of_hops() {
    for hops in 1..=6 {
        let mut circuit = circuit(hops);
        for length in [0, 1, 15, 16, 17, 512, 1_200, MAX_PAYLOAD] {
            let payload = vec![hops; length];
            let mut datagram = circuit.forward(&payload);
            assert_eq!(circuit.exit.open(&mut datagram).unwrap(), payload);
            let mut datagram = circuit.backward(&payload);
            assert_eq!(circuit.originator.open(&mut datagram).unwrap(), payload);
        }
    }
}

#[test]
fn links_carry_different_bytes_of_the_same_size() {
    let mut circuit = circuit(6);
    let mut datagram = BytesMut::new();
    let mut ivs = HashSet::new();
    let mut bodies = HashSet::new();
    for _ in 0..100 {
        datagram.clear();
        circuit.originator.seal(&[0; 100], &mut datagram).unwrap();
        assert_eq!(datagram.len(), 100 + OVERHEAD);
        for step in 0..=circuit.relays.len() {
            if let Some(relay) = step.checked_sub(1) {
                circuit.relays[relay].forward(&mut datagram).unwrap();
            }
            assert_eq!(datagram.len(), 100 + OVERHEAD);
            assert!(ivs.insert(datagram[..16].to_vec()));
            assert!(bodies.insert(datagram[16..].to_vec()));
        }
    }
}

#[test]
fn what_stands_before_a_datagram_stays() {
    let mut circuit = circuit(2);
    let mut out = BytesMut::from(&b"circuit id"[..]);
    circuit.originator.seal(b"payload", &mut out).unwrap();
    assert_eq!(&out[..10], b"circuit id");
    let datagram = &mut out[10..];
    circuit.relays[0].forward(datagram).unwrap();
    assert_eq!(circuit.exit.open(datagram).unwrap(), b"payload");
}

#[test]
fn repeated_and_reordered_datagrams_are_told_apart() {
    let mut circuit = circuit(3);
    let sent: Vec<_> = (0..100_u8)
        .map(|number| circuit.forward(&[number]))
        .collect();
    for (number, datagram) in sent.iter().enumerate().rev() {
        let number = number as u64;
        let mut once = datagram.clone();
        assert_eq!(circuit.exit.open(&mut once).unwrap(), [number as u8]);
        let mut twice = datagram.clone();
        assert_eq!(
            circuit.exit.open(&mut twice),
            Err(DatagramError::Replayed { number })
        );
    }
}

#[test]
fn the_two_directions_do_not_mix() {
    let mut circuit = circuit(1);
    let mut datagram = circuit.forward(b"mine");
    assert_eq!(
        circuit.originator.open(&mut datagram),
        Err(DatagramError::Sealed)
    );
}

#[test]
fn a_forged_datagram_does_not_use_up_its_number() {
    let mut circuit = circuit(2);
    let datagram = circuit.forward(b"payload");
    let mut forged = datagram.clone();
    forged[20] ^= 1;
    assert_eq!(circuit.exit.open(&mut forged), Err(DatagramError::Sealed));
    let mut datagram = datagram;
    assert_eq!(circuit.exit.open(&mut datagram).unwrap(), b"payload");
}

#[test]
fn a_used_up_key_and_too_long_payloads_are_refused() {
    let mut circuit = circuit(2);
    let mut out = BytesMut::new();
    assert_eq!(
        circuit.originator.seal(&vec![0; MAX_PAYLOAD + 1], &mut out),
        Err(DatagramError::Length {
            length: MAX_PAYLOAD + 1
        })
    );
    circuit.originator.sealing.skip_to(endpoint::MAX_DATAGRAMS);
    assert_eq!(
        circuit.originator.seal(b"", &mut out),
        Err(DatagramError::UsedUp)
    );
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn any_flipped_bit_on_any_link_is_refused(
        hops in 1..=6_u8,
        payload in prop::collection::vec(any::<u8>(), 0..200),
        link: prop::sample::Index,
        bit: prop::sample::Index,
    ) {
        let mut circuit = circuit(hops);
        let mut datagram = BytesMut::new();
        circuit.originator.seal(&payload, &mut datagram).unwrap();
        let link = link.index(usize::from(hops));
        for step in 0..usize::from(hops) {
            if step == link {
                let bit = bit.index(datagram.len() * 8);
                datagram[bit / 8] ^= 1 << (bit % 8);
            }
            if step < circuit.relays.len() {
                circuit.relays[step].forward(&mut datagram).unwrap();
            }
        }
        prop_assert_eq!(circuit.exit.open(&mut datagram), Err(DatagramError::Sealed));
    }

    #[test]
    fn random_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut circuit = circuit(3);
        prop_assert_eq!(circuit.relays[0].forward(&mut bytes).is_err(), bytes.len() < OVERHEAD);
        prop_assert!(circuit.exit.open(&mut bytes).is_err());
        prop_assert!(circuit.originator.open(&mut bytes).is_err());
    }
}
