//! `masq lockdown`: refuses what is not excepted also while nothing is captured.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::Command;
use crate::session::Session;

/// Refuse all traffic that no Node carries: also when the Node is stopped or paused, and from boot.
///
/// Needs root, but no Daemon and no network. What passes: loopback, DHCP, neighbor discovery,
/// answers to connections from outside, and local networks unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Lockdown {
    #[command(subcommand)]
    action: Action,

    /// Where the capture's journals are
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        default_value = "/var/lib/masq/journal"
    )]
    journal_directory: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Refuse from now on
    On {
        /// Refuse local networks too
        #[arg(long)]
        no_local_network: bool,
    },
    /// Let traffic go its usual way again while nothing is captured
    Off,
    /// Say whether it is on
    Status,
    /// Put the rules in place where it is on; what the service does at boot
    Apply,
}

#[cfg(target_os = "linux")]
impl Command for Lockdown {
    fn execute(self, session: &mut Session) -> Result<u8> {
        use anyhow::anyhow;
        use masq_capture::CaptureError;
        use masq_capture::states::LocalNetwork;
        use masq_platform_linux::{capture, capture_state, lockdown};

        let directory = &self.journal_directory;
        let explain = |error: CaptureError| anyhow!("{error}\n  remedy: {}", error.remedy());
        match self.action {
            Action::On { no_local_network } => {
                let local_network = if no_local_network {
                    LocalNetwork::Block
                } else {
                    LocalNetwork::Allow
                };
                let wish = lockdown::Lockdown { local_network };
                lockdown::keep(directory, Some(&wish)).map_err(explain)?;
                let applied = capture::apply_lockdown(directory).map_err(explain)?;
                session.print(if applied {
                    "Lockdown is on: nothing leaves uncaptured. `masq start` carries traffic, \
                     `masq lockdown off` ends it."
                } else {
                    "Lockdown is on; the Node captures, and nothing will leave when it is paused \
                     or stopped."
                })?;
            }
            Action::Off => {
                let lifted = capture::lift_lockdown(directory).map_err(explain)?;
                session.print("Lockdown is off.")?;
                if !lifted && let Some(why) = super::blocked::sentence() {
                    session.print(&why)?;
                }
            }
            Action::Apply => {
                capture::apply_lockdown(directory).map_err(explain)?;
            }
            Action::Status => {
                let told = capture_state::read().is_some_and(|state| state.lockdown);
                let on = told || lockdown::wanted(directory).is_some();
                session.print(if on {
                    "Lockdown is on. `masq lockdown off` ends it."
                } else {
                    "Lockdown is off."
                })?;
                return Ok(if on { 0 } else { 3 });
            }
        }
        Ok(0)
    }
}

#[cfg(not(target_os = "linux"))]
impl Command for Lockdown {
    fn execute(self, _session: &mut Session) -> Result<u8> {
        let error = masq_capture::CaptureError::unsupported("masq lockdown");
        Err(anyhow::anyhow!("{self:?}: {error}"))
    }
}
