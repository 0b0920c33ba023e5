//! A flow: its five-tuple and what is kept for it.

use std::fmt;
use std::net::SocketAddr;

use crate::tcp::TcpFlow;
use crate::timers::Deadline;
use crate::udp::UdpFlow;

/// Transport protocol of a flow.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Names a flow as a packet of the local program does: from `source` to `destination`.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub struct FiveTuple {
    pub protocol: Protocol,
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

impl fmt::Display for FiveTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol} {} -> {}", self.source, self.destination)
    }
}

#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) tuple: FiveTuple,
    pub(crate) deadline: Deadline,
    pub(crate) kind: Kind,
}

impl AsMut<Deadline> for Flow {
    fn as_mut(&mut self) -> &mut Deadline {
        &mut self.deadline
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Tcp(TcpFlow),
    Udp(UdpFlow),
}
