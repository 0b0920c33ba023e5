//! What the machine's network looks like before it is changed.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use masq_capture::{CaptureError, Family};

use crate::command::CommandRunner;

/// Whether the namespace speaks IPv6 at all.
pub(super) fn has_ipv6() -> bool {
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    disabled.is_ok_and(|value| value.trim() == "0")
}

/// Whether an interface drops packets whose way back is another (RFC 3704).
pub(super) fn has_strict_reverse_path() -> bool {
    let base = Path::new("/proc/sys/net/ipv4/conf");
    let valid_mark = fs::read_to_string(base.join("all/src_valid_mark")).unwrap_or_default();
    valid_mark.trim() == "0"
        && fs::read_dir(base)
            .into_iter()
            .flatten()
            .flatten()
            .any(|interface| {
                fs::read_to_string(interface.path().join("rp_filter"))
                    .is_ok_and(|value| value.trim() == "1")
            })
}

/// TCP ports with a listener that others can reach.
pub(super) fn listening_ports() -> Vec<u16> {
    let mut ports = BTreeSet::new();
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        ports.extend(listeners(&fs::read_to_string(table).unwrap_or_default()));
    }
    ports.into_iter().collect()
}

/// The listeners in a table of /proc/net (proc_pid_net(5)): state 0A.
fn listeners(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (address, port) = fields.next()?.split_once(':')?;
        let listening = fields.nth(1)? == "0A";
        let loopback = match address.len() {
            8 => address.ends_with("7F"),
            _ => address == "00000000000000000000000001000000",
        };
        (listening && !loopback).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

pub(super) fn rule_priorities(
    runner: &dyn CommandRunner,
    family: Family,
) -> Result<HashSet<u32>, CaptureError> {
    let rules = runner.run("ip", &[family.option(), "rule", "show"], "")?;
    Ok(rules
        .lines()
        .filter_map(|line| line.split_once(':')?.0.trim().parse().ok())
        .collect())
}

pub(super) fn table_is_empty(runner: &dyn CommandRunner, family: Family, table: u32) -> bool {
    let arguments = [
        family.option(),
        "route",
        "show",
        "table",
        &table.to_string(),
    ];
    // A table without a route does not exist for `ip`, which is an error there.
    runner
        .run("ip", &arguments, "")
        .map_or(true, |routes| routes.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_beyond_loopback_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
             0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000\n\
             1: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000\n\
             2: 020011AC:0050 030011AC:C001 01 00000000:00000000 00:00000000\n";
        assert_eq!(listeners(table).collect::<Vec<_>>(), [443]);
        let six = "  sl  local_address\n\
             0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A\n\
             1: 00000000000000000000000000000000:0017 00000000000000000000000000000000:0000 0A\n";
        assert_eq!(listeners(six).collect::<Vec<_>>(), [0x17]);
    }
}
