//! Debian's WireGuard of user space and its tools, unpacked beside the build and not installed: the tests of
//! a machine with a tunnel of another program start them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::steps::{self, say};
use crate::workspace;

const PACKAGES: [&str; 2] = ["wireguard-go", "wireguard-tools"];

/// Without `apt-get` the tests say that they are skipped.
pub(super) fn unpack() -> Result<()> {
    let folder = workspace::metadata()?.target_directory.join("tunnels");
    if folder.join("usr/bin/wg-quick").exists() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        say("setup: no apt-get here, so the tests beside tunnels will be skipped");
        return Ok(());
    }
    let packages = folder.join("packages");
    fs::create_dir_all(&packages)?;
    let mut download = Command::new("apt-get");
    download.current_dir(&packages).args(["download", "-qq"]);
    steps::run(download.args(PACKAGES))?;
    for package in fs::read_dir(&packages)? {
        let mut unpack = Command::new("dpkg");
        steps::run(unpack.arg("-x").arg(package?.path()).arg(&folder))?;
    }
    Ok(())
}
