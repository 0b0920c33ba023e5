//! `dns_utility`: switches the system's resolver to the Node and back, with
//! the original's commands, output and exit codes.

#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod platform;

const AFTER_HELP: &str = "\
Whoever owns /etc/resolv.conf is told: systemd-resolved, NetworkManager,
openresolv, resolvconf; where nobody does, the file is written. What was there
is saved first, and that survives crashes and reboots.

  sudo dns_utility subvert   ask a Node that runs with entry-dns for names
  sudo dns_utility revert    back to what was there, also without the Node";

/// Switch the system's resolver to the Node and back.
#[derive(Debug, Parser)]
#[command(name = "dns_utility", version, after_help = AFTER_HELP)]
struct Arguments {
    /// What to do
    #[arg(value_enum)]
    action: Action,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Tell on the error output how it was decided who owns the resolver
    #[arg(long)]
    verbose: bool,

    /// Where the previous settings are kept
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/var/lib/masq/journal"
    )]
    journal_directory: PathBuf,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Ask only 127.0.0.1 for names (127.65.83.81 beside NetworkManager's dnsmasq)
    Subvert,
    /// Bring back what was there before
    Revert,
    /// Print the servers that are asked, one a line
    Inspect,
    /// Print `subverted` or `reverted`
    Status,
    /// Undo also what a switch that was cut off left; as `revert`, and says when there was nothing
    Repair,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Subvert => "subvert DNS",
            Action::Revert => "revert DNS",
            Action::Inspect => "inspect DNS",
            Action::Status => "display DNS status",
            Action::Repair => "repair DNS",
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where even that cannot be printed there is nobody to tell.
            let _ = error.print();
            // The original ends with 1, not with 2.
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let mut output = Output::default();
    let result = platform::run(&arguments, &mut output);
    for line in &output.errors {
        // Best effort, as below.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    match result {
        Ok(()) => {
            for line in &output.lines {
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    return ExitCode::FAILURE;
                }
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            let action = arguments.action.name();
            if arguments.json {
                let value = serde_json::json!({ "action": action, "error": reason });
                let _ = writeln!(std::io::stdout(), "{value}");
            }
            let _ = writeln!(std::io::stderr(), "Cannot {action}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// What is printed in the end.
#[derive(Debug, Default)]
struct Output {
    lines: Vec<String>,
    errors: Vec<String>,
}
