//! Settings, the password and what it seals: kept over a restart, out of reach without it, and
//! whole whatever happens.

use crate::support::{assert_whole, file, fill, folder_of_part, is_root, mounted};
use masq_core::config::Chain;
use masq_core::failure::Code;
use masq_core::secret::Secret;
use masq_node::database::{Cost, PasswordError, Setting, Store, settings};
use std::fs;
use std::path::Path;

const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn word(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn open(folder: &Path) -> Store {
    Store::open(folder).unwrap().0.with_cost(Cost::LEAST)
}

/// A database with a wallet under the password `first`.
fn filled(folder: &Path) -> Store {
    let store = open(folder);
    store.set_password(&word("first")).unwrap();
    let key = store.unlock(&word("first")).unwrap();
    let secret = (Setting::ConsumingWalletPrivateKey, &word(KEY));
    let earning = (Setting::EarningWalletAddress, Some("0x01"));
    store.save_secret(&key, secret, &[earning]).unwrap();
    store
}

fn wallet(store: &Store, password: &str) -> String {
    let key = store.unlock(&word(password)).unwrap();
    let secret = store.secret(&key, Setting::ConsumingWalletPrivateKey);
    secret.unwrap().unwrap().expose().to_owned()
}

#[test]
fn settings_are_kept_until_they_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.setting(Setting::GasPrice).unwrap(), None);
    let gas = (Setting::GasPrice, Some("7"));
    let mode = (Setting::NeighborhoodMode, Some("standard"));
    store.save_settings(&[gas, mode]).unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(
        store.setting(Setting::GasPrice).unwrap().as_deref(),
        Some("7")
    );
    store.save_settings(&[(Setting::GasPrice, None)]).unwrap();
    assert_eq!(store.setting(Setting::GasPrice).unwrap(), None);
    let left = store.setting(Setting::NeighborhoodMode).unwrap();
    assert_eq!(left.as_deref(), Some("standard"));
}

#[test]
fn a_password_is_set_once_and_changed_with_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(!store.has_password().unwrap());
    let nothing = store.unlock(&word("first")).unwrap_err();
    assert!(matches!(nothing, PasswordError::Absent));
    let nothing = store
        .change_password(&word(""), &word("first"))
        .unwrap_err();
    assert!(matches!(nothing, PasswordError::Absent));
    drop(store);

    let store = filled(folder.path());
    let again = store.set_password(&word("second")).unwrap_err();
    assert!(matches!(again, PasswordError::Present));
    let wrong = store
        .change_password(&word("second"), &word("third"))
        .unwrap_err();
    assert!(matches!(wrong, PasswordError::Wrong));
    assert_eq!(wallet(&store, "first"), KEY);

    store
        .change_password(&word("first"), &word("second"))
        .unwrap();
    drop(store);
    let store = open(folder.path());
    assert!(matches!(
        store.unlock(&word("first")),
        Err(PasswordError::Wrong)
    ));
    assert_eq!(wallet(&store, "second"), KEY);
    assert!(store.has_password().unwrap());
}

#[test]
fn a_node_sets_the_first_password_and_refuses_a_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.admit(&word("first")).unwrap();
    store.admit(&word("first")).unwrap();

    let error = store.admit(&word("second")).unwrap_err();

    assert_eq!(error.code, Code::WrongPassword);
    assert!(error.to_string().contains(Code::WrongPassword.remedy()));
    assert!(!error.to_string().contains("second"));
}

#[test]
fn neither_password_nor_secret_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    store
        .change_password(&word("first"), &word("second password"))
        .unwrap();
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        bytes.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(
        has(b"consuming_wallet_private_key"),
        "the search finds what is there"
    );
    let raw: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&KEY[2 * index..][..2], 16).unwrap())
        .collect();
    for secret in [KEY.as_bytes(), &raw, b"second password"] {
        assert!(!has(secret));
    }
}

#[test]
fn a_secret_that_was_changed_or_moved_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let connection = rusqlite::Connection::open(file(folder.path())).unwrap();
    connection
        .execute(
            "UPDATE setting SET sealed = zeroblob(40) WHERE sealed IS NOT NULL",
            [],
        )
        .unwrap();
    let store = open(folder.path());
    let key = store.unlock(&word("first")).unwrap();

    let error = store
        .secret(&key, Setting::ConsumingWalletPrivateKey)
        .unwrap_err();
    assert_eq!(error.code, Code::DatabaseDamaged, "{error}");

    let error = store
        .change_password(&word("first"), &word("second"))
        .unwrap_err();
    assert!(matches!(error, PasswordError::Store(error) if error.code == Code::DatabaseDamaged));
    store.unlock(&word("first")).unwrap();
}

