use super::*;
use crate::identity::{OnionSecret, Validity};
use crate::random::seeded::Seeded;
use crate::replay::{ReplayCache, ReplayError};

const NOW: u64 = 1_800_000_000;

struct Node {
    id: NodeId,
    secrets: Vec<OnionSecret>,
    replay: ReplayCache,
}

impl Node {
    fn open(&mut self, setup: &Setup) -> Result<Opened, OnionError> {
        self.open_at(setup, NOW)
    }

    fn open_at(&mut self, setup: &Setup, now: u64) -> Result<Opened, OnionError> {
        open(&self.id, &self.secrets, &mut self.replay, setup, now)
    }

    fn hop(&self, payer: u8) -> Hop {
        Hop {
            id: self.id,
            key: self.secrets[0].public(),
            payer: Payer([payer; 64]),
        }
    }
}

fn nodes(count: usize) -> Vec<Node> {
    let mut rng = Seeded::new(count as u64);
    let validity = Validity::new(NOW - 1_000, NOW + 1_000).unwrap();
    (0..count)
        .map(|number| Node {
            id: NodeId::new([number as u8 + 1; 32]),
            secrets: vec![OnionSecret::generate(validity, &mut rng)],
            replay: ReplayCache::new(100),
        })
        .collect()
}

fn path(nodes: &[Node]) -> Vec<Hop> {
    (0..).zip(nodes).map(|(n, node)| node.hop(n)).collect()
}

fn circuit(nodes: &[Node], seed: u64) -> (Setup, OriginatorKeys) {
    build(&path(nodes), NOW, &mut Seeded::new(seed)).unwrap()
}

#[test]
fn every_hop_of_every_path_length_learns_its_own_part() {
    for count in 1..=MAX_HOPS {
        let mut nodes = nodes(count);
        let (mut setup, keys) = circuit(&nodes, 5);
        assert_eq!(keys.relays.len(), count - 1);
        let following: Vec<NodeId> = nodes.iter().skip(1).map(|node| node.id).collect();
        for (number, node) in nodes.iter_mut().enumerate() {
            match node.open(&setup).unwrap() {
                Opened::Relay {
                    next,
                    setup: onwards,
                    keys: shared,
                    payer,
                } => {
                    assert_eq!(next, following[number]);
                    assert_eq!(shared, keys.relays[number]);
                    assert_eq!(payer, Payer([number as u8; 64]));
                    setup = onwards;
                }
                Opened::Exit {
                    keys: shared,
                    payer,
                } => {
                    assert_eq!(number, count - 1);
                    assert_eq!(shared, keys.exit);
                    assert_eq!(payer, Payer([number as u8; 64]));
                }
            }
        }
    }
}

#[test]
fn a_set_up_opens_once() {
    let mut nodes = nodes(3);
    let (setup, _) = circuit(&nodes, 1);
    nodes[0].open(&setup).unwrap();
    assert_eq!(
        nodes[0].open(&setup).unwrap_err(),
        OnionError::Replay(ReplayError::Replayed)
    );
}

#[test]
fn paths_without_hops_or_with_too_many_are_refused() {
    let nodes = nodes(MAX_HOPS + 1);
    for hops in [0, MAX_HOPS + 1] {
        let built = build(&path(&nodes)[..hops], NOW, &mut Seeded::new(1));
        assert_eq!(built.unwrap_err(), BuildError::Hops { hops });
    }
}

#[test]
fn an_onion_key_of_low_order_is_refused_by_both_sides() {
    let mut nodes = nodes(2);
    let mut hops = path(&nodes);
    hops[1].key = OnionPublicKey::new([0; 32]);
    assert_eq!(
        build(&hops, NOW, &mut Seeded::new(1)).unwrap_err(),
        BuildError::Key { id: nodes[1].id }
    );

    let mut bytes = *circuit(&nodes, 1).0.as_bytes();
    bytes[1..33].fill(0);
    let setup = Setup::try_from(&bytes[..]).unwrap();
    assert_eq!(nodes[0].open(&setup).unwrap_err(), OnionError::Sealed);
}

#[test]
fn only_the_node_it_was_made_for_opens_it() {
    let mut nodes = nodes(2);
    let (setup, _) = circuit(&nodes, 1);
    assert_eq!(nodes[1].open(&setup).unwrap_err(), OnionError::Sealed);

    // The same onion key under another id: whoever publishes a stranger's key gains nothing.
    nodes[1].secrets = nodes[0].secrets.clone();
    assert_eq!(nodes[1].open(&setup).unwrap_err(), OnionError::Sealed);
    nodes[0].open(&setup).unwrap();
}

#[test]
fn keys_open_while_they_rotate_and_not_long_after() {
    let mut nodes = nodes(1);
    let (setup, _) = circuit(&nodes, 1);
    let newer = Validity::new(NOW, NOW + 5_000).unwrap();
    nodes[0]
        .secrets
        .insert(0, OnionSecret::generate(newer, &mut Seeded::new(9)));
    nodes[0].open(&setup).unwrap();

    let late = NOW + 2_000;
    let (setup, _) = build(&[nodes[0].hop(0)], late, &mut Seeded::new(2)).unwrap();
    nodes[0].open_at(&setup, late).unwrap();
    let old = Hop::from((nodes[0].id, nodes[0].secrets[1].public()));
    let (setup, _) = build(&[old], late, &mut Seeded::new(3)).unwrap();
    assert_eq!(
        nodes[0].open_at(&setup, late).unwrap_err(),
        OnionError::Sealed
    );
}

