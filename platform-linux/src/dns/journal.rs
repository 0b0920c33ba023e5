//! The record of the switch in its file: replaced as a whole, safe before
//! anything is touched, and locked by who changes the resolver.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use masq_dns::{Failure, Record};
use nix::fcntl::{Flock, FlockArg};

use super::file::sync_folder;
use crate::capture::fault;

const PATIENCE: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    _lock: Option<Flock<File>>,
}

/// Whether a switch of the resolver waits in this directory to be undone.
pub fn is_open(directory: &Path) -> bool {
    path(directory).exists()
}

fn path(directory: &Path) -> PathBuf {
    directory.join(masq_dns::record::FILE)
}

impl Journal {
    pub(super) fn unlocked(directory: &Path) -> Journal {
        Journal {
            path: path(directory),
            _lock: None,
        }
    }

    pub(super) fn locked(directory: &Path) -> Result<Journal, Failure> {
        let path = path(directory);
        let lock = lock(directory).map_err(|error| failed(&path, &error))?;
        Ok(Journal {
            path,
            _lock: Some(lock),
        })
    }

    pub(super) fn load(&self) -> Result<Option<Record>, Failure> {
        match fs::read(&self.path) {
            Ok(bytes) => Record::from_bytes(&bytes).map(Some).map_err(|why| {
                let way_out = "what it says was saved before a switch; without it the resolver stays as it is now";
                let what = format!("the journal {} cannot be read", self.path.display());
                super::failed(&what, &format!("{why} ({way_out})"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&self.path, &error)),
        }
    }

    pub(super) fn save(&self, record: &Record) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let beside = self.path.with_extension("new");
            let mut file = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(&record.to_bytes())?;
            file.sync_all()?;
            fault::point("dns-journal", "written");
            fs::rename(&beside, &self.path)?;
            sync_folder(&self.path)
        };
        write().map_err(|error| failed(&self.path, &error))
    }

    pub(super) fn forget(&self) -> Result<(), Failure> {
        let remove = || match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => sync_folder(&self.path),
        };
        remove().map_err(|error| failed(&self.path, &error))
    }
}

fn lock(directory: &Path) -> io::Result<Flock<File>> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("resolver.lock"))?;
    for _ in 0..PATIENCE {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((refused, nix::Error::EWOULDBLOCK)) => file = refused,
            Err((_, error)) => return Err(error.into()),
        }
        std::thread::sleep(PAUSE);
    }
    Err(io::Error::other("another switch is under way"))
}

fn failed(path: &Path, why: &impl std::fmt::Display) -> Failure {
    Failure::Journal {
        place: path.display().to_string(),
        why: why.to_string(),
    }
}
