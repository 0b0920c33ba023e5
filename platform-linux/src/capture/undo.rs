//! Carries out inverses; one whose change is not there is a success.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use masq_capture::journal::{Inverse, Journal, Outcome, Storage};
use masq_capture::{CaptureError, FailureCode, Family};
use nix::unistd::geteuid;

use super::{GUARD_STEP, guard_table, machine};
use crate::cgroup::Hierarchy;
use crate::command::{CommandRunner, SystemCommands};
use crate::journal_file::{self, JournalFile};
use crate::{capture_state, lockdown};

/// What a repair did with one journal.
#[derive(Debug)]
pub struct Repair {
    pub journal: PathBuf,
    pub outcome: Result<Vec<Outcome>, CaptureError>,
}

/// What is undone of what a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All: the user wants the machine's own network back.
    All,
    /// All but the table that refuses, where the capture was not to end.
    AllButTheBlock,
}

/// Undoes what the journals of a directory hold for this network namespace.
pub fn repair(directory: &Path) -> Result<Vec<Repair>, CaptureError> {
    undo_journals(directory, Extent::All)
}

/// What [`repair`] does, to this extent.
pub fn undo_journals(directory: &Path, extent: Extent) -> Result<Vec<Repair>, CaptureError> {
    if !geteuid().is_root() {
        let text = "only root can undo what a capture helper did";
        return Err(CaptureError::new(FailureCode::NotPermitted, text));
    }
    let place = journal_file::here()?;
    let hierarchy = Hierarchy::open()?;
    let one = |path: &Path| {
        let file = JournalFile::lock(path)?;
        let mut journal = super::open_journal(file, place.clone())?;
        let blocks = extent == Extent::AllButTheBlock
            && (lockdown::wanted(directory).is_some() || !journal.is_ending());
        let chosen = |step: &str| !(blocks && step == GUARD_STEP);
        let outcomes = undo(&mut journal, chosen, &SystemCommands, &hierarchy)?;
        let guarded = journal
            .entries()
            .iter()
            .any(|entry| entry.change == GUARD_STEP);
        Ok((outcomes, guarded))
    };
    let mut guarded = false;
    let mut repairs = Vec::new();
    for journal in journal_file::journals(directory)? {
        let outcome = one(&journal).map(|(outcomes, guards)| {
            guarded |= guards;
            outcomes
        });
        repairs.push(Repair { journal, outcome });
    }
    if repairs.iter().all(|repair| repair.outcome.is_ok()) {
        match capture_state::read() {
            Some(state) if guarded => super::tell_of_end(state),
            Some(_) | None => capture_state::forget(),
        }
    }
    Ok(repairs)
}

pub(super) fn undo<S: Storage>(
    journal: &mut Journal<S>,
    chosen: impl Fn(&str) -> bool,
    runner: &dyn CommandRunner,
    hierarchy: &Hierarchy,
) -> Result<Vec<Outcome>, CaptureError> {
    journal
        .undo_where(chosen, |inverses| carry_out(inverses, runner, hierarchy))
        .map_err(|error| CaptureError::new(FailureCode::JournalUnavailable, error.to_string()))
}

fn carry_out(
    inverses: &[Inverse],
    runner: &dyn CommandRunner,
    hierarchy: &Hierarchy,
) -> Vec<Result<(), String>> {
    let remaining: Vec<HashSet<u32>> = Family::BOTH
        .iter()
        .map(|&family| delete_rules(inverses, runner, family))
        .collect();
    inverses
        .iter()
        .map(|inverse| match inverse {
            Inverse::DeleteRule { family, priority } => {
                let left = match family {
                    Family::V4 => &remaining[0],
                    Family::V6 => &remaining[1],
                };
                if left.contains(priority) {
                    Err(format!("rule {priority} is still there"))
                } else {
                    Ok(())
                }
            }
            Inverse::FlushTable { family, table } => flush(runner, *family, *table),
            Inverse::RemoveCgroup { path } => {
                hierarchy.remove(path).map_err(|error| error.to_string())
            }
            Inverse::RestoreSysctl { path, value } => restore(path, value),
            Inverse::DeleteTable { name } => guard_table::remove(name, runner),
        })
        .collect()
}

/// Deletes a family's rules in one run; answers those of ours that remain.
fn delete_rules(inverses: &[Inverse], runner: &dyn CommandRunner, wanted: Family) -> HashSet<u32> {
    let priorities: Vec<u32> = inverses
        .iter()
        .filter_map(|inverse| match inverse {
            Inverse::DeleteRule { family, priority } if *family == wanted => Some(*priority),
            Inverse::DeleteRule { .. }
            | Inverse::FlushTable { .. }
            | Inverse::RemoveCgroup { .. }
            | Inverse::RestoreSysctl { .. }
            | Inverse::DeleteTable { .. } => None,
        })
        .collect();
    if priorities.is_empty() {
        return HashSet::new();
    }
    let lines: String = priorities
        .iter()
        .map(|priority| format!("rule del priority {priority}\n"))
        .collect();
    let family = wanted.option();
    match runner.run("ip", &[family, "-force", "-batch", "-"], &lines) {
        Ok(_) => HashSet::new(),
        // Some were not there, or could not be deleted: see which.
        Err(_) => match machine::rule_priorities(runner, wanted) {
            Ok(left) => left,
            Err(_) => priorities.into_iter().collect(),
        },
    }
}

fn flush(runner: &dyn CommandRunner, family: Family, table: u32) -> Result<(), String> {
    let number = table.to_string();
    match runner.run(
        "ip",
        &[family.option(), "route", "flush", "table", &number],
        "",
    ) {
        Ok(_) => Ok(()),
        Err(_) if machine::table_is_empty(runner, family, table) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn restore(path: &Path, value: &str) -> Result<(), String> {
    // The journal is root's own, but a setting is all that may be written.
    if !path.starts_with("/proc/sys/net") || path.components().any(|part| part.as_os_str() == "..")
    {
        return Err(format!("{} is no network setting", path.display()));
    }
    std::fs::write(path, value).map_err(|error| format!("write {}: {error}", path.display()))
}
