//! `masq`: the command line.
//!
//! One command of a shell, or many at a prompt. `run`, `repair` and `status` work without a
//! Daemon; the others ask it, and the Node through it.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

mod ask;
mod client;
mod cmds;
mod session;

use cmds::{Command, Commands};
use session::Session;

/// Carries the traffic of programs over the MASQ network.
#[derive(Debug, Parser)]
#[command(name = "masq", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// Where the Daemon listens [default: MASQ_UI_PORT of the environment, or 5333]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1025..))]
    ui_port: Option<u16>,

    #[command(subcommand)]
    command: Commands,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let failure = arguments.command.failure();
    let port = arguments.ui_port.unwrap_or(masq_ui_protocol::DEFAULT_PORT);
    let result = Session::one_shot(port)
        .map_err(anyhow::Error::from)
        .and_then(|mut session| arguments.command.execute(&mut session));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "masq: {error:#}");
            ExitCode::from(failure)
        }
    }
}
