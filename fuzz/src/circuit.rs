//! What Nodes and links send: set-ups, frames, datagrams.
//!
//! The first byte of an input chooses between raw bytes, as a stranger sends them, and genuine
//! bytes that the rest of the input changes, as someone on the way does. Raw bytes meet keys that
//! seal nothing here: a fuzzer picks genuine bytes up from comparisons and would bring them back.

use std::convert::Infallible;
use std::sync::LazyLock;

use bytes::BytesMut;
use masq_core::datagram::{ExitDatagrams, OriginatorDatagrams, RelayDatagrams};
use masq_core::frame::{Backward, Forward, Kind, MAX_FRAME, MAX_PAYLOAD, Opener, Sealer};
use masq_core::identity::{Identity, Validity};
use masq_core::layer::SecretKey;
use masq_core::onion::{self, ExitKeys, Hop, Opened, OriginatorKeys, RelayKeys, Setup};
use masq_core::random::{TryCryptoRng, TryRng};
use masq_core::replay::ReplayCache;

const NOW: u64 = 1_800_000_000;

/// Opens a set-up packet at the first, or at a later, Node of a path.
pub fn onion_open(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let nodes = &*NODES;
    if mode % 2 == 0 {
        if let Ok(setup) = Setup::try_from(rest) {
            assert!(
                open(&nodes[onion::MAX_HOPS], &setup).is_none(),
                "a stranger's bytes opened"
            );
        }
        return;
    }

    let hops = 1 + usize::from(mode / 2) % onion::MAX_HOPS;
    let victim = usize::from(rest.first().copied().unwrap_or_default()) % hops;
    let path: Vec<Hop> = nodes[..hops].iter().map(hop).collect();
    let Ok((mut setup, _)) = onion::build(&path, NOW, &mut Counting(1)) else {
        panic!("a path of known Nodes is built");
    };
    for node in &nodes[..victim] {
        match open(node, &setup) {
            Some(Opened::Relay { setup: next, .. }) => setup = next,
            Some(Opened::Exit { .. }) | None => panic!("a genuine set-up is passed on"),
        }
    }
    let changed = change(setup.as_bytes(), rest.get(1..).unwrap_or_default());
    let same = changed == setup.as_bytes();
    let Ok(changed) = Setup::try_from(&changed[..]) else {
        panic!("a change keeps the length");
    };
    assert_eq!(open(&nodes[victim], &changed).is_some(), same);
}

/// Opens a stream of frames that arrives in pieces, and reads what is in them.
pub fn frame_open(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let key = SecretKey::new([5 + mode % 2; 32]);
    let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key));
    if mode % 2 == 0 {
        let frames = arrive(&mut opener, rest, 1 + usize::from(mode / 2));
        assert!(frames.is_empty(), "a stranger's bytes opened");
        return;
    }

    let Some((&kind, payload)) = rest.split_first() else {
        return;
    };
    let Ok(kind) = Kind::try_from(kind) else {
        return;
    };
    let mut stream = BytesMut::new();
    let sealed = sealer.seal(kind, &[payload], &mut stream);
    assert_eq!(sealed.is_ok(), payload.len() <= MAX_PAYLOAD);
    if sealed.is_err() {
        return;
    }
    let frames = arrive(&mut opener, &stream, 1 + usize::from(mode / 2) * 100);
    assert!(frames.len() == 1 && frames[0].0 == kind && frames[0].1 == payload);

    if let Ok(message) = Forward::decode(kind, payload) {
        let mut out = BytesMut::new();
        assert!(message.encode(&mut out).is_ok());
        assert_eq!(Forward::decode(kind, &out), Ok(message));
    }
    if let Ok(message) = Backward::decode(kind, payload) {
        let mut out = BytesMut::new();
        assert!(message.encode(&mut out).is_ok());
        assert_eq!(Backward::decode(kind, &out), Ok(message));
    }
}

/// Takes a datagram over a relay to the exit, and one to the originator.
pub fn datagram_open(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else {
        return;
    };
    let (keys, relay, exit) = &CIRCUITS[usize::from(mode % 2)];
    let relay = RelayDatagrams::new(relay);
    let mut exit = ExitDatagrams::new(exit);
    let mut originator = OriginatorDatagrams::new(keys);
    if mode % 2 == 0 {
        let mut datagram = rest.to_vec();
        if relay.forward(&mut datagram).is_ok() {
            assert!(
                exit.open(&mut datagram).is_err(),
                "a stranger's bytes opened"
            );
        }
        let mut datagram = rest.to_vec();
        assert!(
            originator.open(&mut datagram).is_err(),
            "a stranger's bytes opened"
        );
        return;
    }

    let (payload, changes) = rest.split_at(rest.len().min(usize::from(mode)));
    let mut datagram = BytesMut::new();
    assert_eq!(originator.seal(payload, &mut datagram), Ok(()));
    let mut changed = change(&datagram, changes);
    let same = changed == datagram;
    assert_eq!(relay.forward(&mut changed), Ok(()));
    match exit.open(&mut changed) {
        Ok(opened) => assert!(same && opened == payload),
        Err(_) => assert!(!same),
    }
}

/// Changes bytes at places that `changes` names: a position of two bytes, then what to XOR.
fn change(bytes: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (changes, _) = changes.as_chunks::<3>();
    for &[high, low, with] in changes {
        let length = bytes.len();
        bytes[usize::from(u16::from_be_bytes([high, low])) % length] ^= with;
    }
    bytes
}

fn arrive(opener: &mut Opener, stream: &[u8], piece: usize) -> Vec<(Kind, Vec<u8>)> {
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match opener.open(&mut input) {
                Ok(Some((kind, payload))) => frames.push((kind, payload.to_vec())),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(opener.open(&mut input), Err(error), "an error is final");
                    return frames;
                }
            }
        }
        assert!((1..=MAX_FRAME).contains(&Opener::missing(&input)));
    }
    frames
}

fn open(node: &Identity, setup: &Setup) -> Option<Opened> {
    let mut replay = ReplayCache::new(1);
    onion::open(&node.id(), node.onion_secrets(), &mut replay, setup, NOW).ok()
}

fn hop(node: &Identity) -> Hop {
    Hop::from((node.id(), node.onion_secrets()[0].public()))
}

static NODES: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let Ok(validity) = Validity::new(NOW, NOW) else {
        panic!("a moment is a validity");
    };
    (0..=onion::MAX_HOPS as u64)
        .map(|number| Identity::generate(validity, &mut Counting(number << 32)))
        .collect()
});

static CIRCUITS: LazyLock<[(OriginatorKeys, RelayKeys, ExitKeys); 2]> = LazyLock::new(|| {
    let path: Vec<Hop> = NODES[..2].iter().map(hop).collect();
    [7, 7 << 32].map(|seed| {
        let Ok((_, keys)) = onion::build(&path, NOW, &mut Counting(seed)) else {
            panic!("a path of known Nodes is built");
        };
        let (relay, exit) = (keys.relays[0].clone(), keys.exit.clone());
        (keys, relay, exit)
    })
});

/// Not random at all: inputs must have the same effect at every run.
pub(crate) struct Counting(pub(crate) u64);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 += 1;
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            self.0 += 1;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}
