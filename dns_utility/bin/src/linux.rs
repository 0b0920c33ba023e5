//! The commands on Linux.

use masq_dns::engine::{Look, Report};
use masq_dns::{Failure, Utility};
use masq_platform_linux::dns::LinuxDns;
use serde_json::json;

use super::{Action, Arguments, Output};

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), String> {
    carry_out(arguments, output).map_err(|failure| failure.to_string())
}

fn carry_out(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let system = match arguments.action {
        Action::Inspect | Action::Status => LinuxDns::to_look(&arguments.journal_directory),
        Action::Subvert | Action::Revert | Action::Repair => {
            LinuxDns::to_change(&arguments.journal_directory)?
        }
    };
    let mut utility = Utility::new(system);
    match arguments.action {
        Action::Subvert => {
            let report = utility.subvert()?;
            tell(arguments, output, &report);
        }
        Action::Revert | Action::Repair => {
            let report = utility.revert()?;
            tell(arguments, output, &report);
        }
        Action::Inspect | Action::Status => {
            let look = utility.inspect()?;
            show(arguments, output, &look)?;
        }
    }
    Ok(())
}

fn tell(arguments: &Arguments, output: &mut Output, report: &Report) {
    if arguments.verbose {
        output.errors.extend(report.trail.iter().cloned());
    }
    for kept in &report.kept {
        output.errors.push(format!("{kept}; that version is kept"));
    }
    if arguments.json {
        let value = json!({
            "action": arguments.action.name(),
            "changed": report.changed,
            "kept": report.kept,
            "trail": report.trail,
        });
        output.lines.push(value.to_string());
    } else if arguments.action == Action::Repair && !report.changed {
        output.lines.push("nothing to undo".to_owned());
    }
}

fn show(arguments: &Arguments, output: &mut Output, look: &Look) -> Result<(), Failure> {
    if arguments.verbose {
        output.errors.extend(look.trail.iter().cloned());
    }
    let status = if look.subverted {
        "subverted"
    } else {
        "reverted"
    };
    if arguments.json {
        let value = json!({
            "status": status,
            "servers": look.servers,
            "manager": look.manager,
            "journaled": look.journaled,
            "trail": look.trail,
        });
        output.lines.push(value.to_string());
    } else if arguments.action == Action::Status {
        output.lines.push(status.to_owned());
    } else if look.servers.is_empty() {
        let why = "no name server is set, so this machine seems not to be connected";
        return Err(Failure::Refused(why.to_owned()));
    } else {
        output
            .lines
            .extend(look.servers.iter().map(ToString::to_string));
    }
    Ok(())
}
