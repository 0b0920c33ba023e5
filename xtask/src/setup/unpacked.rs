//! Debian's packages, unpacked beside the build and not installed: nothing of them starts by itself, and the
//! machine stays as it is.
//!
//! What is there is known by a list in its folder, which is put there last: a run that was cut off, or a
//! newer list here, begins anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::as_root;
use crate::steps::{self, say};
use crate::workspace;

/// What the benchmark compares with.
const PEERS: &[&str] = &["libevent-2.1-7", "libevent-core-2.1-7", "redsocks", "tor"];

/// The managers of a system's resolver, each folder a layer to lay over `/usr`. The last two bring the same
/// program, and no machine has both.
const RESOLVERS: &[Layer] = &[
    Layer {
        name: "core",
        packages: &[
            "dbus",
            "dnsmasq-base",
            "libnss-resolve",
            "network-manager",
            "systemd-resolved",
        ],
        with_libraries: true,
    },
    Layer {
        name: "openresolv",
        packages: &["openresolv"],
        with_libraries: false,
    },
    Layer {
        name: "resolvconf",
        packages: &["resolvconf"],
        with_libraries: false,
    },
];

struct Layer {
    name: &'static str,
    packages: &'static [&'static str],
    /// Also the packages that these depend on and this machine does not have.
    with_libraries: bool,
}

/// WireGuard of user space and its tools: the tests of a machine with another program's tunnel start them.
const TUNNELS: &[&str] = &["wireguard-go", "wireguard-tools"];

pub(super) fn tunnels() -> Result<()> {
    once("tunnels", &[alone(TUNNELS)])
}

pub(super) fn peers() -> Result<()> {
    once("peers", &[alone(PEERS)])
}

/// These packages and nothing that they depend on, in one folder.
const fn alone(packages: &'static [&'static str]) -> Layer {
    Layer {
        name: "",
        packages,
        with_libraries: false,
    }
}

/// Whether this machine has the programs that unpack, and so can have the managers.
pub(super) fn is_possible() -> bool {
    super::is_there("apt-get") && super::is_there("dpkg")
}

pub(super) fn resolvers() -> Result<()> {
    once("dns-parts", RESOLVERS)
}

fn once(name: &str, layers: &[Layer]) -> Result<()> {
    let folder = workspace::metadata()?.target_directory.join(name);
    let wanted: Vec<&str> = layers
        .iter()
        .flat_map(|layer| layer.packages)
        .copied()
        .collect();
    let wanted = wanted.join("\n");
    if fs::read_to_string(folder.join("complete")).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if !is_possible() {
        bail!("{name}: these are Debian's packages, and there is no apt-get or dpkg here");
    }
    say(&format!("setup: unpacking {}", wanted.replace('\n', ", ")));
    let making = folder.with_extension("new");
    if let Err(first) = unpack_all(&making, layers) {
        // The lists of packages are missing, or older than the packages.
        say(&format!("setup: {first:#}; trying again with fresh lists"));
        as_root("apt-get")
            .and_then(|mut command| steps::run(command.args(["update", "-qq"])))
            .with_context(|| {
                format!("{first:#}, and the lists of packages could not be renewed")
            })?;
        unpack_all(&making, layers)?;
    }
    fs::write(making.join("complete"), wanted)?;
    remove(&folder)?;
    fs::rename(&making, &folder)
        .with_context(|| format!("Failed to put {} in its place", folder.display()))
}

fn unpack_all(making: &Path, layers: &[Layer]) -> Result<()> {
    remove(making)?;
    for layer in layers {
        unpack(&making.join(layer.name), layer)?;
    }
    Ok(())
}

fn unpack(folder: &Path, layer: &Layer) -> Result<()> {
    let packages = folder.join("packages");
    fs::create_dir_all(&packages)?;
    let mut names: Vec<String> = layer.packages.iter().map(|&name| name.to_owned()).collect();
    if layer.with_libraries {
        names.extend(missing_with(layer.packages)?);
        names.sort();
        names.dedup();
    }
    steps::run(
        Command::new("apt-get")
            .current_dir(&packages)
            // Root's folders are closed to apt's own user, which is worth no warning.
            .args(["download", "-qq", "-o", "APT::Sandbox::User="])
            .args(&names),
    )?;
    for package in fs::read_dir(&packages)? {
        steps::output(
            Command::new("dpkg")
                .arg("-x")
                .arg(package?.path())
                .arg(folder),
        )?;
    }
    fs::remove_dir_all(&packages)?;
    for name in ["bin", "lib", "lib64", "sbin"] {
        into_usr(folder, name)?;
    }
    Ok(())
}

/// What would be installed with these packages.
fn missing_with(packages: &[&str]) -> Result<Vec<String>> {
    let plan = steps::output(
        Command::new("apt-get")
            .args(["install", "-s", "-qq", "--no-install-recommends"])
            .args(packages),
    )?;
    Ok(plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect())
}

/// Debian's folders beside `/usr` are links into it, which an unpacked package does not know.
fn into_usr(folder: &Path, name: &str) -> Result<()> {
    let from = folder.join(name);
    if !from.is_dir() {
        return Ok(());
    }
    let to = folder.join("usr").join(name);
    fs::create_dir_all(&to)?;
    steps::output(Command::new("cp").arg("-a").arg(from.join(".")).arg(&to))?;
    fs::remove_dir_all(&from)?;
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("Failed to remove {}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
