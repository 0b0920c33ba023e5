//! `masq repair`: undoes what a Node that is gone left behind.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Command;
use crate::session::Session;

/// Undo what a Node that ended badly left in this machine's network.
///
/// Reads the journal that the Node's capture helper keeps; needs no daemon,
/// no network and no configuration. Doing it twice does no harm.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if nothing is left to undo, 1 if something could not be undone."
)]
pub(crate) struct Repair {
    /// Where the journals are
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/var/lib/masq/journal"
    )]
    journal_directory: PathBuf,

    /// Leave refused what a Node that ended unasked left refused; for the service, whose
    /// $SERVICE_RESULT says how it ended
    #[arg(long, hide = true)]
    after_service: bool,

    /// Print one JSON object a change
    #[arg(long)]
    json: bool,
}

#[cfg(target_os = "linux")]
impl Command for Repair {
    fn execute(self, _session: &mut Session) -> Result<u8> {
        use anyhow::anyhow;
        use masq_platform_linux::capture::{self, Extent};
        use masq_platform_linux::lockdown;

        let stopped = std::env::var("SERVICE_RESULT").is_ok_and(|result| result == "success");
        let extent = if self.after_service && !stopped {
            Extent::AllButTheBlock
        } else {
            Extent::All
        };
        let repairs = capture::undo_journals(&self.journal_directory, extent)
            .map_err(|error| anyhow!("{error}\n  remedy: {}", error.remedy()))?;
        let mut status = 0;
        let mut changes = 0;
        for repair in repairs {
            match repair.outcome {
                Ok(outcomes) => {
                    changes += outcomes.len();
                    for outcome in &outcomes {
                        status |= u8::from(self.print(outcome));
                    }
                }
                Err(error) => {
                    status = 1;
                    write_line(&format!(
                        "{}: {error}; {}",
                        repair.journal.display(),
                        error.remedy()
                    ));
                }
            }
        }
        match self.resolver() {
            Ok(changed) => changes += usize::from(changed),
            Err(error) => {
                status = 1;
                write_line(&format!("resolver: {error}"));
            }
        }
        if !self.json && lockdown::wanted(&self.journal_directory).is_some() {
            write_line(
                "lockdown is on: it comes back at the next start of a Node or of the machine; \
                 `masq lockdown off` ends it",
            );
        }
        if changes == 0 && status == 0 && !self.json {
            write_line("nothing to undo");
        }
        Ok(status)
    }
}

#[cfg(target_os = "linux")]
impl Repair {
    /// Brings back the resolver that `dns_utility` switched; whether there was something to do.
    fn resolver(&self) -> Result<bool, masq_dns::Failure> {
        use masq_platform_linux::dns::{LinuxDns, is_open};

        if !is_open(&self.journal_directory) {
            return Ok(false);
        }
        let system = LinuxDns::to_change(&self.journal_directory)?;
        let report = masq_dns::Utility::new(system).revert()?;
        if self.json {
            let value = serde_json::json!({
                "outcome": "undone", "change": "resolver", "kept": report.kept,
            });
            write_line(&value.to_string());
        } else {
            write_line("undone resolver");
            for kept in &report.kept {
                write_line(&format!("  {kept}; that version is kept"));
            }
        }
        Ok(report.changed)
    }

    /// Prints one outcome; whether it is a failure.
    fn print(&self, outcome: &masq_capture::journal::Outcome) -> bool {
        use masq_capture::journal::Outcome;

        let (word, entry, error) = match outcome {
            Outcome::Undone(entry) => ("undone", entry, None),
            Outcome::Failed(entry, error) => ("failed", entry, Some(error)),
            Outcome::Void(entry) => ("gone-with-reboot", entry, None),
            Outcome::Foreign(entry) => ("of-another-namespace", entry, None),
        };
        if self.json {
            let value = serde_json::json!({
                "outcome": word, "change": entry.change, "inverse": entry.inverse, "error": error,
            });
            write_line(&value.to_string());
        } else {
            let error = error.map_or_else(String::new, |error| format!(": {error}"));
            write_line(&format!(
                "{word} {} {:?}{error}",
                entry.change, entry.inverse
            ));
        }
        matches!(outcome, Outcome::Failed(..))
    }
}

#[cfg(target_os = "linux")]
fn write_line(line: &str) {
    use std::io::Write;

    // A reader that went away has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(not(target_os = "linux"))]
impl Command for Repair {
    fn execute(self, _session: &mut Session) -> Result<u8> {
        let error = masq_capture::CaptureError::unsupported("masq repair");
        Err(anyhow::anyhow!("{self:?}: {error}"))
    }
}
