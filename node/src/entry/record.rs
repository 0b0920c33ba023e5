//! What is known of a flow, and the log that says so: one JSON line for each
//! flow that ended (`docs/flow-log.md`).

use super::owner::{App, Owner};
use super::pace::Pace;
use masq_capture::Protocol;
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure, Place};
use masq_core::flow_kind;
use masq_core::identity::NodeId;
use serde::Serialize;
use std::cell::{Cell, Ref, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Lines that wait for the disk; more are counted and lost.
const QUEUE: usize = 4_096;

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Tcp,
    Udp,
    Dns,
}

impl Kind {
    pub fn protocol(self) -> Protocol {
        match self {
            Kind::Tcp => Protocol::Tcp,
            Kind::Udp | Kind::Dns => Protocol::Udp,
        }
    }
}

#[derive(Debug)]
pub struct Flow {
    id: u64,
    kind: Kind,
    source: SocketAddr,
    destination: SocketAddr,
    clock: fn() -> Instant,
    start: Instant,
    name: RefCell<Option<String>>,
    /// What it is for; none of a question.
    to: RefCell<Option<Destination>>,
    owner: RefCell<Owner>,
    /// What decided about its way.
    rule: RefCell<Rc<str>>,
    /// Whether its way is over the mesh.
    meshed: Cell<bool>,
    hops: RefCell<Vec<NodeId>>,
    resumed: Cell<u32>,
    /// Somebody ended it from outside.
    closed: Cell<Option<Code>>,
    pace: Cell<Pace>,
    sent: Cell<u64>,
    received: Cell<u64>,
    first_byte: Cell<Option<Duration>>,
}

impl Flow {
    pub(super) fn new(
        id: u64,
        kind: Kind,
        source: SocketAddr,
        destination: SocketAddr,
        clock: fn() -> Instant,
    ) -> Self {
        let start = clock();
        Self {
            id,
            kind,
            source,
            destination,
            clock,
            start,
            name: RefCell::default(),
            to: RefCell::default(),
            owner: RefCell::new(Owner::Unknown),
            rule: RefCell::new("".into()),
            meshed: Cell::new(false),
            hops: RefCell::default(),
            resumed: Cell::new(0),
            closed: Cell::new(None),
            pace: Cell::new(Pace::new(start)),
            sent: Cell::new(0),
            received: Cell::new(0),
            first_byte: Cell::new(None),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The app's end and the other.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.source, self.destination)
    }

    pub(super) fn owned(&self, owner: Owner) {
        *self.owner.borrow_mut() = owner;
    }

    pub(super) fn owner(&self) -> Ref<'_, Owner> {
        self.owner.borrow()
    }

    pub(super) fn ruled(&self, rule: Rc<str>, meshed: bool) {
        *self.rule.borrow_mut() = rule;
        self.meshed.set(meshed);
    }

    /// What it is for, once rules have decided about it.
    pub(super) fn to(&self) -> Option<Destination> {
        if self.rule.borrow().is_empty() {
            return None;
        }
        self.to.borrow().clone()
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.kind.protocol()
    }

    /// Somebody ends it from outside, for this reason.
    pub(super) fn close(&self, why: Code) {
        self.closed.set(Some(why));
    }

    pub(super) fn closed(&self) -> Option<Code> {
        self.closed.get()
    }

    /// Looks at the counters, for the rates.
    pub(super) fn tick(&self, now: Instant) {
        let mut pace = self.pace.get();
        pace.tick(now, (self.sent.get(), self.received.get()));
        self.pace.set(pace);
    }

    pub(super) fn look(&self, now: Instant) -> Look {
        let (sent, received) = (self.sent.get(), self.received.get());
        Look {
            id: self.id,
            kind: self.kind,
            source: self.source,
            destination: self.destination,
            owner: self.owner.borrow().clone(),
            name: self.name.borrow().clone(),
            to: self.to(),
            rule: self.rule.borrow().clone(),
            meshed: self.meshed.get(),
            hops: self.hops.borrow().clone(),
            resumed: self.resumed.get(),
            age: now.saturating_duration_since(self.start),
            bytes: (sent, received),
            rates: self.pace.get().rates(now, (sent, received)),
        }
    }

    pub(super) fn named(&self, destination: &Destination) {
        *self.name.borrow_mut() = destination.name().map(ToString::to_string);
        *self.to.borrow_mut() = Some(destination.clone());
    }

    pub(super) fn asked(&self, name: String) {
        *self.name.borrow_mut() = Some(name);
    }

    pub(super) fn routed(&self, hops: &[NodeId]) {
        tracing::debug!(event = "way", flow = self.id, hops = %Hops(hops));
        *self.hops.borrow_mut() = hops.to_vec();
    }

    /// The flow goes on by another way.
    pub(super) fn resumed(&self, hops: &[NodeId]) {
        self.resumed.set(self.resumed.get().saturating_add(1));
        self.routed(hops);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// Bytes that go out; the first ones may name the host of a flow to an
    /// address.
    pub(super) fn said(&self, data: &[u8]) {
        if self.sent.get() == 0 && self.name.borrow().is_none() {
            let kind = flow_kind::sniff(data);
            *self.name.borrow_mut() = kind.name().map(ToString::to_string);
        }
        self.sent(data.len());
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some((self.clock)() - self.start));
        }
    }
}

