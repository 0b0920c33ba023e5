//! The servers behind this machine's resolver. A forwarder on loopback asks
//! them by sockets of its own; where a Node captures those, what the Node asks
//! the forwarder would come back to it, so it asks behind the forwarder.

use std::net::IpAddr;

use crate::{each_once, resolv_conf};

/// Where the texts are.
pub const SYSTEM: &str = "/etc/resolv.conf";
pub const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
pub const NETWORK_MANAGER: &str = "/run/NetworkManager/no-stub-resolv.conf";
/// Is there while NetworkManager runs a dnsmasq of its own.
pub const DNSMASQ: &str = "/run/NetworkManager/dnsmasq.pid";

/// Texts of resolv.conf(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// `/etc/resolv.conf`; empty where there is none.
    pub system: Vec<u8>,
    /// What systemd-resolved asks; none where that must be asked itself.
    pub resolved: Option<Vec<u8>>,
    /// The same of the dnsmasq of NetworkManager.
    pub dnsmasq: Option<Vec<u8>>,
}

impl Texts {
    /// As the files are; `behind` forwarders where what these ask is wanted.
    pub fn gather(behind: bool, has_dnsmasq: bool, read: impl Fn(&str) -> Vec<u8>) -> Texts {
        Texts {
            system: read(SYSTEM),
            resolved: behind.then(|| read(RESOLVED)),
            dnsmasq: (behind && has_dnsmasq).then(|| read(NETWORK_MANAGER)),
        }
    }
}

/// Whom the system asks in the end, in order and each once; never one of `ours`.
pub fn servers(texts: &Texts, ours: &[IpAddr]) -> Vec<IpAddr> {
    let mut named = resolv_conf::servers(&texts.system);
    if named.iter().all(|server| ours.contains(server)) {
        // Led to us already when we started.
        named = resolv_conf::servers_before(&texts.system);
    }
    let others = named.into_iter().filter(|server| !ours.contains(server));
    let behind = others.flat_map(|server| {
        let forwarder = if resolv_conf::STUBS.contains(&server) {
            texts.resolved.as_deref()
        } else if server.is_loopback() {
            texts.dnsmasq.as_deref()
        } else {
            None
        };
        match forwarder {
            Some(text) => resolv_conf::servers(text),
            None => vec![server],
        }
    });
    each_once(behind.filter(|server| !ours.contains(server)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [IpAddr; 1] = [crate::NODE_BESIDE];

    #[test]
    fn whoever_stands_behind_a_forwarder_is_asked() {
        let resolved = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 127.65.83.81\n";
        let dnsmasq = Some("nameserver 192.0.2.3\n");
        for (system, with_resolved, dnsmasq, expected) in [
            ("nameserver 10.0.0.1\n", true, dnsmasq, "10.0.0.1"),
            ("nameserver 127.0.0.53\n", true, None, "192.0.2.1 192.0.2.2"),
            ("nameserver 127.0.0.53\n", false, None, "127.0.0.53"),
            (
                "nameserver 127.0.0.53\nnameserver 192.0.2.1\n",
                true,
                None,
                "192.0.2.1 192.0.2.2",
            ),
            ("nameserver 127.0.0.1\n", true, dnsmasq, "192.0.2.3"),
            ("nameserver 127.0.1.1\n", true, dnsmasq, "192.0.2.3"),
            // A resolver of one's own is asked itself.
            ("nameserver 127.0.0.1\n", true, None, "127.0.0.1"),
            ("nameserver ::1\n", true, None, "::1"),
            ("nameserver 127.65.83.81\n", true, None, ""),
            (
                "# before dns_utility: nameserver 10.0.0.1\n#nameserver 10.0.0.2\nnameserver 127.65.83.81\n",
                true,
                None,
                "10.0.0.1",
            ),
            (
                "nameserver 127.65.83.81\nnameserver 10.0.0.1\n",
                true,
                None,
                "10.0.0.1",
            ),
            ("", true, None, ""),
        ] {
            let texts = Texts {
                system: system.into(),
                resolved: with_resolved.then(|| resolved.into()),
                dnsmasq: dnsmasq.map(Into::into),
            };
            let found: Vec<String> = servers(&texts, &OURS)
                .iter()
                .map(IpAddr::to_string)
                .collect();
            assert_eq!(found.join(" "), expected, "{system}");
        }
    }
}
