//! A disk that is full, and one that cannot be written to: small file systems
//! in a mount namespace of their own.

use crate::support::{LIMIT, file, fill, folder_of_part, is_root, mounted, neighbor, neighbors};
use masq_core::failure::Code;
use masq_node::database::identity::create;
use masq_node::database::{Change, Store};
use std::fs;

#[test]
fn a_full_disk_is_said_and_costs_nothing_that_was_there() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    mounted(
        "-t tmpfs -o size=400k,mode=0700 tmpfs",
        "disk::fills_and_goes_on",
        folder.path(),
    );
}

#[test]
#[ignore = "a part of another test"]
fn fills_and_goes_on() {
    let Some(folder) = folder_of_part() else {
        return;
    };
    let identity = create(&folder, 1_000_000).unwrap();
    let (store, _) = Store::open(&folder).unwrap();
    store.queue(Change::Neighbor(neighbor(1, 1)));
    store.flush(LIMIT).unwrap();
    let ballast = folder.join("ballast");
    fill(&ballast);

    let mut error = None;
    for number in 2..200 {
        store.queue(Change::Neighbor(neighbor(number, 1)));
        error = store.flush(LIMIT).err();
        if error.is_some() {
            break;
        }
    }
    let error = error.expect("the disk was not full");
    assert_eq!(error.code, Code::DiskFull, "{error}");
    let (number, words) = (250, error.to_string());
    assert!(words.contains(Code::DiskFull.remedy()), "{words}");
    store.queue(Change::Neighbor(neighbor(number, 1)));

    fs::remove_file(&ballast).unwrap();
    store.flush(LIMIT).unwrap();
    drop(store);
    let kept = neighbors(&folder);
    assert!(kept.contains(&neighbor(1, 1)) && kept.contains(&neighbor(number, 1)));

    // A Node that starts on a full disk says so; with room it is the same as before.
    fill(&ballast);
    if let Err(error) = Store::open(&folder) {
        assert_eq!(error.code, Code::DiskFull, "{error}");
    }
    fs::remove_file(&ballast).unwrap();
    let (_store, loaded) = Store::open(&folder).unwrap();
    assert_eq!(loaded.identity.unwrap().id(), identity.id());
}

#[test]
fn a_first_start_on_a_full_disk_leaves_nothing_half_made() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    mounted(
        "-t tmpfs -o size=64k,mode=0700 tmpfs",
        "disk::starts_without_room",
        folder.path(),
    );
}

#[test]
#[ignore = "a part of another test"]
fn starts_without_room() {
    let Some(folder) = folder_of_part() else {
        return;
    };
    let ballast = folder.join("ballast");
    fill(&ballast);
    let error = create(&folder, 1_000_000).unwrap_err();
    assert_eq!(error.code, Code::DiskFull, "{error}");
    assert!(!file(&folder).exists());
}

#[test]
fn a_file_system_that_cannot_be_written_to_is_refused() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), 1_000_000).unwrap();
    let from = format!("--bind -o ro '{}'", folder.path().display());
    mounted(&from, "disk::starts_read_only", folder.path());
}

#[test]
#[ignore = "a part of another test"]
fn starts_read_only() {
    let Some(folder) = folder_of_part() else {
        return;
    };
    let error = Store::open(&folder).unwrap_err();
    assert_eq!(error.code, Code::DataDirectory, "{error}");
}
