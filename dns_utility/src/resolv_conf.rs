//! The text of resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr};

/// The servers that are asked, in order.
pub fn servers(content: &[u8]) -> Vec<IpAddr> {
    String::from_utf8_lossy(content)
        .lines()
        .filter_map(server)
        .collect()
}

/// Where systemd-resolved answers (systemd-resolved.service(8)).
pub const STUBS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// Whether all of these are forwarders of systemd-resolved's.
pub fn are_stubs(servers: &[IpAddr]) -> bool {
    !servers.is_empty() && servers.iter().all(|server| STUBS.contains(server))
}

fn server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    if words.next() != Some("nameserver") {
        return None;
    }
    let word = words.next()?;
    // A scope (fe80::1%eth0) is no part of an address here.
    word.split('%').next()?.parse().ok()
}

/// What a switch puts before the lines that it takes out of force.
const BEFORE: &str = "# before dns_utility: ";

/// The same file with our server in the place of the others, which stay as
/// comments.
pub fn subverted(content: &[u8], server: IpAddr) -> Vec<u8> {
    let mut text = String::new();
    let content = String::from_utf8_lossy(content);
    // Comments of a switch that nobody remembers say nothing any more.
    for line in content.lines().filter(|line| !line.starts_with(BEFORE)) {
        if line.trim_start().starts_with("nameserver") {
            text.push_str(BEFORE);
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("nameserver {server}\n"));
    text.into_bytes()
}

/// The servers of before, as a switched file remembers them.
pub fn servers_before(content: &[u8]) -> Vec<IpAddr> {
    String::from_utf8_lossy(content)
        .lines()
        .filter_map(|line| server(line.strip_prefix(BEFORE)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_the_c_library_does() {
        let text = b"# nameserver 9.9.9.9\nsearch example.org\nnameserver\t10.0.0.1 # mine\n\
                     nameserver fe80::1%eth0\nnameserver wrong\n;nameserver 1.1.1.1\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.1", "fe80::1"]);
    }

    #[test]
    fn other_lines_stay_and_one_server_is_left() {
        let new = subverted(
            b"search a\nnameserver 10.0.0.1\noptions ndots:2",
            crate::NODE,
        );
        assert_eq!(
            String::from_utf8_lossy(&new),
            "search a\n# before dns_utility: nameserver 10.0.0.1\noptions ndots:2\n\
             nameserver 127.0.0.1\n"
        );
        let before: Vec<String> = servers_before(&new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(before, ["10.0.0.1"]);
        let again = subverted(&new, crate::NODE_BESIDE);
        assert_eq!(servers_before(&again), [crate::NODE]);
        assert_eq!(servers(&new), [crate::NODE]);
    }
}
