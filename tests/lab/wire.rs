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

/// Reads the counters of one watched host.
pub fn read(wan: &str, host: &Host) -> Result<Counts> {
    let name = host.name();
    let output = namespace::inside(wan, || {
        Command::new("nft")
            .args(["-j", "list", "counters", "table", "inet", "wire"])
            .output()
    })?
    .context("Failed to start nft")?;
    let listing: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("Failed to read nft's counters")?;
    let objects = listing["nftables"]
        .as_array()
        .context("nft lists objects")?;
    let counter = |kind: &str| -> Result<Count> {
        let wanted = format!("{name}_{kind}");
        let found = objects
            .iter()
            .map(|object| &object["counter"])
            .find(|counter| counter["name"] == wanted.as_str());
        let Some(found) = found else {
            bail!("host {name} is not watched");
        };
        Ok(Count {
            packets: found["packets"].as_u64().unwrap_or_default(),
            bytes: found["bytes"].as_u64().unwrap_or_default(),
        })
    };
    Ok(Counts {
        mesh: counter("mesh")?,
        neighbor: counter("neighbor")?,
        other: counter("other")?,
        received: counter("received")?,
    })
}

fn nft(wan: &str, script: &str) -> Result<()> {
    namespace::inside(wan, || {
        namespace::run_quiet("nft", &["-f", "-"], Some(script))
    })?
}
