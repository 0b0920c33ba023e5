//! The packets that are sent: one of each kind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use masq_capture::plan::MARK_DIRECT;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect,
    getsockname, sendto, setsockopt, socket, sockopt,
};

use super::Targets;
use super::packet::{Fingerprint, TCP, UDP};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    Tcp {
        ipv6: bool,
        port: u16,
    },
    Udp {
        ipv6: bool,
        port: u16,
    },
    /// A question of UDP for a name that cannot be.
    Question {
        ipv6: bool,
    },
    Echo {
        ipv6: bool,
    },
    /// GRE, by a socket that writes its own headers.
    Gre,
    /// UDP behind a hop-by-hop header.
    HopByHop,
    /// UDP by a socket that is bound to this interface.
    Bound {
        device: String,
    },
    /// A question to the resolver of the local network.
    RouterQuestion,
    Router {
        port: u16,
    },
    Multicast,
    /// UDP with the mark of the Node's own sockets: it must be seen.
    Control {
        ipv6: bool,
    },
}

/// What the system said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Yes,
    /// There is no way for such a packet.
    NoWay(String),
    /// It was refused.
    Refused(String),
    /// It could not be tried.
    Impossible(String),
}

pub(super) struct Shot {
    pub(super) sent: Sent,
    pub(super) fingerprint: Option<Fingerprint>,
}

const DISCARD: u16 = 9;
/// Of RFC 6762; the group hears it on a port where nobody listens.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GRE: u8 = 47;
const HOP_BY_HOP: u8 = 0;

impl Probe {
    pub(super) fn send(&self, targets: &Targets, number: u64) -> Shot {
        let marker = marker(number);
        let far = |ipv6: bool| {
            if ipv6 {
                targets.v6.into()
            } else {
                IpAddr::V4(targets.v4)
            }
        };
        let result = match self {
            Probe::Tcp { ipv6, port } => tcp(SocketAddr::new(far(*ipv6), *port)),
            Probe::Udp { ipv6, port } => udp(
                SocketAddr::new(far(*ipv6), *port),
                &marker,
                marker,
                &Way::Usual,
            ),
            Probe::Question { ipv6 } => udp(
                SocketAddr::new(far(*ipv6), 53),
                &question(number),
                [0; 16],
                &Way::Usual,
            ),
            Probe::Echo { ipv6 } => echo(far(*ipv6), marker),
            Probe::Gre => raw4(targets.v4, marker),
            Probe::HopByHop => hop_by_hop(targets.v6, marker),
            Probe::Bound { device } => {
                let way = Way::Device(device.clone());
                udp(SocketAddr::new(far(false), DISCARD), &marker, marker, &way)
            }
            Probe::RouterQuestion => with_router(targets, |router| {
                udp(
                    SocketAddr::new(router, 53),
                    &question(number),
                    [0; 16],
                    &Way::Usual,
                )
            }),
            Probe::Router { port } => with_router(targets, |router| {
                udp(SocketAddr::new(router, *port), &marker, marker, &Way::Usual)
            }),
            Probe::Multicast => udp(
                SocketAddr::new(GROUP.into(), DISCARD),
                &marker,
                marker,
                &Way::Usual,
            ),
            Probe::Control { ipv6 } => udp(
                SocketAddr::new(far(*ipv6), DISCARD),
                &marker,
                marker,
                &Way::Marked,
            ),
        };
        result.unwrap_or_else(|error| Shot {
            sent: said(&error),
            fingerprint: None,
        })
    }
}

fn with_router(
    targets: &Targets,
    send: impl FnOnce(IpAddr) -> io::Result<Shot>,
) -> io::Result<Shot> {
    match targets.router4 {
        Some(router) => send(router.into()),
        None => Ok(Shot {
            sent: Sent::NoWay("no router is known".to_owned()),
            fingerprint: None,
        }),
    }
}

fn said(error: &io::Error) -> Sent {
    let text = error.to_string();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENETUNREACH | Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT) => Sent::NoWay(text),
        Some(Errno::EPERM | Errno::EACCES | Errno::ECONNREFUSED | Errno::EHOSTUNREACH) => {
            Sent::Refused(text)
        }
        Some(_) | None => Sent::Impossible(text),
    }
}

fn outcome(result: io::Result<usize>) -> Sent {
    result.map_or_else(|error| said(&error), |_| Sent::Yes)
}

fn tcp(target: SocketAddr) -> io::Result<Shot> {
    let (family, any) = any(target.ip());
    let socket = socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(any))?;
    let own: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    let sent = match connect(socket.as_raw_fd(), &SockaddrStorage::from(target)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Sent::Yes,
        Err(error) => said(&error.into()),
    };
    // The SYN leaves before a close takes its retransmissions away.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let own = own.as_sockaddr_in().map(|v4| v4.port());
    let own6 = || {
        let own: SockaddrStorage = getsockname(socket.as_raw_fd()).ok()?;
        own.as_sockaddr_in6().map(|v6| v6.port())
    };
    Ok(Shot {
        sent,
        fingerprint: own.or_else(own6).map(|port| Fingerprint {
            destination: target.ip(),
            protocol: TCP,
            ports: Some((port, target.port())),
            marker: None,
        }),
    })
}

enum Way {
    Usual,
    Device(String),
    Marked,
}

