//! `masq`: the command line.
//!
//! One command of a shell, or many at a prompt. `run`, `repair` and `status` work without a
//! Daemon; the others ask it, and the Node through it.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod ask;
mod client;
mod cmds;
mod interactive;
mod page;
mod session;

use arguments::Arguments;
use cmds::Command;
use session::Session;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let port = match arguments.port() {
        Ok(port) => port,
        Err(error) => return failed(&error, 1),
    };
    let Some(command) = arguments.command else {
        return match interactive::run(port) {
            Ok(status) => ExitCode::from(status),
            Err(error) => failed(&format!("{error:#}"), 1),
        };
    };
    let failure = command.failure();
    let result = Session::one_shot(port)
        .map_err(anyhow::Error::from)
        .and_then(|mut session| command.execute(&mut session));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => failed(&format!("{error:#}"), failure),
    }
}

fn failed(error: &str, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "masq: {error}");
    ExitCode::from(status)
}
