//! The identity: one for good, taken over from the earlier file, never replaced unasked.

use crate::support::{LIMIT, file, neighbor};
use masq_core::failure::Code;
use masq_core::identity::{Identity, Validity};
use masq_core::random::SystemRandom;
use masq_node::database::identity::{create, load_or_create};
use masq_node::database::{Change, Store};
use std::fs;

fn fresh() -> Identity {
    Identity::generate(Validity::new(1, 2).unwrap(), &mut SystemRandom)
}

#[test]
fn an_identity_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/there/yet");

    let made = load_or_create(&data, 1_000_000).unwrap();
    let read = load_or_create(&data, 2_000_000).unwrap();
    let (_store, loaded) = Store::open(&data).unwrap();

    assert_eq!(made.id(), read.id());
    assert_eq!(made.signed_onion_key(), read.signed_onion_key());
    assert_eq!(*loaded.identity.unwrap().to_bytes(), *made.to_bytes());
}

#[test]
fn a_running_node_can_be_asked_for_its_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut loaded) = Store::open(folder.path()).unwrap();
    let own = store.identity(&mut loaded, 1_000_000).unwrap();
    store.queue(Change::Neighbor(neighbor(1, 1)));

    assert_eq!(load_or_create(folder.path(), 1).unwrap().id(), own.id());

    store.flush(LIMIT).unwrap();
}

#[test]
fn a_new_identity_does_not_replace_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = create(folder.path(), 1_000_000).unwrap();

    let error = create(folder.path(), 1_000_000).unwrap_err();

    assert!(
        error.to_string().contains(&first.id().to_string()),
        "{error}"
    );
    assert_eq!(load_or_create(folder.path(), 1).unwrap().id(), first.id());
}

#[test]
fn a_rotated_onion_key_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut loaded) = Store::open(folder.path()).unwrap();
    let mut identity = store.identity(&mut loaded, 1_000_000).unwrap();
    let later = Validity::new(2_000_000, 3_000_000).unwrap();
    identity.rotate(later, 1_500_000, &mut SystemRandom);
    store.save_identity(&identity).unwrap();
    drop(store);

    let (_store, loaded) = Store::open(folder.path()).unwrap();
    assert_eq!(*loaded.identity.unwrap().to_bytes(), *identity.to_bytes());
}

#[test]
fn the_file_of_an_earlier_version_is_taken_over_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (old, path) = (fresh(), folder.path().join("identity.key"));
    fs::write(&path, old.to_bytes()).unwrap();

    let (store, loaded) = Store::open(folder.path()).unwrap();
    assert_eq!(loaded.identity.unwrap().id(), old.id());
    assert!(!path.exists());
    drop(store);

    // A crash between the two steps leaves both; the second start removes the file.
    fs::write(&path, old.to_bytes()).unwrap();
    let (_store, loaded) = Store::open(folder.path()).unwrap();
    assert_eq!(loaded.identity.unwrap().id(), old.id());
    assert!(!path.exists());
}

#[test]
fn a_damaged_file_of_an_earlier_version_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.key");
    fs::write(&path, b"damage").unwrap();

    let error = Store::open(folder.path()).unwrap_err();

    assert_eq!(error.code, Code::DatabaseDamaged, "{error}");
    assert!(error.to_string().contains("identity.key"), "{error}");
    assert_eq!(fs::read(path).unwrap(), b"damage");
}

#[test]
fn a_file_of_another_node_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let own = create(folder.path(), 1_000_000).unwrap();
    let path = folder.path().join("identity.key");
    let other = fresh().to_bytes();
    fs::write(&path, &other).unwrap();

    let (_store, loaded) = Store::open(folder.path()).unwrap();

    assert_eq!(loaded.identity.unwrap().id(), own.id());
    assert_eq!(fs::read(path).unwrap(), *other);
}

#[test]
fn an_identity_that_is_damaged_inside_the_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), 1_000_000).unwrap();
    rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .execute("UPDATE identity SET bytes = x'00'", [])
        .unwrap();

    for error in [
        Store::open(folder.path()).unwrap_err(),
        load_or_create(folder.path(), 1).unwrap_err(),
    ] {
        assert_eq!(error.code, Code::DatabaseDamaged, "{error}");
    }
    let kept: Vec<u8> = rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .query_row("SELECT bytes FROM identity", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, [0]);
}
