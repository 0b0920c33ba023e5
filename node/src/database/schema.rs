//! The database's tables and how older ones become today's: one SQL file a
//! version, run in order and in one transaction. `PRAGMA user_version` holds
//! the version, `PRAGMA application_id` says that the file is ours.

use super::error::StoreError;
use super::folder::{self, Folder};
use masq_core::failure::Code;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The step at index N leads from version N to N + 1. What is released never changes.
const STEPS: [&str; 4] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];
/// "MASQ".
const APPLICATION: i32 = 0x4d41_5351;
/// How long another program may hold the database before that is an error.
const PATIENCE: Duration = Duration::from_secs(3);

/// The smallest page.
const SMALLEST: u64 = 512;

/// The version that this program writes.
pub const VERSION: u32 = STEPS.len() as u32;

/// Since these versions there are a port, and settings.
pub(super) const WITH_PORT: u32 = 3;
pub(super) const WITH_SETTINGS: u32 = 4;

/// A database that is looked into and not changed.
pub(super) struct Beside {
    pub(super) connection: Connection,
    pub(super) version: u32,
}

/// Opens the database of a folder, makes it where there is none, and brings it up to date.
pub(super) fn open(folder: &Folder) -> Result<Connection, StoreError> {
    let path = folder::database(folder.path());
    if !exists(&path)? {
        create(folder, &path)?;
    }
    folder::make_private(&path)?;
    let mut connection = connect(&path)?;
    let failed = |error: rusqlite::Error| StoreError::of_sqlite(&path, &error);
    check(&connection, &path)?;
    upgrade(&mut connection).map_err(failed)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        tracing::warn!(mode, "the database has no write-ahead log here");
    }
    // With FULL a transaction is on the disk when it returns, also should power fail.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
        .map_err(failed)?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(failed)?;
    Ok(connection)
}

/// Opens an existing database beside the Node that may be working with it; for one question.
pub(super) fn open_beside(folder: &Path) -> Result<Option<Beside>, StoreError> {
    let path = folder::database(folder);
    if !exists(&path)? {
        return Ok(None);
    }
    let connection = connect(&path)?;
    let version = version(&connection, &path)?;
    Ok((version > 0).then_some(Beside {
        connection,
        version,
    }))
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists()
        .map_err(|error| StoreError::of_io(path, "cannot be looked for", &error))
}

/// Writes a new database under another name first, so that an empty file of the
/// real name is never ours and always damage.
fn create(folder: &Folder, path: &Path) -> Result<(), StoreError> {
    let log = beside(path, "-wal");
    if exists(&log)? {
        let what = format!("is missing, but {} is there", log.display());
        return Err(StoreError::damaged(path, what));
    }
    let new = beside(path, ".new");
    for left in [new.clone(), beside(&new, "-journal")] {
        // An attempt that came to its end half-way holds nothing.
        let _ = fs::remove_file(left);
    }
    drop(folder::create_private(&new)?);
    let failed = |error: rusqlite::Error| StoreError::of_sqlite(&new, &error);
    let mut connection = Connection::open_with_flags(&new, flags()).map_err(failed)?;
    connection
        .pragma_update(None, "application_id", APPLICATION)
        .map_err(failed)?;
    upgrade(&mut connection).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    fs::rename(&new, path)
        .map_err(|error| StoreError::of_io(path, "cannot be given its name", &error))?;
    folder.sync()
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let cut =
        cut_short(path).map_err(|error| StoreError::of_io(path, "cannot be looked at", &error))?;
    if let Some(what) = cut {
        return Err(StoreError::damaged(path, what));
    }
    let failed = |error: rusqlite::Error| StoreError::of_sqlite(path, &error);
    let connection = Connection::open_with_flags(path, flags()).map_err(failed)?;
    // What turns out to be damaged stays as it is.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    Ok(connection)
}

/// Whether the file has been cut short: SQLite takes an empty file for an empty
/// database and a missing end for zeros. With a log beside it the length says nothing.
fn cut_short(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = [0; 32];
    if length < SMALLEST || file.read_exact(&mut header).is_err() {
        return Ok(Some(format!("has only {length} bytes")));
    }
    let logged = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    // sqlite.org/fileformat.html, 1.3: the page size, 1 for 65536, and the number of pages.
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let expected = page * u64::from(pages);
    let cut = header.starts_with(b"SQLite format 3\0") && !logged && length < expected;
    Ok(cut.then(|| format!("has {length} of {expected} bytes")))
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Refuses what is not ours, not known yet or not whole.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    version(connection, path)?;
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::of_sqlite(path, &error))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::damaged(
            path,
            format!("is not whole ({verdict})"),
        ))
    }
}

fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|error| StoreError::of_sqlite(path, &error))
    };
    if pragma("application_id")? != APPLICATION {
        let what = "was not made by this program";
        return Err(StoreError::new(Code::DatabaseForeign, path, what));
    }
    let found = pragma("user_version")?;
    match u32::try_from(found) {
        Ok(found) if found <= VERSION => Ok(found),
        _ => {
            let what = format!("has schema version {found}; this program knows up to {VERSION}");
            Err(StoreError::new(Code::DatabaseNewer, path, what))
        }
    }
}

fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (_, step) in (0..).zip(STEPS).filter(|(version, _)| *version >= found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
