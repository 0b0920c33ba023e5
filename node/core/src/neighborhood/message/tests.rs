use proptest::prelude::*;

use super::*;
use crate::identity::{Identity, Validity};
use crate::neighborhood::tests::net::record_of;
use crate::random::seeded::Seeded;

fn id(byte: u8) -> NodeId {
    NodeId::new([byte; 32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn record(seed: u64) -> Bytes {
    let validity = Validity::new(1, 2).unwrap();
    let identity = Identity::generate(validity, &mut Seeded::new(seed));
    Bytes::from(record_of(&identity, 7, &[]).to_bytes())
}

pub(in crate::neighborhood) fn samples() -> Vec<Message> {
    let mut records = vec![record(1), record(2), record(3)];
    records.sort_by_key(|record| NodeRecord::peek(record));
    let relay = Roles {
        relay: true,
        exit: false,
    };
    vec![
        Message::Debut {
            chain: Chain::Dev,
            observed: "192.0.2.1".parse().unwrap(),
            ports: vec![4_000, 5_000],
            record: record(1),
        },
        Message::Welcome {
            observed: "2001:db8::1".parse().unwrap(),
            ports: Vec::new(),
            record: record(2),
        },
        Message::Pass {
            reason: Refusal::Full,
            observed: "192.0.2.1".parse().unwrap(),
        },
        Message::Propose {
            id: id(7),
            roles: relay,
            needy: true,
            key: OnionPublicKey::new([9; 32]),
            hops: MAX_HOPS,
        },
        Message::Consent { id: id(7) },
        Message::Introduction {
            id: id(7),
            ip: "2001:db8::1".parse().unwrap(),
            ports: vec![4_000],
        },
        Message::Seek,
        Message::Announce(vec![(id(7), 258)]),
        Message::Announce(vec![(id(1), 1), (id(2), u64::MAX)]),
        Message::Pull(vec![id(7)]),
        Message::Records(records),
        Message::Contact {
            ports: vec![4_000, 5_000],
        },
        Message::Letter {
            id: id(7),
            sealed: [5; LETTER_LENGTH],
        },
    ]
}

/// The vectors of W-9.16.
#[test]
fn messages_have_the_bytes_of_the_specification() {
    let specification = include_str!("../../../../../docs/wire.md");
    let vectors = specification.split("**W-9.16**").nth(1).unwrap();
    let vectors = vectors.split("\n\n").next().unwrap();
    let expected: String = vectors.split('`').skip(1).step_by(2).collect();
    let (seven, nine) = ("07".repeat(32), "09".repeat(32));
    let expected = expected.replace("07..07", &seven).replace("09..09", &nine);
    let order = [6, 2, 11, 4, 7, 9, 3, 5];
    let samples = samples();
    let bytes: String = order
        .iter()
        .map(|place| hex(&samples[*place].encode()))
        .collect();
    assert_eq!(bytes, expected);
}

/// W-9.1.
#[test]
fn messages_read_back() {
    for message in samples() {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

/// W-9.2: every message has one form only.
#[test]
fn a_byte_too_few_or_too_many_is_refused() {
    for message in samples() {
        let bytes = message.encode();
        for length in 0..bytes.len() {
            assert!(Message::decode(&bytes.slice(..length)).is_err());
        }
        let longer = Bytes::from([&bytes[..], &[0]].concat());
        assert_eq!(Message::decode(&longer), Err(MessageError::Trailing(1)));
    }
}

#[test]
fn unknown_kinds_reasons_chains_and_flags_are_refused() {
    let decode = |bytes: &[u8]| Message::decode(&Bytes::copy_from_slice(bytes));
    for kind in [0, 13, 255] {
        assert_eq!(decode(&[kind]), Err(MessageError::Kind(kind)));
    }
    let changed = |sample: usize, place: usize, byte: u8| {
        let mut bytes = samples()[sample].encode().to_vec();
        bytes[place] = byte;
        decode(&bytes)
    };
    assert_eq!(changed(2, 1, 0), Err(MessageError::Field("reason")));
    assert_eq!(changed(2, 1, 8), Err(MessageError::Field("reason")));
    assert_eq!(changed(0, 1, 0), Err(MessageError::Field("chain")));
    assert_eq!(changed(0, 1, 8), Err(MessageError::Field("chain")));
    assert_eq!(changed(3, 33, 4), Err(MessageError::Field("roles")));
    assert_eq!(changed(3, 34, 2), Err(MessageError::Field("flag")));
    assert_eq!(changed(3, 67, 7), Err(MessageError::Field("hops")));
    assert_eq!(changed(2, 2, 5), Err(MessageError::Field("address")));
    assert_eq!(changed(11, 1, 17), Err(MessageError::Field("ports")));
    assert_eq!(
        changed(11, 2, 3),
        Err(MessageError::Field("ports")),
        "port 928"
    );
}

#[test]
fn unsorted_and_repeated_ids_are_refused() {
    let wrong = [
        Message::Announce(vec![(id(2), 1), (id(1), 1)]),
        Message::Announce(vec![(id(1), 1), (id(1), 2)]),
        Message::Pull(vec![id(2), id(1)]),
        Message::Pull(vec![id(1), id(1)]),
        Message::Records(vec![record(1), record(1)]),
    ];
    for message in wrong {
        assert_eq!(Message::decode(&message.encode()), Err(MessageError::Order));
    }
}

#[test]
fn lists_have_at_least_one_and_not_too_many() {
    let empty = Message::Pull(Vec::new()).encode();
    assert_eq!(Message::decode(&empty), Err(MessageError::Field("count")));
    let ids = |count: usize| {
        let id = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            NodeId::new(bytes)
        };
        Message::Pull((0..count).map(id).collect()).encode()
    };
    assert!(Message::decode(&ids(MAX_IDS)).is_ok());
    assert_eq!(
        Message::decode(&ids(MAX_IDS + 1)),
        Err(MessageError::Field("count"))
    );
}

#[test]
fn addresses_and_ports_have_one_form() {
    let decode = |bytes: &[u8]| Message::decode(&Bytes::copy_from_slice(bytes));
    let mapped = [&[3, 1, 6][..], &[0; 10], &[255, 255, 192, 0, 2, 1]].concat();
    assert_eq!(decode(&mapped), Err(MessageError::Field("address")));
    let twice = [11, 2, 0x0f, 0xa0, 0x0f, 0xa0];
    assert_eq!(decode(&twice), Err(MessageError::Field("ports")));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = Bytes::from(bytes);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn changed_messages_are_read_or_refused(
        sample in 0..13_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = samples()[sample].encode().to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let bytes = Bytes::from(bytes);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
