//! What is known of a system's resolver, in the form that decisions are made
//! from. Filled by the platform, by hand in tests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that a decision looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub resolv_conf: ResolvConf,
    /// `systemd-resolved`, if it has its name on the bus.
    pub resolved: Option<Resolved>,
    /// `NetworkManager`, if it has its name on the bus.
    pub network_manager: Option<NetworkManager>,
    /// Which program is called `resolvconf` here.
    pub resolvconf: Option<Resolvconf>,
    /// `/etc/nsswitch.conf`: whom the C library asks before `resolv.conf` counts.
    pub nsswitch: String,
    /// Whom all of them ask in the end.
    pub upstream: Vec<IpAddr>,
    /// Identity of this boot.
    pub boot: String,
}

/// `/etc/resolv.conf` as it lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    pub snapshot: Snapshot,
    /// Where a link ends.
    pub target: Option<PathBuf>,
    /// What a reader gets, through a link too; nothing if it cannot be read.
    pub content: Option<Vec<u8>>,
    /// Something is mounted on it, so that it cannot be replaced.
    pub mounted: bool,
}

/// What brings the directory entry back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Snapshot {
    #[default]
    Missing,
    Link {
        text: PathBuf,
    },
    File {
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
        immutable: bool,
    },
}

/// What systemd-resolved asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Its servers that belong to no link.
    pub global: Vec<IpAddr>,
    /// The domains whose names these get, whatever a link says.
    pub global_domains: Vec<Domain>,
    /// Its links but for loopback.
    pub links: Vec<Link>,
}

/// A link as systemd-resolved sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub index: i32,
    pub name: String,
    /// Whether the link carries the default route of the kernel.
    #[serde(skip)]
    pub leads_out: bool,
    #[serde(flatten)]
    pub dns: LinkDns,
}

/// What a link has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDns {
    pub servers: Vec<Server>,
    pub domains: Vec<Domain>,
    /// Whether it is asked for names that no domain claims; never changed.
    pub default_route: bool,
    /// Empty: as systemd-resolved has it for all links.
    pub over_tls: String,
    /// The same.
    pub dnssec: String,
}

/// A server of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub address: IpAddr,
    pub port: u16,
    pub name: String,
}

/// A domain of a link: one to search in, or one that only routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub name: String,
    pub route_only: bool,
}

/// How NetworkManager treats the resolver (its D-Bus properties `Mode`,
/// `RcManager` and `GlobalDnsConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkManager {
    pub mode: String,
    pub rc_manager: String,
    pub global: GlobalDns,
    /// What its connections ask, also behind a forwarder.
    pub servers: Vec<IpAddr>,
}

/// NetworkManager's configuration for all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalDns {
    pub searches: Vec<String>,
    pub options: Vec<String>,
    pub domains: BTreeMap<String, GlobalDomain>,
}

/// Servers for the names below one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalDomain {
    pub servers: Vec<String>,
    pub options: Vec<String>,
}

/// The programs that are called `resolvconf`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolvconf {
    Openresolv,
    Debian,
    /// `resolvectl` under that name: a way to systemd-resolved, no manager.
    Resolvectl,
}
