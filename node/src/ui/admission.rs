//! Who may drive this process: the local users that it is told of, through a
//! program that is not a browser.
//!
//! The kernel's table of connections names the owner of the other end, so no
//! socket is opened to ask. The judgements are pure; only [`owner`] reads files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The sub-protocol that a UI has to ask for.
pub const PROTOCOL: &str = "MASQNode-UIv2";

/// Root, and these.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Admission {
    pub users: Vec<u32>,
}

impl Admission {
    pub fn admits(&self, uid: u32) -> bool {
        uid == 0 || self.users.contains(&uid)
    }
}

/// Whether a request with this `Origin` comes from a page of our own port.
///
/// Browsers always send one. No page of another origin may drive the Node,
/// whoever wrote it and wherever it was loaded from.
pub fn own_origin(origin: &str, port: u16) -> bool {
    ["localhost", "127.0.0.1"]
        .iter()
        .any(|host| origin.eq_ignore_ascii_case(&format!("http://{host}:{port}")))
}

/// Whether a `Sec-WebSocket-Protocol` header offers ours.
pub fn offers_protocol(header: &str) -> bool {
    header.split(',').any(|offer| offer.trim() == PROTOCOL)
}

/// Who owns the socket at the other end of a connection of this machine.
///
/// The table can be long, and the kernel takes its time to write it: other
/// tasks run between its parts.
#[cfg(target_os = "linux")]
pub async fn owner(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    // The table may change while it is read, and skip a line then.
    for path in [TABLES, TABLES].concat() {
        let found = search(path, own, peer).await;
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(target_os = "linux")]
async fn search(path: &str, own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    use std::io::Read;
    let mut table = std::fs::File::open(path).ok()?;
    let (mut part, mut text) = ([0; 4 << 10], String::new());
    loop {
        let count = table.read(&mut part).ok()?;
        if count == 0 {
            return None;
        }
        text.push_str(str::from_utf8(&part[..count]).ok()?);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if let Some(uid) = owner_in(&text[..whole], own, peer) {
            return Some(uid);
        }
        text.drain(..whole);
        tokio::task::yield_now().await;
    }
}

/// Not known here yet, so that nobody is admitted.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "it waits on other systems")]
pub async fn owner(_own: SocketAddr, _peer: SocketAddr) -> Option<u32> {
    None
}

/// The owner that lines of a table of the kernel give for the socket with the
/// local address `peer` and the remote address `own`.
///
/// Only a connection that is established counts: the kernel shows a socket
/// that its owner has closed as one of root.
pub fn owner_in(lines: &str, own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    const ESTABLISHED: &str = "01";
    lines.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let [_, local, remote, state, _, _, _, uid, _, inode] = fields[..] else {
            return None;
        };
        let found = state == ESTABLISHED
            && inode != "0"
            && address(local) == Some(peer)
            && address(remote) == Some(own);
        found.then(|| uid.parse().ok()).flatten()
    })
}

/// `0100007F:14D5` is 127.0.0.1:5333 where the low byte comes first.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = host.get(8 * index..8 * index + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip: IpAddr = match host.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, remote: &str, state: &str, uid: u32, inode: u64) -> String {
        format!(
            "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
        )
    }

    fn ends() -> (SocketAddr, SocketAddr) {
        (
            "127.0.0.1:5333".parse().unwrap(),
            "127.0.0.1:40000".parse().unwrap(),
        )
    }

    /// As the kernel writes an address on this machine.
    fn hex(address: SocketAddr) -> String {
        let IpAddr::V4(ip) = address.ip() else {
            panic!("{address}");
        };
        let word = u32::from_ne_bytes(ip.octets());
        format!("{word:08X}:{:04X}", address.port())
    }

    #[test]
    fn the_owner_is_that_of_the_other_end() {
        let (own, peer) = ends();
        let table = [
            HEAD,
            &line(&hex(own), &hex(peer), "01", 0, 7),
            &line(&hex(peer), &hex(own), "01", 1000, 8),
        ]
        .concat();
        assert_eq!(owner_in(&table, own, peer), Some(1000));
        assert_eq!(owner_in(&table, peer, own), Some(0));
        assert_eq!(owner_in(HEAD, own, peer), None);
    }

    #[test]
    fn an_ipv6_socket_with_an_ipv4_peer_is_found() {
        let (own, peer) = ends();
        let mapped = |address| {
            let zero = format!("{:08X}", 0);
            let ones = format!("{:08X}", u32::from_ne_bytes([0, 0, 255, 255]));
            format!("{zero}{zero}{ones}{}", hex(address))
        };
        let table = [HEAD, &line(&mapped(peer), &mapped(own), "01", 1000, 8)].concat();
        assert_eq!(owner_in(&table, own, peer), Some(1000));
    }

    #[test]
    fn a_socket_that_was_closed_is_nobodys() {
        let (own, peer) = ends();
        for (state, inode) in [("04", 0), ("05", 0), ("06", 0), ("08", 9), ("01", 0)] {
            let table = [HEAD, &line(&hex(peer), &hex(own), state, 0, inode)].concat();
            assert_eq!(owner_in(&table, own, peer), None, "state {state}");
        }
    }

    #[test]
    fn a_table_that_is_not_understood_admits_nobody() {
        let (own, peer) = ends();
        let whole = [HEAD, &line(&hex(peer), &hex(own), "01", 0, 8)].concat();
        for end in HEAD.len()..whole.len() {
            let part = &whole[..end];
            assert!(matches!(owner_in(part, own, peer), None | Some(0)));
        }
        for table in ["", "\n", "\nx", "\n0: zz:zz 1:1 01 0 0 0 0 0 1"] {
            assert_eq!(owner_in(table, own, peer), None);
        }
        assert_eq!(address("00000000000000000000000000000\u{e9}0:0001"), None);
    }

    #[test]
    fn root_and_those_named_are_admitted() {
        let admission = Admission { users: vec![1000] };
        assert!(admission.admits(0));
        assert!(admission.admits(1000));
        assert!(!admission.admits(1001));
        assert!(!Admission::default().admits(65_534));
    }

    #[test]
    fn only_pages_of_the_own_port_are_ours() {
        for origin in ["http://localhost:5333", "http://127.0.0.1:5333"] {
            assert!(own_origin(origin, 5333), "{origin}");
        }
        for origin in [
            "null",
            "",
            "file://",
            "https://example.com",
            "http://localhost",
            "http://localhost:53330",
            "https://localhost:5333",
            "http://localhost:5333.example.com",
            "http://user@localhost:5333",
            "http://localhost:5333/",
        ] {
            assert!(!own_origin(origin, 5333), "{origin}");
        }
    }

    #[test]
    fn the_protocol_may_be_one_of_several() {
        assert!(offers_protocol("MASQNode-UIv2"));
        assert!(offers_protocol("chat, MASQNode-UIv2 ,x"));
        for other in ["", "MASQNode-UIv1", "MASQNode-UIv22", "masqnode-uiv2"] {
            assert!(!offers_protocol(other), "{other}");
        }
    }
}
