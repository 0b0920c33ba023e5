//! The command line as clap sees it, once for a shell and once for the prompt.

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use masq_ui_protocol::DEFAULT_PORT;

use crate::cmds::Commands;

const VARIABLE: &str = "MASQ_UI_PORT";

/// Carries the traffic of programs over the MASQ network.
///
/// Without a command masq is interactive: it reads commands at a prompt, or line by line when
/// standard input is no terminal, and shows what the Daemon and the Node tell meanwhile.
#[derive(Parser)]
#[command(
    name = "masq",
    version,
    about,
    disable_help_subcommand = true,
    after_help = "\
Exit status: 0 if it is done, 1 if it failed or the command line is wrong. Commands that have more say so in their help.
Results go to standard output, errors to standard error.
Passwords, phrases and keys that are left out are asked for, or read from standard input, a line each."
)]
pub(crate) struct Arguments {
    /// Where the Daemon listens, 1025 to 65535 [default: MASQ_UI_PORT of the environment, or 5333]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1025..))]
    ui_port: Option<u16>,

    #[command(subcommand)]
    pub(crate) command: Option<Commands>,
}

impl Arguments {
    pub(crate) fn port(&self) -> Result<u16, String> {
        port(self.ui_port, std::env::var_os(VARIABLE))
    }
}

fn port(given: Option<u16>, variable: Option<OsString>) -> Result<u16, String> {
    match (given, variable) {
        (Some(port), _) => Ok(port),
        (None, None) => Ok(DEFAULT_PORT),
        (None, Some(text)) => {
            let port = text.to_str().and_then(|text| text.parse().ok());
            port.filter(|port| (1025..).contains(port)).ok_or_else(|| {
                format!(
                    "{VARIABLE} is `{}`, but a port is a number from 1025 to 65535",
                    text.display()
                )
            })
        }
    }
}

/// A line at the prompt.
#[derive(Parser)]
#[command(
    name = "masq",
    no_binary_name = true,
    disable_help_flag = true,
    subcommand_required = true,
    help_template = "{subcommands}",
    about = None, long_about = None
)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) order: Order,
}

#[derive(Subcommand)]
pub(crate) enum Order {
    #[command(flatten)]
    Command(Box<Commands>),
    /// Print the version of masq
    Version,
    /// End masq; the Daemon and the Node stay
    #[command(visible_alias = "quit")]
    Exit,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_lines_are_sound() {
        Arguments::command().debug_assert();
        Line::command().debug_assert();
    }

    #[test]
    fn the_option_counts_before_the_environment() {
        let variable = |text: &str| Some(OsString::from(text));
        assert_eq!(port(Some(2000), variable("3000")), Ok(2000));
        assert_eq!(port(None, variable("3000")), Ok(3000));
        assert_eq!(port(None, None), Ok(DEFAULT_PORT));
        for wrong in ["", "x", "1024", "65536"] {
            assert!(port(None, variable(wrong)).unwrap_err().contains(VARIABLE));
        }
    }
}
