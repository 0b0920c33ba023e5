//! The sockets that echo requests leave by. The kernel's socket diagnosis does
//! not know them; its tables in /proc do.

use std::fs;
use std::path::Path;

/// A socket that can have sent an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EchoSocket {
    pub(super) inode: u32,
    pub(super) uid: u32,
}

const ICMP: u16 = 1;
const ICMPV6: u16 = 58;

/// The ping socket of this identifier; else all raw sockets of the protocol,
/// which set an identifier of their own.
pub(super) fn sockets(proc: &Path, identifier: u16, v6: bool) -> Vec<EchoSocket> {
    let net = proc.join("thread-self/net");
    let (ping, raw, protocol) = if v6 {
        ("icmp6", "raw6", ICMPV6)
    } else {
        ("icmp", "raw", ICMP)
    };
    let listed = |table: &str, number: u16| {
        let text = fs::read_to_string(net.join(table)).unwrap_or_default();
        matching(&text, number)
    };
    let pings = listed(ping, identifier);
    if pings.is_empty() {
        listed(raw, protocol)
    } else {
        pings
    }
}

/// Lines whose local end has this number where a port would be: `sl
/// local_address rem_address st queues timer retrnsmt uid timeout inode`.
fn matching(text: &str, number: u16) -> Vec<EchoSocket> {
    let found = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        if u16::from_str_radix(local, 16).ok()? != number {
            return None;
        }
        Some(EchoSocket {
            uid: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_searched_by_the_number_of_the_local_end() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            5: 00000000:0005 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 41413 2 0000000000000000 0\n\
            7: 00000000:0007 0100007F:0000 07 00000000:00000000 00:00000000 00000000     0        0 41500 2 0000000000000000 0\n";
        let found = matching(table, 5);
        assert_eq!(
            found,
            [EchoSocket {
                inode: 41413,
                uid: 1000
            }]
        );
        assert_eq!(matching(table, 6), []);
        assert_eq!(matching("", 5), []);
    }
}
