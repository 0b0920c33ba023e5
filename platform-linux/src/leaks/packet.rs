//! How a probe is known again among the packets of an interface. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// What is unlike any other packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub destination: IpAddr,
    /// Of IP: the first header behind it.
    pub protocol: u8,
    /// From and to, of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// What the packet carries.
    pub marker: Option<[u8; 16]>,
}

impl Fingerprint {
    /// Whether an IP packet is this one.
    pub fn fits(&self, packet: &[u8]) -> bool {
        let Some((destination, protocol, rest)) = split(packet) else {
            return false;
        };
        let ports = || {
            let &[a, b, c, d] = rest.first_chunk()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        };
        destination == self.destination
            && protocol == self.protocol
            && self.ports.is_none_or(|own| ports() == Some(own))
            && self
                .marker
                .is_none_or(|marker| rest.windows(marker.len()).any(|part| part == marker))
    }
}

fn split(packet: &[u8]) -> Option<(IpAddr, u8, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<20>()?;
            let length = usize::from(header[0] & 0x0f) * 4;
            let address = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
            Some((address.into(), header[9], packet.get(length..)?))
        }
        6 => {
            let header = packet.first_chunk::<40>()?;
            let address: [u8; 16] = header[24..].try_into().ok()?;
            Some((Ipv6Addr::from(address).into(), header[6], &packet[40..]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(destination: [u8; 4], ports: (u16, u16), load: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0, 10, 0, 0, 1];
        packet.extend(destination);
        packet.extend(ports.0.to_be_bytes());
        packet.extend(ports.1.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(load);
        packet
    }

    #[test]
    fn a_probe_is_known_by_all_that_it_is() {
        let own = Fingerprint {
            destination: [198, 51, 100, 9].into(),
            protocol: UDP,
            ports: Some((40_000, 9)),
            marker: Some([7; 16]),
        };
        let load = [&[1, 2][..], &[7; 16]].concat();
        assert!(own.fits(&packet([198, 51, 100, 9], (40_000, 9), &load)));
        // What a Node sends for it has another port.
        assert!(!own.fits(&packet([198, 51, 100, 9], (40_001, 9), &load)));
        assert!(!own.fits(&packet([198, 51, 100, 8], (40_000, 9), &load)));
        assert!(!own.fits(&packet([198, 51, 100, 9], (40_000, 9), &[7; 15])));
    }

    #[test]
    fn pieces_of_packets_are_no_probe() {
        let own = Fingerprint {
            destination: [198, 51, 100, 9].into(),
            protocol: UDP,
            ports: Some((1, 2)),
            marker: None,
        };
        let whole = packet([198, 51, 100, 9], (1, 2), &[]);
        for length in 0..24 {
            assert!(!own.fits(&whole[..length]), "{length}");
        }
        assert!(own.fits(&whole));
        assert!(!own.fits(&[0x4f; 20]));
        assert!(!own.fits(&[0x60; 39]));
    }
}
