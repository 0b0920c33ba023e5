//! Each request with what it must be answered, through frames as a user interface sends them.

use super::*;
use crate::database::Cost;
use masq_core::config::{Chain, Mode};
use proptest::prelude::*;
use serde_json::{Value, json};

mod money;
mod wallets;

/// A Node's configurator, and the folder of its database.
struct Fixture {
    configurator: Configurator,
    store: Rc<Store>,
    folder: tempfile::TempDir,
}

const NOW: u64 = 1_000_000;

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        let store = Rc::new(store.with_cost(Cost::LEAST));
        let config = NodeConfig::parse("chain = \"dev\"\nclandestine-port = 4747\n").unwrap();
        assert_eq!((config.chain, config.mode), (Chain::Dev, Mode::Standard));
        Fixture {
            configurator: Configurator::new(&config, store.clone()),
            store,
            folder,
        }
    }

    /// With the password `first`.
    fn locked() -> Self {
        let mut fixture = Fixture::new();
        fixture
            .ask("changePassword", json!({ "newPassword": "first" }))
            .unwrap();
        fixture
    }

    fn reply(&mut self, opcode: &str, payload: Value) -> Reply {
        let frame = json!({ "opcode": opcode, "contextId": 7, "payload": payload });
        let frame = Frame::parse(&frame.to_string()).unwrap();
        let reply = self.configurator.handle(frame, NOW).unwrap();
        assert_eq!(reply.answer.opcode, opcode);
        assert_eq!(reply.answer.context_id, Some(7));
        reply
    }

    fn ask(&mut self, opcode: &str, payload: Value) -> Result<Value, UiError> {
        self.reply(opcode, payload).answer.body.map(Value::Object)
    }

    /// The code and the message of a refusal.
    fn refused(&mut self, opcode: &str, payload: Value) -> (Code, String) {
        let reply = self.reply(opcode, payload);
        assert!(reply.others.is_none() && reply.changed.is_none());
        let error = reply.answer.body.unwrap_err();
        (error.code, error.message)
    }

    fn matches(&mut self, password: Value) -> bool {
        let answer = self.ask("checkPassword", json!({ "dbPasswordOpt": password }));
        answer.unwrap()["matches"].as_bool().unwrap()
    }
}

#[test]
fn what_belongs_to_others_is_left_to_them() {
    let mut fixture = Fixture::new();
    for opcode in ["", "setup", "descriptor", "shutdown", "Configuration"] {
        let text = json!({ "opcode": opcode, "contextId": 1, "payload": {} }).to_string();
        let frame = Frame::parse(&text).unwrap();
        assert!(
            fixture.configurator.handle(frame, NOW).is_none(),
            "{opcode}"
        );
    }
}

#[test]
fn a_password_is_set_checked_and_changed() {
    let mut fixture = Fixture::new();
    assert!(fixture.matches(Value::Null), "none is set");
    assert!(!fixture.matches(json!("first")));

    let change = json!({ "oldPasswordOpt": null, "newPassword": "first" });
    let reply = fixture.reply("changePassword", change.clone());
    assert_eq!(reply.answer.body, Ok(serde_json::Map::new()));
    let others = reply.others.unwrap();
    assert_eq!(
        (others.opcode.as_str(), others.context_id),
        ("newPassword", None)
    );
    assert!(fixture.matches(json!("first")));
    assert!(!fixture.matches(Value::Null) && !fixture.matches(json!("First")));

    let (code, message) = fixture.refused("changePassword", change);
    assert_eq!(code, Code::CONFIGURATOR_WRITE);
    assert!(message.contains("give the old one"), "{message}");
    let change = |old, new: &str| json!({ "oldPasswordOpt": old, "newPassword": new });
    for (old, new) in [("wrong", "second"), ("first", ""), ("", "second")] {
        let (code, _) = fixture.refused("changePassword", change(old, new));
        assert_eq!(code, Code::BAD_PASSWORD, "{old} {new}");
    }
    let long = "p".repeat(1_025);
    assert_eq!(
        fixture.refused("changePassword", change("first", &long)).0,
        Code::BAD_PASSWORD
    );
    assert_eq!(
        fixture.refused("changePassword", change(&long, "second")).0,
        Code::BAD_PASSWORD
    );
    assert!(!fixture.matches(json!(long)));
    fixture
        .ask("changePassword", change("first", "second"))
        .unwrap();
    assert!(fixture.matches(json!("second")) && !fixture.matches(json!("first")));
}

