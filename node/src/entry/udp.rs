//! UDP flows: one circuit each, or one socket each with zero hops.
//!
//! When a circuit is lost, another one leads to the same socket at the exit;
//! the datagrams that were on their way are lost, as UDP's may be.

use super::attempts::Attempts;
use super::circuit::Circuit;
use super::course::{Course, Terms};
use super::over_mesh::LAST_WORD;
use super::record::{Flow, Kind};
use super::{Entry, again, ending};
use crate::app::{AppUdp, AppUdpSender};
use crate::circuit::{CircuitError, Receiver, Sender};
use crate::link::{Link, StreamError};
use crate::mesh::{CircuitPort, Mesh, send_datagram};
use crate::outside::{self, Outside, OutsideUdp};
use bytes::{Bytes, BytesMut};
use masq_capture::Protocol;
use masq_core::datagram::OriginatorDatagrams;
use masq_core::destination::Destination;
use masq_core::exit_policy;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Target};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Routes that are tried for one flow.
const ATTEMPTS: usize = 5;
/// Datagrams that are kept until an exit is there.
const KEPT: usize = 16;
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn run<L: Link, O: Outside>(entry: &Rc<Entry<L, O>>, mut app: AppUdp) {
    let tuple = app.tuple();
    let ends = (tuple.source, tuple.destination);
    let flow = entry.begin(Kind::Udp, ends, Some(app.closer()));
    let end = match entry.target(tuple.destination) {
        Ok(target) => {
            let to = &target.destination;
            flow.named(to);
            match entry.course(&flow, Protocol::Udp, to).await {
                Ok(Course::Direct) => direct(entry, &mut app, &flow, to).await,
                Ok(Course::Mesh(terms)) => over_mesh(entry, &mut app, &flow, to, &terms).await,
                Err(failure) => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &end {
        app.refuse(ending::refusal(failure));
    }
    drop(app);
    entry.ended(flow, end);
}

async fn direct<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    app: &mut AppUdp,
    flow: &Flow,
    destination: &Destination,
) -> Result<(), Failure> {
    let outside = &*entry.services.outside;
    let policy = &entry.direct_policy;
    let found =
        outside::addresses(outside, policy, destination, exit_policy::Protocol::Udp).await?;
    let address = *found.first().ok_or(Code::NameHasNoAddress)?;
    let socket = outside.udp(address).await?;
    let to_app = app.sender();
    let up = async {
        while let Some(payload) = app.recv().await {
            flow.sent(payload.len());
            // What ICMP says of it shows when receiving.
            let _ = socket.send(&payload);
        }
        Ok(())
    };
    let down = async {
        loop {
            let payload = socket.recv().await?;
            flow.received(payload.len());
            give(&to_app, &payload)?;
        }
    };
    tokio::select! {
        result = up => result,
        result = down => result,
    }
}

async fn over_mesh<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    app: &mut AppUdp,
    flow: &Rc<Flow>,
    destination: &Destination,
    terms: &Terms,
) -> Result<(), Failure> {
    let exchange = Exchange {
        mesh: entry.services.mesh.clone(),
        flow: flow.clone(),
        answered: Rc::default(),
        kept: RefCell::default(),
    };
    let target = Target::Udp(destination.clone());
    let mut attempts = Attempts::new(ATTEMPTS);
    while let Some(circuit) = attempts.next(entry, flow, terms, &target).await {
        let path = circuit.path.clone();
        match over_circuits(entry, app, circuit, &exchange, terms.hops).await {
            Ok(()) => return Ok(()),
            Err(failure) if exchange.answered.get() => return Err(failure),
            Err(failure) => {
                if !attempts.refused(entry, &path, failure, true) {
                    break;
                }
            }
        }
    }
    Err(attempts.into_failure())
}

/// What the attempts of one flow have in common.
struct Exchange<L: Link> {
    mesh: Rc<Mesh<L>>,
    flow: Rc<Flow>,
    /// Whether the exit is there, so that nothing is tried again.
    answered: Rc<Cell<bool>>,
    /// What the app sent before that.
    kept: RefCell<Vec<Bytes>>,
}

impl<L: Link> Exchange<L> {
    fn keep(&self, payload: &Bytes) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT {
            kept.push(payload.clone());
        }
    }
}

/// How a circuit ended before the flow.
enum End {
    Failed(Failure),
    Lost(CircuitError),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

impl From<CircuitError> for End {
    fn from(error: CircuitError) -> Self {
        if error.is_loss() {
            End::Lost(error)
        } else {
            End::Failed(error.into())
        }
    }
}

/// Carries the flow over this circuit and those that follow it.
async fn over_circuits<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    app: &mut AppUdp,
    mut circuit: Box<Circuit<L>>,
    exchange: &Exchange<L>,
    hops: u8,
) -> Result<(), Failure> {
    let at_exit = again::Flow {
        token: circuit.keys.exit.resume.clone(),
        exit: *circuit.path.last().ok_or(Code::NoRoute)?,
        hops,
    };
    loop {
        let error = match carry(app, &mut circuit, exchange).await {
            Ok(()) => return Ok(()),
            Err(End::Lost(error)) if exchange.answered.get() => error,
            Err(End::Lost(error)) => return Err(error.into()),
            Err(End::Failed(failure)) if failure.code == Code::Idle => {
                again::part(entry, at_exit, Some(circuit), Some(0));
                return Err(failure);
            }
            Err(End::Failed(failure)) => return Err(failure),
        };
        tracing::debug!(%error, "circuit lost, flow resumed");
        (circuit, _) = Box::pin(again::circuit(entry, &at_exit, &circuit.path, 0)).await?;
        exchange.flow.resumed(&circuit.path);
    }
}

