//! `masq selftest`: proves on this very machine that nothing goes where it should not.

use anyhow::Result;
use clap::Args;

use super::{Command, Json};
use crate::session::Session;

#[cfg(target_os = "linux")]
mod matrix;
#[cfg(target_os = "linux")]
mod page;

/// Prove that nothing leaves this machine by a way it should not take.
///
/// Sends one harmless packet of each kind, to addresses that nobody has, listens on every interface where
/// they leave, and compares with what the present state of the capture promises
/// (docs/security.md). A packet that is marked as the Node's own goes first and last: only if both are seen
/// does not seeing the others count. Needs root to listen; changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if nothing leaks, 1 if something does, 2 if something could not be tested."
)]
pub(crate) struct Selftest {
    /// Look for leaks
    #[arg(long, required = true)]
    leaks: bool,

    #[command(flatten)]
    json: Json,
}

#[cfg(target_os = "linux")]
impl Command for Selftest {
    fn execute(self, session: &mut Session) -> Result<u8> {
        debug_assert!(self.leaks, "there is no other test");
        let report = match matrix::run() {
            Ok(report) => report,
            Err(error) => matrix::Report::impossible(&error),
        };
        if self.json.json {
            session.print_json(&report)?;
        } else {
            session.print(&page::show(&report))?;
        }
        Ok(report.status())
    }
}

#[cfg(not(target_os = "linux"))]
impl Command for Selftest {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let _ = (self.leaks, self.json.json);
        session.print("not tested: this version tests on Linux only")?;
        Ok(2)
    }
}
