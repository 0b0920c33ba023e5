//! The identity in the database: made once, taken over once from the file
//! `identity.key` of earlier versions, and asked for beside a running Node.

use super::{Loaded, Store, error::StoreError, folder, rows, schema};
use masq_core::failure::Code;
use masq_core::identity::{Identity, Validity};
use masq_core::random::SystemRandom;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const OLD_FILE: &str = "identity.key";
/// An onion key serves this long, in seconds.
const ONION_LIFE: u64 = 365 * 24 * 3_600;

impl Store {
    /// The identity that was loaded, or a new one, which is on the disk before it is answered.
    pub fn identity(&self, loaded: &mut Loaded, now_unix: u64) -> Result<Identity, StoreError> {
        if let Some(identity) = loaded.identity.take() {
            return Ok(identity);
        }
        let path = folder::database(self.folder.path());
        let validity = Validity::new(
            now_unix.saturating_sub(3_600),
            now_unix.saturating_add(ONION_LIFE),
        )
        .map_err(|error| StoreError::new(Code::Bug, &path, error.to_string()))?;
        let identity = Identity::generate(validity, &mut SystemRandom);
        self.save_identity(&identity)?;
        Ok(identity)
    }
}

/// The identity of a data directory, also while a Node works in it; a new one where there is none.
pub fn load_or_create(directory: &Path, now_unix: u64) -> Result<Identity, StoreError> {
    if let Some(beside) = schema::open_beside(directory)? {
        let path = folder::database(directory);
        let found = rows::identity(&beside.connection)
            .map_err(|error| StoreError::of_sqlite(&path, &error))?;
        if let Some(found) = found {
            return found.map_err(|error| StoreError::damaged(&path, error.to_string()));
        }
    }
    let (store, mut loaded) = Store::open(directory)?;
    store.identity(&mut loaded, now_unix)
}

/// Makes a new identity in a data directory that has none.
pub fn create(directory: &Path, now_unix: u64) -> Result<Identity, StoreError> {
    let (store, mut loaded) = Store::open(directory)?;
    if let Some(identity) = &loaded.identity {
        let what = format!("is Node {} already and stays as it is", identity.id());
        return Err(StoreError::new(Code::DataDirectory, directory, what));
    }
    store.identity(&mut loaded, now_unix)
}

/// Takes the identity of an earlier version's file over; the file goes once the
/// database holds it, so that the secret lies in one place.
pub(super) fn take_over(store: &Store, loaded: &mut Loaded) -> Result<(), StoreError> {
    let path = store.folder.path().join(OLD_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::of_io(&path, "cannot be read", &error)),
    };
    let read = Identity::from_bytes(&bytes);
    match (&loaded.identity, read) {
        (None, Err(error)) => return Err(StoreError::damaged(&path, error.to_string())),
        (Some(own), Ok(old)) if own.id() == old.id() => {}
        (Some(own), _) => {
            tracing::warn!(
                path = %path.display(),
                "not used: the database is Node {}; move node-data.db away to become the file's",
                own.id()
            );
            return Ok(());
        }
        (None, Ok(old)) => {
            store.save_identity(&old)?;
            tracing::info!(path = %path.display(), id = %old.id(), "the identity is in the database now");
            loaded.identity = Some(old);
        }
    }
    fs::remove_file(&path)
        .map_err(|error| StoreError::of_io(&path, "cannot be removed", &error))?;
    store.folder.sync()
}