#[test]
fn set_ups_live_for_a_while_and_say_it_in_whole_minutes() {
    let mut nodes = nodes(1);
    for begin in [NOW, NOW + 1, NOW + 29, NOW + 59] {
        let (setup, _) = build(&path(&nodes), begin, &mut Seeded::new(begin)).unwrap();
        nodes[0].open_at(&setup, begin + 90).unwrap();

        let (setup, _) = build(&path(&nodes), begin, &mut Seeded::new(begin + 100)).unwrap();
        let late = begin + 90 + 60;
        let Err(OnionError::Expired { expiry, .. }) = nodes[0].open_at(&setup, late) else {
            panic!("a set-up lives for at most 150 s");
        };
        assert_eq!(expiry % 60, 0);
        let early = expiry - 241;
        assert_eq!(
            nodes[0].open_at(&setup, early).unwrap_err(),
            OnionError::Ahead {
                expiry,
                now_unix: early
            }
        );
    }
    let beyond = u64::from(u32::MAX);
    for now_unix in [beyond, u64::MAX] {
        assert_eq!(
            build(&path(&nodes), now_unix, &mut Seeded::new(1)).unwrap_err(),
            BuildError::Time { now_unix }
        );
    }
}

#[test]
fn a_full_replay_cache_refuses_with_its_own_code() {
    let mut nodes = nodes(1);
    nodes[0].replay = ReplayCache::new(1);
    let [(first, _), (second, _)] = [1, 2].map(|seed| circuit(&nodes, seed));
    nodes[0].open(&first).unwrap();
    let error = nodes[0].open(&second).unwrap_err();
    assert_eq!(error, OnionError::Replay(ReplayError::Full { capacity: 1 }));
    assert_eq!(error.code(), crate::failure::Code::Overloaded);
}

#[test]
fn every_byte_of_the_packet_counts_at_every_hop() {
    let mut nodes = nodes(3);
    let (mut setup, _) = circuit(&nodes, 1);
    for node in &mut nodes {
        for position in 0..SETUP_LENGTH {
            let mut bytes = *setup.as_bytes();
            bytes[position] ^= 1 << (position % 8);
            let changed = Setup::try_from(&bytes[..]).unwrap();
            let expected = match position {
                0 => OnionError::Version { version: bytes[0] },
                _ => OnionError::Sealed,
            };
            assert_eq!(node.open(&changed).unwrap_err(), expected);
        }
        if let Opened::Relay { setup: onwards, .. } = node.open(&setup).unwrap() {
            setup = onwards;
        }
    }
}

#[test]
fn a_packet_has_one_size() {
    assert_eq!(SETUP_LENGTH, 1_057);
    for length in [0, SETUP_LENGTH - 1, SETUP_LENGTH + 1] {
        assert_eq!(
            Setup::try_from(&vec![1; length][..]),
            Err(SetupLengthError { length })
        );
    }
}

/// What a hop sees of its place would have to show in the bytes: they are evenly spread at every
/// hop of every path, and no 16 of them ever come again.
#[test]
fn the_bytes_do_not_tell_the_place_of_a_hop() {
    let mut seen = std::collections::HashSet::new();
    for count in 1..=MAX_HOPS {
        let mut ones = vec![0_u32; count];
        for seed in 0..20 {
            let mut nodes = nodes(count);
            let (mut setup, _) = circuit(&nodes, seed * 10 + count as u64);
            for (node, ones) in nodes.iter_mut().zip(&mut ones) {
                for block in setup.header().chunks(16) {
                    assert!(seen.insert(block.to_vec()));
                    *ones += block.iter().map(|byte| byte.count_ones()).sum::<u32>();
                }
                if let Opened::Relay { setup: onwards, .. } = node.open(&setup).unwrap() {
                    setup = onwards;
                }
            }
        }
        for ones in ones {
            let share = f64::from(ones) / f64::from(20 * HEADER_LENGTH as u32 * 8);
            // 168,960 bits: a standard deviation is 0.0012.
            assert!((share - 0.5).abs() < 0.007, "{share}");
        }
    }
}

/// A set-up of known keys and known randomness; a change of its bytes is a change of the wire.
#[test]
fn the_wire_format_stands() {
    let (setup, keys) = circuit(&nodes(3), 1);
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..16].to_owned();
    assert_eq!(hash(setup.as_bytes()), SETUP_HASH);
    let keys = [
        &keys.relays[0].stream.forward,
        &keys.relays[1].datagram.backward.iv,
        &keys.exit.frame.backward,
    ]
    .map(|key| hash(key.as_bytes()));
    assert_eq!(keys, KEY_HASHES);
}

const SETUP_HASH: &str = "a93dfb0080d3f3dc";
const KEY_HASHES: [&str; 3] = ["0731d98966012a24", "d0da44ab20a12fe6", "26ac2b1aa8fee0c3"];
