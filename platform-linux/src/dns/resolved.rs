//! systemd-resolved over D-Bus (org.freedesktop.resolve1(5)), and
//! systemd-networkd where it keeps a link to itself.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use masq_dns::Failure;
use masq_dns::environment::{Domain, Link, LinkDns, Resolved, Server};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{DynamicType, OwnedObjectPath};

use crate::capture::fault;

const NAME: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";
const MANAGER: &str = "org.freedesktop.resolve1.Manager";
const LINK: &str = "org.freedesktop.resolve1.Link";
/// What a link of systemd-networkd's is refused with.
const BUSY: &str = "org.freedesktop.resolve1.LinkBusy";
const NETWORKD: &str = "org.freedesktop.network1";
const NETWORKD_PATH: &str = "/org/freedesktop/network1";
const NETWORKD_MANAGER: &str = "org.freedesktop.network1.Manager";

/// AF_INET and AF_INET6 of Linux.
const FAMILY_V4: i32 = 2;
const FAMILY_V6: i32 = 10;

type WireServer = (i32, Vec<u8>, u16, String);

pub(super) fn observe(bus: &Connection) -> Option<Resolved> {
    if !super::has_owner(bus, NAME) {
        return None;
    }
    let manager = proxy(bus, NAME, PATH.to_owned(), MANAGER).ok()?;
    let all: Vec<(i32, i32, Vec<u8>)> = manager.get_property("DNS").unwrap_or_default();
    let domains: Vec<(i32, String, bool)> = manager.get_property("Domains").unwrap_or_default();
    let global_domains = domains
        .into_iter()
        .filter(|(index, ..)| *index == 0)
        .map(|(_, name, route_only)| Domain { name, route_only })
        .collect();
    let global = all
        .iter()
        .filter(|(index, ..)| *index == 0)
        .filter_map(|(_, family, bytes)| address(*family, bytes))
        .collect();
    let routes = routes_out();
    let links = names()
        .into_iter()
        .filter_map(|name| {
            let index = i32::try_from(if_nametoindex(name.as_str()).ok()?).ok()?;
            let dns = link(bus, &manager, index)?;
            let leads_out = routes.contains(&name);
            Some(Link {
                index,
                name,
                leads_out,
                dns,
            })
        })
        .collect();
    Some(Resolved {
        global,
        global_domains,
        links,
    })
}

fn link(bus: &Connection, manager: &Proxy<'_>, index: i32) -> Option<LinkDns> {
    let path: OwnedObjectPath = manager.call("GetLink", &(index,)).ok()?;
    let link = proxy(bus, NAME, path.to_string(), LINK).ok()?;
    let servers: Vec<WireServer> = link.get_property("DNSEx").ok()?;
    let domains: Vec<(String, bool)> = link.get_property("Domains").ok()?;
    Some(LinkDns {
        servers: servers
            .into_iter()
            .filter_map(|(family, bytes, port, name)| {
                let address = address(family, &bytes)?;
                Some(Server {
                    address,
                    port,
                    name,
                })
            })
            .collect(),
        domains: domains
            .into_iter()
            .map(|(name, route_only)| Domain { name, route_only })
            .collect(),
        default_route: link.get_property("DefaultRoute").unwrap_or_default(),
        over_tls: of_its_own(manager, &link, "DNSOverTLS"),
        dnssec: of_its_own(manager, &link, "DNSSEC"),
    })
}

/// A link that has none shows the one of all; set on the link, it would stay when that one changes.
fn of_its_own(manager: &Proxy<'_>, link: &Proxy<'_>, property: &str) -> String {
    let of = |proxy: &Proxy<'_>| proxy.get_property::<String>(property).unwrap_or_default();
    let own = of(link);
    if own == of(manager) {
        return String::new();
    }
    own
}

pub(super) fn set_link(bus: &Connection, link: &Link) -> Result<(), Failure> {
    let dns = &link.dns;
    let servers: Vec<WireServer> = dns
        .servers
        .iter()
        .map(|server| {
            let (family, bytes) = wire(server.address);
            (family, bytes, server.port, server.name.clone())
        })
        .collect();
    let domains: Vec<(&str, bool)> = dns
        .domains
        .iter()
        .map(|domain| (domain.name.as_str(), domain.route_only))
        .collect();
    tell(bus, "SetLinkDNSEx", &(link.index, servers))?;
    fault::point("dns-link-servers", "after");
    tell(bus, "SetLinkDomains", &(link.index, domains))?;
    fault::point("dns-link-domains", "after");
    // Built without one of these, it has nothing to switch off.
    let _ = tell(bus, "SetLinkDNSOverTLS", &(link.index, &dns.over_tls));
    let _ = tell(bus, "SetLinkDNSSEC", &(link.index, &dns.dnssec));
    Ok(())
}

