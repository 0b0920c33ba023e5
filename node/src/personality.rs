//! Which of its programs MASQNode is, and how each ends: 0 for a normal end, 1
//! with the reasons on stderr for any other.

mod arguments;
mod dump;
mod node;
mod sources;

use arguments::{Help, Node, Personality};
use masq_core::config::{ConfigErrors, LogLevel};
use masq_node::{daemon, gateway, log};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::start;

pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let personality = match arguments::parse(arguments) {
        Ok(personality) => personality,
        Err(Help { text, is_error }) => {
            if is_error {
                say_error(&text);
                return ExitCode::FAILURE;
            }
            say(&text);
            return ExitCode::SUCCESS;
        }
    };
    let result = match personality {
        Personality::CaptureHelper => return start::capture_helper(),
        Personality::CaptureGuard(folder) => return start::capture_guard(&folder),
        Personality::Launcher => return daemon::launcher(),
        Personality::Dump(values) => dump::run(&values),
        Personality::Daemon(options) => {
            log::init(LogLevel::Info, log::Place::Stderr, gateway::log::layer());
            daemon::run(options)
        }
        Personality::Node(Node { own, values }) => node::run(own, values),
    };
    match result {
        Ok(()) => {
            log::flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::flush();
            say_error(&told(&error));
            ExitCode::FAILURE
        }
    }
}

/// A heading, and for a configuration a line a problem: `parameter - reason`.
fn told(error: &anyhow::Error) -> String {
    let Some(ConfigErrors(errors)) = error.downcast_ref::<ConfigErrors>() else {
        return format!("MASQNode: {error:#}\n");
    };
    let mut text = "MASQNode: bad-configuration [local]: the configuration has errors\n".to_owned();
    for error in errors {
        text.push_str("  ");
        text.push_str(&error.listed());
        text.push('\n');
    }
    text
}

/// A reader that has gone away misses the rest.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn say_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_core::config::NodeConfig;

    #[test]
    fn every_problem_of_a_configuration_is_a_line_with_its_parameter_first() {
        let errors = NodeConfig::parse("min-hops = 9\ngas-price = 0\n").unwrap_err();
        let text = told(&anyhow::Error::new(errors).context("somewhere"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].starts_with("  min-hops - line 1: 9: "), "{text}");
        assert!(lines[2].starts_with("  gas-price - line 2: 0: "), "{text}");
    }
}
