//! `masq service`: the Daemon as a service of systemd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::{Command, Json};
use crate::session::Session;

pub(crate) mod unit;

/// The Daemon is not installed, or not running.
const NOT_THERE: u8 = 3;

/// Start the Daemon with the machine, as a service of systemd.
#[derive(Debug, Args)]
pub(crate) struct Service {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Install(Install),
    Uninstall(Uninstall),
    Status(ServiceStatus),
}

/// Write the unit, enable it and start it; nothing changes where all this is done.
#[derive(Debug, Args)]
struct Install {
    /// The folder that is the root of the system
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    root: PathBuf,

    /// The Node's program [default: MASQNode beside masq, then of PATH]
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,

    /// The user that Nodes work as and who may give orders [default: who called sudo]
    #[arg(long, value_name = "UID:GID:HOME", value_parser = real_user)]
    real_user: Option<String>,

    /// Enable it only: it starts with the machine
    #[arg(long)]
    no_start: bool,
}

/// Stop the Daemon, disable the unit and remove it.
#[derive(Debug, Args)]
struct Uninstall {
    /// The folder that is the root of the system
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    root: PathBuf,
}

/// Say whether the unit is there, enabled and running.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 if the Daemon runs as a service, 3 if not.")]
struct ServiceStatus {
    /// The folder that is the root of the system
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    root: PathBuf,

    #[command(flatten)]
    json: Json,
}

impl Command for Service {
    fn execute(self, session: &mut Session) -> Result<u8> {
        if cfg!(not(target_os = "linux")) {
            bail!("masq service: only systemd on Linux is supported");
        }
        match self.action {
            Action::Install(install) => install.execute(session),
            Action::Uninstall(uninstall) => uninstall.execute(session),
            Action::Status(status) => status.execute(session),
        }
    }
}

impl Install {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let node = absolute(match self.node {
            Some(node) => node,
            None => super::run::find_node()?,
        })?;
        let masq = std::env::current_exe().context("cannot find the own program")?;
        let called_by = self.real_user.or_else(who_called_sudo);
        let text = unit::text(&unit::Settings {
            node: &node,
            masq: &masq,
            real_user: called_by.as_deref(),
        });
        let path = unit_path(&self.root);
        if write_if_new(&path, &text)? {
            session.print(&format!("wrote {}", path.display()))?;
        } else {
            session.print(&format!("{} is there already", path.display()))?;
        }
        write_if_new(&lockdown_path(&self.root), &unit::lockdown_text(&masq))?;
        if called_by.is_none() {
            session.print(
                "no user is named: `masq setup --real-user UID:GID:HOME` is needed before a start",
            )?;
        }
        if !is_running(&self.root) {
            session.print(
                "systemd does not run here: enable it later with `systemctl enable --now masq`",
            )?;
            return Ok(0);
        }
        systemctl(&["daemon-reload"])?;
        let mut enable = vec!["enable", unit::NAME];
        if !self.no_start {
            enable.insert(1, "--now");
        }
        systemctl(&enable)?;
        systemctl(&["enable", unit::LOCKDOWN_NAME])?;
        session.print(if self.no_start {
            "enabled: the Daemon starts with the machine"
        } else {
            "enabled and started: `masq setup` and `masq start` work now"
        })?;
        Ok(0)
    }
}

impl Uninstall {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let path = unit_path(&self.root);
        if !path.exists() {
            session.print(&format!("{} is not there: nothing to do", path.display()))?;
            return Ok(0);
        }
        let runs = is_running(&self.root);
        let lockdown = lockdown_path(&self.root);
        if runs {
            systemctl(&["disable", "--now", unit::NAME])?;
            if lockdown.exists() {
                systemctl(&["disable", unit::LOCKDOWN_NAME])?;
            }
        }
        for path in [&path, &lockdown].into_iter().filter(|path| path.exists()) {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        if runs {
            systemctl(&["daemon-reload"])?;
        }
        session.print(&format!("removed {}", path.display()))?;
        Ok(0)
    }
}

