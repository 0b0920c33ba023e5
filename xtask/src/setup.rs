//! `setup`: what the other commands need, installed where it is missing. A second run changes nothing.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::{self, say};
use crate::workspace::cargo;

mod unpacked;

/// Programs of Debian's and the packages that bring them.
const SYSTEM: &[(&str, &str)] = &[
    ("cc", "build-essential"),
    ("chattr", "e2fsprogs"),
    ("curl", "curl"),
    ("dig", "dnsutils"),
    ("git", "git"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("prlimit", "util-linux"),
    ("ss", "iproute2"),
];

const NEXTEST: Tool = Tool {
    program: "cargo-nextest",
    version: "0.9.143",
};
const DENY: Tool = Tool {
    program: "cargo-deny",
    version: "0.20.2",
};
const MACHETE: Tool = Tool {
    program: "cargo-machete",
    version: "0.9.2",
};

struct Tool {
    program: &'static str,
    version: &'static str,
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Also the programs that the benchmark compares with (tor, redsocks)
    #[arg(long)]
    peers: bool,
}

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Check,
    Test,
    Laboratory,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    for need in [Need::Check, Need::Test, Need::Laboratory] {
        ensure(need)?;
    }
    if options.peers {
        unpacked::peers()?;
    }
    say("setup: all is there");
    Ok(())
}

/// Installs what is missing for `need`; says nothing when all is there.
pub(crate) fn ensure(need: Need) -> Result<()> {
    let mut packages: Vec<&str> = SYSTEM
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    match need {
        Need::Check => {
            for component in ["rustfmt", "clippy"] {
                ensure_component(component)?;
            }
            ensure_tool(&DENY)?;
            ensure_tool(&MACHETE)
        }
        Need::Test => {
            ensure_tool(&NEXTEST)?;
            if unpacked::is_possible() {
                unpacked::resolvers()?;
                return unpacked::tunnels();
            }
            say(
                "setup: no apt-get here, so the tests of the resolver's managers and of tunnels \
                 will be skipped",
            );
            Ok(())
        }
        Need::Laboratory => open_tun(),
    }
}

/// True if a program of this name is on the path or in cargo's folder.
pub(crate) fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's users have no sbin in their path, but the programs are there.
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path)
        .chain(system)
        .any(|folder| folder.join(program).is_file())
}

/// A command with the rights of root: as it is, or through sudo.
pub(crate) fn as_root(program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if !is_there("sudo") {
        bail!("this needs root: run it as root, or install sudo");
    }
    let mut command = Command::new("sudo");
    command
        .arg("--preserve-env=PATH,MASQ_BIN_DIR")
        .arg("--")
        .arg(program);
    Ok(command)
}

/// True for the effective user root.
pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default();
    uids.split_whitespace().nth(1) == Some("0")
}

/// `masq run` needs a TUN that every user may open, as udev makes it; a machine without udev has another.
fn open_tun() -> Result<()> {
    let path = Path::new("/dev/net/tun");
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(());
    };
    if metadata.permissions().mode() & 0o666 == 0o666 {
        return Ok(());
    }
    steps::run(as_root("chmod")?.arg("0666").arg(path))
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "missing: {}; install them with this system's package manager",
            packages.join(", ")
        );
    }
    say(&format!("setup: installing {}", packages.join(", ")));
    steps::run(as_root("apt-get")?.arg("update").arg("-qq"))?;
    steps::run(
        as_root("env")?
            .args([
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
            ])
            .args(packages),
    )
}

fn ensure_component(component: &str) -> Result<()> {
    let program = if component == "clippy" {
        "cargo-clippy"
    } else {
        component
    };
    let works = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if works.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    steps::run(Command::new("rustup").args(["component", "add", component]))
        .with_context(|| format!("the Rust toolchain has no {component}"))
}

/// A developer's tool is used far less often than it would take to optimize it.
fn ensure_tool(tool: &Tool) -> Result<()> {
    if is_there(tool.program) {
        return Ok(());
    }
    say(&format!(
        "setup: building {} {} (once)",
        tool.program, tool.version
    ));
    steps::run(
        cargo(&[
            "install",
            "--quiet",
            "--locked",
            tool.program,
            "--version",
            tool.version,
        ])
        .current_dir(env::temp_dir())
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none"),
    )
}
