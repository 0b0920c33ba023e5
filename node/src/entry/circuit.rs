//! Opening a circuit: a route, a set-up for every hop of it at once, and the
//! stream that it travels on.

use super::Entry;
use super::course::Terms;
use crate::circuit::{CircuitError, OnFirst, Receiver, Sender};
use crate::link::Link;
use crate::outside::Outside;
use bytes::BytesMut;
use masq_core::config::ExitCountries;
use masq_core::destination::{Destination, HostName};
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Host, Opener, Sealer, Target};
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
}

/// What a circuit's route is to be like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    pub(super) hops: u8,
    /// Where the exit shall be; says nothing about a certain exit.
    pub(super) countries: Option<&'a ExitCountries>,
    /// Nodes that must not be on it.
    pub(super) exclude: &'a [NodeId],
    /// Nodes that are on it only when there is no other way.
    pub(super) avoid: &'a [NodeId],
    /// The exit, if it has to be a certain one.
    pub(super) exit: Option<NodeId>,
}

/// Opens a circuit on these terms without the Nodes of `exclude`. The set-up
/// and the request wait to be flushed together with the first bytes.
pub(super) async fn open<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    terms: &Terms,
    exclude: &[NodeId],
    target: Target,
) -> Result<Box<Circuit<L>>, Failure> {
    let first = Forward::Open(target);
    let mut wish = Wish {
        hops: terms.hops,
        countries: Some(&terms.countries),
        exclude,
        ..Wish::default()
    };
    let Some(group) = &terms.group else {
        return begin(entry, wish, &first).await;
    };
    let now = entry.now();
    let shared = entry.groups.exit_of(group, terms, now);
    if let Some(exit) = shared.filter(|exit| !exclude.contains(exit)) {
        wish.exit = Some(exit);
        match begin(entry, wish, &first).await {
            Ok(circuit) => return Ok(circuit),
            Err(failure) => {
                tracing::debug!(code = %failure.code, "the group's exit is out of reach")
            }
        }
        wish.exit = None;
    }
    let others = entry.groups.exits_of_others(group, now);
    wish.avoid = &others;
    let circuit = begin(entry, wish, &first).await?;
    if let Some(exit) = circuit.path.last() {
        entry.groups.share(group, terms, *exit, now);
    }
    Ok(circuit)
}

/// The same with any first frame.
pub(super) async fn begin<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    wish: Wish<'_>,
    first: &Forward<'_>,
) -> Result<Box<Circuit<L>>, Failure> {
    let path = choose(entry, wish, first)?;
    let ids: Vec<NodeId> = path.iter().map(|hop| hop.id).collect();
    let neighbor = ids.first().copied().ok_or(Code::NoRoute)?;
    let link = entry.services.mesh.link(&neighbor);
    let link = link.ok_or_else(|| Failure::new(Code::NoRoute, "no link with the first hop"))?;
    let now = entry.services.unix_time();
    let (setup, keys) = onion::build(&path, now, &mut SystemRandom)
        .map_err(|error| Failure::new(Code::MalformedSetup, error.to_string()))?;
    let learn = learn(entry, &ids, first);
    let (send, recv) = link
        .open()
        .await
        .map_err(|error| Failure::new(Code::LinkLost, error.to_string()))?;
    let layers = keys.stream_layers();
    let sealer = Sealer::new(&keys.exit.frame.forward);
    let opener = Opener::new(&keys.exit.frame.backward);
    let mut sender = Sender::new(send, sealer, layers.forward);
    sender.preamble(setup.as_bytes());
    sender.forward(first)?;
    Ok(Box::new(Circuit {
        link,
        sender,
        receiver: Receiver::new(recv, opener, layers.backward, BytesMut::new()).on_first(learn),
        keys,
        path: ids,
    }))
}

