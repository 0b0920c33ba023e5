//! The identity of a flow and the program that it belongs to.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A transport protocol whose flows have ports, or ICMP's echo, whose flows
/// have an identifier.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    /// Echo requests of either family; the source's port is the identifier.
    Icmp,
}

impl Protocol {
    /// The protocol's number in an IPv4 header (IANA).
    pub fn number(self) -> u8 {
        match self {
            Protocol::Icmp => 1,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }

    /// The protocol of a number that [`Protocol::number`] gave.
    pub fn from_number(number: u8) -> Option<Protocol> {
        match number {
            1 => Some(Protocol::Icmp),
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            _ => None,
        }
    }
}

/// What tells one flow from another; `source` is the local program's end.
///
/// Both addresses are of one family.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    pub protocol: Protocol,
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// Whose a flow is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// A process of this machine.
    By(Box<FlowOwner>),
    /// Nobody's here: the packets come from another network namespace or
    /// machine and are forwarded. The container that has the source address,
    /// where one was found.
    Forwarded(Option<Container>),
    /// Nobody could tell.
    Unknown,
}

/// The process that a flow belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowOwner {
    pub pid: u32,
    /// The user that made the socket.
    pub uid: u32,
    /// The name of that user; empty where the system lists none.
    pub user: String,
    /// Path of the executable file, empty when it cannot be read.
    pub path: PathBuf,
    /// The process's short name.
    pub name: String,
    /// What an interpreter runs: the process says so itself.
    pub script: Option<PathBuf>,
    /// The groups of the process, its own first.
    pub groups: Vec<Group>,
    /// Path of its control group below the root of the hierarchy.
    pub cgroup: Option<String>,
    /// The systemd unit of that control group.
    pub unit: Option<String>,
    pub container: Option<Container>,
    /// Its parent, the parent of that, and so on.
    pub parents: Vec<Parent>,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub gid: u32,
    /// Empty where the system lists none.
    pub name: String,
}

/// A container, as its manager names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: Option<String>,
}

/// A process above another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Empty when it cannot be read.
    pub path: PathBuf,
    pub name: String,
}

/// How many processes above one are looked at.
pub const PARENTS: usize = 8;
/// How many groups of one are.
pub const GROUPS: usize = 32;
