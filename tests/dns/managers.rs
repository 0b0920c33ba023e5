//! The managers as Debian runs them: what owns `/etc/resolv.conf`, from the machine's start on.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use masq_lab::namespace;

use crate::machine::{self, Machine, UPSTREAM, output, until};
use crate::sandbox::OWN;

pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
pub(crate) const RESOLVED: &str = "systemd-resolved";
pub(crate) const NETWORKD: &str = "systemd-networkd";
pub(crate) const MANAGER: &str = "NetworkManager";

/// Who owns the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    File,
    Link,
    Immutable,
    Mounted,
    Resolved,
    /// With the file that names the servers behind the stub.
    ResolvedUplink,
    /// With a file of nobody's, which programs do not read.
    ResolvedByName,
    /// With links that systemd-networkd keeps to itself.
    Networkd,
    NetworkManager,
    /// Which programs do not read either.
    NetworkManagerByName,
    NetworkManagerResolved,
    NetworkManagerDnsmasq,
    NetworkManagerNone,
    Openresolv,
    Resolvconf,
}

impl Mode {
    pub(crate) fn layers(self) -> &'static [&'static str] {
        match self {
            Mode::Openresolv => &["openresolv", "core"],
            Mode::Resolvconf => &["resolvconf", "core"],
            Mode::File
            | Mode::Link
            | Mode::Immutable
            | Mode::Mounted
            | Mode::Resolved
            | Mode::ResolvedUplink
            | Mode::ResolvedByName
            | Mode::Networkd
            | Mode::NetworkManager
            | Mode::NetworkManagerByName
            | Mode::NetworkManagerResolved
            | Mode::NetworkManagerDnsmasq
            | Mode::NetworkManagerNone => &["core"],
        }
    }

    pub(crate) fn has_resolved(self) -> bool {
        match self {
            Mode::Resolved
            | Mode::ResolvedUplink
            | Mode::ResolvedByName
            | Mode::Networkd
            | Mode::NetworkManagerByName
            | Mode::NetworkManagerResolved => true,
            Mode::File
            | Mode::Link
            | Mode::Immutable
            | Mode::Mounted
            | Mode::NetworkManager
            | Mode::NetworkManagerDnsmasq
            | Mode::NetworkManagerNone
            | Mode::Openresolv
            | Mode::Resolvconf => false,
        }
    }

    /// The settings of NetworkManager, where it runs.
    pub(crate) fn network_manager(self) -> Option<&'static str> {
        match self {
            Mode::NetworkManager | Mode::NetworkManagerByName => {
                Some("dns=default\nrc-manager=file")
            }
            Mode::NetworkManagerResolved => Some("dns=systemd-resolved"),
            Mode::NetworkManagerDnsmasq => Some("dns=dnsmasq\nrc-manager=symlink"),
            Mode::NetworkManagerNone => Some("dns=none"),
            Mode::File
            | Mode::Link
            | Mode::Immutable
            | Mode::Mounted
            | Mode::Resolved
            | Mode::ResolvedUplink
            | Mode::ResolvedByName
            | Mode::Networkd
            | Mode::Openresolv
            | Mode::Resolvconf => None,
        }
    }
}

