//! What an exit connects to: the Internet, and nothing nearer.
//!
//! The policy is applied to the address that is about to be used, after the
//! name was resolved, so a name cannot lead to a private address (DNS
//! rebinding). IPv6 addresses that carry an IPv4 one are judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::failure::{Code, Failure};

/// What a flow is carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A TCP connection.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// Echo requests; ports do not count.
    Echo,
}

/// The rules of one exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitPolicy {
    allow_private: bool,
    blocked_ports: Vec<u16>,
    own: Vec<IpAddr>,
}

impl ExitPolicy {
    /// A policy that refuses the blocked ports, addresses that are not public unless
    /// `allow_private` says otherwise, and always the addresses of this machine.
    pub fn new(allow_private: bool, blocked_ports: &[u16], own: &[IpAddr]) -> ExitPolicy {
        let mut policy = ExitPolicy {
            allow_private,
            blocked_ports: blocked_ports.to_vec(),
            own: Vec::new(),
        };
        policy.set_own(own);
        policy
    }

    /// Replaces the addresses of this machine, when they have changed.
    pub fn set_own(&mut self, own: &[IpAddr]) {
        self.own = own.iter().map(IpAddr::to_canonical).collect();
    }

    /// Whether the exit may use this address, port and protocol.
    pub fn check(&self, address: SocketAddr, protocol: Protocol) -> Result<(), Failure> {
        let ip = address.ip().to_canonical();
        if protocol != Protocol::Echo {
            self.check_port(address.port())?;
        }
        if !is_destination(ip) {
            return Err(refuse(ip, "no single machine on the network"));
        }
        for candidate in with_embedded(ip) {
            // The exit's own services trust whoever comes from the exit itself.
            if candidate.is_loopback() || self.own.contains(&candidate) {
                return Err(refuse(ip, "the exit's own address"));
            }
            if !self.allow_private && !is_public(candidate) {
                return Err(refuse(ip, "not a public address"));
            }
        }
        Ok(())
    }

    fn check_port(&self, port: u16) -> Result<(), Failure> {
        if port == 0 {
            return Err(Failure::new(Code::Policy, "port 0 is no destination"));
        }
        if self.blocked_ports.contains(&port) {
            return Err(Failure::new(
                Code::Policy,
                format!("port {port} is blocked at the exit"),
            ));
        }
        Ok(())
    }
}

fn refuse(ip: IpAddr, why: &str) -> Failure {
    Failure::new(Code::Policy, format!("{ip} is {why}"))
}

/// Whether packets for an address can belong to one flow at all.
fn is_destination(ip: IpAddr) -> bool {
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

/// Whether an address is one of the Internet's, judged by its range alone.
///
/// The documentation ranges (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24,
/// 2001:db8::/32) count as public: nothing on the Internet answers there, so
/// an exit that lets them pass exposes nobody, and laboratories use them as
/// their Internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// IANA IPv4 special-purpose registry (RFC 6890 and updates).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0 | 10 | 127, _, _) => false,
        (100, 64..=127, _) => false, // shared, RFC 6598
        (169, 254, _) => false,      // link-local
        (172, 16..=31, _) => false,  // private
        (192, 0, 0) => false,        // protocol assignments
        (192, 88, 99) => false,      // 6to4 relays, RFC 7526
        (192, 168, _) => false,      // private
        (198, 18..=19, _) => false,  // benchmarking, our fake addresses
        (224.., _, _) => false,      // multicast, reserved, broadcast
        _ => true,
    }
}

/// IANA IPv6 special-purpose registry; all global unicast is in 2000::/3.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // NAT64 (RFC 6052) and its local-use prefix (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => true,
        [0x2001, second, ..] => match second {
            0 => true,                // Teredo, judged by the address inside
            0x0001..=0x01ff => false, // protocol assignments, RFC 2928
            _ => true,
        },
        [0x2000..=0x3fff, ..] => !matches!(ip.segments(), [0x3fff, 0..=0x0fff, ..]),
        _ => false,
    }
}

