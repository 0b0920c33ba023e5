//! Interfaces, addresses and routes of the namespace, over netlink: a program
//! like `ip` would lose its capabilities when it is executed.

use std::fs;
use std::io;

use masq_capture::plan::{TUN_IPV4, TUN_IPV6, TUN_MTU};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockProtocol;
use nix::unistd::Gid;

use crate::netlink::{FLAG_ACKNOWLEDGE, FLAG_CREATE, FLAG_REPLACE, Netlink, attribute};
use crate::tun;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

pub(super) fn configure(name: &str) -> io::Result<()> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    let loopback = if_nametoindex("lo")?;
    let index = if_nametoindex(name)?;
    tun::quiet(name);
    set_up(&mut netlink, loopback, None)?;
    set_up(&mut netlink, index, Some(TUN_MTU))?;
    add_address(&mut netlink, index, FAMILY_V4, &TUN_IPV4.octets())?;
    add_default_route(&mut netlink, index, FAMILY_V4)?;
    if fs::metadata("/proc/sys/net/ipv6").is_ok() {
        add_address(&mut netlink, index, FAMILY_V6, &TUN_IPV6.octets())?;
        add_default_route(&mut netlink, index, FAMILY_V6)?;
    }
    // Lets `ping` work without privilege; it is no more than a convenience.
    let group = Gid::effective();
    let _ = fs::write(
        "/proc/sys/net/ipv4/ping_group_range",
        format!("{group} {group}"),
    );
    Ok(())
}

/// struct ifinfomsg: family, padding, type, index, flags, changed flags.
fn set_up(netlink: &mut Netlink, index: u32, mtu: Option<u32>) -> io::Result<()> {
    const UP: u32 = 1;
    const MTU: u16 = 4;
    let mut message = vec![0; 4];
    for word in [index, UP, UP] {
        message.extend_from_slice(&word.to_ne_bytes());
    }
    if let Some(mtu) = mtu {
        attribute(&mut message, MTU, &mtu.to_ne_bytes());
    }
    acknowledged(netlink, NEW_LINK, 0, &message)
}

/// struct ifaddrmsg: family, prefix length, flags, scope, index.
fn add_address(netlink: &mut Netlink, index: u32, family: u8, address: &[u8]) -> io::Result<()> {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const NO_DUPLICATE_DETECTION: u8 = 2;
    let bits = u8::try_from(address.len() * 8).map_err(io::Error::other)?;
    let flags = if family == FAMILY_V6 {
        NO_DUPLICATE_DETECTION
    } else {
        0
    };
    let mut message = vec![family, bits, flags, 0];
    message.extend_from_slice(&index.to_ne_bytes());
    attribute(&mut message, LOCAL, address);
    attribute(&mut message, ADDRESS, address);
    acknowledged(netlink, NEW_ADDRESS, FLAG_CREATE | FLAG_REPLACE, &message)
}

/// struct rtmsg: family, two prefix lengths, tos, table, origin, scope, type.
fn add_default_route(netlink: &mut Netlink, index: u32, family: u8) -> io::Result<()> {
    const MAIN: u8 = 254;
    const STATIC: u8 = 4;
    const UNICAST: u8 = 1;
    const LINK: u8 = 253;
    const OUTPUT: u16 = 4;
    let scope = if family == FAMILY_V4 { LINK } else { 0 };
    let mut message = vec![family, 0, 0, 0, MAIN, STATIC, scope, UNICAST];
    message.extend_from_slice(&0u32.to_ne_bytes());
    attribute(&mut message, OUTPUT, &index.to_ne_bytes());
    acknowledged(netlink, NEW_ROUTE, FLAG_CREATE, &message)
}

fn acknowledged(netlink: &mut Netlink, kind: u16, flags: u16, message: &[u8]) -> io::Result<()> {
    netlink.request(kind, flags | FLAG_ACKNOWLEDGE, message, |_| {})
}
