//! What a Node does for others: opens the circuits that arrive on its links
//! and is a relay or an exit for each.

use crate::exit::{self, Kept, Takeover};
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::mesh::{CircuitPort, Mesh};
use crate::outside::Outside;
use crate::relay;
use crate::trouble::Troubles;
use bytes::BytesMut;
use masq_core::exit_policy::ExitPolicy;
use masq_core::failure::Code;
use masq_core::identity::{Identity, NodeId};
use masq_core::onion::{self, OnionError, Opened, SETUP_LENGTH, Setup};
use masq_core::replay::ReplayCache;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

/// A neighbor that opens a stream says at once what for.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Set-ups remembered so that none is opened twice.
const REMEMBERED: usize = 1 << 20;

/// Circuits that one neighbor may have open through this Node. Idle ones cost
/// 8 KB each, so a neighbor can hold 128 MB with them; what they have not taken
/// yet is bounded by the link's window.
pub const CIRCUITS_OF_A_NEIGHBOR: usize = 16_384;
/// Circuits of all neighbors together: 512 MB when idle.
pub const CIRCUITS: usize = 65_536;

/// What an exit keeps at one time for flows that have lost their circuit.
#[derive(Clone, Copy, Debug)]
pub struct KeptLimits {
    /// Flows whose last circuit came from one neighbor.
    pub of_a_neighbor: usize,
    /// Flows of all.
    pub flows: usize,
    /// Bytes to send again that all of them hold.
    pub bytes: usize,
}

impl Default for KeptLimits {
    fn default() -> Self {
        Self {
            of_a_neighbor: 2_048,
            flows: 8_192,
            bytes: 256 << 20,
        }
    }
}

/// What circuits of others carried through this Node since its start.
#[derive(Debug, Default)]
pub struct Meter {
    /// Circuits that were opened; [`Services::circuits`] says how many are.
    pub circuits: Cell<u64>,
    pub forward: Cell<u64>,
    pub backward: Cell<u64>,
}

impl Meter {
    pub(crate) fn forward(&self, bytes: usize) {
        self.forward.set(self.forward.get() + bytes as u64);
    }

    pub(crate) fn backward(&self, bytes: usize) {
        self.backward.set(self.backward.get() + bytes as u64);
    }
}

/// What the roles of this Node share.
pub struct Services<L: Link, O: Outside> {
    pub mesh: Rc<Mesh<L>>,
    pub outside: Rc<O>,
    pub policy: ExitPolicy,
    pub relays: bool,
    pub exits: bool,
    pub meter: Rc<Meter>,
    pub troubles: Troubles,
    /// Flows of others that this Node is the exit of.
    pub(crate) flows: Kept<Box<Takeover<L, O>>>,
    seats: RefCell<HashMap<NodeId, usize>>,
    taken: Cell<usize>,
    limits: (usize, usize),
    identity: RefCell<Rc<Identity>>,
    replay: RefCell<ReplayCache>,
    unix_time: fn() -> u64,
}

impl<L: Link, O: Outside> std::fmt::Debug for Services<L, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("mesh", &self.mesh)
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}

impl<L: Link, O: Outside> Services<L, O> {
    /// `relays` and `exits` are the roles that this Node serves in;
    /// `unix_time` gives seconds.
    pub fn new(
        identity: impl Into<Rc<Identity>>,
        mesh: Rc<Mesh<L>>,
        outside: Rc<O>,
        policy: ExitPolicy,
        (relays, exits): (bool, bool),
        unix_time: fn() -> u64,
    ) -> Self {
        Self {
            mesh,
            outside,
            policy,
            relays,
            exits,
            meter: Rc::default(),
            troubles: Troubles::new(|| tokio::time::Instant::now().into_std()),
            flows: Kept::new(KeptLimits::default()),
            seats: RefCell::default(),
            taken: Cell::new(0),
            limits: (CIRCUITS_OF_A_NEIGHBOR, CIRCUITS),
            identity: RefCell::new(identity.into()),
            replay: RefCell::new(ReplayCache::new(REMEMBERED)),
            unix_time,
        }
    }

    pub fn identity(&self) -> Rc<Identity> {
        self.identity.borrow().clone()
    }

    /// The same Node with other onion keys: from now on these open set-ups.
    pub fn set_identity(&self, identity: Rc<Identity>) {
        *self.identity.borrow_mut() = identity;
    }

    pub fn unix_time(&self) -> u64 {
        (self.unix_time)()
    }

    /// Serves at most so many circuits of one neighbor, and of all together.
    pub fn with_limits(mut self, neighbor: usize, all: usize) -> Self {
        self.limits = (neighbor, all);
        self
    }

    /// Keeps at most so much for flows whose circuit is lost.
    pub fn with_kept(mut self, limits: KeptLimits) -> Self {
        self.flows = Kept::new(limits);
        self
    }

    /// Flows of others that wait for a new circuit.
    pub fn flows_without_circuit(&self) -> usize {
        self.flows.without_circuit()
    }

    /// Circuits of others that are open.
    pub fn circuits(&self) -> usize {
        self.taken.get()
    }

    /// Room for one more circuit of a neighbor, over all links with it.
    fn seat(self: &Rc<Self>, peer: NodeId) -> Option<Seat<L, O>> {
        let (of_one, of_all) = self.limits;
        let mut seats = self.seats.borrow_mut();
        let taken = seats.get(&peer).copied().unwrap_or(0);
        if taken >= of_one || self.taken.get() >= of_all {
            return None;
        }
        seats.insert(peer, taken + 1);
        self.taken.set(self.taken.get() + 1);
        Some(Seat {
            services: self.clone(),
            peer,
        })
    }

