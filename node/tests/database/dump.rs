//! The dump of all settings: what it shows, what it hides, and that it changes nothing.

use crate::support::file;
use masq_core::failure::Code;
use masq_core::secret::Secret;
use masq_node::database::{Store, dump};
use std::fs;

const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn made(fixture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .execute_batch(fixture)
        .unwrap();
    folder
}

#[test]
fn the_dump_has_every_key_and_secrets_with_the_password_only() {
    let folder = made(include_str!("fixtures/4.sql"));
    let before = fs::read(file(folder.path())).unwrap();
    let hidden = dump(folder.path(), None).unwrap();
    let clear = dump(folder.path(), Some(&Secret::new("secret".to_owned()))).unwrap();

    let keys: Vec<_> = hidden.as_object().unwrap().keys().cloned().collect();
    let mut expected = [
        "blockchainServiceUrl",
        "chainName",
        "clandestinePort",
        "consumingWalletPrivateKey",
        "earningWalletAddress",
        "exampleEncrypted",
        "gasPrice",
        "mappingProtocol",
        "maxBlockCount",
        "minHops",
        "neighborhoodMode",
        "pastNeighbors",
        "paymentThresholds",
        "ratePack",
        "scanIntervals",
        "schemaVersion",
        "startBlock",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    for dump in [&hidden, &clear] {
        assert!(
            dump.as_object()
                .unwrap()
                .values()
                .all(|value| value.is_string() || value.is_null())
        );
        assert_eq!(dump["chainName"], "polygon-amoy");
        assert_eq!(dump["clandestinePort"], "4747");
        assert_eq!(dump["schemaVersion"], "4");
        assert!(dump["gasPrice"].is_null());
    }
    assert_eq!(clear["consumingWalletPrivateKey"], KEY);
    let sealed = hidden["consumingWalletPrivateKey"].as_str().unwrap();
    assert!(sealed.len() > 64 && sealed.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert!(!sealed.to_lowercase().contains(KEY));
    assert!(fs::read(file(folder.path())).unwrap() == before);
}

#[test]
fn a_wrong_password_or_one_without_need_is_said() {
    let folder = made(include_str!("fixtures/4.sql"));
    let wrong = Secret::new("wrong".to_owned());
    let error = dump(folder.path(), Some(&wrong)).unwrap_err();
    assert_eq!(error.code, Code::WrongPassword);
    let folder = tempfile::tempdir().unwrap();
    let (_store, _) = Store::open(folder.path()).unwrap();
    let error = dump(folder.path(), Some(&wrong)).unwrap_err();
    assert_eq!(error.code, Code::WrongPassword);
    assert!(error.to_string().contains("no password yet"), "{error}");
}

#[test]
fn an_older_database_is_dumped_and_stays_old() {
    for fixture in [
        include_str!("fixtures/1.sql"),
        include_str!("fixtures/2.sql"),
        include_str!("fixtures/3.sql"),
    ] {
        let folder = made(fixture);
        let before = fs::read(file(folder.path())).unwrap();
        let dump = dump(folder.path(), None).unwrap();
        assert!(dump["chainName"].is_null() && dump["pastNeighbors"].is_string());
        assert!(fs::read(file(folder.path())).unwrap() == before);
    }
}

#[test]
fn without_a_database_the_dump_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = dump(folder.path(), None).unwrap_err();
    assert_eq!(error.code, Code::DatabaseMissing);
    assert!(error.to_string().contains("Start the Node once"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_running_node_is_dumped_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    dump(folder.path(), None).unwrap();
    store.save_port(4_747).unwrap();
    assert_eq!(
        dump(folder.path(), None).unwrap()["clandestinePort"],
        "4747"
    );
}
