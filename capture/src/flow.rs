//! The identity of a flow and the program that it belongs to.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A transport protocol whose flows have ports.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// The protocol's number in an IP header (IANA).
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
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

/// The process that a flow belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOwner {
    pub pid: u32,
    pub uid: u32,
    /// Path of the executable file, empty when it cannot be read.
    pub path: PathBuf,
    /// The process's short name.
    pub name: String,
    /// Path of its control group below the root of the hierarchy.
    pub cgroup: Option<String>,
}