#[test]
fn the_first_password_needs_no_old_one_and_says_so() {
    let mut fixture = Fixture::new();
    let change = json!({ "oldPasswordOpt": "any", "newPassword": "first" });
    let (code, message) = fixture.refused("changePassword", change);
    assert_eq!(code, Code::BAD_PASSWORD);
    assert!(message.contains("no password has been set"), "{message}");
}

#[test]
fn the_configuration_is_told_and_secrets_with_the_password_only() {
    let mut fixture = Fixture::locked();
    let told = fixture.ask("configuration", json!({})).unwrap();
    assert_eq!(told["chainName"], "dev");
    assert_eq!(told["clandestinePort"], 4_747);
    assert_eq!(told["currentSchemaVersion"], "4");
    assert_eq!(told["gasPrice"], 1);
    assert_eq!(told["neighborhoodMode"], "standard");
    assert_eq!(told["startBlock"], Value::Null);
    assert_eq!(told["paymentThresholds"]["thresholdIntervalSec"], 21_600);
    assert_eq!(told["scanIntervals"]["receivableSec"], 600);
    assert_eq!(told["ratePack"]["exitByteRate"], 107_688);
    assert_eq!(told["earningWalletAddressOpt"], Value::Null);

    let made = fixture
        .ask("generateWallets", json!({ "dbPassword": "first" }))
        .unwrap();
    for password in [Value::Null, json!("wrong")] {
        let asked = json!({ "dbPasswordOpt": password });
        let told = fixture.ask("configuration", asked).unwrap();
        assert_eq!(told["consumingWalletPrivateKeyOpt"], Value::Null);
        assert_eq!(told["consumingWalletAddressOpt"], Value::Null);
        assert_eq!(
            told["earningWalletAddressOpt"],
            made["earningWalletAddress"]
        );
    }
    let told = fixture
        .ask("configuration", json!({ "dbPasswordOpt": "first" }))
        .unwrap();
    assert_eq!(
        told["consumingWalletAddressOpt"],
        made["consumingWalletAddress"]
    );
    let key = made["consumingWalletPrivateKey"].as_str().unwrap();
    assert_eq!(told["consumingWalletPrivateKeyOpt"], key.to_lowercase());
}

#[test]
fn three_parameters_are_set_and_kept() {
    let mut fixture = Fixture::new();
    let set = |name: &str, value: &str| json!({ "name": name, "value": value });
    fixture
        .ask("setConfiguration", set("gas-price", "55"))
        .unwrap();
    let reply = fixture.reply("setConfiguration", set("min-hops", "4"));
    assert_eq!(reply.changed, HopCount::new(4).map(Changed::MinHops));
    fixture
        .ask("setConfiguration", set("start-block", "123"))
        .unwrap();
    let told = fixture.ask("configuration", json!({})).unwrap();
    assert_eq!(
        (&told["gasPrice"], &told["startBlock"]),
        (&json!(55), &json!(123))
    );
    for newest in ["latest", "none"] {
        fixture
            .ask("setConfiguration", set("start-block", "5"))
            .unwrap();
        fixture
            .ask("setConfiguration", set("start-block", newest))
            .unwrap();
        let told = fixture.ask("configuration", json!({})).unwrap();
        assert_eq!(told["startBlock"], Value::Null, "{newest}");
    }
    let kept = crate::database::settings(fixture.folder.path()).unwrap();
    assert_eq!(kept["gas-price"], "55");
    assert_eq!(kept["min-hops"], "4");
}

