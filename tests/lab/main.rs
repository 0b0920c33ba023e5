//! `masq-lab`: the laboratory's own programs, one subcommand each.
//!
//! `exec` enters a host and becomes another program; `janitor` removes a laboratory whose owner is gone;
//! `origin`, `dns` and `load` are the services and the traffic, `bench` the
//! measurement, `demo` the show.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use masq_lab::origin::{self, dns::Zone};
use masq_lab::{ZONE, bench, demo, janitor, load, namespace};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgid, setgroups, setuid};

#[derive(Parser)]
#[command(about = "The laboratory's own programs")]
struct Cli {
    #[command(subcommand)]
    command: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Enter a network namespace and become another program
    Exec(Exec),
    /// Wait for the end of the input, then remove a laboratory
    Janitor { name: String },
    /// Remove the laboratories whose owner is gone
    Sweep,
    /// Serve HTTP, HTTPS, echo and other services
    Origin {
        #[arg(long)]
        certificate: PathBuf,
        #[arg(long)]
        key: PathBuf,
    },
    /// Serve the laboratory's zone
    Dns {
        #[arg(long)]
        v4: Ipv4Addr,
        #[arg(long)]
        v6: Ipv6Addr,
        /// A name below the zone that cannot be resolved here
        #[arg(long)]
        fail: Option<String>,
    },
    /// A private mesh with unmodified programs on it
    Demo(demo::Options),
    /// Measure the Node, the direct path and the peers
    Bench(bench::Options),
    /// Make or serve traffic to measure
    #[command(subcommand)]
    Load(load::Command),
}

#[derive(Args)]
struct Exec {
    /// The namespace's file
    #[arg(long)]
    netns: PathBuf,
    /// What the program sees as /etc/resolv.conf
    #[arg(long)]
    resolv_conf: Option<PathBuf>,
    /// UID:GID to become
    #[arg(long)]
    user: Option<String>,
    /// The process with which the program dies
    #[arg(long)]
    owner: Option<i32>,
    #[arg(trailing_var_arg = true, required = true)]
    program: Vec<OsString>,
}

#[expect(clippy::print_stderr, reason = "a program says why it failed")]
fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(program: Program) -> Result<()> {
    match program {
        Program::Exec(exec) => become_program(&exec),
        Program::Janitor { name } => janitor::run(&name),
        Program::Sweep => janitor::sweep(),
        Program::Origin { certificate, key } => {
            block_on(origin::run(origin::Options { certificate, key }))
        }
        Program::Dns { v4, v6, fail } => block_on(origin::dns::run(Zone {
            origin: ZONE.to_owned(),
            v4,
            v6,
            fail,
        })),
        Program::Demo(options) => demo::run(&options),
        Program::Bench(options) => bench::run(&options),
        Program::Load(command) => load::run(command),
    }
}

fn become_program(exec: &Exec) -> Result<()> {
    namespace::enter(&exec.netns)?;
    if let Some(file) = &exec.resolv_conf {
        unshare(CloneFlags::CLONE_NEWNS).context("Failed to leave the mount namespace")?;
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .context("Failed to make the mounts private")?;
        let target =
            fs::canonicalize("/etc/resolv.conf").context("Failed to find /etc/resolv.conf")?;
        mount(Some(file), &target, none, MsFlags::MS_BIND, none)
            .with_context(|| format!("Failed to mount over {}", target.display()))?;
    }
    if let Some(user) = &exec.user {
        let (uid, gid) = user.split_once(':').context("a user is UID:GID")?;
        setgroups(&[])?;
        setgid(Gid::from_raw(gid.parse()?))?;
        setuid(Uid::from_raw(uid.parse()?))?;
    }
    if let Some(owner) = exec.owner {
        // A change of credentials clears the signal, so this comes after it: prctl(2).
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != Pid::from_raw(owner) {
            bail!("the owner is gone");
        }
    }
    let (program, arguments) = exec
        .program
        .split_first()
        .context("a program is required")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("Failed to start {}", program.display()))
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
