//! What the stack tells its caller, and the small types of its methods.
//!
//! Events are edges: at most one of each kind waits per TCP flow. Read until [`Recv::Empty`] after
//! `TcpReadable`; send until nothing more is taken and wait for `TcpWritable`.

use std::net::IpAddr;

use bytes::Bytes;
use thiserror::Error;

use crate::flow::FiveTuple;
use crate::slab::FlowId;

/// Something happened to a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A program wants to connect; nothing is answered until `tcp_accept` or `tcp_refuse`.
    TcpSyn { flow: FlowId, tuple: FiveTuple },
    /// The handshake of an accepted flow is complete.
    TcpEstablished { flow: FlowId },
    /// There is something to receive.
    TcpReadable { flow: FlowId },
    /// There is room again after a send was not taken in full.
    TcpWritable { flow: FlowId },
    /// The program ended its direction; `tcp_recv` gives [`Recv::Eof`] once all is read.
    TcpEnd { flow: FlowId },
    /// The program reset the flow, or stopped answering; the id is no longer valid.
    TcpReset { flow: FlowId },
    /// Both directions ended and were acknowledged; the id is no longer valid.
    TcpClosed { flow: FlowId },
    /// A datagram; `new` for the first of a flow.
    UdpDatagram {
        flow: FlowId,
        tuple: FiveTuple,
        new: bool,
        payload: Bytes,
    },
    /// A UDP flow was idle for too long, evicted, or its program closed the port; the id is no longer valid.
    UdpExpired { flow: FlowId },
    /// A program pings; `echo_reply` or `echo_unreachable` answers.
    EchoRequest(Echo),
}

/// An ICMP or ICMPv6 echo request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub identifier: u16,
    pub sequence: u16,
    pub payload: Bytes,
}

/// How a flow is refused. The ICMP kinds become their ICMPv6 counterparts for IPv6.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// RST; for UDP the same as `PortUnreachable`.
    Reset,
    HostUnreachable,
    NetUnreachable,
    PortUnreachable,
    AdminProhibited,
}

/// What `tcp_recv` found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Recv<R> {
    /// The closure ran on data that arrived; this is what it returned.
    Data(R),
    /// Nothing now; `TcpReadable` or `TcpEnd` comes later.
    Empty,
    /// The program ended its direction and everything was received.
    Eof,
}

/// Why an operation on a flow could not be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Error)]
pub enum FlowError {
    #[error("no such flow")]
    NoFlow,
    #[error("the flow was reset")]
    Reset,
    #[error("our direction of the flow has ended or has not begun")]
    NotOpen,
    #[error("the datagram is larger than a packet can hold")]
    TooLarge,
    #[error("the transmit queue is full")]
    QueueFull,
}