/// A flow as it is at one time.
#[derive(Clone, Debug)]
pub struct Look {
    pub id: u64,
    pub kind: Kind,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub owner: Owner,
    pub name: Option<String>,
    /// What the rules were asked about; none before they were.
    pub to: Option<Destination>,
    pub rule: Rc<str>,
    /// Whether its way is over the mesh.
    pub meshed: bool,
    pub hops: Vec<NodeId>,
    pub resumed: u32,
    pub age: Duration,
    /// Sent and received.
    pub bytes: (u64, u64),
    /// The same in a second, lately.
    pub rates: (u64, u64),
}

/// A way as the Node's own log prints it.
struct Hops<'a>(&'a [NodeId]);

impl std::fmt::Display for Hops<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, hop) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", hop.short())?;
        }
        Ok(())
    }
}

/// When and how a flow ended.
#[derive(Copy, Clone, Debug)]
struct End {
    time: u64,
    duration: Duration,
    code: &'static str,
}

#[derive(Serialize)]
struct Line<'a> {
    time: u64,
    id: u64,
    app: Option<&'a App>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forwarded: bool,
    rule: &'a str,
    protocol: Kind,
    source: SocketAddr,
    destination: SocketAddr,
    name: Option<&'a str>,
    hops: Vec<String>,
    exit: Option<String>,
    resumed: u32,
    sent: u64,
    received: u64,
    first_byte_ms: Option<f64>,
    duration_ms: f64,
    end: &'a str,
}

/// Writes lines on a thread of its own, so that a slow disk holds up no flow.
#[derive(Clone, Debug)]
pub struct FlowLog {
    lines: Option<SyncSender<Vec<u8>>>,
    unix_ms: fn() -> u64,
    lost: Rc<Cell<u64>>,
    closing: Rc<Cell<bool>>,
}

impl FlowLog {
    pub fn none(unix_ms: fn() -> u64) -> Self {
        Self {
            lines: None,
            unix_ms,
            lost: Rc::default(),
            closing: Rc::default(),
        }
    }

    pub fn open(path: &Path, unix_ms: fn() -> u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, queue) = sync_channel::<Vec<u8>>(QUEUE);
        std::thread::Builder::new()
            .name("flow-log".to_string())
            .spawn(move || write_lines(file, &queue))?;
        Ok(Self {
            lines: Some(lines),
            unix_ms,
            lost: Rc::default(),
            closing: Rc::default(),
        })
    }

    /// From here on, flows end because the Node does.
    pub(super) fn close(&self) {
        self.closing.set(true);
    }

    /// Whether flows end because the Node does.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.get()
    }

    /// Notes how a flow ended, in the log of flows and, when it failed, as a
    /// coded line in the Node's own.
    pub(super) fn ended(&self, flow: Rc<Flow>, end: Result<(), Failure>) {
        let end = end.map_err(|failure| match failure.code.place() {
            Place::Mesh if self.closing.get() => Failure::from(Code::ShuttingDown),
            Place::Mesh
            | Place::Local
            | Place::Platform
            | Place::Exit
            | Place::Remote
            | Place::Payment
            | Place::Bug => failure,
        });
        let code = match &end {
            Ok(()) => "finished",
            Err(failure) => failure.code.name(),
        };
        if let Err(failure) = &end
            && failure.code != Code::Aborted
            && failure.code != Code::Idle
            && failure.code != Code::ShuttingDown
            && failure.code != Code::Blocked
        {
            tracing::info!(
                event = "flow-failed",
                flow = flow.id,
                code,
                place = %failure.code.place(),
                remedy = failure.code.remedy(),
            );
            tracing::debug!(flow = flow.id, destination = %flow.destination, detail = %failure.detail);
        }
        let end = End {
            time: (self.unix_ms)(),
            duration: (flow.clock)() - flow.start,
            code,
        };
        self.write(&flow, &end);
    }

    fn write(&self, flow: &Flow, end: &End) {
        let Some(lines) = &self.lines else { return };
        let hops = flow.hops.borrow();
        let owner = flow.owner.borrow();
        let rule = flow.rule.borrow();
        let name = flow.name.borrow();
        let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let line = Line {
            time: end.time,
            id: flow.id,
            app: owner.app(),
            forwarded: matches!(*owner, Owner::Forwarded(_)),
            rule: &rule,
            protocol: flow.kind,
            source: flow.source,
            destination: flow.destination,
            name: name.as_deref(),
            hops: hops.iter().map(NodeId::short).collect(),
            exit: hops.last().map(NodeId::short),
            resumed: flow.resumed.get(),
            sent: flow.sent.get(),
            received: flow.received.get(),
            first_byte_ms: flow.first_byte.get().map(milliseconds),
            duration_ms: milliseconds(end.duration),
            end: end.code,
        };
        let Ok(mut bytes) = serde_json::to_vec(&line) else {
            return;
        };
        bytes.push(b'\n');
        if lines.try_send(bytes).is_err() {
            self.lost.set(self.lost.get() + 1);
            if self.lost.get().is_power_of_two() {
                tracing::warn!(lost = self.lost.get(), "flow log lines were lost");
            }
        }
    }
}

fn write_lines(mut file: File, queue: &std::sync::mpsc::Receiver<Vec<u8>>) {
    while let Ok(mut bytes) = queue.recv() {
        while let Ok(more) = queue.try_recv() {
            bytes.extend_from_slice(&more);
        }
        if let Err(error) = file.write_all(&bytes) {
            tracing::warn!(%error, "the flow log cannot be written");
        }
    }
}
