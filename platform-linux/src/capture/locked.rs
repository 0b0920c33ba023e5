//! Lockdown without a capture: at boot, and when the user switches it.

use std::path::Path;

use masq_capture::journal::Outcome;
use masq_capture::states::{self, OnFailure, Policy, State};
use masq_capture::{CaptureError, FailureCode};
use nix::unistd::geteuid;

use super::guard_table::GuardTable;
use super::{GUARD_STEP, guard_inverse, open_journal, record, repair};
use crate::capture_state::{self, CaptureState};
use crate::command::SystemCommands;
use crate::journal_file::{self, JournalFile};
use crate::lockdown;

/// Refuses what is not excepted, where the user wants that while nothing is
/// captured; false where it is not wanted, or a capture sees to it.
pub fn apply_lockdown(directory: &Path) -> Result<bool, CaptureError> {
    if !geteuid().is_root() {
        let text = "only root can change the firewall";
        return Err(CaptureError::new(FailureCode::NotPermitted, text));
    }
    let Some(wish) = lockdown::wanted(directory) else {
        return Ok(false);
    };
    let known = capture_state::read();
    if known.as_ref().is_some_and(|state| state.helper.is_some()) {
        return Ok(false);
    }
    let place = journal_file::here()?;
    let mut journal = open_journal(JournalFile::open(directory, &place)?, place)?;
    if !journal.holds(&guard_inverse()) {
        record(&mut journal, GUARD_STEP, &[guard_inverse()])?;
    }
    let policy = Policy {
        lockdown: true,
        local_network: wish.local_network,
        // Nothing takes what is captured, so no interface is excepted.
        ..Policy::new("masq-none")
    };
    let rules = states::rule_set(State::Off, &policy);
    GuardTable::default().replace(rules, &SystemCommands)?;
    let state = CaptureState {
        state: known.map_or(State::Off, |known| known.state),
        since_unix: capture_state::unix_now(),
        helper: None,
        on_failure: OnFailure::Block,
        local_network: wish.local_network,
        lockdown: true,
        pause_ends: None,
        journal_directory: directory.to_owned(),
    };
    // Who asks for the state misses it; the rules stand.
    let _ = capture_state::write(&state);
    Ok(true)
}

/// Takes the wish back, and the rules where nothing else wants them; false
/// where something does.
pub fn lift_lockdown(directory: &Path) -> Result<bool, CaptureError> {
    lockdown::keep(directory, None)?;
    match capture_state::read() {
        Some(state) if state.helper.is_some() || state.state == State::Error => {
            if state.helper.is_none() {
                // Refusing goes on, for the other reason.
                let _ = capture_state::write(&CaptureState {
                    lockdown: false,
                    ..state
                });
            }
            Ok(false)
        }
        Some(_) | None => {
            for one in repair(directory)? {
                if let Some(Outcome::Failed(_, error)) = one
                    .outcome?
                    .into_iter()
                    .find(|outcome| matches!(outcome, Outcome::Failed(..)))
                {
                    return Err(CaptureError::new(FailureCode::CommandFailed, error));
                }
            }
            Ok(true)
        }
    }
}
