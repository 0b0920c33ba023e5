//! `test`: every test of the tree.

use std::fs;

use anyhow::{Result, bail};

use crate::steps::{Steps, say};
use crate::workspace::{cargo, metadata};
use crate::{fuzz_replay, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Given to nextest: names of tests, or its options after `--`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure(setup::Need::Laboratory)?;
    setup::ensure(setup::Need::Test)?;
    let skipped = metadata()?.target_directory.join("skipped.txt");
    if skipped.exists() {
        fs::remove_file(&skipped)?;
    }
    let mut steps = Steps::default();
    steps.command(
        "build",
        &mut cargo(&["build", "--workspace", "--bins", "--locked"]),
    )?;
    steps.command(
        "tests",
        cargo(&["nextest", "run", "--workspace", "--locked"])
            .args(&options.nextest)
            .env("MASQ_SKIP_LOG", &skipped),
    )?;
    if options.nextest.is_empty() {
        steps.command(
            "examples in documents",
            &mut cargo(&["test", "--workspace", "--doc", "--locked"]),
        )?;
        steps.step("fuzz corpora", fuzz_replay::run)?;
    }
    steps.summary();
    let reasons = fs::read_to_string(&skipped).unwrap_or_default();
    if reasons.is_empty() {
        say("test: all passed, none skipped");
        return Ok(());
    }
    say("test: all that ran passed; SKIPPED:");
    for line in reasons.lines() {
        say(&format!("  {line}"));
    }
    if std::env::var_os("MASQ_REQUIRE_LAB").is_some_and(|value| value == "1") {
        bail!("tests were skipped where none may be");
    }
    say("(root, /dev/net/tun and network namespaces run them all)");
    Ok(())
}