/// Moves datagrams, as long as the circuit lives.
async fn carry<L: Link>(
    app: &mut AppUdp,
    circuit: &mut Circuit<L>,
    exchange: &Exchange<L>,
) -> Result<(), End> {
    let Circuit {
        link,
        sender,
        receiver,
        keys,
        ..
    } = circuit;
    let id = sender.id();
    let datagrams = Rc::new(RefCell::new(OriginatorDatagrams::new(keys)));
    let to_app = app.sender();
    let sink = {
        let (datagrams, to_app) = (datagrams.clone(), to_app.clone());
        let (flow, answered) = (exchange.flow.clone(), exchange.answered.clone());
        move |mut datagram: BytesMut| {
            if let Ok(payload) = datagrams.borrow_mut().open(&mut datagram) {
                answered.set(true);
                flow.received(payload.len());
                let _ = to_app.send(payload);
            }
        }
    };
    let port = CircuitPort::new(link, id);
    let _registration = exchange.mesh.register(port, Rc::new(sink));
    let stopped = sender.stopped();
    let up = async {
        let result = upward(app, link, sender, &datagrams, exchange).await;
        if result.is_err() {
            // The exit has stopped reading; why it did is on its way.
            tokio::time::sleep(LAST_WORD).await;
        }
        result
    };
    let result = tokio::select! {
        result = up => result,
        result = downward(&to_app, receiver, exchange) => result,
        StreamError::LinkLost = stopped => Err(CircuitError::from(StreamError::LinkLost).into()),
    };
    let code = match &result {
        Ok(()) => return result,
        Err(End::Failed(failure)) if failure.code == Code::Idle => return result,
        Err(End::Failed(failure)) => failure.code,
        Err(End::Lost(error)) => error.code(),
    };
    sender.reset(code);
    receiver.stop(code);
    result
}

async fn upward<L: Link>(
    app: &mut AppUdp,
    link: &L,
    sender: &mut Sender<L::Send>,
    datagrams: &RefCell<OriginatorDatagrams>,
    exchange: &Exchange<L>,
) -> Result<(), End> {
    let flow = &exchange.flow;
    // The first datagram rides with the set-up.
    if !exchange.answered.get()
        && exchange.kept.borrow().is_empty()
        && let Some(payload) = app.recv().await
    {
        flow.sent(payload.len());
        exchange.keep(&payload);
    }
    for payload in exchange.kept.borrow().iter() {
        sender.forward(&Forward::Datagram(payload))?;
    }
    sender.flush().await?;
    let mut sealed = BytesMut::new();
    while let Some(payload) = app.recv().await {
        flow.sent(payload.len());
        // An unreliable datagram would be lost before the exit has its socket.
        let unreliable = exchange.answered.get();
        if !unreliable {
            exchange.keep(&payload);
        }
        sealed.clear();
        let fits = unreliable
            && datagrams.borrow_mut().seal(&payload, &mut sealed).is_ok()
            && send_datagram(link, sender.id(), &sealed).is_ok();
        if !fits {
            sender.forward(&Forward::Datagram(&payload))?;
            sender.flush().await?;
        }
    }
    sender.forward(&Forward::Fin)?;
    sender.flush().await?;
    sender.finish();
    Ok(())
}

async fn downward<L: Link>(
    to_app: &AppUdpSender,
    receiver: &mut Receiver<L::Recv>,
    exchange: &Exchange<L>,
) -> Result<(), End> {
    loop {
        let next = if exchange.answered.get() {
            receiver.next().await
        } else {
            let next = tokio::time::timeout(OPEN_TIMEOUT, receiver.next()).await;
            next.map_err(|_| Failure::from(Code::CircuitTimedOut))?
        };
        let Some((kind, payload)) = next? else {
            return Ok(());
        };
        match Backward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Backward::Opened(_) => {
                exchange.answered.set(true);
                exchange.kept.borrow_mut().clear();
            }
            Backward::Datagram(payload) => {
                exchange.flow.received(payload.len());
                give(to_app, payload)?;
            }
            Backward::Failed { code, detail } => {
                return Err(Failure::new(code, detail.to_string()).into());
            }
            Backward::Reset(code) => return Err(Failure::from(code).into()),
            Backward::Fin => return Ok(()),
            Backward::KeepAlive | Backward::Padding(_) => {}
            Backward::Data(_) | Backward::Answer(_) | Backward::Ack(_) | Backward::Resumed(_) => {
                return Err(CircuitError::Unexpected.into());
            }
        }
    }
}

fn give(to_app: &AppUdpSender, payload: &[u8]) -> Result<(), Failure> {
    to_app.send(payload).map_err(|_| Code::Idle.into())
}
