//! What a Node does for others: opens the circuits that arrive on its links
//! and is a relay or an exit for each.

use crate::exit;
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::mesh::{CircuitPort, Mesh};
use crate::outside::Outside;
use crate::relay;
use bytes::BytesMut;
use masq_core::exit_policy::ExitPolicy;
use masq_core::failure::Code;
use masq_core::identity::{Identity, OnionSecret};
use masq_core::onion::{self, Opened, SETUP_LENGTH, Setup};
use masq_core::replay::ReplayCache;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

/// A neighbor that opens a stream says at once what for.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Set-ups remembered so that none is opened twice.
const REMEMBERED: usize = 1 << 20;

/// Bytes that circuits of others carried through this Node.
#[derive(Debug, Default)]
pub struct Meter {
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
    pub meter: Meter,
    identity: Identity,
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
        identity: Identity,
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
            meter: Meter::default(),
            identity,
            replay: RefCell::new(ReplayCache::new(REMEMBERED)),
            unix_time,
        }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn unix_time(&self) -> u64 {
        (self.unix_time)()
    }

    fn onion_secrets(&self) -> &[OnionSecret] {
        self.identity.onion_secrets()
    }
}

/// Serves a link until it is lost. Never fails for what one circuit brings.
pub async fn link<L: Link, O: Outside>(services: Rc<Services<L, O>>, link: L) {
    let circuits = async {
        while let Ok((send, recv)) = link.accept().await {
            spawn_local(circuit(services.clone(), link.clone(), send, recv));
        }
    };
    let datagrams = async {
        while let Ok(datagram) = link.read_datagram().await {
            if services.mesh.deliver(&link, datagram).is_err() {
                tracing::trace!(peer = %link.peer().short(), "datagram of no circuit");
            }
        }
    };
    tokio::join!(circuits, datagrams);
}

async fn circuit<L: Link, O: Outside>(
    services: Rc<Services<L, O>>,
    link: L,
    mut send: L::Send,
    mut recv: L::Recv,
) {
    let (setup, early) = match read_setup(&mut recv).await {
        Ok(read) => read,
        Err(code) => return refuse(&mut send, &mut recv, code),
    };
    let opened = onion::open(
        &services.identity.id(),
        services.onion_secrets(),
        &mut services.replay.borrow_mut(),
        &setup,
        services.unix_time(),
    );
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(peer = %link.peer().short(), %error, "set-up refused");
            return refuse(&mut send, &mut recv, error.code());
        }
    };
    services
        .meter
        .circuits
        .set(services.meter.circuits.get() + 1);
    let port = CircuitPort::new(&link, send.id());
    match opened {
        Opened::Relay { .. } if !services.relays => {
            refuse(&mut send, &mut recv, Code::CircuitRefused);
        }
        Opened::Exit { .. } if !services.exits => refuse(&mut send, &mut recv, Code::NotAnExit),
        Opened::Relay {
            next, setup, keys, ..
        } => {
            let Some(next) = services.mesh.link(&next) else {
                return refuse(&mut send, &mut recv, Code::NoNextHop);
            };
            let before = relay::Side {
                link,
                port,
                send,
                recv,
            };
            relay::run(&services, before, next, &setup, keys, early).await;
        }
        Opened::Exit { keys, .. } => exit::run(services, link, send, recv, keys, early).await,
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

fn refuse<S: LinkSend, R: LinkRecv>(send: &mut S, recv: &mut R, code: Code) {
    send.reset(u64::from(code.number()));
    recv.stop(u64::from(code.number()));
}
