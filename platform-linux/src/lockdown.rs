//! Lockdown: what the user wants refused also while nothing is captured.
//!
//! The wish is a file of root's beside the journal; the rules are the guard
//! table, which the capture puts in place with its inverse in the journal.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use masq_capture::states::LocalNetwork;
use masq_capture::{CaptureError, FailureCode};
use serde::{Deserialize, Serialize};

/// What is kept of the wish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Lockdown {
    pub local_network: LocalNetwork,
}

const FILE: &str = "lockdown";

/// Whether it is wanted, and how. What cannot be read is wanted: a broken file
/// must not open what the user wants closed.
pub fn wanted(journal_directory: &Path) -> Option<Lockdown> {
    match fs::read(journal_directory.join(FILE)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Lockdown::default()),
    }
}

/// Keeps the wish, or that there is none.
pub fn keep(journal_directory: &Path, wish: Option<&Lockdown>) -> Result<(), CaptureError> {
    let failed = |error: io::Error| {
        let text = format!("{}: {error}", journal_directory.join(FILE).display());
        CaptureError::new(FailureCode::JournalUnavailable, text)
    };
    let path = journal_directory.join(FILE);
    let Some(wish) = wish else {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            Ok(()) | Err(_) => Ok(()),
        };
    };
    let write = || -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(journal_directory)?;
        let partial = path.with_extension("new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(&serde_json::to_vec(wish)?)?;
        file.sync_all()?;
        fs::rename(&partial, &path)
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_is_kept_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("journal");
        assert_eq!(wanted(&directory), None);
        let wish = Lockdown {
            local_network: LocalNetwork::Block,
        };
        keep(&directory, Some(&wish)).unwrap();
        assert_eq!(wanted(&directory), Some(wish));
        fs::write(directory.join(FILE), "{").unwrap();
        assert_eq!(wanted(&directory), Some(Lockdown::default()));
        keep(&directory, None).unwrap();
        keep(&directory, None).unwrap();
        assert_eq!(wanted(&directory), None);
    }
}
