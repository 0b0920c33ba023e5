//! `masq doctor`: looks at the machine for what keeps a Node from working.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::{Command, Json};
use crate::session::Session;
use check::{Check, Outcome};

mod check;
mod facts;
mod gather;
mod redact;

/// Look for what keeps a Node from working, and say what to do about it.
///
/// Works without a Daemon. Changes nothing. The report has no addresses, names, keys or wallets in
/// it: only what was checked, how it came out, versions and counts.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if no check fails, 1 if one does.")]
pub(crate) struct Doctor {
    /// The Node's data directory [default: that of this user's Node which wrote last]
    #[arg(long, value_name = "DIRECTORY")]
    data_directory: Option<PathBuf>,

    /// Where the capture's journals are
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/var/lib/masq/journal"
    )]
    journal_directory: PathBuf,

    /// Write a report without anything private, to show to others
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    json: Json,
}

impl Command for Doctor {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let facts = gather::facts(session, self.data_directory, &self.journal_directory);
        let checks = check::all(&facts);
        if let Some(path) = &self.report {
            fs::write(path, redact::report(&checks))
                .with_context(|| format!("cannot write the report {}", path.display()))?;
        }
        if self.json.json {
            session.print_json(&checks)?;
        } else {
            session.print(&page(&checks))?;
            if let Some(path) = &self.report {
                session.print(&format!("wrote {}", path.display()))?;
            }
        }
        let failed = checks.iter().any(|check| check.outcome == Outcome::Fail);
        Ok(u8::from(failed))
    }
}

fn page(checks: &[Check]) -> String {
    let mut page = String::new();
    for check in checks {
        let word = check.outcome.word();
        page.push_str(&format!("{word:<4}  {:<14} {}", check.name, check.what));
        if !check.private.is_empty() {
            page.push_str(&format!(" ({})", super::measure::one_line(&check.private)));
        }
        page.push('\n');
        if !check.remedy.is_empty() {
            page.push_str(&format!("      {:<14} -> {}\n", "", check.remedy));
        }
    }
    page
}
