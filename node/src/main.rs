//! `MASQNode`: one program that is the Node, its Daemon, the helpers of both,
//! or prints what a Node keeps; its arguments say which.

#![forbid(unsafe_code)]

use std::process::ExitCode;

mod personality;
mod start;

fn main() -> ExitCode {
    personality::run(&std::env::args_os().collect::<Vec<_>>())
}
