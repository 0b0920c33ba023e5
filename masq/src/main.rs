//! `masq`: the command line.
//!
//! `run`, `repair` and `status` stand here; all work without a Daemon.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cmds;

/// Carries the traffic of programs over the MASQ network.
#[derive(Debug, Parser)]
#[command(name = "masq", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    Run(cmds::run::Run),
    Repair(cmds::repair::Repair),
    Status(cmds::status::Status),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (result, failure) = match arguments.command {
        Commands::Run(run) => (run.execute(), cmds::run::OWN_FAILURE),
        Commands::Repair(repair) => (repair.execute(), 1),
        Commands::Status(status) => (status.execute(), 1),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "masq: {error:#}");
            ExitCode::from(failure)
        }
    }
}
