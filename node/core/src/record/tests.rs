use proptest::prelude::*;

use super::*;
use crate::identity::Validity;
use crate::random::seeded::Seeded;

fn identity(seed: u64) -> Identity {
    Identity::generate(Validity::new(1_000, 2_000).unwrap(), &mut Seeded::new(seed))
}

fn content(neighbors: usize) -> Content {
    Content {
        version: 7,
        roles: Roles {
            relay: true,
            exit: false,
        },
        accepts: false,
        country: CountryCode::new("CH").unwrap(),
        rates: Rates {
            routing_byte: 1,
            routing_service: 2,
            exit_byte: 3,
            exit_service: 4,
        },
        earning: Some(EarningAddress([5; 20])),
        neighbors: (0..neighbors)
            .map(|number| NodeId::new([number as u8; 32]))
            .rev()
            .collect(),
    }
}

fn record(neighbors: usize) -> NodeRecord {
    NodeRecord::sign(&identity(1), content(neighbors)).unwrap()
}

#[test]
fn records_read_back() {
    for neighbors in [0, 1, MAX_NEIGHBORS] {
        let record = record(neighbors);
        let json = record.to_json();
        assert!(json.len() <= MAX_JSON && !json.contains('\n'));
        assert_eq!(NodeRecord::from_json(&json).as_ref(), Ok(&record));

        let bytes = record.to_bytes();
        assert!(bytes.len() <= MAX_BYTES);
        assert_eq!(NodeRecord::peek(&bytes), Some((record.id(), 7)));
        assert_eq!(NodeRecord::from_bytes(&bytes), Ok(record));
    }
}

#[test]
fn rates_without_measure_are_refused() {
    let mut content = content(0);
    content.rates.exit_byte = MAX_RATE + 1;
    let refused = NodeRecord::sign(&identity(1), content);
    assert!(matches!(
        refused,
        Err(RecordError::Field { field: "rates", .. })
    ));
}

#[test]
fn the_onion_key_is_given_only_while_it_is_valid() {
    let record = record(1);
    let key = identity(1).onion_secrets()[0].public();
    assert_eq!(record.onion_key_at(1_000), Some(key));
    assert_eq!(record.onion_key_at(2_000), Some(key));
    assert_eq!(record.onion_key_at(999), None);
    assert_eq!(record.onion_key_at(2_001), None);
}

#[test]
fn a_record_tells_no_address_and_nothing_unknown() {
    let json = record(0).to_json();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mut fields: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "accepts",
            "country",
            "earning",
            "id",
            "neighbors",
            "onion_key",
            "onion_not_after",
            "onion_not_before",
            "onion_signature",
            "rates",
            "roles",
            "signature",
            "version"
        ]
    );
    let extended = json.replacen('{', "{\"ip\":\"192.0.2.1\",", 1);
    let error = NodeRecord::from_json(&extended).unwrap_err().to_string();
    assert!(error.contains("unknown field `ip`"), "{error}");
}

#[test]
fn any_other_content_is_not_authentic() {
    let json = record(2).to_json();
    for (from, to) in [
        ("\"version\":7", "\"version\":8"),
        ("\"relay\"", "\"relay\",\"exit\""),
        ("\"relay\"", "\"exit\""),
        ("\"CH\"", "\"DE\""),
        ("\"accepts\":false", "\"accepts\":true"),
        ("\"routing_byte\":1", "\"routing_byte\":0"),
        ("\"routing_service\":2", "\"routing_service\":0"),
        ("\"exit_byte\":3", "\"exit_byte\":0"),
        ("\"exit_service\":4", "\"exit_service\":0"),
        ("BQUF", "BgUF"),
        ("_not_before\":1000", "_not_before\":999"),
        ("_not_after\":2000", "_not_after\":2001"),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json);
        assert!(
            matches!(
                NodeRecord::from_json(&changed),
                Err(RecordError::Signature {
                    part: "content",
                    ..
                })
            ),
            "{from}"
        );
    }
}

#[test]
fn an_onion_key_of_another_node_is_not_authentic() {
    let (mine, other) = (identity(1), identity(2));
    let content = Content {
        neighbors: vec![],
        ..content(0)
    };
    let stolen = other.signed_onion_key();
    let signature = mine.sign(&content.signed_bytes(&mine.id(), &stolen));
    assert!(matches!(
        NodeRecord::verified(mine.id(), stolen, content, signature),
        Err(RecordError::Signature {
            part: "onion key",
            ..
        })
    ));
}

#[test]
fn neighbors_are_bounded_ordered_and_others() {
    let many = NodeRecord::sign(&identity(1), content(MAX_NEIGHBORS + 1));
    assert_eq!(many, Err(RecordError::Neighbors { count: 17 }));

    let twice = Content {
        neighbors: vec![NodeId::new([1; 32]); 3],
        ..content(0)
    };
    assert_eq!(
        NodeRecord::sign(&identity(1), twice).unwrap().neighbors(),
        [NodeId::new([1; 32])]
    );

    let own = Content {
        neighbors: vec![identity(1).id()],
        ..content(0)
    };
    assert!(matches!(
        NodeRecord::sign(&identity(1), own),
        Err(RecordError::Field {
            field: "neighbors",
            ..
        })
    ));
}

#[test]
fn what_is_wrong_is_named() {
    let json = record(1).to_json();
    let id = identity(1).id().to_string();
    let cases = [
        (json.replace("\"CH\"", "\"ch\""), "country"),
        (json.replace(&id, "AQE"), "wrong id"),
        (
            json.replace("\"relay\"", "\"king\""),
            "unknown variant `king`",
        ),
        (
            json.replace("_not_after\":2000", "_not_after\":1"),
            "onion_not_after",
        ),
        (
            json.replace("\"version\":7,", ""),
            "missing field `version`",
        ),
        (" ".repeat(MAX_JSON + 1), "at most 8192"),
        ("[]".to_owned(), "not readable"),
    ];
    for (text, what) in cases {
        let error = NodeRecord::from_json(&text).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

proptest! {
    #[test]
    fn any_changed_bit_of_the_binary_form_is_refused(position: prop::sample::Index, bit in 0..8) {
        let mut bytes = record(3).to_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= 1u8 << bit;
        prop_assert!(NodeRecord::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_binary_form_of_another_length_is_refused(length in 0..MAX_BYTES + 40) {
        let mut bytes = record(3).to_bytes();
        prop_assume!(length != bytes.len());
        bytes.resize(length, 0);
        prop_assert!(NodeRecord::from_bytes(&bytes).is_err());
    }

    #[test]
    fn any_changed_byte_is_refused_or_means_the_same(position: prop::sample::Index, byte: u8) {
        let record = record(3);
        let mut json = record.to_json().into_bytes();
        let position = position.index(json.len());
        json[position] = byte;
        if let Ok(text) = str::from_utf8(&json)
            && let Ok(read) = NodeRecord::from_json(text)
        {
            prop_assert_eq!(read, record);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        prop_assert!(NodeRecord::from_json(&text).is_err());
    }
}
