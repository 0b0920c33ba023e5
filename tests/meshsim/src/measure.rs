//! What is counted while the simulation runs.

use crate::time::{Micros, SECOND};

/// How long a Node counts as young after its start.
pub const YOUNG: Micros = 120 * SECOND;
/// The width of a bucket of a curve.
pub const BUCKET: Micros = 30 * SECOND;

/// What one Node did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Each start, and when a route was first found after it.
    pub joins: Vec<(Micros, Option<Micros>)>,
    /// Sent within [`YOUNG`] of a start.
    pub young: Traffic,
    /// Sent in the settled mesh.
    pub steady: Traffic,
    /// Bytes received in the settled mesh.
    pub steady_received: u64,
    /// Circuits passed on or ended as an exit.
    pub carried: u64,
    /// Circuits dropped by a malicious Node.
    pub swallowed: u64,
    /// Flows for which the Node knew no route.
    pub no_route: u64,
    /// Links dialled.
    pub dials: u64,
    /// Records taken into the view that their owner never signed.
    pub believed_forgeries: u64,
}

/// Gossip.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Bytes of messages with their lengths.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// A flow that was tried.
#[derive(Clone, Copy, Debug)]
pub struct FlowEnd {
    /// When it began.
    pub began: Micros,
    /// Routes tried.
    pub attempts: u8,
    /// Whether the last one opened.
    pub succeeded: bool,
}

/// What the Nodes of one worker did over time.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Gossip of honest Nodes in each [`BUCKET`].
    pub sent: Vec<Traffic>,
    /// Every flow.
    pub flows: Vec<FlowEnd>,
    /// Circuits refused for want of a link to the next Node.
    pub no_next_hop: u64,
    /// Circuits whose link broke.
    pub link_lost: u64,
    /// Circuits of which nothing was heard.
    pub overdue: u64,
    /// Routes with a Node that does not exist.
    pub invented: u64,
    /// Events handled.
    pub events: u64,
}

/// One Node at one moment.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub member: u32,
    /// How long it has been running.
    pub age: Micros,
    /// Its neighbors whose link is up.
    pub neighbors: Vec<u32>,
    /// Its links with Nodes that only consume.
    pub clients: usize,
    /// Records it holds.
    pub records: usize,
    /// Whether it has found a route since its start.
    pub found: bool,
}

impl Traffic {
    pub(crate) fn add(&mut self, other: Traffic) {
        self.bytes += other.bytes;
        self.messages += other.messages;
    }
}

impl Tally {
    pub(crate) fn started(&mut self, now: Micros) {
        self.joins.push((now, None));
    }

    pub(crate) fn found(&mut self, now: Micros) {
        if let Some((_, found)) = self.joins.last_mut() {
            found.get_or_insert(now);
        }
    }

    pub(crate) fn sent(&mut self, bytes: u64, young: bool, steady: bool) {
        let message = Traffic { bytes, messages: 1 };
        if young {
            self.young.add(message);
        }
        if steady {
            self.steady.add(message);
        }
    }

    pub(crate) fn received(&mut self, bytes: u64, steady: bool) {
        if steady {
            self.steady_received += bytes;
        }
    }
}

impl Series {
    pub(crate) fn sent(&mut self, now: Micros, bytes: u64) {
        let place = usize::try_from(now / BUCKET).expect("a run has few buckets");
        if self.sent.len() <= place {
            self.sent.resize(place + 1, Traffic::default());
        }
        self.sent[place].add(Traffic { bytes, messages: 1 });
    }

    pub(crate) fn flow(&mut self, end: FlowEnd) {
        self.flows.push(end);
    }

    pub(crate) fn failed(&mut self, no_next_hop: bool) {
        match no_next_hop {
            true => self.no_next_hop += 1,
            false => self.link_lost += 1,
        }
    }

    pub(crate) fn overdue(&mut self) {
        self.overdue += 1;
    }

    pub(crate) fn invented(&mut self) {
        self.invented += 1;
    }

    pub(crate) fn join(&mut self, other: Series) {
        if self.sent.len() < other.sent.len() {
            self.sent.resize(other.sent.len(), Traffic::default());
        }
        for (sum, more) in self.sent.iter_mut().zip(&other.sent) {
            sum.add(*more);
        }
        self.flows.extend(other.flows);
        self.no_next_hop += other.no_next_hop;
        self.link_lost += other.link_lost;
        self.overdue += other.overdue;
        self.invented += other.invented;
        self.events += other.events;
    }
}
