//! Containers on a host, as dockerd makes them: a bridge, its firewall rules, a published port.
//!
//! The rules are those of dockerd with `iptables-nft` (bridge `docker0`, no user networks), written for
//! nft. A container is a [`Host`] of its own, with addresses behind the bridge.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::host::Host;
use crate::lab::{UPLINK, set};
use crate::namespace;

/// The bridge's name, as dockerd calls it.
pub const BRIDGE: &str = "docker0";
const GATEWAY4: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xd0c, 0, 0, 0, 0, 0, 1);

/// Two containers, `c1` and `c2`.
#[derive(Debug)]
pub struct Containers {
    pub first: Host,
    pub second: Host,
}

impl Containers {
    /// Makes bridge, rules and containers on `host`; port `published` of the host is port `inside` of the first.
    pub fn start(host: &Host, published: u16, inside: u16) -> Result<Self> {
        host.inside(|| -> Result<()> {
            set("net/ipv4/ip_forward", "1")?;
            set("net/ipv6/conf/all/forwarding", "1")
        })??;
        namespace::ip_batch(
            host.namespace(),
            &format!(
                "link add {BRIDGE} type bridge\n\
                 addr add {GATEWAY4}/16 dev {BRIDGE}\n\
                 addr add {GATEWAY6}/64 dev {BRIDGE} nodad\n\
                 link set {BRIDGE} up\n"
            ),
        )?;
        host.inside(|| {
            namespace::run_quiet("nft", &["-f", "-"], Some(&rules(published, inside)))
        })??;
        Ok(Self {
            first: join(host, 1)?,
            second: join(host, 2)?,
        })
    }
}

fn join(host: &Host, number: u8) -> Result<Host> {
    let last = number + 1;
    let container = Host::new(
        &format!("c{number}"),
        format!("{}-c{number}", host.namespace()),
        Ipv4Addr::new(172, 17, 0, last),
        Ipv6Addr::new(0xfd00, 0xd0c, 0, 0, 0, 0, 0, last.into()),
        host.lab_folder().to_owned(),
    );
    let (inside, port) = (container.namespace(), format!("veth{number}"));
    namespace::create(inside)?;
    container.inside(|| set("net/ipv6/conf/default/accept_dad", "0"))??;
    namespace::ip(&[
        "-n",
        host.namespace(),
        "link",
        "add",
        &port,
        "type",
        "veth",
        "peer",
        "name",
        UPLINK,
        "netns",
        inside,
    ])?;
    namespace::ip_batch(
        host.namespace(),
        &format!("link set {port} master {BRIDGE}\nlink set {port} up\n"),
    )?;
    namespace::ip_batch(
        inside,
        &format!(
            "link set lo up\n\
             addr add {}/16 dev {UPLINK}\n\
             addr add {}/64 dev {UPLINK} nodad\n\
             link set {UPLINK} up\n\
             route add default via {GATEWAY4}\n\
             route add default via {GATEWAY6}\n",
            container.v4(),
            container.v6()
        ),
    )?;
    Ok(container)
}

fn rules(published: u16, inside: u16) -> String {
    let family = |family: &str, subnet: &str, loopback: &str, first: &str| {
        format!(
            "table {family} nat {{\n\
               chain DOCKER {{\n\
                 iifname \"{BRIDGE}\" return\n\
                 iifname != \"{BRIDGE}\" tcp dport {published} dnat to {first}:{inside}\n\
               }}\n\
               chain PREROUTING {{ type nat hook prerouting priority dstnat; policy accept;\n\
                 fib daddr type local jump DOCKER\n\
               }}\n\
               chain OUTPUT {{ type nat hook output priority -100; policy accept;\n\
                 {family} daddr != {loopback} fib daddr type local jump DOCKER\n\
               }}\n\
               chain POSTROUTING {{ type nat hook postrouting priority srcnat; policy accept;\n\
                 {family} saddr {subnet} oifname != \"{BRIDGE}\" masquerade\n\
               }}\n\
             }}\n\
             table {family} filter {{\n\
               chain DOCKER-USER {{ return\n }}\n\
               chain DOCKER {{\n\
                 iifname != \"{BRIDGE}\" oifname \"{BRIDGE}\" tcp dport {inside} accept\n\
               }}\n\
               chain DOCKER-ISOLATION-STAGE-2 {{ oifname \"{BRIDGE}\" drop\n return\n }}\n\
               chain DOCKER-ISOLATION-STAGE-1 {{\n\
                 iifname \"{BRIDGE}\" oifname != \"{BRIDGE}\" jump DOCKER-ISOLATION-STAGE-2\n return\n\
               }}\n\
               chain FORWARD {{ type filter hook forward priority filter; policy drop;\n\
                 jump DOCKER-USER\n\
                 jump DOCKER-ISOLATION-STAGE-1\n\
                 oifname \"{BRIDGE}\" ct state related,established accept\n\
                 oifname \"{BRIDGE}\" jump DOCKER\n\
                 iifname \"{BRIDGE}\" oifname != \"{BRIDGE}\" accept\n\
                 iifname \"{BRIDGE}\" oifname \"{BRIDGE}\" accept\n\
               }}\n\
             }}\n"
        )
    };
    family("ip", "172.17.0.0/16", "127.0.0.0/8", "172.17.0.2")
        + &family("ip6", "fd00:d0c::/64", "::1/128", "[fd00:d0c::2]")
}
