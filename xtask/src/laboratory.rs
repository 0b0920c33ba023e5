//! `demo` and `bench`: a release build, then the laboratory's own program takes over.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::setup::{self, Need, as_root};
use crate::steps;
use crate::workspace::{cargo, programs};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Given to the laboratory; `--help` after `--` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(what: &str, arguments: &Arguments) -> Result<()> {
    setup::ensure(Need::Laboratory)?;
    let mut build = cargo(&["build", "--release", "--locked"]);
    build.args([
        "-p",
        "masq-node",
        "-p",
        "masq",
        "-p",
        "masq-tests",
        "--bins",
    ]);
    steps::run(&mut build)?;
    let programs = programs("release")?;
    let error = as_root(programs.join("masq-lab"))?
        .arg(what)
        .args(&arguments.arguments)
        .exec();
    Err(error).with_context(|| format!("Failed to start the {what}"))
}
