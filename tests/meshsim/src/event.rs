//! What happens to a Node at a time, and the queue of it.
//!
//! The order of two events of one Node depends on their time, on who caused them and on how many that one
//! had caused before; never on a thread. Events of different Nodes at one time do not touch each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use bytes::Bytes;
use masq_core::identity::NodeId;

use crate::plan::Leave;
use crate::time::Micros;

/// A link: who dialled it, and the number of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) dialler: u32,
    pub(crate) attempt: u32,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Micros,
    /// The member that caused it, and how many it had caused before.
    pub(crate) cause: (u32, u64),
    pub(crate) to: u32,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Start,
    Stop(Leave),
    /// A deadline of the core.
    Timer,
    /// Look whether a route can be built.
    Look {
        session: u32,
    },
    /// Begin a flow.
    Flow {
        session: u32,
    },
    Dial(Box<Dial>),
    /// The answer to a dial: it was taken, or why not.
    Dialled {
        attempt: u32,
        refused: Option<Refusal>,
    },
    DialTimeout {
        attempt: u32,
    },
    /// The handshake is done, seen from the one that was dialled.
    Established {
        link: LinkId,
        remote: SocketAddr,
    },
    Message {
        link: LinkId,
        message: Bytes,
    },
    LinkDown {
        link: LinkId,
        reason: &'static str,
    },
    Circuit(Box<Circuit>),
    /// What became of a circuit, at its originator.
    Ended(Box<Circuit>, Fate),
    /// The originator has heard nothing of a circuit.
    Overdue {
        session: u32,
        flow: u32,
        attempt: u8,
    },
}

#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) link: LinkId,
    pub(crate) wanted: NodeId,
    pub(crate) to: SocketAddr,
    pub(crate) from: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another Node answers at this address.
    Stranger,
    /// The Node does not want this link.
    Unwanted,
}

/// A circuit on its way out.
#[derive(Debug)]
pub(crate) struct Circuit {
    pub(crate) originator: u32,
    pub(crate) session: u32,
    pub(crate) flow: u32,
    pub(crate) attempt: u8,
    pub(crate) path: Vec<u32>,
    /// Which Node of the path it is at.
    pub(crate) place: usize,
    /// How long the way was so far.
    pub(crate) travelled: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Opened,
    /// A relay had no link with the next Node.
    NoNextHop,
    /// A link broke under it: the next Node was gone.
    LinkLost,
}

/// The events of one worker's Nodes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Event>>,
}

impl Queue {
    pub(crate) fn push(&mut self, event: Event) {
        self.heap.push(Reverse(event));
    }

    /// When the next event is.
    pub(crate) fn next(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse(event)| event.at)
    }

    /// The next event, if it is before this time.
    pub(crate) fn pop_before(&mut self, end: Micros) -> Option<Event> {
        if self.next()? >= end {
            return None;
        }
        self.heap.pop().map(|Reverse(event)| event)
    }
}

impl Event {
    fn order(&self) -> (Micros, (u32, u64), u32) {
        (self.at, self.cause, self.to)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}
