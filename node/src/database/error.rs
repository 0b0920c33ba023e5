//! Why the database cannot be used: which file, a code with its place and
//! remedy, and never a reason to overwrite what is there.

use masq_core::failure::Code;
use rusqlite::ErrorCode;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of the database or of the folder that it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What kind of failure.
    pub code: Code,
    /// The file or folder.
    pub path: PathBuf,
    /// What happened to it, in words that go on after its name.
    pub what: String,
}

impl StoreError {
    pub(super) fn new(code: Code, path: &Path, what: impl Into<String>) -> Self {
        StoreError {
            code,
            path: path.to_path_buf(),
            what: what.into(),
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        StoreError::new(Code::DatabaseDamaged, path, what)
    }

    pub(super) fn of_io(path: &Path, doing: &str, error: &io::Error) -> Self {
        let kind = error.kind();
        let code = if matches!(
            kind,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        ) {
            Code::DataDirectory
        } else if matches!(
            kind,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            Code::DiskFull
        } else {
            Code::DiskFailed
        };
        StoreError::new(code, path, format!("{doing}: {error}"))
    }

    pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let code = match error.sqlite_error() {
            Some(failure) if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
                Code::DiskFull
            }
            Some(failure) => of_sqlite_code(failure.code),
            // A row or a pragma that does not have the form it must have.
            None => Code::DatabaseDamaged,
        };
        StoreError::new(code, path, error.to_string())
    }
}

fn of_sqlite_code(code: ErrorCode) -> Code {
    if matches!(
        code,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed
    ) {
        Code::DatabaseLocked
    } else if code == ErrorCode::DiskFull {
        Code::DiskFull
    } else if matches!(
        code,
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied
    ) {
        Code::DataDirectory
    } else if matches!(
        code,
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::NoLargeFileSupport
    ) {
        Code::DiskFailed
    } else {
        Code::DatabaseDamaged
    }
}

/// `database-in-use [local]: /data is ... What to do.`
impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} [{}]: {} {}. {} {}",
            self.code,
            self.code.place(),
            self.path.display(),
            self.what,
            self.code.meaning(),
            self.code.remedy()
        )
    }
}

impl std::error::Error for StoreError {}
