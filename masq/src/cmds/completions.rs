//! `masq completions`: scripts that teach shells the commands.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Command;
use crate::arguments::Arguments;
use crate::session::Session;

/// Print a completion script for a shell.
///
/// For bash: `masq completions bash > /etc/bash_completion.d/masq`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Command for Completions {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "masq", &mut script);
        session.print(&String::from_utf8_lossy(&script))?;
        Ok(0)
    }
}
