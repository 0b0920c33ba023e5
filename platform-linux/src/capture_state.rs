//! Says to every user of the machine what its capture does: a small file of
//! this boot, one for each network namespace.
//!
//! It decides nothing. A capture whose processes are gone cannot say so
//! itself, so a reader looks whether the one that wrote last still runs.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use masq_capture::states::{LocalNetwork, OnFailure, State};
use serde::{Deserialize, Serialize};

use crate::journal_file;

/// What is known of the capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaptureState {
    pub state: State,
    /// When the state began; for an end that nobody could note, when the file
    /// was written.
    pub since_unix: u64,
    /// Who keeps the capture; none where nobody does.
    pub helper: Option<u32>,
    pub on_failure: OnFailure,
    pub local_network: LocalNetwork,
    pub lockdown: bool,
    /// When the kernel ends the pause, in unix seconds.
    #[serde(default)]
    pub pause_ends: Option<u64>,
    /// Where the changes stand that a repair undoes.
    pub journal_directory: PathBuf,
}

impl CaptureState {
    /// Whether traffic is refused though nobody carries it.
    pub fn is_blocked(&self) -> bool {
        match self.state {
            State::Error => self.lockdown || self.on_failure == OnFailure::Block,
            State::Off | State::Paused => self.lockdown,
            State::Starting | State::On | State::Reconnecting => false,
        }
    }
}

const DIRECTORY: &str = "/run/masq";

/// Writes it, for this network namespace.
pub(crate) fn write(state: &CaptureState) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(DIRECTORY)?;
    let path = path()?;
    let partial = path.with_extension("new");
    fs::write(&partial, serde_json::to_vec(state)?)?;
    fs::set_permissions(&partial, Permissions::from_mode(0o644))?;
    fs::rename(partial, path)
}

/// Nothing is captured or refused any more.
pub(crate) fn forget() {
    if let Ok(path) = path() {
        // Where there is none, that is what was wanted.
        let _ = fs::remove_file(path);
    }
}

/// What the capture of this network namespace does; none where there is none.
pub fn read() -> Option<CaptureState> {
    let bytes = fs::read(path().ok()?).ok()?;
    let mut state: CaptureState = serde_json::from_slice(&bytes).ok()?;
    let runs = state.helper.is_some_and(is_helper);
    if state.helper.is_some() && !runs {
        state.helper = None;
        // A pause opens the firewall until its end, or until somebody closes it.
        let over = state.pause_ends.is_some_and(|end| end <= unix_now());
        if state.state != State::Paused || state.lockdown || over {
            state.state = State::Error;
        }
        if state.state == State::Error && !state.is_blocked() {
            return None;
        }
    }
    Some(state)
}

fn is_helper(pid: u32) -> bool {
    // A zombie has ended; its command line is empty.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn path() -> io::Result<PathBuf> {
    let place = journal_file::here().map_err(|error| io::Error::other(error.text))?;
    Ok(Path::new(DIRECTORY).join(format!("capture-{}.json", place.namespace)))
}

#[expect(clippy::disallowed_methods, reason = "the time that people are told")]
pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
