//! What crosses the wire, counted by nftables in the router's namespace.
//!
//! Every packet that a host sends is seen once, before routing, on the host's cable. Each host has the
//! counters `NAME_mesh` (UDP to the mesh's port), `NAME_neighbor` (ARP is not IP; IPv6 neighbor discovery)
//! and `NAME_other` (all else). For a host whose traffic is captured, `other` is what leaked.
//! `NAME_received` counts all that is sent to it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::namespace;

/// The UDP port on which the laboratory's Nodes listen.
pub const MESH_PORT: u16 = 5678;

/// A packet counter's reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

impl std::ops::Sub for Count {
    type Output = Count;

    fn sub(self, earlier: Count) -> Count {
        Count {
            packets: self.packets.saturating_sub(earlier.packets),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

/// The counters of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub mesh: Count,
    pub neighbor: Count,
    pub other: Count,
    pub received: Count,
}

/// Makes the table, with chains that no packet meets yet.
pub(crate) fn prepare(wan: &str) -> Result<()> {
    nft(
        wan,
        "table inet wire {\n\
           chain sent { type filter hook prerouting priority raw; policy accept; }\n\
           chain delivered { type filter hook postrouting priority srcnat; policy accept; }\n\
         }\n",
    )
    .map(drop)
}

/// Begins to count what `host` sends and is sent; only UDP to the port of one of `neighbors` is mesh.
pub fn watch(wan: &str, host: &Host, neighbors: &[&Host]) -> Result<()> {
    let name = host.name();
    let mut rules = format!(
        "add counter inet wire {name}_mesh\nadd counter inet wire {name}_neighbor\n\
         add counter inet wire {name}_other\nadd counter inet wire {name}_received\n\
         add rule inet wire delivered oifname {name} counter name {name}_received\n\
         add rule inet wire sent iifname {name} icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, \
         nd-neighbor-advert, mld-listener-report, mld2-listener-report }} counter name {name}_neighbor accept\n"
    );
    for neighbor in neighbors {
        rules.push_str(&format!(
            "add rule inet wire sent iifname {name} ip daddr {} udp dport {MESH_PORT} counter name {name}_mesh accept\n\
             add rule inet wire sent iifname {name} ip6 daddr {} udp dport {MESH_PORT} counter name {name}_mesh accept\n",
            neighbor.v4(),
            neighbor.v6()
        ));
    }
    rules.push_str(&format!(
        "add rule inet wire sent iifname {name} counter name {name}_other\n"
    ));
    nft(wan, &rules).map(drop)
}

/// Begins to count what `receiver` is sent by `sender`.
pub fn watch_pair(wan: &str, sender: &Host, receiver: &Host) -> Result<()> {
    let (from, to) = (sender.name(), receiver.name());
    nft(
        wan,
        &format!(
            "add counter inet wire {from}_to_{to}\n\
             add rule inet wire delivered iifname {from} oifname {to} counter name {from}_to_{to}\n"
        ),
    )
}

/// Reads the counter of a watched pair.
pub fn read_pair(wan: &str, sender: &Host, receiver: &Host) -> Result<Count> {
    let wanted = format!("{}_to_{}", sender.name(), receiver.name());
    counter(&listing(wan)?, &wanted)
}

/// Reads the counters of one watched host.
pub fn read(wan: &str, host: &Host) -> Result<Counts> {
    let listing = listing(wan)?;
    let counter = |kind: &str| counter(&listing, &format!("{}_{kind}", host.name()));
    Ok(Counts {
        mesh: counter("mesh")?,
        neighbor: counter("neighbor")?,
        other: counter("other")?,
        received: counter("received")?,
    })
}

fn listing(wan: &str) -> Result<serde_json::Value> {
    let output = namespace::inside(wan, || {
        Command::new("nft")
            .args(["-j", "list", "counters", "table", "inet", "wire"])
            .output()
    })?
    .context("Failed to start nft")?;
    serde_json::from_slice(&output.stdout).context("Failed to read nft's counters")
}

fn counter(listing: &serde_json::Value, wanted: &str) -> Result<Count> {
    let objects = listing["nftables"]
        .as_array()
        .context("nft lists objects")?;
    let found = objects
        .iter()
        .map(|object| &object["counter"])
        .find(|counter| counter["name"] == wanted);
    let Some(found) = found else {
        bail!("{wanted} is not watched");
    };
    Ok(Count {
        packets: found["packets"].as_u64().unwrap_or_default(),
        bytes: found["bytes"].as_u64().unwrap_or_default(),
    })
}

fn nft(wan: &str, script: &str) -> Result<()> {
    namespace::inside(wan, || {
        namespace::run_quiet("nft", &["-f", "-"], Some(script))
    })?
}
