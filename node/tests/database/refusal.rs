//! What is refused, with the words and the code for it, and left as it was.

use crate::support::{LIMIT, file, folder_of_part, is_root, neighbor, neighbors, part};
use masq_core::failure::Code;
use masq_node::database::identity::create;
use masq_node::database::{Change, Store, StoreError};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

fn refusal(folder: &Path) -> StoreError {
    let length = fs::metadata(file(folder)).map_or(0, |found| found.len());
    let Err(error) = Store::open(folder) else {
        panic!("was opened, with {length} bytes in the database");
    };
    let words = error.to_string();
    assert!(words.contains(error.code.name()), "{words}");
    assert!(words.contains(error.code.remedy()), "{words}");
    assert!(words.contains(&folder.display().to_string()), "{words}");
    error
}

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), 1_000_000).unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    for number in 1..100 {
        store.queue(Change::Neighbor(neighbor(number, 1)));
    }
    drop(store);
    folder
}

#[test]
fn a_second_node_in_one_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = Store::open(folder.path()).unwrap();

    let error = refusal(folder.path());

    assert_eq!(error.code, Code::DatabaseInUse);
    let own = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&own), "{error}");
    drop(first);
    Store::open(folder.path()).unwrap();
}

#[test]
fn a_database_that_another_program_holds_is_waited_for_then_refused() {
    let folder = filled();
    let other = rusqlite::Connection::open(file(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    assert_eq!(refusal(folder.path()).code, Code::DatabaseLocked);

    other.execute_batch("ROLLBACK").unwrap();
    Store::open(folder.path()).unwrap();
}

#[test]
fn what_could_not_be_written_meanwhile_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    let other = rusqlite::Connection::open(file(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.queue(Change::Neighbor(neighbor(1, 1)));
    assert_eq!(store.flush(LIMIT).unwrap_err().code, Code::DatabaseLocked);
    store.queue(Change::Neighbor(neighbor(1, 2)));
    store.queue(Change::Neighbor(neighbor(2, 2)));

    other.execute_batch("ROLLBACK").unwrap();
    store.flush(LIMIT).unwrap();
    drop(store);

    assert_eq!(neighbors(folder.path()), [neighbor(1, 2), neighbor(2, 2)]);
}

#[test]
fn a_truncated_database_is_refused_and_left_as_it_is() {
    let folder = filled();
    let whole = fs::read(file(folder.path())).unwrap();
    let lengths = (0..whole.len())
        .step_by(509)
        .chain([1, 99, 100, 4_096, whole.len() - 1]);
    for length in lengths {
        let cut = &whole[..length];
        fs::write(file(folder.path()), cut).unwrap();

        let error = refusal(folder.path());

        assert_eq!(
            error.code,
            Code::DatabaseDamaged,
            "cut to {length}: {error}"
        );
        assert!(
            fs::read(file(folder.path())).unwrap() == cut,
            "cut to {length}"
        );
    }
    fs::write(file(folder.path()), &whole).unwrap();
    assert_eq!(neighbors(folder.path()).len(), 99);
}

#[test]
fn what_is_no_database_is_refused_and_left_as_it_is() {
    for content in [&b"dear diary"[..], &[0; 8_192], &[0x5a; 65_536]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), content).unwrap();

        let error = refusal(folder.path());

        assert!(
            matches!(error.code, Code::DatabaseDamaged | Code::DatabaseForeign),
            "{error}"
        );
        assert!(fs::read(file(folder.path())).unwrap() == content);
    }
}

#[test]
fn a_write_ahead_log_without_its_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("node-data.db-wal");
    fs::write(&log, b"the last moments").unwrap();

    let error = refusal(folder.path());

    assert_eq!(error.code, Code::DatabaseDamaged, "{error}");
    assert_eq!(fs::read(log).unwrap(), b"the last moments");
    assert!(!file(folder.path()).exists());
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = filled();
    let connection = rusqlite::Connection::open(file(folder.path())).unwrap();
    connection
        .pragma_update(None, "user_version", 1_000)
        .unwrap();
    drop(connection);
    let before = fs::read(file(folder.path())).unwrap();

    let error = refusal(folder.path());

    assert_eq!(error.code, Code::DatabaseNewer, "{error}");
    assert!(fs::read(file(folder.path())).unwrap() == before);
}

/// The original has its database in a file of the same name in the same folder.
#[test]
fn the_original_nodes_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(file(folder.path())).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE config (name text primary key, value text, encrypted integer not null);
             INSERT INTO config VALUES ('schema_version', '11', 0);",
        )
        .unwrap();
    drop(connection);
    let before = fs::read(file(folder.path())).unwrap();

    let error = refusal(folder.path());

    assert_eq!(error.code, Code::DatabaseForeign, "{error}");
    assert!(fs::read(file(folder.path())).unwrap() == before);
}

#[test]
fn only_the_owner_can_read_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (store, mut loaded) = Store::open(&data).unwrap();
    store.identity(&mut loaded, 1_000_000).unwrap();

    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        seen += 1;
    }
    assert_eq!(seen, 4, "database, log, index of the log, lock");
}

#[test]
fn rights_of_others_are_taken_away() {
    let folder = filled();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set(folder.path(), 0o777).unwrap();
    set(&file(folder.path()), 0o666).unwrap();

    Store::open(folder.path()).unwrap();

    assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
    let mode = fs::metadata(file(folder.path())).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_that_is_shared_like_tmp_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();

    assert_eq!(refusal(folder.path()).code, Code::DataDirectory);

    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Folders of root's, entered as another user.
#[test]
fn a_folder_that_cannot_be_written_to_or_is_open_to_all_is_refused() {
    if !is_root() {
        return;
    }
    for mode in [0o700, 0o755, 0o777] {
        let folder = filled();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mut part = part(&[], "refusal::opens_as_another_user", folder.path());
        let output = part.uid(65_534).gid(65_534).output().unwrap();
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(
            words.contains("data-directory [local]"),
            "{mode:o}: {output:?}"
        );
    }
}

#[test]
#[ignore = "a part of another test"]
fn opens_as_another_user() {
    if let Some(folder) = folder_of_part() {
        println!("{}", Store::open(&folder).map(drop).unwrap_err());
    }
}

/// `sudo MASQNode --print-descriptor` before the first start must not lock the user out.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();

    create(folder.path(), 1_000_000).unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    store.queue(Change::Neighbor(neighbor(1, 1)));
    store.flush(Duration::from_secs(10)).unwrap();

    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().uid(),
            65_534,
            "{}",
            entry.path().display()
        );
    }
}
