//! Notices that this machine is reached at another address, from the
//! addresses of its interfaces. Behind a router they tell nothing, and the
//! neighbors do.

use std::net::IpAddr;

/// Sees the machine's addresses again and again.
#[derive(Debug, Default)]
pub struct Watch {
    /// Those of the last time that the Node's own address was among them.
    with_own: Option<Vec<IpAddr>>,
}

impl Watch {
    /// The address to which `own` has moved, when that is clear: `own` was one
    /// of the machine's, is none any more, and exactly one came in its place.
    pub fn moved(&mut self, own: IpAddr, addresses: &[IpAddr]) -> Option<IpAddr> {
        if addresses.contains(&own) {
            self.with_own = Some(addresses.to_vec());
            return None;
        }
        let before = self.with_own.as_ref()?;
        if !before.contains(&own) {
            return None;
        }
        let mut new = addresses
            .iter()
            .filter(|ip| ip.is_ipv4() == own.is_ipv4() && usable(**ip) && !before.contains(ip));
        let candidate = *new.next()?;
        new.next().is_none().then_some(candidate)
    }
}

fn usable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|ip| ip.parse().unwrap())
            .collect()
    }

    #[test]
    fn a_new_address_in_place_of_the_own_one_is_a_move() {
        let mut watch = Watch::default();
        let own = "192.0.2.7".parse().unwrap();
        assert_eq!(watch.moved(own, &ips("127.0.0.1 192.0.2.7 fe80::1")), None);
        // Between the two there is a moment without any.
        assert_eq!(watch.moved(own, &ips("127.0.0.1 fe80::1")), None);
        let now = ips("127.0.0.1 192.0.2.9 fe80::1 fe80::2 2001:db8::1");
        assert_eq!(watch.moved(own, &now), Some(ips("192.0.2.9")[0]));
    }

    #[test]
    fn behind_a_router_the_interfaces_tell_nothing() {
        let mut watch = Watch::default();
        let own = "192.0.2.7".parse().unwrap();
        assert_eq!(watch.moved(own, &ips("127.0.0.1 10.0.0.2")), None);
        assert_eq!(watch.moved(own, &ips("127.0.0.1 10.0.0.3")), None);
    }

    #[test]
    fn two_new_addresses_are_no_answer() {
        let mut watch = Watch::default();
        let own = "192.0.2.7".parse().unwrap();
        watch.moved(own, &ips("192.0.2.7"));
        assert_eq!(watch.moved(own, &ips("192.0.2.8 192.0.2.9")), None);
    }
}
