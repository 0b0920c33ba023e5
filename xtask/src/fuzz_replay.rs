//! `fuzz-replay`: the committed corpora, given to the fuzz targets once, without a fuzzer.

use anyhow::Result;

use crate::steps::{run as run_command, say};
use crate::workspace::{cargo, root};

pub(crate) fn run() -> Result<()> {
    let manifest = root().join("fuzz/Cargo.toml");
    if !manifest.exists() {
        say("    no fuzz targets in this tree");
        return Ok(());
    }
    let target = root().join("target/fuzz-replay");
    run_command(
        cargo(&["run", "--quiet", "--bin", "replay", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&target),
    )
}
