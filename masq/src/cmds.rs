//! One module a command: a structure whose doc comment is the help, and what it does.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::session::Session;

pub(crate) mod connection_status;
pub(crate) mod repair;
pub(crate) mod run;
pub(crate) mod status;

/// A command that was read.
pub(crate) trait Command {
    /// Does it; the exit status, or why it failed.
    fn execute(self, session: &mut Session) -> Result<u8>;
}

macro_rules! commands {
    ($($(#[$attribute:meta])* $name:ident($module:ident),)*) => {
        /// All commands.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Commands {
            $($(#[$attribute])* $name($module::$name),)*
        }

        impl Command for Commands {
            fn execute(self, session: &mut Session) -> Result<u8> {
                match self {
                    $(Commands::$name(command) => command.execute(session),)*
                }
            }
        }
    };
}

commands! {
    ConnectionStatus(connection_status),
    Repair(repair),
    Run(run),
    Status(status),
}

impl Commands {
    /// The exit status when the command itself could not be done.
    pub(crate) fn failure(&self) -> u8 {
        if matches!(self, Commands::Run(_)) {
            run::OWN_FAILURE
        } else {
            1
        }
    }
}

/// Of every command that reads.
#[derive(Debug, Args)]
pub(crate) struct Json {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}