/// Asks one thing over a circuit: sends `questions`, ends that direction, and
/// shows what comes back to `answer` until it makes something of it. None when
/// the exit ends before that.
pub(super) async fn ask<L: Link, T>(
    mut circuit: Box<Circuit<L>>,
    questions: &[Forward<'_>],
    answer: impl Fn(&Backward<'_>) -> Option<T>,
) -> Result<Option<T>, Failure> {
    for question in questions {
        circuit.sender.forward(question)?;
    }
    circuit.sender.forward(&Forward::Fin)?;
    circuit.sender.flush().await?;
    circuit.sender.finish();
    while let Some((kind, payload)) = circuit.receiver.next().await? {
        match Backward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Backward::Failed { code, detail } => {
                return Err(Failure::new(code, detail.to_string()));
            }
            Backward::Reset(code) => return Err(code.into()),
            message @ (Backward::Opened(_)
            | Backward::Data(_)
            | Backward::Fin
            | Backward::Datagram(_)
            | Backward::Answer(_)
            | Backward::KeepAlive
            | Backward::Padding(_)
            | Backward::Ack(_)
            | Backward::Resumed(_)) => {
                if let Some(answer) = answer(&message) {
                    return Ok(Some(answer));
                }
            }
        }
    }
    Ok(None)
}

/// Opens a circuit that asks for nothing and waits until its exit says so.
pub(super) async fn probe<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    terms: &Terms,
) -> Result<(), Failure> {
    let circuit = open(entry, terms, &[], Target::Resolve).await?;
    let opened = |message: &Backward<'_>| matches!(message, Backward::Opened(_)).then_some(());
    let answer = tokio::time::timeout(PROBE_TIMEOUT, ask(circuit, &[], opened)).await;
    answer
        .map_err(|_| Failure::from(Code::CircuitTimedOut))??
        .ok_or_else(|| Code::CircuitRefused.into())
}

fn choose<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    wish: Wish<'_>,
    first: &Forward<'_>,
) -> Result<Vec<Hop>, Failure> {
    let unix_time = entry.services.unix_time();
    let request = RouteRequest {
        hops: wish.hops,
        exclude: wish.exclude.to_vec(),
        avoid: wish.avoid.to_vec(),
        exit: wish.exit,
        countries: wish.countries.cloned().unwrap_or_default(),
        host: name_of(first),
        unix_time: Some(unix_time),
        ..RouteRequest::default()
    };
    let mut directory = entry.directory.borrow_mut();
    let mut rng = rand::rng();
    directory.prepare(unix_time, &mut rng);
    route::choose(&directory, &request, entry.now(), &mut rng)
        .map_err(|error| Failure::new(error.code(), error.to_string()))
}

/// What the first frame from the exit says of the Nodes on the way.
fn learn<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    path: &[NodeId],
    first: &Forward<'_>,
) -> OnFirst {
    let (directory, clock) = (entry.directory.clone(), entry.clock);
    let (path, host, began) = (path.to_vec(), name_of(first), clock());
    OnFirst(Box::new(move |kind, payload| {
        let Ok(message) = Backward::decode(kind, payload) else {
            return;
        };
        let now = clock();
        let mut directory = directory.borrow_mut();
        let Some((exit, relays)) = path.split_last() else {
            return;
        };
        relays.iter().for_each(|relay| directory.forgive(*relay));
        if let Backward::Failed { code, .. } = message {
            if let Some(name) = host.filter(|_| code.is_of_a_name()) {
                directory.note_unresolved(&name, *exit, now);
            }
            return;
        }
        directory.forgive(*exit);
        directory.opened(&path, now.saturating_duration_since(began));
        if let Some(name) = host {
            directory.note_resolved(&name, exit);
        }
    }))
}

/// The name that the exit has to resolve.
fn name_of(first: &Forward<'_>) -> Option<HostName> {
    let Forward::Open(target) = first else {
        return None;
    };
    match target {
        Target::Tcp(Destination::Name { name, .. })
        | Target::Udp(Destination::Name { name, .. })
        | Target::Echo(Host::Name(name)) => Some(name.clone()),
        Target::Tcp(_) | Target::Udp(_) | Target::Echo(_) | Target::Resolve => None,
    }
}
