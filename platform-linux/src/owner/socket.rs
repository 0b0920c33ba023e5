//! Exact socket queries over NETLINK_SOCK_DIAG (sock_diag(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};

use masq_capture::{FiveTuple, Protocol};
use nix::sys::socket::SockProtocol;

use crate::netlink::Netlink;

/// What the kernel says of a socket.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// 0 once no process holds it.
    pub inode: u32,
    pub uid: u32,
    /// The kernel's number of the socket, never used twice.
    pub cookie: u64,
}

/// A connection to the kernel's socket diagnosis.
#[derive(Debug)]
pub struct SocketQuery {
    netlink: Netlink,
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

impl SocketQuery {
    pub fn open() -> io::Result<SocketQuery> {
        Ok(SocketQuery {
            netlink: Netlink::open(SockProtocol::NetlinkSockDiag)?,
        })
    }

    /// The local socket of a flow whose source is this machine.
    pub fn find(&mut self, tuple: &FiveTuple) -> io::Result<Option<Socket>> {
        let mut found = None;
        let asked = self
            .netlink
            .request(SOCK_DIAG_BY_FAMILY, 0, &encode(tuple), |answer| {
                if answer.kind == SOCK_DIAG_BY_FAMILY {
                    found = decode(answer.payload);
                }
            });
        match asked {
            Ok(()) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// struct inet_diag_req_v2: family, protocol, extensions, padding, states,
/// then the socket's id. The kernel looks a UDP socket up with the ends
/// exchanged (udp_diag.c says so: for historical reasons).
fn encode(tuple: &FiveTuple) -> Vec<u8> {
    const ANY_STATE: u32 = u32::MAX;
    const ANY_COOKIE: u64 = u64::MAX;
    let family = if tuple.source.is_ipv4() {
        FAMILY_V4
    } else {
        FAMILY_V6
    };
    let (first, second) = match tuple.protocol {
        Protocol::Tcp | Protocol::Icmp => (tuple.source, tuple.destination),
        Protocol::Udp => (tuple.destination, tuple.source),
    };
    let mut request = vec![family, tuple.protocol.number(), 0, 0];
    request.extend_from_slice(&ANY_STATE.to_ne_bytes());
    request.extend_from_slice(&first.port().to_be_bytes());
    request.extend_from_slice(&second.port().to_be_bytes());
    request.extend_from_slice(&padded(first));
    request.extend_from_slice(&padded(second));
    request.extend_from_slice(&0u32.to_ne_bytes());
    request.extend_from_slice(&ANY_COOKIE.to_ne_bytes());
    request
}

fn padded(address: SocketAddr) -> [u8; 16] {
    match address.ip() {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// struct inet_diag_msg: family, state, two bytes, the id of 48 bytes that ends
/// with the cookie, three words, then user and inode. None for a listener that only shares the
/// port.
fn decode(answer: &[u8]) -> Option<Socket> {
    const LISTENING: u8 = 10;
    const COOKIE: usize = 44;
    const UID: usize = 64;
    const INODE: usize = 68;
    let word = |at: usize| {
        answer
            .get(at..at + 4)?
            .first_chunk()
            .map(|bytes| u32::from_ne_bytes(*bytes))
    };
    let state = *answer.get(1)?;
    let cookie = answer
        .get(COOKIE..COOKIE + 8)?
        .first_chunk()
        .map(|bytes| u64::from_ne_bytes(*bytes))?;
    let socket = Socket {
        inode: word(INODE)?,
        uid: word(UID)?,
        cookie,
    };
    (state != LISTENING).then_some(socket)
}