/// Not by `RevertLink`, which takes LLMNR and multicast DNS along; systemd-networkd knows itself what its
/// links had.
pub(super) fn restore_link(bus: &Connection, link: &Link) -> Result<(), Failure> {
    let networkd = || -> zbus::Result<bool> {
        let manager = proxy(bus, NAME, PATH.to_owned(), MANAGER)?;
        // What it has is set again: asked is only whose the link is.
        match manager.call_method("SetLinkDNSSEC", &(link.index, &link.dns.dnssec)) {
            Err(zbus::Error::MethodError(name, ..)) if name.as_str() == BUSY => {
                let networkd = proxy(bus, NETWORKD, NETWORKD_PATH.to_owned(), NETWORKD_MANAGER)?;
                networkd.call_method("RevertLinkDNS", &(link.index,))?;
                Ok(true)
            }
            Ok(_) | Err(_) => Ok(false),
        }
    };
    match networkd() {
        Ok(true) => Ok(()),
        Ok(false) => set_link(bus, link),
        Err(error) => Err(super::failed("systemd-networkd, RevertLinkDNS", &error)),
    }
}

/// Answers of before; a cache that stays is no reason to fail.
pub(super) fn flush_caches(bus: &Connection) {
    let _ = tell(bus, "FlushCaches", &());
}

/// Calls resolved; for a link of systemd-networkd's, networkd.
fn tell<B>(bus: &Connection, method: &str, body: &B) -> Result<(), Failure>
where
    B: serde::Serialize + DynamicType,
{
    let failed = |error: zbus::Error| super::failed(&format!("systemd-resolved, {method}"), &error);
    let manager = proxy(bus, NAME, PATH.to_owned(), MANAGER).map_err(failed)?;
    match manager.call_method(method, body) {
        Ok(_) => Ok(()),
        Err(zbus::Error::MethodError(name, ..)) if name.as_str() == BUSY => {
            let networkd = proxy(bus, NETWORKD, NETWORKD_PATH.to_owned(), NETWORKD_MANAGER);
            let answer = networkd.and_then(|networkd| networkd.call_method(method, body));
            answer.map(|_| ()).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn proxy(
    bus: &Connection,
    name: &'static str,
    path: String,
    face: &'static str,
) -> zbus::Result<Proxy<'static>> {
    zbus::blocking::proxy::Builder::new(bus)
        .destination(name)?
        .path(path)?
        .interface(face)?
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
}

fn address(family: i32, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_V4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        FAMILY_V6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn wire(address: IpAddr) -> (i32, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (FAMILY_V4, address.octets().to_vec()),
        IpAddr::V6(address) => (FAMILY_V6, address.octets().to_vec()),
    }
}

/// Interfaces that are up and not loopback, each once, by name.
fn names() -> Vec<String> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut names: Vec<String> = all
        .filter(|found| {
            found.flags.contains(InterfaceFlags::IFF_UP)
                && !found.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        })
        .filter(|found| {
            found.address.as_ref().is_some_and(|address| {
                address.as_sockaddr_in().is_some() || address.as_sockaddr_in6().is_some()
            })
        })
        .map(|found| found.interface_name)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Interfaces with a default route: destination and mask 0 in the kernel's tables.
fn routes_out() -> HashSet<String> {
    let v4 = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let v6 = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let zeros = |text: &str| text.bytes().all(|byte| byte == b'0');
    let of_v4 = v4.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let out = zeros(fields.get(1)?) && zeros(fields.get(7)?);
        out.then(|| fields[0].to_owned())
    });
    let of_v6 = v6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let out = zeros(fields.first()?) && zeros(fields.get(1)?);
        out.then(|| fields.last().map(|name| (*name).to_owned()))?
    });
    of_v4.chain(of_v6).filter(|name| name != "lo").collect()
}
