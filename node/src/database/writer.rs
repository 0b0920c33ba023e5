//! The thread that writes: it lets changes gather for a moment, writes them in
//! one transaction, and keeps those that could not be written for the next try.

use super::error::StoreError;
use super::queue::Pending;
use super::{Change, folder, rows};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long changes gather.
const GATHER: Duration = Duration::from_secs(1);
/// The longest pause after failures; they double from [`GATHER`].
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    connection: Mutex<Connection>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    writing: bool,
    hurry: bool,
    stop: bool,
    /// Attempts that failed in a row.
    failures: u32,
    /// Attempts so far, and why the last one failed if it did.
    attempts: u64,
    error: Option<StoreError>,
    refused: u64,
}

impl Writer {
    pub(super) fn start(folder: &Path, connection: Connection) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            path: folder::database(folder),
            connection: Mutex::new(connection),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = shared.clone();
        let thread = thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || own.run())
            .map_err(|error| StoreError::of_io(&shared.path, "has no thread", &error))?;
        Ok(Writer {
            shared,
            thread: Some(thread),
        })
    }

    /// Works on the database at once; waits for a transaction that is under way.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&lock(&self.shared.connection))
            .map_err(|error| StoreError::of_sqlite(&self.shared.path, &error))
    }

    pub(super) fn queue(&self, change: Change) {
        let mut state = lock(&self.shared.state);
        let refused = state.pending.add(change) as u64;
        if refused > 0 && state.refused == 0 {
            tracing::warn!("more changes than the database can take; the newest are not kept");
        }
        state.refused += refused;
        drop(state);
        self.shared.changed.notify_all();
    }

    pub(super) fn flush(&self, limit: Duration) -> Result<(), StoreError> {
        let mut state = lock(&self.shared.state);
        // A write that is under way may have begun without the last changes.
        let decisive = state.attempts + 1 + u64::from(state.writing);
        state.hurry = true;
        self.shared.changed.notify_all();
        let open = |state: &mut State| {
            (state.writing || !state.pending.is_empty()) && state.attempts < decisive
        };
        (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, limit, open)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.writing && state.pending.is_empty() {
            return Ok(());
        }
        Err(state.error.clone().unwrap_or_else(|| {
            let what = format!("took more than {limit:?} to write");
            StoreError::new(
                masq_core::failure::Code::DiskFailed,
                &self.shared.path,
                what,
            )
        }))
    }
}

/// The last changes are written before the thread ends.
impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has said why in the log if it panicked.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        while let Some(batch) = self.next() {
            let written = rows::write(&mut lock(&self.connection), &batch)
                .map_err(|error| StoreError::of_sqlite(&self.path, &error));
            let mut state = lock(&self.state);
            state.writing = false;
            state.attempts += 1;
            match written {
                Ok(()) => {
                    if state.failures > 0 {
                        tracing::info!(path = %self.path.display(), "the database is written again");
                    }
                    state.failures = 0;
                    state.error = None;
                }
                Err(error) => {
                    if state.failures == 0 {
                        tracing::warn!(code = %error.code, "not written, will be tried again: {error}");
                    }
                    state.failures += 1;
                    state.error = Some(error);
                    state.pending.take_back(batch);
                }
            }
            let end = state.stop;
            drop(state);
            self.changed.notify_all();
            if end {
                return;
            }
        }
    }

    /// What to write, when it is time; none when the end has come and all is written.
    fn next(&self) -> Option<Pending> {
        let mut state = lock(&self.state);
        while state.pending.is_empty() && !state.stop {
            // Nothing to hurry with; who waits finds all written.
            state.hurry = false;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.pending.is_empty() {
            return None;
        }
        let pause = GATHER
            .saturating_mul(1 << state.failures.min(6))
            .min(LONGEST);
        (state, _) = self
            .changed
            .wait_timeout_while(state, pause, |state| !state.hurry && !state.stop)
            .unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
        state.writing = true;
        Some(std::mem::take(&mut state.pending))
    }
}

/// A panic elsewhere leaves values that are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
