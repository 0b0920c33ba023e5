//! All that a switch may touch, to compare before and after: the file with its rights and flags, the
//! managers' own files, and what the managers say.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::machine::{self, JOURNAL, Machine};
use crate::managers::{Mode, RESOLV_CONF};

/// Files of NetworkManager's that tell of processes and times.
const OTHERS: [&str; 4] = [
    "timestamps",
    "dnsmasq.pid",
    "devices/1",
    "system-connections/lo.nmconnection",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, String>);

impl State {
    pub(crate) fn now(mode: Mode) -> State {
        let mut found = BTreeMap::new();
        entry(Path::new(RESOLV_CONF), &mut found);
        let followed = fs::metadata(RESOLV_CONF).map(|data| rights(&data));
        found.insert("behind the link".into(), format!("{followed:?}"));
        let content =
            fs::read(RESOLV_CONF).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        found.insert("what a reader gets".into(), format!("{content:?}"));
        let flags = machine::run("lsattr", &["-d", RESOLV_CONF]);
        let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
        found.insert("flags".into(), flags);
        for entry in fs::read_dir("/etc").unwrap().flatten() {
            found.insert(format!("{:?}", entry.path()), "there".into());
        }
        for folder in [
            "/etc/own",
            "/run/resolvconf",
            "/run/systemd/resolve",
            "/run/NetworkManager",
            "/var/lib/NetworkManager",
        ] {
            tree(Path::new(folder), &mut found);
        }
        found.insert(JOURNAL.into(), Path::new(JOURNAL).exists().to_string());
        if mode.has_resolved() {
            for topic in ["dns", "domain", "default-route", "dnsovertls", "dnssec"] {
                let said = machine::output("resolvectl", &[topic]);
                // Which of the global servers was asked last is there as well.
                let links = said.lines().filter(|line| line.starts_with("Link"));
                let links: Vec<&str> = links.collect();
                found.insert(format!("resolvectl {topic}"), links.join("\n"));
            }
        }
        if mode.network_manager().is_some() {
            let name = "org.freedesktop.NetworkManager";
            let place = "/org/freedesktop/NetworkManager";
            for (place, face, property) in [
                (place.to_owned(), name.to_owned(), "GlobalDnsConfiguration"),
                (
                    format!("{place}/DnsManager"),
                    format!("{name}.DnsManager"),
                    "Configuration",
                ),
            ] {
                let words = ["--system", "get-property", name, &place, &face, property];
                found.insert(property.into(), machine::output("busctl", &words));
            }
        }
        State(found)
    }

    fn differences(&self, other: &State) -> Vec<String> {
        let keys: std::collections::BTreeSet<&String> =
            self.0.keys().chain(other.0.keys()).collect();
        keys.into_iter()
            .filter(|key| self.0.get(*key) != other.0.get(*key))
            .map(|key| format!("{key}: {:?} -> {:?}", self.0.get(key), other.0.get(key)))
            .collect()
    }
}

impl Machine {
    /// Managers take a moment to write what they have decided.
    pub(crate) fn is_again(&self, before: &State, after: &str) {
        let mut last = Vec::new();
        for _ in 0..100 {
            last = before.differences(&self.state());
            if last.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("not as before after {after}:\n{}", last.join("\n"));
    }
}

fn tree(folder: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            // Folders that managers make and leave empty say nothing.
            tree(&path, found);
        } else if !OTHERS.iter().any(|name| path.ends_with(name)) {
            entry(&path, found);
        }
    }
}

fn entry(path: &Path, found: &mut BTreeMap<String, String>) {
    let text = match fs::symlink_metadata(path) {
        Err(error) => error.to_string(),
        Ok(data) if data.is_symlink() => format!("{:?}", fs::read_link(path)),
        Ok(data) if data.is_file() => {
            let content = fs::read(path).unwrap_or_default();
            format!("{} {:?}", rights(&data), String::from_utf8_lossy(&content))
        }
        Ok(data) if data.file_type().is_socket() => format!("{} socket", rights(&data)),
        Ok(data) => rights(&data),
    };
    found.insert(path.display().to_string(), text);
}

fn rights(data: &fs::Metadata) -> String {
    format!("{:o} {}:{}", data.mode(), data.uid(), data.gid())
}
