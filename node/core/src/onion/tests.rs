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
