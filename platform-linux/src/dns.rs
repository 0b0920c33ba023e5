//! The resolver of a Linux system: what `masq_dns` needs to know of it, and
//! the changes that it decides on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use masq_dns::environment::{Environment, Resolvconf};
use masq_dns::plan::Step;
use masq_dns::{Failure, Record, System};
use nix::unistd::Uid;

use crate::capture::fault;
use crate::command::{self, CommandRunner, SystemCommands};

mod file;
mod journal;
mod network_manager;
mod probe;
mod resolved;
mod upstream;

pub use journal::is_open;

/// Our record among those of a resolvconf: before all others, and of loopback,
/// behind which Debian's cuts the list off.
const RECORD: &str = "lo.masq";
const LOOK: Duration = Duration::from_millis(50);

/// The resolver of this machine.
#[derive(Debug)]
pub struct LinuxDns {
    journal: journal::Journal,
    bus: Option<zbus::blocking::Connection>,
    resolvconf: Option<Resolvconf>,
}

impl LinuxDns {
    /// Only looks: needs no privilege.
    pub fn to_look(directory: &Path) -> LinuxDns {
        LinuxDns::with(journal::Journal::unlocked(directory))
    }

    /// Changes: root, and nobody else at the same time.
    pub fn to_change(directory: &Path) -> Result<LinuxDns, Failure> {
        if !Uid::effective().is_root() {
            let text = "only root can switch the resolver";
            return Err(Failure::NotPermitted(text.to_owned()));
        }
        Ok(LinuxDns::with(journal::Journal::locked(directory)?))
    }

    fn with(journal: journal::Journal) -> LinuxDns {
        LinuxDns {
            journal,
            bus: bus(),
            resolvconf: resolvconf(),
        }
    }

    fn bus(&self) -> Result<&zbus::blocking::Connection, Failure> {
        self.bus.as_ref().ok_or_else(|| Failure::System {
            what: "the system's D-Bus".to_owned(),
            why: "it cannot be reached".to_owned(),
        })
    }
}

impl System for LinuxDns {
    fn observe(&mut self) -> Result<Environment, Failure> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Environment {
            resolv_conf: file::observe(Path::new(file::PATH))?,
            resolved: self.bus.as_ref().and_then(resolved::observe),
            network_manager: self.bus.as_ref().and_then(network_manager::observe),
            resolvconf: self.resolvconf,
            nsswitch: std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default(),
            upstream: upstream::observe(),
            boot: boot.trim().to_owned(),
        })
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        let name = step_name(step);
        fault::point(name, "before");
        match step {
            Step::Place(snapshot) => file::place(Path::new(file::PATH), snapshot)?,
            Step::SetLink(link) => resolved::set_link(self.bus()?, link)?,
            Step::RestoreLink(link) => resolved::restore_link(self.bus()?, link)?,
            Step::FlushCaches => resolved::flush_caches(self.bus()?),
            Step::SetGlobal(global) => network_manager::set_global(self.bus()?, global)?,
            Step::AddRecord(flavour, server) => {
                let arguments: &[&str] = match flavour {
                    Resolvconf::Openresolv => &["-m", "0", "-x", "-a", RECORD],
                    Resolvconf::Debian | Resolvconf::Resolvectl => &["-a", RECORD],
                };
                run_resolvconf(arguments, &format!("nameserver {server}\n"))?;
            }
            Step::DeleteRecord(flavour) => {
                let arguments: &[&str] = match flavour {
                    Resolvconf::Openresolv => &["-f", "-d", RECORD],
                    Resolvconf::Debian | Resolvconf::Resolvectl => &["-d", RECORD],
                };
                run_resolvconf(arguments, "")?;
            }
        }
        fault::point(name, "after");
        Ok(())
    }

    fn load(&mut self) -> Result<Option<Record>, Failure> {
        self.journal.load()
    }

    fn save(&mut self, record: &Record) -> Result<(), Failure> {
        fault::point("dns-journal", "before");
        self.journal.save(record)?;
        fault::point("dns-journal", "after");
        Ok(())
    }

    fn forget(&mut self) -> Result<(), Failure> {
        fault::point("dns-forget", "before");
        // A switch that was cut off before its file had its place has nothing else to undo.
        file::tidy(Path::new(file::PATH))?;
        self.journal.forget()?;
        fault::point("dns-forget", "after");
        Ok(())
    }

    fn answers(&mut self, server: std::net::IpAddr) -> bool {
        probe::answers(server, 53)
    }

    fn pause(&mut self) {
        std::thread::sleep(LOOK);
    }
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Place(_) => "dns-place",
        Step::SetLink(_) => "dns-set-link",
        Step::RestoreLink(_) => "dns-restore-link",
        Step::FlushCaches => "dns-flush",
        Step::SetGlobal(_) => "dns-set-global",
        Step::AddRecord(..) => "dns-add-record",
        Step::DeleteRecord(_) => "dns-delete-record",
    }
}

/// The system's bus, if it has one; a manager that does not answer is none.
fn bus() -> Option<zbus::blocking::Connection> {
    zbus::blocking::connection::Builder::system()
        .ok()?
        .method_timeout(Duration::from_secs(5))
        .build()
        .ok()
}

/// Whether somebody has this name; asking does not start it.
fn has_owner(bus: &zbus::blocking::Connection, name: &'static str) -> bool {
    let Ok(proxy) = zbus::blocking::fdo::DBusProxy::new(bus) else {
        return false;
    };
    zbus::names::BusName::from_static_str(name)
        .is_ok_and(|name| proxy.name_has_owner(name).unwrap_or(false))
}

fn failed(what: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::System {
        what: what.to_owned(),
        why: error.to_string(),
    }
}

/// Which program has the name; several packages bring one.
fn resolvconf() -> Option<Resolvconf> {
    let path: PathBuf = command::find("resolvconf").ok()?;
    if std::fs::canonicalize(&path).is_ok_and(|path| path.ends_with("resolvectl")) {
        return Some(Resolvconf::Resolvectl);
    }
    let said = SystemCommands.run("resolvconf", &["--version"], "");
    if said.is_ok_and(|said| said.contains("openresolv")) {
        Some(Resolvconf::Openresolv)
    } else {
        Some(Resolvconf::Debian)
    }
}

fn run_resolvconf(arguments: &[&str], input: &str) -> Result<(), Failure> {
    match SystemCommands.run("resolvconf", arguments, input) {
        Ok(_) => Ok(()),
        Err(error) => Err(failed("resolvconf", &error.text)),
    }
}