    fn open(&self, setup: &Setup) -> Result<Opened, OnionError> {
        let identity = self.identity.borrow();
        onion::open(
            &identity.id(),
            identity.onion_secrets(),
            &mut self.replay.borrow_mut(),
            setup,
            self.unix_time(),
        )
    }

    /// Tells a neighbor why its circuit is not served.
    fn refuse(&self, send: &mut L::Send, recv: &mut L::Recv, code: Code) {
        self.troubles.note(code, "circuit refused");
        send.reset(u64::from(code.number()));
        recv.stop(u64::from(code.number()));
    }
}

/// An open circuit's place among those that its neighbor may have.
pub(crate) struct Seat<L: Link, O: Outside> {
    services: Rc<Services<L, O>>,
    peer: NodeId,
}

impl<L: Link, O: Outside> Seat<L, O> {
    pub(crate) fn peer(&self) -> NodeId {
        self.peer
    }
}

impl<L: Link, O: Outside> Drop for Seat<L, O> {
    fn drop(&mut self) {
        let services = &self.services;
        services.taken.set(services.taken.get() - 1);
        let mut seats = services.seats.borrow_mut();
        if let Some(taken) = seats.get_mut(&self.peer) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.peer);
            }
        }
    }
}

/// Serves a link until it is lost. Never fails for what one circuit brings.
pub async fn link<L: Link, O: Outside>(services: Rc<Services<L, O>>, link: L) {
    let circuits = async {
        while let Ok((mut send, mut recv)) = link.accept().await {
            match services.seat(link.peer()) {
                Some(seat) => {
                    spawn_local(circuit(seat, link.clone(), send, recv));
                }
                None => services.refuse(&mut send, &mut recv, Code::Overloaded),
            }
        }
    };
    let datagrams = async {
        while let Ok(datagram) = link.read_datagram().await {
            if services.mesh.deliver(&link, datagram).is_err() {
                services
                    .troubles
                    .note(Code::BadFrame, "datagram of no circuit");
            }
        }
    };
    tokio::join!(circuits, datagrams);
}

async fn circuit<L: Link, O: Outside>(
    seat: Seat<L, O>,
    link: L,
    mut send: L::Send,
    mut recv: L::Recv,
) {
    let services = &seat.services.clone();
    let (setup, early) = match Box::pin(read_setup(&mut recv)).await {
        Ok(read) => read,
        Err(code) => return services.refuse(&mut send, &mut recv, code),
    };
    let opened = services.open(&setup);
    drop(setup);
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(peer = %link.peer().short(), %error, "set-up refused");
            return services.refuse(&mut send, &mut recv, error.code());
        }
    };
    services
        .meter
        .circuits
        .set(services.meter.circuits.get() + 1);
    let port = CircuitPort::new(&link, send.id());
    match opened {
        Opened::Relay { .. } if !services.relays => {
            services.refuse(&mut send, &mut recv, Code::CircuitRefused);
        }
        Opened::Exit { .. } if !services.exits => {
            services.refuse(&mut send, &mut recv, Code::NotAnExit);
        }
        Opened::Relay {
            next, setup, keys, ..
        } => {
            let Some(next) = services.mesh.link(&next) else {
                return services.refuse(&mut send, &mut recv, Code::NoNextHop);
            };
            let before = relay::Side {
                link,
                port,
                send,
                recv,
            };
            Box::pin(relay::run(services, before, next, setup, keys, early)).await;
        }
        Opened::Exit { keys, .. } => {
            let circuit = exit::Arrived {
                seat,
                link,
                send,
                recv,
                keys,
                early,
            };
            Box::pin(exit::run(services, circuit)).await;
        }
    }
}

/// The set-up and what came behind it in the same read.
async fn read_setup<R: LinkRecv>(recv: &mut R) -> Result<(Setup, BytesMut), Code> {
    let read = async {
        let mut bytes = BytesMut::new();
        while bytes.len() < SETUP_LENGTH {
            match recv.read().await {
                Ok(Some(more)) if bytes.is_empty() => bytes = more,
                Ok(Some(more)) => bytes.extend_from_slice(&more),
                Ok(None) | Err(StreamError::Reset(_) | StreamError::Stopped(_)) => {
                    return Err(Code::MalformedSetup);
                }
                Err(StreamError::LinkLost) => return Err(Code::LinkLost),
            }
        }
        let setup = bytes.split_to(SETUP_LENGTH);
        let setup = Setup::try_from(&setup[..]).map_err(|_| Code::MalformedSetup)?;
        Ok((setup, bytes))
    };
    tokio::time::timeout(SETUP_TIMEOUT, read)
        .await
        .unwrap_or(Err(Code::MalformedSetup))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::quic::QuicLink;
    use crate::outside::sockets::Sockets;
    use masq_core::onion::RelayKeys;

    fn size_of_task<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_relay<'a, L, O, F>(
        _: impl Fn(&'a Services<L, O>, relay::Side<L>, L, Setup, RelayKeys, BytesMut) -> F,
    ) -> usize
    where
        L: Link,
        O: Outside,
    {
        size_of::<F>()
    }

    /// What a relay itself keeps for a circuit, without the two streams that
    /// the transport keeps.
    #[test]
    fn the_tasks_of_a_circuit_are_small() {
        let task = size_of_task(circuit::<QuicLink, Sockets>);
        let relay = size_of_relay(relay::run::<QuicLink, Sockets>);
        assert!(task + relay <= 3_600, "{task} and {relay} bytes");
    }
}
