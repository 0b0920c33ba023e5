//! The links that are up, and where the datagrams of each circuit go.
//!
//! One thread owns it; nothing here is locked or waits.

use crate::link::{Link, LinkError};
use bytes::{BufMut, Bytes, BytesMut};
use masq_core::identity::NodeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::watch;

/// Bytes in front of a datagram on a link: the number of its circuit's stream.
pub const CIRCUIT_NUMBER: usize = 8;

/// What takes the datagrams of one circuit on one link.
pub type DatagramSink = Rc<dyn Fn(BytesMut)>;

/// A circuit on a link: which link, which stream of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CircuitPort {
    serial: usize,
    stream: u64,
}

impl CircuitPort {
    pub fn new<L: Link>(link: &L, stream: u64) -> Self {
        Self {
            serial: link.serial(),
            stream,
        }
    }
}

pub struct Mesh<L> {
    links: RefCell<HashMap<NodeId, L>>,
    sinks: RefCell<HashMap<CircuitPort, DatagramSink>>,
    changed: watch::Sender<u64>,
}

impl<L> std::fmt::Debug for Mesh<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mesh")
            .field("links", &self.links.borrow().len())
            .field("circuits", &self.sinks.borrow().len())
            .finish_non_exhaustive()
    }
}

impl<L: Link> Default for Mesh<L> {
    fn default() -> Self {
        Self {
            links: RefCell::default(),
            sinks: RefCell::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl<L: Link> Mesh<L> {
    pub fn link(&self, peer: &NodeId) -> Option<L> {
        self.links.borrow().get(peer).cloned()
    }

    pub fn peers(&self) -> Vec<NodeId> {
        self.links.borrow().keys().copied().collect()
    }

    pub fn links(&self) -> Vec<L> {
        self.links.borrow().values().cloned().collect()
    }

    /// The newest link with a peer is the one that new circuits take; an older
    /// one goes on carrying those it has.
    pub fn insert(&self, link: L) {
        self.links.borrow_mut().insert(link.peer(), link);
        self.changed.send_modify(|count| *count += 1);
    }

    pub fn remove(&self, link: &L) {
        let mut links = self.links.borrow_mut();
        let current = links.get(&link.peer());
        if current.is_some_and(|current| current.serial() == link.serial()) {
            links.remove(&link.peer());
        }
        drop(links);
        self.changed.send_modify(|count| *count += 1);
    }

    /// What concerns routes changed without a link.
    pub fn look_again(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Tells each time that a link came or went.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Until the registration is dropped, datagrams of the circuit go to `sink`.
    pub fn register(self: &Rc<Self>, port: CircuitPort, sink: DatagramSink) -> Registration<L> {
        self.sinks.borrow_mut().insert(port, sink);
        Registration {
            mesh: self.clone(),
            port,
        }
    }

    /// Hands a datagram that arrived on `link` to its circuit. Those of no
    /// circuit are late or hostile, and lost either way.
    pub fn deliver(&self, link: &L, datagram: Bytes) -> Result<(), Undeliverable> {
        let (number, _) = datagram
            .split_first_chunk::<CIRCUIT_NUMBER>()
            .ok_or(Undeliverable)?;
        let port = CircuitPort::new(link, u64::from_be_bytes(*number));
        let sink = self.sinks.borrow().get(&port).cloned();
        let sink = sink.ok_or(Undeliverable)?;
        let mut body = BytesMut::from(datagram);
        let _ = body.split_to(CIRCUIT_NUMBER);
        sink(body);
        Ok(())
    }
}

/// A datagram of no circuit that is open on the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Undeliverable;

#[must_use = "dropping it ends the delivery of datagrams"]
pub struct Registration<L: Link> {
    mesh: Rc<Mesh<L>>,
    port: CircuitPort,
}

impl<L: Link> std::fmt::Debug for Registration<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registration").field(&self.port).finish()
    }
}

impl<L: Link> Drop for Registration<L> {
    fn drop(&mut self) {
        self.mesh.sinks.borrow_mut().remove(&self.port);
    }
}

/// Sends `body` on the circuit `stream` of `link`.
pub fn send_datagram<L: Link>(link: &L, stream: u64, body: &[u8]) -> Result<(), LinkError> {
    let mut datagram = BytesMut::with_capacity(CIRCUIT_NUMBER + body.len());
    datagram.put_u64(stream);
    datagram.put_slice(body);
    link.send_datagram(datagram.freeze())
}