/// The address and every IPv4 address that it carries.
fn with_embedded(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let mut embedded = [None; 2];
    if let IpAddr::V6(v6) = ip {
        let [a, b, c, d, e, f, g, h] = v6.segments();
        let join = |high: u16, low: u16| {
            IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        };
        match (a, b) {
            (0x2002, _) => embedded[0] = Some(join(b, c)),
            // Teredo: the server, and the client with its bits turned over (RFC 4380 section 4).
            (0x2001, 0) => embedded = [Some(join(c, d)), Some(join(!g, !h))],
            (0x64, 0xff9b) => embedded[0] = Some(join(g, h)),
            // IPv4-compatible (RFC 4291 section 2.5.5.1) and IPv4-translated (RFC 2765).
            (0, 0) if [c, d] == [0, 0] && matches!((e, f), (0, 0) | (0xffff, 0)) => {
                embedded[0] = Some(join(g, h));
            }
            // ISATAP (RFC 5214 section 6.1).
            _ if matches!((e, f), (0 | 0x0200, 0x5efe)) => embedded[0] = Some(join(g, h)),
            _ => {}
        }
    }
    std::iter::once(ip).chain(embedded.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_that_are_not_public_are_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "2001:0:a00:1::",
            "2001:0:102:304:0:0:f5ff:fffe",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd6d:6173:71::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2a00::5efe:10.0.0.1",
        ] {
            assert_eq!(verdict(&policy(), text, 443), Some(Code::Policy), "{text}");
        }
    }

    #[test]
    fn public_and_documentation_addresses_pass() {
        for text in [
            "1.1.1.1",
            "9.9.9.9",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.2.1",
            "198.17.255.255",
            "198.20.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "223.255.255.255",
            "2001:db8::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
            "3ffe::1",
        ] {
            assert_eq!(verdict(&policy(), text, 443), None, "{text}");
        }
    }

    #[test]
    fn a_laboratory_may_open_private_addresses_but_not_the_exit_itself() {
        let lab = ExitPolicy::new(true, &[], &["10.0.0.9".parse().unwrap()]);

        assert_eq!(verdict(&lab, "10.0.0.1", 443), None);
        assert_eq!(verdict(&lab, "fd00::1", 443), None);
        for text in [
            "127.0.0.1",
            "::1",
            "10.0.0.9",
            "::ffff:10.0.0.9",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert_eq!(verdict(&lab, text, 443), Some(Code::Policy), "{text}");
        }
    }

    #[test]
    fn own_addresses_are_refused_in_every_disguise() {
        let own = ["1.2.3.4".parse().unwrap(), "2a00::1".parse().unwrap()];
        let policy = ExitPolicy::new(false, &[], &own);

        for text in [
            "1.2.3.4",
            "::ffff:1.2.3.4",
            "64:ff9b::1.2.3.4",
            "2002:102:304::",
            "2a00::1",
        ] {
            assert_eq!(verdict(&policy, text, 443), Some(Code::Policy), "{text}");
        }
        assert_eq!(verdict(&policy, "1.2.3.5", 443), None);
    }

    #[test]
    fn blocked_ports_are_refused_for_both_transports_but_not_for_echo() {
        let address: SocketAddr = "1.1.1.1:25".parse().unwrap();

        assert!(policy().check(address, Protocol::Tcp).is_err());
        assert!(policy().check(address, Protocol::Udp).is_err());
        assert!(policy().check(address, Protocol::Echo).is_ok());
        assert_eq!(verdict(&policy(), "1.1.1.1", 0), Some(Code::Policy));
        assert_eq!(
            verdict(&ExitPolicy::new(false, &[], &[]), "1.1.1.1", 25),
            None
        );
    }

    #[test]
    fn a_refusal_names_the_address_or_the_port() {
        let failure = policy()
            .check("10.0.0.1:80".parse().unwrap(), Protocol::Tcp)
            .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "policy [exit]: 10.0.0.1 is not a public address"
        );
    }

    proptest! {
        /// Law: an IPv4 address is judged the same in each IPv6 disguise.
        #[test]
        fn no_disguise_changes_the_verdict(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            let plain = is_allowed(IpAddr::V4(v4));
            for disguise in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x101, 0x101, 0, 0, !high, !low),
            ] {
                prop_assert_eq!(is_allowed(IpAddr::V6(disguise)), plain, "{}", disguise);
            }
        }

        #[test]
        fn nothing_public_is_loopback_or_fake(bits: u128) {
            for ip in [IpAddr::V6(Ipv6Addr::from(bits)), IpAddr::V4(Ipv4Addr::from(bits as u32))] {
                if is_allowed(ip) {
                    prop_assert!(!ip.is_loopback() && !ip.is_multicast() && !crate::fake_ip::is_fake(ip));
                }
            }
        }
    }

    fn policy() -> ExitPolicy {
        ExitPolicy::new(false, &[25], &[])
    }

    fn is_allowed(ip: IpAddr) -> bool {
        policy()
            .check(SocketAddr::new(ip, 443), Protocol::Tcp)
            .is_ok()
    }

    fn verdict(policy: &ExitPolicy, ip: &str, port: u16) -> Option<Code> {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        policy
            .check(address, Protocol::Tcp)
            .err()
            .map(|failure| failure.code)
    }
}
