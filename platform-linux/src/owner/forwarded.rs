//! Flows that no socket of this network namespace has: who has their source
//! address, and in which container that is.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use masq_capture::Container;

use super::place;
use crate::interfaces;

/// How long what was found is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// Addresses that are remembered.
const KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Forwarded {
    known: HashMap<IpAddr, (Instant, Option<Option<Container>>)>,
}

impl Forwarded {
    /// None for an address of this machine.
    #[expect(clippy::disallowed_methods, reason = "how old an answer is")]
    pub(super) fn source(&mut self, proc: &Path, source: IpAddr) -> Option<Option<Container>> {
        let now = Instant::now();
        if let Some((at, found)) = self.known.get(&source)
            && now.saturating_duration_since(*at) < BELIEVED
        {
            return found.clone();
        }
        let own = interfaces::addresses().unwrap_or_default();
        let foreign = !own.is_empty() && !own.contains(&source) && !source.is_loopback();
        let found = foreign.then(|| container_at(proc, source));
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(source, (now, found.clone()));
        found
    }
}

/// The container of some process in whose network namespace the address is.
fn container_at(proc: &Path, address: IpAddr) -> Option<Container> {
    let own = fs::read_link(proc.join("thread-self/ns/net")).ok()?;
    let mut seen = vec![own];
    for entry in fs::read_dir(proc).ok()?.flatten() {
        let process = entry.path();
        if entry.file_name().to_str()?.parse::<u32>().is_err() {
            continue;
        }
        let Ok(namespace) = fs::read_link(process.join("ns/net")) else {
            continue;
        };
        if seen.contains(&namespace) {
            continue;
        }
        seen.push(namespace);
        if has(&process, address) {
            let cgroup = fs::read_to_string(process.join("cgroup")).ok()?;
            let path = crate::cgroup::v2_path(&cgroup)?;
            return place::container(&format!("/{}", path.display()));
        }
    }
    None
}

/// Whether the address is one of the network namespace of a process.
fn has(process: &Path, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => fs::read_to_string(process.join("net/fib_trie"))
            .is_ok_and(|text| local_v4(&text, address)),
        IpAddr::V6(address) => fs::read_to_string(process.join("net/if_inet6"))
            .is_ok_and(|text| local_v6(&text, address)),
    }
}

/// A leaf `|-- ADDRESS` is followed by what it is.
fn local_v4(text: &str, address: IpAddr) -> bool {
    let wanted = format!("|-- {address}");
    let mut leaf = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("|--") {
            leaf = line == wanted;
        } else if leaf && line == "/32 host LOCAL" {
            return true;
        }
    }
    false
}

fn local_v6(text: &str, address: Ipv6Addr) -> bool {
    let wanted = format!("{:032x}", u128::from(address));
    text.lines().any(|line| line.starts_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_not_forwarded() {
        let mut forwarded = Forwarded::default();
        let ask = |forwarded: &mut Forwarded, address: &str| {
            forwarded.source(Path::new("/proc"), address.parse().unwrap())
        };
        assert_eq!(ask(&mut forwarded, "127.0.0.1"), None);
        assert_eq!(ask(&mut forwarded, "::1"), None);
        assert_eq!(ask(&mut forwarded, "192.0.2.99"), Some(None));
        assert_eq!(ask(&mut forwarded, "192.0.2.99"), Some(None));
    }

    #[test]
    fn local_addresses_are_read_from_what_the_kernel_lists() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.17.0.0\n        /16 link UNICAST\n     \
                    |-- 172.17.0.2\n        /32 host LOCAL\n     |-- 172.17.255.255\n        /32 link BROADCAST\n";
        assert!(local_v4(trie, "172.17.0.2".parse().unwrap()));
        assert!(!local_v4(trie, "172.17.0.0".parse().unwrap()));
        assert!(!local_v4(trie, "172.17.0.20".parse().unwrap()));
        let list = "fd000000000000000000000000000002 02 40 00 80 eth0\n";
        assert!(local_v6(list, "fd00::2".parse().unwrap()));
        assert!(!local_v6(list, "fd00::3".parse().unwrap()));
    }
}
