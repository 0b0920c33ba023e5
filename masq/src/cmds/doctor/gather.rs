//! The facts about this machine: files, two tools, the Daemon. Nothing is changed, and no packet
//! leaves the machine.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use masq_ui_protocol::message::{HealthRequest, HealthResponse, Severity};

use super::facts::{Daemon, Data, Facts, Journal, Log, Tun};
use crate::client::{Failure, ORDINARY};
use crate::cmds::status;
use crate::session::Session;

/// Of a log, as much of its end is read.
const TAIL: u64 = 64 * 1024;
/// Of its errors, as many are kept.
const ERRORS: usize = 20;

pub(super) fn facts(session: &mut Session, data: Option<PathBuf>, journals: &Path) -> Facts {
    let (daemon, health) = ask(session);
    let folder = data.or_else(|| {
        let status = status::newest_of_user().ok()?;
        Some(status.parent()?.to_owned())
    });
    let read = |path: &str| fs::read_to_string(path).ok();
    Facts {
        linux: cfg!(target_os = "linux"),
        root: is_root(),
        daemon,
        health,
        node_processes: node_processes(),
        tun: tun(Path::new("/dev/net/tun")),
        nft: says("nft", "--version"),
        ip: says("ip", "-V"),
        journal: journal(journals),
        blocked: super::super::blocked::sentence(),
        tunnels: tunnels(Path::new("/sys/class/net")),
        resolv_conf: read("/etc/resolv.conf"),
        ipv6_disabled: read("/proc/sys/net/ipv6/conf/all/disable_ipv6"),
        now_unix: status::now(),
        cgroup2: read("/proc/self/mountinfo").is_some_and(|mounts| has_cgroup2(&mounts)),
        log: folder.as_deref().and_then(newest_log),
        data: folder.map_or_else(Data::default, |folder| data_of(&folder)),
    }
}

fn ask(session: &mut Session) -> (Daemon, Option<Vec<(String, bool)>>) {
    let asked = session.request::<_, HealthResponse>(&HealthRequest {}, ORDINARY);
    let daemon = match asked {
        Ok(health) => {
            let code = |finding: masq_ui_protocol::message::Finding| {
                (finding.code, finding.severity == Severity::Error)
            };
            let codes = health.findings.into_iter().map(code).collect();
            return (Daemon::Answers, Some(codes));
        }
        // Its Node does not run, or is just starting.
        Err(Failure::Refused(_) | Failure::NoNode { .. }) => Daemon::Answers,
        Err(Failure::Nobody { .. }) => Daemon::Absent,
        Err(Failure::NotAdmitted { .. }) => Daemon::Refuses,
        Err(
            failure @ (Failure::Foreign { .. }
            | Failure::Gone(_)
            | Failure::Silent { .. }
            | Failure::Interrupted),
        ) => Daemon::Fails(failure.to_string()),
    };
    (daemon, None)
}

#[cfg(unix)]
fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn node_processes() -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let name = |folder: PathBuf| fs::read_to_string(folder.join("comm")).unwrap_or_default();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|entry| name(entry.path()).trim_end() == "MASQNode")
        .count()
}

fn tun(device: &Path) -> Tun {
    if !device.exists() {
        return Tun::Missing;
    }
    match fs::File::options().read(true).write(true).open(device) {
        Ok(_) => Tun::Usable,
        Err(_) => Tun::Forbidden,
    }
}

/// The first line that a tool prints; None when there is no such tool.
fn says(tool: &str, argument: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's PATH may lack the folders of the administrator's tools.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let program = folders
        .map(|folder| folder.join(tool))
        .find(|program| program.is_file())?;
    let said = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

/// Open entries of all journals.
fn journal(folder: &Path) -> Journal {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Journal::Entries(0),
        Err(_) => return Journal::Hidden,
    };
    let mut entries = 0;
    for file in files.flatten() {
        let Ok(bytes) = fs::read(file.path()) else {
            return Journal::Hidden;
        };
        entries += masq_capture::journal::open_entries(&bytes);
    }
    Journal::Entries(entries)
}

/// Interfaces of WireGuard, and of TUN or PPP programs other than this one.
fn tunnels(interfaces: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(interfaces)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|interface| is_tunnel(&interface.path()))
        .map(|interface| interface.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("masq"))
        .collect();
    names.sort();
    names
}

