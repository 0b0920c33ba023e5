//! Opening a circuit: a route, a set-up for every hop of it at once, and the
//! stream that it travels on.

use super::Entry;
use crate::circuit::{Preamble, Receiver, Sender};
use crate::link::Link;
use crate::outside::Outside;
use bytes::BytesMut;
use masq_core::destination::{Destination, HostName};
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Forward, Host, Opener, Sealer, Target};
use masq_core::identity::NodeId;
use masq_core::onion::{self, Hop, OriginatorKeys};
use masq_core::random::SystemRandom;
use masq_core::route::{self, RouteRequest};
use std::time::Duration;

/// How long the first circuit may take to open.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Circuit<L: Link> {
    pub(super) link: L,
    pub(super) sender: Sender<L::Send>,
    pub(super) receiver: Receiver<L::Recv>,
    pub(super) keys: OriginatorKeys,
    pub(super) path: Vec<NodeId>,
    /// To be given to the first flush.
    pub(super) preamble: Option<Preamble>,
}

/// Opens a circuit of `hops` Nodes that avoids `avoid`. The set-up and the
/// request wait to be flushed together with the first bytes.
pub(super) async fn open<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    hops: u8,
    avoid: &[NodeId],
    target: Target,
) -> Result<Box<Circuit<L>>, Failure> {
    let path = choose(entry, hops, avoid, &target)?;
    let ids: Vec<NodeId> = path.iter().map(|hop| hop.id).collect();
    let first = ids.first().copied().ok_or(Code::NoRoute)?;
    let link = entry.services.mesh.link(&first);
    let link = link.ok_or_else(|| Failure::new(Code::NoRoute, "no link with the first hop"))?;
    let now = entry.services.unix_time();
    let (setup, keys) = onion::build(&path, now, &mut SystemRandom)
        .map_err(|error| Failure::new(Code::MalformedSetup, error.to_string()))?;
    let (send, recv) = link
        .open()
        .await
        .map_err(|error| Failure::new(Code::LinkLost, error.to_string()))?;
    let layers = keys.stream_layers();
    let sealer = Sealer::new(&keys.exit.frame.forward);
    let opener = Opener::new(&keys.exit.frame.backward);
    let mut sender = Sender::new(send, sealer, layers.forward);
    let preamble = sender.preamble(setup.as_bytes());
    sender.forward(&Forward::Open(target))?;
    Ok(Box::new(Circuit {
        link,
        sender,
        receiver: Receiver::new(recv, opener, layers.backward, BytesMut::new()),
        keys,
        path: ids,
        preamble: Some(preamble),
    }))
}

/// Opens a circuit that asks for nothing and waits until its exit says so.
pub(super) async fn probe<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    hops: u8,
) -> Result<(), Failure> {
    let mut circuit = open(entry, hops, &[], Target::Resolve).await?;
    circuit.sender.forward(&Forward::Fin)?;
    if let Some(preamble) = circuit.preamble.take() {
        circuit.sender.flush_after(preamble).await?;
    }
    circuit.sender.finish();
    let answer = tokio::time::timeout(PROBE_TIMEOUT, circuit.receiver.next()).await;
    match answer.map_err(|_| Failure::from(Code::CircuitTimedOut))?? {
        Some(_) => Ok(()),
        None => Err(Code::CircuitRefused.into()),
    }
}

fn choose<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    hops: u8,
    avoid: &[NodeId],
    target: &Target,
) -> Result<Vec<Hop>, Failure> {
    let unix_time = entry.services.unix_time();
    let request = RouteRequest {
        hops,
        exclude: avoid.to_vec(),
        countries: entry.exit_countries.clone(),
        host: name_of(target),
        unix_time: Some(unix_time),
        ..RouteRequest::default()
    };
    let mut directory = entry.directory.borrow_mut();
    let mut rng = rand::rng();
    directory.prepare(unix_time, &mut rng);
    route::choose(&directory, &request, entry.now(), &mut rng)
        .map_err(|error| Failure::new(error.code(), error.to_string()))
}

/// The name that the exit has to resolve.
pub(super) fn name_of(target: &Target) -> Option<HostName> {
    match target {
        Target::Tcp(Destination::Name { name, .. })
        | Target::Udp(Destination::Name { name, .. })
        | Target::Echo(Host::Name(name)) => Some(name.clone()),
        Target::Tcp(_) | Target::Udp(_) | Target::Echo(_) | Target::Resolve => None,
    }
}
