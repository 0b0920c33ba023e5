//! The data directory: made or mended so that only its owner can enter it, and
//! held by one Node at a time through a lock that ends with the process.

use super::error::StoreError;
use masq_core::failure::Code;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DATABASE: &str = "node-data.db";
const LOCK: &str = "node-data.lock";
/// A Node that is being replaced needs a moment to end.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A data directory that no other Node works in as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes it where it is missing, takes the rights of others away, and takes the lock.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        access::make_private_folder(path)?;
        let lock_path = path.join(LOCK);
        let mut lock = open_lock(&lock_path)?;
        if !locked(&lock)
            .map_err(|error| StoreError::of_io(&lock_path, "cannot be locked", &error))?
        {
            let mut holder = String::new();
            // Only for the words of the message.
            let _ = (&lock).take(20).read_to_string(&mut holder);
            let what = format!("is held by process {}", holder.trim());
            return Err(StoreError::new(Code::DatabaseInUse, path, what));
        }
        // As above.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Folder {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes names that were just given or taken survive a loss of power.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        access::sync_folder(&self.path)
            .map_err(|error| StoreError::of_io(&self.path, "cannot be synced", &error))
    }
}

/// Where the database lies.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

/// Makes an empty file of this name that only the owner of the folder can read.
pub(super) fn create_private(path: &Path) -> Result<File, StoreError> {
    access::create_private(path, OpenOptions::new().write(true).create_new(true))
        .map_err(|error| StoreError::of_io(path, "cannot be made", &error))
}

/// Takes the rights of others away from a file of ours.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    access::make_private(path, 0o600)
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    access::create_private(path, options.read(true).write(true).create(true))
        .map_err(|error| StoreError::of_io(path, "cannot be opened", &error))
}

fn locked(lock: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(unix)]
mod access {
    use super::{Code, File, OpenOptions, Path, StoreError, fs, io};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};

    const OTHERS: u32 = 0o077;
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;

    pub(super) fn make_private_folder(path: &Path) -> Result<(), StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| StoreError::of_io(path, "cannot be made", &error))?;
        let mode = mode(path)?;
        if mode & STICKY != 0 && mode & OTHERS != 0 {
            let what = "is shared with other users";
            return Err(StoreError::new(Code::DataDirectory, path, what));
        }
        make_private(path, 0o700)
    }

    pub(super) fn make_private(path: &Path, wanted: u32) -> Result<(), StoreError> {
        let found = mode(path)?;
        if found & OTHERS == 0 {
            return Ok(());
        }
        match fs::set_permissions(path, fs::Permissions::from_mode(wanted)) {
            Ok(()) => {
                tracing::warn!(path = %path.display(), "others had rights; they were taken away");
                Ok(())
            }
            // Not ours to mend; bearable as long as nobody can put something else in its place.
            Err(_) if wanted == 0o700 && found & OTHERS_WRITE == 0 => Ok(()),
            Err(error) => {
                let what = format!(
                    "is open to other users (mode {:o}): {error}",
                    found & 0o7777
                );
                Err(StoreError::new(Code::DataDirectory, path, what))
            }
        }
    }

    /// Root makes files for the owner of the folder, as whom the Node will work.
    pub(super) fn create_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        let file = options.mode(0o600).open(path)?;
        let Some(folder) = path.parent() else {
            return Ok(file);
        };
        let (owner, own) = (fs::metadata(folder)?, file.metadata()?);
        if own.uid() == 0 && owner.uid() != 0 {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        Ok(file)
    }

    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn mode(path: &Path) -> Result<u32, StoreError> {
        fs::metadata(path)
            .map(|found| found.permissions().mode())
            .map_err(|error| StoreError::of_io(path, "cannot be looked at", &error))
    }
}

/// Elsewhere the user's local data folder has the rights that it must have.
#[cfg(not(unix))]
mod access {
    use super::{File, OpenOptions, Path, StoreError, fs, io};

    pub(super) fn make_private_folder(path: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(path).map_err(|error| StoreError::of_io(path, "cannot be made", &error))
    }

    pub(super) fn make_private(_: &Path, _: u32) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn create_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        options.open(path)
    }

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
