//! The firewall table that no process owns: it stays when all are killed.
//!
//! Replaced in one transaction, so no packet meets a moment without rules.

use masq_capture::CaptureError;
use masq_capture::states::GUARD_TABLE;
use masq_capture::states::rules::{self, RuleSet};

use crate::command::CommandRunner;

/// What stands in the table, as `nft` lists it.
#[derive(Debug, Default)]
pub(super) struct GuardTable {
    rules: RuleSet,
    listing: String,
}

impl GuardTable {
    /// From here on these rules stand, and no others.
    pub(super) fn replace(
        &mut self,
        rules: RuleSet,
        runner: &dyn CommandRunner,
    ) -> Result<(), CaptureError> {
        runner.run("nft", &["-f", "-"], &rules.replacing(GUARD_TABLE))?;
        self.listing = list(runner);
        self.rules = rules;
        Ok(())
    }

    /// Whether these are others than those that stand.
    pub(super) fn differs(&self, rules: &RuleSet) -> bool {
        self.rules != *rules
    }

    /// Whether somebody else has changed or removed it.
    pub(super) fn is_damaged(&self, runner: &dyn CommandRunner) -> bool {
        !self.rules.is_empty() && list(runner) != self.listing
    }

    /// Puts back what was there.
    pub(super) fn repeat(&mut self, runner: &dyn CommandRunner) -> Result<(), CaptureError> {
        self.replace(self.rules.clone(), runner)
    }
}

/// Empty where there is no such table. Counters are left out.
fn list(runner: &dyn CommandRunner) -> String {
    let arguments = ["-s", "list", "table", "inet", GUARD_TABLE];
    runner.run("nft", &arguments, "").unwrap_or_default()
}

/// Removes a table of ours; one that is not there is as good.
pub(super) fn remove(name: &str, runner: &dyn CommandRunner) -> Result<(), String> {
    // The journal is root's own, but only such tables were ever written to it.
    if !name.starts_with("masq")
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        return Err(format!("{name} is no table of ours"));
    }
    let removed = runner.run("nft", &["-f", "-"], &rules::gone(name));
    removed.map(drop).map_err(|error| error.to_string())
}
