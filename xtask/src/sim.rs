//! `sim`: a release build of the simulator and of nothing else, then it takes over.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::steps;
use crate::workspace::{cargo, programs, root};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Given to the simulator: `--nodes N --minutes M --churn X`, `--suite`; `--help` after `--` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let build = [
        "build",
        "--release",
        "--locked",
        "-p",
        "masq-meshsim",
        "--bins",
    ];
    steps::run(&mut cargo(&build))?;
    let error = std::process::Command::new(programs("release")?.join("masq-sim"))
        .current_dir(root())
        .args(&arguments.arguments)
        .exec();
    Err(error).context("Failed to start the simulator")
}