#[test]
fn a_password_change_that_is_not_written_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    let other = rusqlite::Connection::open(file(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = store
        .change_password(&word("first"), &word("second"))
        .unwrap_err();

    assert!(
        matches!(&error, PasswordError::Store(error) if error.code == Code::DatabaseLocked),
        "{error}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(wallet(&store, "first"), KEY);
    store
        .change_password(&word("first"), &word("second"))
        .unwrap();
    assert_eq!(wallet(&store, "second"), KEY);
}

#[test]
fn a_failure_half_way_through_a_change_takes_all_of_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    // The secrets are sealed anew before the lock is written.
    rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER stop BEFORE INSERT ON password BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();

    store
        .change_password(&word("first"), &word("second"))
        .unwrap_err();

    assert_eq!(wallet(&store, "first"), KEY);
}

#[test]
fn a_full_disk_costs_no_secret() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    mounted(
        "-t tmpfs -o size=400k,mode=0700 tmpfs",
        "secrets::changes_without_room",
        folder.path(),
    );
}

#[test]
#[ignore = "a part of another test"]
fn changes_without_room() {
    let Some(folder) = folder_of_part() else {
        return;
    };
    let store = filled(&folder);
    let ballast = folder.join("ballast");
    fill(&ballast);
    let mut passwords = (1..).map(|number| format!("password {number}"));
    let mut holds = "first".to_owned();
    let error = loop {
        let next = passwords.next().unwrap();
        match store.change_password(&word(&holds), &word(&next)) {
            Ok(()) => holds = next,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, PasswordError::Store(error) if error.code == Code::DiskFull),
        "{error}"
    );
    assert_eq!(wallet(&store, &holds), KEY);
    drop(store);
    fs::remove_file(&ballast).unwrap();
    assert_eq!(wallet(&open(&folder), &holds), KEY);
    assert_whole(&folder);
}

#[test]
fn a_database_is_for_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.claim(Chain::BaseSepolia).unwrap();
    drop(store);
    let store = open(folder.path());
    store.claim(Chain::BaseSepolia).unwrap();

    let error = store.claim(Chain::Dev).unwrap_err();

    assert_eq!(error.code, Code::DatabaseChain);
    let words = error.to_string();
    assert!(
        words.contains("base-sepolia") && words.contains("dev"),
        "{words}"
    );
    store.claim(Chain::BaseSepolia).unwrap();
}

#[test]
fn the_daemon_reads_the_kept_defaults_beside_a_node() {
    let folder = tempfile::tempdir().unwrap();
    assert!(settings(folder.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let store = filled(folder.path());
    store.claim(Chain::Dev).unwrap();
    store.save_port(4_747).unwrap();
    store
        .save_settings(&[(Setting::StartBlock, Some("5"))])
        .unwrap();

    let found = settings(folder.path()).unwrap();

    let expected = [
        ("chain", "dev"),
        ("clandestine-port", "4747"),
        ("earning-wallet", "0x01"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    store.save_port(4_748).unwrap();
}

#[test]
fn reading_an_older_database_does_not_change_it() {
    for fixture in [
        include_str!("fixtures/1.sql"),
        include_str!("fixtures/2.sql"),
        include_str!("fixtures/3.sql"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        rusqlite::Connection::open(file(folder.path()))
            .unwrap()
            .execute_batch(fixture)
            .unwrap();
        let before = fs::read(file(folder.path())).unwrap();
        let has_port = fixture.contains("INTO port");
        assert_eq!(
            settings(folder.path()).unwrap().len(),
            usize::from(has_port)
        );
        assert!(fs::read(file(folder.path())).unwrap() == before);
    }
}

#[test]
fn a_truncated_database_is_no_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let whole = fs::read(file(folder.path())).unwrap();
    fs::write(file(folder.path()), &whole[..whole.len() / 2]).unwrap();

    assert_eq!(
        settings(folder.path()).unwrap_err().code,
        Code::DatabaseDamaged
    );
}

/// What version 4 sealed must open for ever.
#[test]
fn a_secret_of_an_earlier_version_opens() {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .execute_batch(include_str!("fixtures/4.sql"))
        .unwrap();
    assert_eq!(wallet(&open(folder.path()), "secret"), KEY);
}
