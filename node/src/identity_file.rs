//! The file that holds a Node's secrets: `identity.key` in its data directory,
//! readable by its owner only, written whole or not at all.

use anyhow::{Context, Result, bail};
use masq_core::identity::{Identity, Validity};
use masq_core::random::SystemRandom;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "identity.key";
/// An onion key serves this long, in seconds; until records travel by gossip a
/// static list names it, so it must outlive the list.
const ONION_LIFE: u64 = 365 * 24 * 3_600;

/// Reads the identity in `directory`, or makes one there.
pub fn load_or_create(directory: &Path, now_unix: u64) -> Result<Identity> {
    match fs::read(path(directory)) {
        Ok(bytes) => Identity::from_bytes(&bytes).with_context(|| {
            format!(
                "{} is damaged: restore it from a copy, or move it away to become a new Node",
                path(directory).display()
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => create(directory, now_unix),
        Err(error) => {
            Err(error).with_context(|| format!("Failed to read {}", path(directory).display()))
        }
    }
}

/// Makes a new identity where there is none yet.
pub fn create(directory: &Path, now_unix: u64) -> Result<Identity> {
    if path(directory).exists() {
        bail!(
            "{} exists already; it stays as it is",
            path(directory).display()
        );
    }
    create_private_directory(directory)?;
    let validity = Validity::new(now_unix.saturating_sub(3_600), now_unix + ONION_LIFE)?;
    let identity = Identity::generate(validity, &mut SystemRandom);
    let partial = directory.join(".identity.key.new");
    let written = write_private(&partial, &identity.to_bytes())
        .and_then(|()| fs::rename(&partial, path(directory)));
    written.with_context(|| format!("Failed to write {}", path(directory).display()))?;
    Ok(identity)
}

pub fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

#[cfg(unix)]
fn create_private_directory(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("Failed to make the data directory {}", directory.display()))
}

#[cfg(not(unix))]
fn create_private_directory(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("Failed to make the data directory {}", directory.display()))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");

        let made = load_or_create(&data, 1_000_000).unwrap();
        let read = load_or_create(&data, 2_000_000).unwrap();

        assert_eq!(made.id(), read.id());
        assert_eq!(made.signed_onion_key(), read.signed_onion_key());
    }

    #[test]
    fn a_damaged_identity_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), 1_000_000).unwrap();
        fs::write(path(folder.path()), b"damage").unwrap();

        let error = load_or_create(folder.path(), 1_000_000).unwrap_err();

        assert!(error.to_string().contains("is damaged"), "{error}");
        assert_eq!(fs::read(path(folder.path())).unwrap(), b"damage");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_an_identity() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), 1_000_000).unwrap();

        let mode = fs::metadata(path(folder.path()))
            .unwrap()
            .permissions()
            .mode();

        assert_eq!(mode & 0o777, 0o600);
    }
}
