//! The journal's file: appended with fsync, locked by who writes it.
//!
//! One file a network namespace, so that Nodes in several of them do not
//! wait for one another.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use masq_capture::journal::{Place, Storage};
use masq_capture::{CaptureError, FailureCode};
use nix::fcntl::{Flock, FlockArg};

/// A locked journal file.
#[derive(Debug)]
pub struct JournalFile {
    file: Flock<File>,
    path: PathBuf,
}

impl JournalFile {
    /// Opens, and makes where it misses, the journal of a namespace.
    pub fn open(directory: &Path, place: &Place) -> Result<JournalFile, CaptureError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| failed(directory, &error))?;
        JournalFile::lock(&directory.join(format!("{}.{SUFFIX}", place.namespace)))
    }

    /// Opens an existing journal.
    pub fn lock(path: &Path) -> Result<JournalFile, CaptureError> {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(path, &error))?;
        let mut file = file;
        // A helper whose Node has just ended is still undoing.
        for _ in 0..PATIENCE {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    return Ok(JournalFile {
                        file,
                        path: path.to_owned(),
                    });
                }
                Err((refused, nix::Error::EWOULDBLOCK)) => file = refused,
                Err((_, error)) => return Err(failed(path, &error.into())),
            }
            std::thread::sleep(PAUSE);
        }
        let text = format!("{} is in use by a running capture helper", path.display());
        Err(CaptureError::new(FailureCode::Busy, text))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for JournalFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_data()
    }
}

/// Every journal in a directory.
pub fn journals(directory: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(directory, &error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == SUFFIX)
        })
        .collect();
    paths.sort();
    Ok(paths)
}

/// This boot and the calling thread's network namespace.
pub fn here() -> Result<Place, CaptureError> {
    let boot = Path::new("/proc/sys/kernel/random/boot_id");
    let namespace = Path::new("/proc/thread-self/ns/net");
    Ok(Place {
        boot: std::fs::read_to_string(boot)
            .map_err(|error| failed(boot, &error))?
            .trim()
            .to_owned(),
        namespace: std::fs::metadata(namespace)
            .map_err(|error| failed(namespace, &error))?
            .ino(),
    })
}

fn failed(path: &Path, error: &io::Error) -> CaptureError {
    CaptureError::new(
        FailureCode::JournalUnavailable,
        format!("{}: {error}", path.display()),
    )
}

const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

const SUFFIX: &str = "journal";