fn is_tunnel(interface: &Path) -> bool {
    let uevent = fs::read_to_string(interface.join("uevent")).unwrap_or_default();
    let kind = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="));
    let flags = fs::read_to_string(interface.join("tun_flags")).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
    // IFF_TUN: virtual machines use IFF_TAP.
    matches!(kind, Some("wireguard" | "ppp")) || flags & 0x1 != 0
}

/// Whether a mount in mountinfo (proc_pid_mountinfo(5)) is of control groups v2.
fn has_cgroup2(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let rest = line.split_once(" - ").map_or("", |(_, rest)| rest);
        rest.split(' ').next() == Some("cgroup2")
    })
}

fn data_of(folder: &Path) -> Data {
    let seen = fs::metadata(folder).ok();
    Data {
        folder: Some(folder.display().to_string()),
        mode: seen.as_ref().and_then(mode),
        writable: is_writable(folder),
        free_bytes: free_bytes(folder),
    }
}

#[cfg(unix)]
fn mode(seen: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(seen.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> Option<u32> {
    Some(0o700)
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(_: &Path) -> bool {
    true
}

#[cfg(target_os = "linux")]
fn free_bytes(folder: &Path) -> Option<u64> {
    masq_platform_linux::user_files::free_bytes(folder).ok()
}

#[cfg(not(target_os = "linux"))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The errors and warnings at the end of the log that was written last.
fn newest_log(folder: &Path) -> Option<Log> {
    let written = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let (_, path) = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter_map(|path| Some((written(&path)?, path)))
        .max()?;
    let mut file = fs::File::open(&path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    Some(Log {
        path: path.display().to_string(),
        errors: errors(&String::from_utf8_lossy(&tail)),
    })
}

fn errors(text: &str) -> Vec<String> {
    let grave = |line: &&str| {
        line.split_whitespace()
            .take(4)
            .any(|word| word == "ERROR" || word == "WARN")
    };
    let lines: Vec<&str> = text.lines().filter(grave).collect();
    let first = lines.len().saturating_sub(ERRORS);
    lines[first..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_of_others_are_told_from_interfaces_and_from_ours() {
        let folder = tempfile::tempdir().unwrap();
        let interface = |name: &str, file: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(file), text).unwrap();
        };
        interface("wg0", "uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\n");
        interface("tailscale0", "tun_flags", "0x1001\n");
        interface("masq0", "tun_flags", "0x1001\n");
        interface("tap0", "tun_flags", "0x1002\n");
        interface("eth0", "uevent", "INTERFACE=eth0\n");
        assert_eq!(tunnels(folder.path()), ["tailscale0", "wg0"]);
    }

    #[test]
    fn control_groups_are_found_among_mounts() {
        let hybrid = "34 25 0:29 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n";
        let old = "35 25 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        assert!(has_cgroup2(&format!("{old}{hybrid}")));
        assert!(!has_cgroup2(old));
        assert!(!has_cgroup2(""));
    }

    #[test]
    fn the_errors_are_taken_from_the_end_of_the_newest_log() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest_log(folder.path()).is_none());
        let mut text = "2026-11-26T17:00:00Z  INFO event=\"ready\"\n".repeat(3_000);
        text.push_str("2026-11-26T17:00:01Z  WARN code=\"disk-full\" the status is not written\n");
        fs::write(folder.path().join("node.log"), text).unwrap();
        let log = newest_log(folder.path()).unwrap();
        assert_eq!(log.errors.len(), 1);
        assert!(log.errors[0].contains("disk-full"));
    }

    #[test]
    fn changes_that_were_undone_are_no_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert!(matches!(journal(&missing), Journal::Entries(0)));
        let entry = |number: u32| {
            format!(
                r#"{{"sequence":{number},"boot":"b","namespace":7,"change":"x","inverse":{{"undo":"remove-cgroup","path":"/masq"}}}}"#
            )
        };
        let text = format!("{}\n{}\n{{\"undone\":1}}\n", entry(1), entry(2));
        fs::write(folder.path().join("7.journal"), text).unwrap();
        assert!(matches!(journal(folder.path()), Journal::Entries(1)));
    }
}
