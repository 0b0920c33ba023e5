//! `cargo xtask COMMAND`: everything a developer runs, and exactly what CI runs.
//!
//! A thin caller of programs: it installs what is missing, builds, and starts. What needs more than that
//! lives in the crate it is about (the demo and the benchmark: `masq-lab` in `tests/`).

#![forbid(unsafe_code)]

mod check;
mod fuzz_replay;
mod laboratory;
mod setup;
mod sim;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Every developer command")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need and the machine does not have
    Setup(setup::Options),
    /// Bring up a private mesh, send unmodified programs through it, show what happened
    Demo(laboratory::Arguments),
    /// Run every test: units, properties, laboratory, documents, fuzz corpora
    Test(test::Options),
    /// Measure, beside the direct path and the peers that are installed
    Bench(laboratory::Arguments),
    /// Run thousands of Nodes in virtual time
    Sim(sim::Arguments),
    /// Feed the committed fuzz corpora to their targets
    FuzzReplay,
    /// Format, lints, documents, dependency direction, licences, unused dependencies
    Check,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            steps::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup(options) => setup::run(&options),
        Command::Demo(arguments) => laboratory::run("demo", &arguments),
        Command::Test(options) => test::run(&options),
        Command::Bench(arguments) => laboratory::run("bench", &arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::FuzzReplay => fuzz_replay::run(),
        Command::Check => check::run(),
    }
}
