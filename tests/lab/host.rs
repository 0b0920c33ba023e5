//! One host: a namespace, its addresses, and how to run things in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{self, Process};
use crate::{namespace, wait};

static LOG_COUNT: AtomicU32 = AtomicU32::new(0);

/// A host of a laboratory; cloning it does not make another host.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    namespace: String,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    lab_folder: PathBuf,
}

impl Host {
    pub(crate) fn new(
        name: &str,
        namespace: String,
        v4: Ipv4Addr,
        v6: Ipv6Addr,
        lab_folder: PathBuf,
    ) -> Self {
        Self {
            name: name.to_owned(),
            namespace,
            v4,
            v6,
            lab_folder,
        }
    }

    /// Also the name of the router's interface towards it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn v4(&self) -> Ipv4Addr {
        self.v4
    }

    pub fn v6(&self) -> Ipv6Addr {
        self.v6
    }

    pub fn address(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.v6.into() } else { self.v4.into() }
    }

    pub(crate) fn lab_folder(&self) -> &Path {
        &self.lab_folder
    }

    /// A folder of this host that every user may read.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = self.lab_folder.join(&self.name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A command that will run inside this host and dies with the thread that starts it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        self.command_as(None, program)
    }

    /// Like [`Host::command`], as another user, for example `65534:65534`.
    pub fn command_as(&self, user: Option<&str>, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::new(process::tool()?);
        command
            .arg("exec")
            .arg("--netns")
            .arg(namespace::path(&self.namespace));
        command
            .arg("--resolv-conf")
            .arg(self.lab_folder.join("resolv.conf"));
        if let Some(user) = user {
            command.args(["--user", user]);
        }
        command.arg("--owner").arg(std::process::id().to_string());
        command.arg("--").arg(program);
        Ok(command)
    }

    /// Starts a command made by [`Host::command`] in the background, its output in a log of that label.
    pub fn spawn(&self, label: &str, mut command: Command) -> Result<Process> {
        let count = LOG_COUNT.fetch_add(1, Ordering::Relaxed);
        let log = self
            .lab_folder
            .join("logs")
            .join(format!("{}-{label}-{count}.log", self.name));
        let file =
            File::create(&log).with_context(|| format!("Failed to make {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command
            .spawn()
            .with_context(|| format!("Failed to start {label} on {}", self.name))?;
        Ok(Process::new(format!("{}/{label}", self.name), child, log))
    }

    /// Runs a program to its end, at most `limit`; its output is captured.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        limit: Duration,
        program: &str,
        arguments: &[S],
    ) -> Result<Output> {
        let mut command = self.command(program)?;
        command.args(arguments);
        process::output_within(command, limit)
    }

    /// Runs `work` on a thread inside this host's network.
    pub fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R> {
        namespace::inside(&self.namespace, work)
    }

    /// The process that keeps this host's capture.
    pub fn capture_helper(&self) -> Option<nix::unistd::Pid> {
        let is_helper = |pid: &nix::unistd::Pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split('\0').any(|word| word == "--capture-helper"))
        };
        let mut processes = namespace::processes_in(&self.namespace).into_iter();
        processes.find(is_helper)
    }

    /// Waits until `process` accepts TCP connections on this port of this host.
    pub fn await_port(&self, process: &mut Process, port: u16) -> Result<()> {
        let listens = || {
            self.inside(|| TcpStream::connect((self.v4, port)).is_ok())
                .unwrap_or(false)
        };
        let limit = Duration::from_secs(10);
        wait::until(
            &format!("a listener on port {port} of {}", self.name),
            limit,
            || listens() || !process.is_running(),
        )?;
        if !process.is_running() {
            bail!(
                "the listener on port {port} of {} ended:\n{}",
                self.name,
                process::tail(&process.log(), 20)
            );
        }
        Ok(())
    }

    /// Writes a file into the host's folder and answers its path.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder()?.join(name);
        fs::write(&path, content).with_context(|| format!("Failed to write {}", path.display()))?;
        Ok(path)
    }
}
