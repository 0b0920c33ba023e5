//! Sends harmless packets of each kind and sees where they leave: for
//! `masq selftest --leaks`.
//!
//! A packet socket hears what every interface sends, as `tcpdump` would. The
//! probes go to addresses of documentation ranges, which nobody has, from
//! ports of their own, so that what the Node sends for them is not taken for
//! them. Needs root, changes nothing, decides nothing.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use masq_capture::plan::TUN_IPV4;
use nix::ifaddrs::getifaddrs;

mod packet;
mod probe;
mod watch;

pub use packet::Fingerprint;
pub use probe::{Probe, Sent};
use watch::Watch;

/// How long a probe may take to leave: a neighbor is asked for its hardware
/// address, and a SYN is sent again after a second.
const PATIENCE: Duration = Duration::from_millis(2500);

/// What became of one probe.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What the system said to its sender.
    pub sent: Sent,
    pub fingerprint: Option<Fingerprint>,
    /// Names of real interfaces by which it left.
    pub left_by: BTreeSet<String>,
    /// Whether it entered the TUN.
    pub captured: bool,
}

/// Where probes go; drawn anew for each run.
#[derive(Copy, Clone, Debug)]
pub struct Targets {
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    pub router4: Option<Ipv4Addr>,
    seed: u64,
}

impl Targets {
    pub fn draw() -> io::Result<Targets> {
        let mut random = [0; 8];
        io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
        let [a, b, c, ..] = random;
        // TEST-NET-2 (RFC 5737) and a prefix within RFC 3849's.
        Ok(Targets {
            v4: Ipv4Addr::new(198, 51, 100, a.clamp(9, 250)),
            v6: Ipv6Addr::new(0x2001, 0xdb8, 0x1eaf, b.into(), c.into(), 0, 0, 9),
            router4: router(),
            seed: u64::from_ne_bytes(random),
        })
    }
}

/// Sends all probes, each before the patience for the last one ends.
pub fn run(targets: &Targets, probes: &[Probe]) -> io::Result<Vec<Sighting>> {
    let tun = tun_name()?;
    let watch = Watch::start()?;
    let mut sent = Vec::new();
    for (index, probe) in (0u64..).zip(probes) {
        sent.push(probe.send(targets, targets.seed.wrapping_add(index)));
        std::thread::sleep(Duration::from_millis(30));
    }
    std::thread::sleep(PATIENCE);
    let seen = watch.stop()?;
    Ok(sent
        .into_iter()
        .map(|shot| {
            let mut sighting = Sighting {
                sent: shot.sent,
                fingerprint: shot.fingerprint,
                left_by: BTreeSet::new(),
                captured: false,
            };
            let Some(fingerprint) = &sighting.fingerprint else {
                return sighting;
            };
            for packet in &seen {
                if !fingerprint.fits(&packet.bytes) {
                    continue;
                }
                if Some(&packet.interface) == tun.as_ref() {
                    sighting.captured = true;
                } else {
                    sighting.left_by.insert(packet.interface.clone());
                }
            }
            sighting
        })
        .collect())
}

/// The interface of a capture has an address that no other has.
fn tun_name() -> io::Result<Option<String>> {
    let own = getifaddrs()?.find(|interface| {
        let address = interface.address.as_ref();
        address
            .and_then(|address| address.as_sockaddr_in())
            .map(|v4| v4.ip())
            == Some(TUN_IPV4)
    });
    Ok(own.map(|interface| interface.interface_name))
}

/// The gateway of the first default route of /proc/net/route.
fn router() -> Option<Ipv4Addr> {
    let table = std::fs::read_to_string("/proc/thread-self/net/route").ok()?;
    let gateway = table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, destination, gateway, ..] = fields[..] else {
            return None;
        };
        (destination == "00000000" && gateway != "00000000").then(|| gateway.to_owned())
    })?;
    let number = u32::from_str_radix(&gateway, 16).ok()?;
    Some(Ipv4Addr::from(number.to_ne_bytes()))
}

/// The interface of that route.
pub fn uplink() -> Option<String> {
    let table = std::fs::read_to_string("/proc/thread-self/net/route").ok()?;
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?;
        (fields.next()? == "00000000").then(|| name.to_owned())
    })
}