#[test]
fn what_cannot_be_set_is_refused_with_the_range() {
    let mut fixture = Fixture::new();
    for (name, value, range) in [
        ("gas-price", "0", "above 0"),
        ("gas-price", "-1", "above 0"),
        ("gas-price", "18446744073709551616", "above 0"),
        ("min-hops", "0", "1 to 6"),
        ("min-hops", "7", "1 to 6"),
        ("min-hops", "+3", "1 to 6"),
        ("start-block", "", "number of a block"),
        ("start-block", "Latest", "number of a block"),
    ] {
        let asked = json!({ "name": name, "value": value });
        let (code, message) = fixture.refused("setConfiguration", asked);
        assert_eq!(code, Code::NON_PARSABLE_VALUE, "{name} {value}");
        assert!(
            message.contains(range) && message.contains(value),
            "{message}"
        );
    }
    let long = "x".repeat(100_000);
    for name in ["ip", "", long.as_str()] {
        let asked = json!({ "name": name, "value": long });
        let (code, message) = fixture.refused("setConfiguration", asked);
        assert_eq!(code, Code::UNRECOGNIZED_PARAMETER);
        assert!(
            message.len() < 200 && message.contains("gas-price"),
            "{message}"
        );
    }
}

#[test]
fn a_database_that_cannot_be_written_is_said() {
    let mut fixture = Fixture::locked();
    let path = fixture.folder.path().join("node-data.db");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = json!({ "name": "min-hops", "value": "2" });
    let (code, message) = fixture.refused("setConfiguration", asked);
    assert_eq!(code, Code::CONFIGURATOR_WRITE);
    assert!(message.contains("database-locked"), "{message}");
}

#[test]
fn a_frame_of_another_shape_is_refused() {
    let mut fixture = Fixture::new();
    for text in [
        r#"{"opcode":"scan","contextId":1,"payload":{"scanType":"Everything"}}"#,
        r#"{"opcode":"scan","contextId":1,"error":{"code":1,"message":"m"}}"#,
        r#"{"opcode":"changePassword","contextId":1,"payload":{}}"#,
        r#"{"opcode":"financials","contextId":1,"payload":{"statsRequired":1}}"#,
    ] {
        let frame = Frame::parse(text).unwrap();
        let answer = fixture.configurator.handle(frame, NOW).unwrap().answer;
        assert_eq!(answer.body.unwrap_err().code, Code::UNMARSHAL, "{text}");
    }
}

/// Values that are right, nearly right or nonsense for the fields of all requests.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..30).prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "first",
            "English",
            "Korean",
            "m/44'/60'/0'/0/0",
            "m",
            "latest",
            "min-hops",
            "gas-price",
            "3",
            "Age",
            "Balance",
            "Payables",
            "abandon",
            "0x9858EfFD232B4033E47d90003D41EC34EcaEda94",
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..13).prop_map(Value::from),
            payload(inner),
        ]
    })
}

fn payload(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "dbPasswordOpt",
        "dbPassword",
        "oldPasswordOpt",
        "newPassword",
        "name",
        "value",
        "seedSpecOpt",
        "mnemonicPhrase",
        "mnemonicPhraseSizeOpt",
        "mnemonicPhraseLanguageOpt",
        "mnemonicPassphraseOpt",
        "consumingDerivationPathOpt",
        "consumingPrivateKeyOpt",
        "earningDerivationPathOpt",
        "earningAddressOpt",
        "replaceWallets",
        "statsRequired",
        "topRecordsOpt",
        "count",
        "orderedBy",
        "customQueriesOpt",
        "payableOpt",
        "receivableOpt",
        "minAgeS",
        "maxAgeS",
        "minAmountGwei",
        "maxAmountGwei",
        "scanType",
    ]);
    prop::collection::vec((names, inner), 0..12).prop_map(|fields| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(fields.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_payload_has_one_answer(
        opcode in prop::sample::select(vec![
            "configuration", "setConfiguration", "checkPassword", "changePassword",
            "generateWallets", "recoverWallets", "walletAddresses", "financials", "scan",
        ]),
        payload in payload(value()),
        context_id in any::<Option<u64>>(),
    ) {
        thread_local! {
            static FIXTURE: std::cell::RefCell<Fixture> = Fixture::locked().into();
        }
        let text = json!({ "opcode": opcode, "payload": payload }).to_string();
        let frame = Frame { context_id, ..Frame::parse(&text).unwrap() };
        let reply = FIXTURE.with_borrow_mut(|fixture| fixture.configurator.handle(frame, NOW));
        let answer = reply.unwrap().answer;
        prop_assert_eq!(&answer.opcode, opcode);
        prop_assert_eq!(answer.context_id, context_id);
        prop_assert!(answer.to_text().len() < masq_ui_protocol::MAX_FRAME);
    }
}
