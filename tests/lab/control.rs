//! The Daemon on a host, and `masq` beside it, as a user has them.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::node::{USER, path_text};
use crate::process::{self, Process};

/// Longest wait for a command of `masq`.
const LIMIT: Duration = Duration::from_secs(60);

/// A Daemon that runs on a host; it ends when dropped, and its Node with it.
#[derive(Debug)]
pub struct Control {
    host: Host,
    daemon: Process,
}

impl Control {
    /// Starts the Daemon and waits until it listens.
    pub fn start(host: &Host) -> Result<Self> {
        let mut command = host.command(process::binary("MASQNode")?)?;
        command.arg("--initialization").env_remove("SUDO_UID");
        Self::start_as(host, command)
    }

    /// The same with a command of one's own.
    pub fn start_as(host: &Host, command: std::process::Command) -> Result<Self> {
        let daemon = host.spawn("daemon", command)?;
        let control = Self {
            host: host.clone(),
            daemon,
        };
        let reached = || {
            control
                .masq(&["setup", "--json"])
                .is_ok_and(|output| output.status.success())
        };
        crate::wait::until("an answer of the Daemon", Duration::from_secs(10), reached)
            .with_context(|| process::tail(&control.daemon.log(), 20))?;
        Ok(control)
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn daemon(&mut self) -> &mut Process {
        &mut self.daemon
    }

    /// Sets up a Node that consumes, knows `neighbor` and has `password`, and starts it; it has a
    /// route when this returns.
    pub fn join(&self, neighbor: &str, password: &str) -> Result<()> {
        let values = [
            "--neighbors",
            neighbor,
            "--blockchain-service-url",
            "http://127.0.0.1:1",
            "--db-password",
            password,
        ];
        self.set_up("consume-only", &values)?;
        self.say(&["start", "--wait"]).map(drop)
    }

    /// One command of `masq`, to its end.
    pub fn masq(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.host.command(process::binary("masq")?)?;
        command.args(arguments).env("HOME", self.host.folder()?);
        process::output_within(command, LIMIT)
    }

    /// What a command of `masq` that must succeed prints.
    pub fn say(&self, arguments: &[&str]) -> Result<String> {
        let output = self.masq(arguments)?;
        if !output.status.success() {
            bail!(
                "masq {} ended with {}:\n{}{}\nthe Daemon:\n{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
                process::tail(&self.daemon.log(), 30)
            );
        }
        process::text(&output)
    }

    /// What a read command prints with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let text = self.say(&all)?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// Sets up what every Node of a laboratory needs, and what `more` says.
    pub fn set_up(&self, mode: &str, more: &[&str]) -> Result<String> {
        let folder = self.host.folder()?;
        let data = path_text(&folder.join("data"));
        let journal = path_text(&folder.join("journal"));
        let user = format!("{USER}:/");
        let mut arguments = vec![
            "setup",
            "--chain",
            "dev",
            "--neighborhood-mode",
            mode,
            "--data-directory",
            &data,
            "--journal-directory",
            &journal,
            "--real-user",
            &user,
            "--log-level",
            "debug",
        ];
        arguments.extend(more);
        self.say(&arguments)
    }
}