/// Everything but the manager, then the manager.
pub(crate) fn start(machine: &mut Machine) {
    let text =
        format!("# by hand\nsearch example.test\nnameserver {UPSTREAM}\noptions timeout:2\n");
    fs::write(RESOLV_CONF, &text).unwrap();
    match machine.mode {
        Mode::File => {
            fs::set_permissions(RESOLV_CONF, fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::chown(RESOLV_CONF, Some(0), Some(65534)).unwrap();
        }
        Mode::Link => {
            fs::create_dir("/etc/own").unwrap();
            fs::rename(RESOLV_CONF, "/etc/own/resolv.conf").unwrap();
            symlink("own/resolv.conf", RESOLV_CONF).unwrap();
        }
        Mode::Immutable => make_immutable(),
        Mode::Mounted => mount_over(&text),
        Mode::Resolved | Mode::NetworkManagerResolved => {
            configure_resolved();
            lead_to("../run/systemd/resolve/stub-resolv.conf");
        }
        Mode::Networkd => {
            lead_to("../run/systemd/resolve/stub-resolv.conf");
            configure_networkd();
        }
        Mode::ResolvedUplink => {
            configure_resolved();
            lead_to("../run/systemd/resolve/resolv.conf");
        }
        Mode::ResolvedByName | Mode::NetworkManagerByName => {
            configure_resolved();
            let order = "hosts: files resolve [!UNAVAIL=return] dns\n";
            fs::write("/etc/nsswitch.conf", order).unwrap();
        }
        Mode::Openresolv => fs::write(RESOLV_CONF, "").unwrap(),
        Mode::Resolvconf => lead_to("../run/resolvconf/resolv.conf"),
        Mode::NetworkManager | Mode::NetworkManagerDnsmasq | Mode::NetworkManagerNone => {}
    }
    if let Some(settings) = machine.mode.network_manager() {
        configure_network_manager(settings);
    }
    boot(machine);
}

fn lead_to(target: &str) {
    fs::remove_file(RESOLV_CONF).unwrap();
    symlink(target, RESOLV_CONF).unwrap();
}

fn configure_resolved() {
    let settings = format!("[Resolve]\nDNS={UPSTREAM}\nLLMNR=no\nMulticastDNS=no\n");
    fs::write("/etc/systemd/resolved.conf", settings).unwrap();
}

fn configure_networkd() {
    let settings = format!(
        "[Match]\nName=wan0\n[Network]\nAddress=10.9.0.2/24\nGateway=10.9.0.1\nDNS={UPSTREAM}\n\
         Domains=corp.test\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    );
    fs::create_dir_all("/etc/systemd/network").unwrap();
    fs::write("/etc/systemd/network/wan0.network", settings).unwrap();
}

/// What happens between the kernel's start and a network that works.
pub(crate) fn boot(machine: &mut Machine) {
    let _ = namespace::ip(&["addr", "flush", "dev", "wan0"]);
    namespace::ip(&["link", "set", "wan0", "down"]).unwrap();
    let mode = machine.mode;
    if mode.has_resolved() || mode.network_manager().is_some() {
        let arguments = ["--system", "--nofork", "--nopidfile", "--nosyslog"];
        machine.daemon("dbus", "dbus-daemon", &arguments);
        until("the bus", || {
            Path::new("/run/dbus/system_bus_socket").exists()
        });
    }
    if mode.has_resolved() {
        start_resolved(machine);
    }
    if mode.network_manager().is_some() {
        // With an address it would leave the link to whoever gave it that.
        start_network_manager(machine);
        return;
    }
    if mode == Mode::Networkd {
        start_networkd(machine);
        return;
    }
    namespace::ip(&["addr", "add", "10.9.0.2/24", "dev", "wan0"]).unwrap();
    namespace::ip(&["link", "set", "wan0", "up"]).unwrap();
    namespace::ip(&["route", "add", "default", "via", "10.9.0.1"]).unwrap();
    match mode {
        Mode::Openresolv => lease(),
        Mode::Resolvconf => {
            fs::create_dir_all("/run/resolvconf/interface").unwrap();
            output("resolvconf", &["--enable-updates"]);
            lease();
        }
        Mode::File
        | Mode::Link
        | Mode::Immutable
        | Mode::Mounted
        | Mode::Resolved
        | Mode::ResolvedUplink
        | Mode::ResolvedByName
        | Mode::Networkd
        | Mode::NetworkManager
        | Mode::NetworkManagerByName
        | Mode::NetworkManagerResolved
        | Mode::NetworkManagerDnsmasq
        | Mode::NetworkManagerNone => {}
    }
}

/// What a DHCP client does when it has a lease, new or old.
pub(crate) fn lease() {
    let record = format!("nameserver {UPSTREAM}\n");
    namespace::run_quiet("resolvconf", &["-a", "wan0.dhcp"], Some(&record)).unwrap();
}

pub(crate) fn start_resolved(machine: &mut Machine) {
    machine.daemon(RESOLVED, "/usr/lib/systemd/systemd-resolved", &[]);
    until("systemd-resolved", || is_on_bus("org.freedesktop.resolve1"));
}

pub(crate) fn start_networkd(machine: &mut Machine) {
    machine.daemon(NETWORKD, "/usr/lib/systemd/systemd-networkd", &[]);
    until("systemd-networkd", || is_on_bus("org.freedesktop.network1"));
}

pub(crate) fn start_network_manager(machine: &mut Machine) {
    machine.daemon(MANAGER, "NetworkManager", &["--no-daemon"]);
    until("NetworkManager", || {
        is_on_bus("org.freedesktop.NetworkManager")
    });
    until("the connection", || {
        let said = machine::run("nmcli", &["-g", "GENERAL.STATE", "dev", "show", "wan0"]);
        said.stdout.starts_with(b"100 (connected)")
    });
}

/// What a killed manager leaves running, and an end of the machine does not.
pub(crate) fn after_death(machine: &Machine) {
    if machine.mode == Mode::NetworkManagerDnsmasq
        && let Ok(pid) = fs::read_to_string("/run/NetworkManager/dnsmasq.pid")
    {
        machine::run("kill", &["-9", pid.trim()]);
    }
}

fn configure_network_manager(settings: &str) {
    let connection = format!(
        "[connection]\nid=wan\nuuid=7f1f8a26-5b0e-4d0e-9d5e-2a0a3f3d1c11\ntype=ethernet\n\
         interface-name=wan0\n[ipv4]\nmethod=manual\naddress1=10.9.0.2/24,10.9.0.1\n\
         dns={UPSTREAM};\n[ipv6]\nmethod=disabled\n"
    );
    let place = "/etc/NetworkManager/system-connections/wan.nmconnection";
    fs::create_dir_all("/etc/NetworkManager/system-connections").unwrap();
    fs::write(place, connection).unwrap();
    fs::set_permissions(place, fs::Permissions::from_mode(0o600)).unwrap();
    let all = format!(
        "[main]\nplugins=keyfile\ndhcp=internal\nno-auto-default=*\n{settings}\n\
         [connectivity]\nenabled=false\n"
    );
    fs::write("/etc/NetworkManager/NetworkManager.conf", all).unwrap();
}

fn is_on_bus(name: &str) -> bool {
    let bus = "org.freedesktop.DBus";
    let place = "/org/freedesktop/DBus";
    let said = machine::run(
        "busctl",
        &[
            "--system",
            "call",
            bus,
            place,
            bus,
            "NameHasOwner",
            "s",
            name,
        ],
    );
    said.stdout.ends_with(b"true\n")
}

/// Memory has such flags since Linux 6.0; elsewhere `/etc` is a disk in memory.
#[expect(clippy::print_stderr, reason = "another way to test is said aloud")]
fn make_immutable() {
    let flagged = machine::run("chattr", &["+i", RESOLV_CONF]);
    if flagged.status.success() {
        return;
    }
    let disk = Path::new(OWN).join("etc.ext4");
    let (disk, place) = (disk.to_str().unwrap(), "/run/lock");
    eprintln!("a file in memory cannot be immutable here, so /etc is {disk}");
    output("truncate", &["-s", "16M", disk]);
    output("mkfs.ext4", &["-q", disk]);
    output("mount", &["-o", "loop", disk, place]);
    output("cp", &["-a", "/etc/.", place]);
    output("mount", &["--move", place, "/etc"]);
    output("chattr", &["+i", RESOLV_CONF]);
}

/// As container engines do.
fn mount_over(text: &str) {
    fs::write("/run/resolv.conf", text).unwrap();
    fs::set_permissions("/run/resolv.conf", fs::Permissions::from_mode(0o664)).unwrap();
    output("mount", &["--bind", "/run/resolv.conf", RESOLV_CONF]);
}
