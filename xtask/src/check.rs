//! `check`: everything that can be said about the tree without running it.

mod arrows;
mod sources;

use std::process::Command;

use anyhow::Result;

use crate::setup;
use crate::steps::{self, Steps};
use crate::workspace::{cargo, metadata, root};

pub(crate) fn run() -> Result<()> {
    setup::ensure(setup::Need::Check)?;
    let mut steps = Steps::default();
    steps.command("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    steps.step("dependency direction", || arrows::check(&metadata()?))?;
    steps.step("sources", || sources::check(&metadata()?))?;
    steps.command(
        "lints",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    steps.command(
        "documents",
        cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--locked",
        ])
        .env(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        ),
    )?;
    steps.command(
        "bans, licences, sources of dependencies",
        &mut cargo(&[
            "deny",
            "--workspace",
            "check",
            "bans",
            "licenses",
            "sources",
        ]),
    )?;
    // By its own name: as a subcommand it takes `machete` for a folder where CARGO is set.
    let mut machete = Command::new("cargo-machete");
    machete.arg(".").current_dir(root());
    steps.command("unused dependencies", &mut machete)?;
    steps.summary();
    steps::say("check: all is well");
    Ok(())
}