fn udp(target: SocketAddr, load: &[u8], marker: [u8; 16], way: &Way) -> io::Result<Shot> {
    let socket = UdpSocket::bind(any(target.ip()).1)?;
    match way {
        Way::Usual => {}
        Way::Device(name) => setsockopt(&socket, sockopt::BindToDevice, &name.into())?,
        Way::Marked => setsockopt(&socket, sockopt::Mark, &MARK_DIRECT)?,
    }
    let own = socket.local_addr()?.port();
    Ok(Shot {
        sent: outcome(socket.send_to(load, target)),
        fingerprint: Some(Fingerprint {
            destination: target.ip(),
            protocol: UDP,
            ports: Some((own, target.port())),
            marker: (marker != [0; 16]).then_some(marker),
        }),
    })
}

fn raw(family: AddressFamily, protocol: SockProtocol) -> io::Result<OwnedFd> {
    Ok(socket(
        family,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?)
}

fn send_raw(socket: &OwnedFd, packet: &[u8], target: IpAddr) -> Sent {
    let target = SockaddrStorage::from(SocketAddr::new(target, 0));
    let result = sendto(socket.as_raw_fd(), packet, &target, MsgFlags::MSG_DONTWAIT);
    outcome(result.map_err(io::Error::from))
}

/// Type, code, checksum, identifier, sequence number, data.
fn echo(target: IpAddr, marker: [u8; 16]) -> io::Result<Shot> {
    let (family, protocol, kind, number) = match target {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, 8, 1),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, 128, 58),
    };
    let mut packet = vec![kind, 0, 0, 0, 0x6d, 0x71, 0, 1];
    packet.extend(marker);
    // The kernel writes that of ICMPv6, which covers addresses.
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(Shot {
        sent: send_raw(&raw(family, protocol)?, &packet, target),
        fingerprint: Some(marked(target, number, marker)),
    })
}

fn raw4(target: Ipv4Addr, marker: [u8; 16]) -> io::Result<Shot> {
    // The kernel fills in length, checksum and source.
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, GRE, 0, 0, 0, 0, 0, 0];
    packet.extend(target.octets());
    // GRE of no flags, carrying an unknown protocol.
    packet.extend([0, 0, 0xff, 0xff]);
    packet.extend(marker);
    let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let socket = raw(AddressFamily::Inet, SockProtocol::Raw)?;
    Ok(Shot {
        sent: send_raw(&socket, &packet, target.into()),
        fingerprint: Some(marked(target.into(), GRE, marker)),
    })
}

fn hop_by_hop(target: Ipv6Addr, marker: [u8; 16]) -> io::Result<Shot> {
    // The source is the one that the system would take.
    let asked = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    asked.connect((target, DISCARD))?;
    let IpAddr::V6(source) = asked.local_addr()?.ip() else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let load = 8 + 8 + marker.len();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(load).map_err(io::Error::other)?.to_be_bytes());
    packet.extend([HOP_BY_HOP, 64]);
    packet.extend(source.octets());
    packet.extend(target.octets());
    // Next header, its length, and six bytes of padding (PadN).
    packet.extend([UDP, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend([0x6d, 0x71, 0, 9]);
    packet.extend(
        u16::try_from(8 + marker.len())
            .map_err(io::Error::other)?
            .to_be_bytes(),
    );
    // Nobody checks the sum of what nobody receives.
    packet.extend([0xff, 0xff]);
    packet.extend(marker);
    let socket = raw(AddressFamily::Inet6, SockProtocol::Raw)?;
    Ok(Shot {
        sent: send_raw(&socket, &packet, target.into()),
        fingerprint: Some(marked(target.into(), HOP_BY_HOP, marker)),
    })
}

fn marked(destination: IpAddr, protocol: u8, marker: [u8; 16]) -> Fingerprint {
    Fingerprint {
        destination,
        protocol,
        ports: None,
        marker: Some(marker),
    }
}

/// RFC 1035: one question for the address of `masq-NUMBER.invalid`.
fn question(number: u64) -> Vec<u8> {
    let mut packet = vec![0x6d, 0x71, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let label = format!("masq-{number:016x}");
    for label in [label.as_str(), "invalid"] {
        packet.push(label.len().try_into().expect("labels are short"));
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

fn any(target: IpAddr) -> (AddressFamily, SocketAddr) {
    match target {
        IpAddr::V4(_) => (AddressFamily::Inet, (Ipv4Addr::UNSPECIFIED, 0).into()),
        IpAddr::V6(_) => (AddressFamily::Inet6, (Ipv6Addr::UNSPECIFIED, 0).into()),
    }
}

fn marker(number: u64) -> [u8; 16] {
    let mut marker = *b"masq-tst........";
    marker[8..].copy_from_slice(&number.to_be_bytes());
    marker
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_checks() {
        let mut packet = vec![8, 0, 0, 0, 0x6d, 0x71, 0, 1, 5];
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&packet), 0);
    }

    #[test]
    fn errors_are_told_apart() {
        let of = |errno: Errno| said(&errno.into());
        assert!(matches!(of(Errno::ENETUNREACH), Sent::NoWay(_)));
        assert!(matches!(of(Errno::EPERM), Sent::Refused(_)));
        assert!(matches!(of(Errno::ENODEV), Sent::Impossible(_)));
    }
}