impl ServiceStatus {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let path = unit_path(&self.root);
        let installed = path.exists();
        let systemd = is_running(&self.root);
        let says = |question: &str| {
            let asked = Process::new("systemctl")
                .args([question, unit::NAME])
                .output();
            let text = asked.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
            text.unwrap_or_default()
        };
        let (enabled, active) = if installed && systemd {
            (says("is-enabled"), says("is-active"))
        } else {
            (String::new(), String::new())
        };
        if self.json.json {
            session.print_json(&serde_json::json!({
                "unit": path, "installed": installed, "systemd": systemd,
                "enabled": enabled, "active": active,
            }))?;
        } else if !installed {
            session.print("not installed: `sudo masq service install` does it")?;
        } else if !systemd {
            session.print(&format!(
                "{} is there; systemd does not run here",
                path.display()
            ))?;
        } else {
            session.print(&format!("{}: {enabled}, {active}", path.display()))?;
        }
        Ok(if active == "active" { 0 } else { NOT_THERE })
    }
}

fn lockdown_path(root: &Path) -> PathBuf {
    root.join("etc/systemd/system").join(unit::LOCKDOWN_NAME)
}

fn unit_path(root: &Path) -> PathBuf {
    root.join("etc/systemd/system").join(unit::NAME)
}

/// Whether the file was another before.
fn write_if_new(path: &Path, text: &str) -> Result<bool> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let partial = path.with_extension("new");
        fs::write(&partial, text)?;
        fs::rename(&partial, path)
    };
    match write() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!("{} is root's: use sudo", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Whether systemd manages the system below `root`.
fn is_running(root: &Path) -> bool {
    root == Path::new("/") && Path::new("/run/systemd/system").is_dir()
}

fn systemctl(arguments: &[&str]) -> Result<()> {
    let done = Process::new("systemctl")
        .args(arguments)
        .output()
        .context("cannot run systemctl")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("systemctl {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if !path.is_file() {
        bail!("{} is no program", path.display());
    }
    Ok(path)
}

/// `UID:GID:HOME`, as the Node reads it.
fn real_user(text: &str) -> Result<String, String> {
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let ids = number().zip(number());
    let home = parts.next().filter(|home| home.starts_with('/'));
    let plain = !text.chars().any(char::is_control);
    match (ids, home) {
        (Some(_), Some(_)) if plain => Ok(text.to_owned()),
        _ => Err("write UID:GID:HOME, for example 1000:1000:/home/me".to_owned()),
    }
}

fn who_called_sudo() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let name = std::env::var("SUDO_USER").ok()?;
    of_passwd(&passwd, &name)
}

/// `UID:GID:HOME` of a user who is not root (passwd(5)).
fn of_passwd(passwd: &str, name: &str) -> Option<String> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let text = format!("{}:{}:{}", fields.get(2)?, fields.get(3)?, fields.get(5)?);
    let is_root = fields.get(2) == Some(&"0");
    real_user(&text).ok().filter(|_| !is_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_writes_once_and_uninstalling_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = unit_path(root.path());
        assert!(write_if_new(&path, "one").unwrap());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_if_new(&path, "one").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        assert!(write_if_new(&path, "two").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let folder = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(folder.count(), 1);
    }

    #[test]
    fn the_user_is_found_in_passwd_but_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:/bin/sh\n";
        assert_eq!(
            of_passwd(passwd, "ann").as_deref(),
            Some("1000:100:/home/ann")
        );
        assert_eq!(of_passwd(passwd, "root"), None);
        assert_eq!(of_passwd(passwd, "bob"), None);
    }

    #[test]
    fn a_user_that_is_none_is_refused() {
        for text in [
            "",
            "1000",
            "1000:1000",
            "a:b:/home",
            "1:2:home",
            "1:2:/h\nUser=root",
        ] {
            assert!(real_user(text).is_err(), "{text:?}");
        }
        assert!(real_user("1000:1000:/home/a b").is_ok());
    }
}
