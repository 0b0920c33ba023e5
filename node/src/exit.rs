//! An exit: does on the Internet what the originator's first frame asks for,
//! and moves the bytes.

use crate::circuit::{CircuitError, Receiver, Sender};
use crate::link::{Link, LinkRecv, LinkSend};
use crate::outside::{self, Outside};
use crate::serve::{Seat, Services};
use crate::trouble::Troubles;
use bytes::BytesMut;
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Host, Kind, Opener, Sealer, Target};
use masq_core::layer::Onion;
use masq_core::onion::ExitKeys;
use masq_core::resume::{KEPT_FOR, Token};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use kept::Mail;
pub(crate) use kept::{Kept, Place};

mod kept;
mod tcp;
mod udp;

/// The first frame comes with the set-up or right behind it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A TCP flow without a byte in either direction ends after this long; the
/// least a NAT may keep one (RFC 5382, REQ-5).
const TCP_IDLE: Duration = Duration::from_secs(2 * 3_600 + 4 * 60);

/// How long a circuit for questions or an echo may ask nothing.
const QUESTION_IDLE: Duration = Duration::from_secs(30);

type Ends<L> = (Sender<<L as Link>::Send>, Receiver<<L as Link>::Recv>);

/// A circuit that ends here.
pub(crate) struct Arrived<L: Link, O: Outside> {
    pub(crate) seat: Seat<L, O>,
    pub(crate) link: L,
    pub(crate) send: L::Send,
    pub(crate) recv: L::Recv,
    pub(crate) keys: ExitKeys,
    pub(crate) early: BytesMut,
}

/// The circuit that a flow has at the moment.
struct Circuit<L: Link, O: Outside> {
    ends: Ends<L>,
    link: L,
    keys: ExitKeys,
    seat: Seat<L, O>,
}

/// A circuit that takes a flow over; its originator has received so much.
pub(crate) struct Takeover<L: Link, O: Outside> {
    circuit: Circuit<L, O>,
    received: u64,
}

/// What a circuit begins with.
enum First {
    Open(Target),
    Resume(Token, u64),
}

/// Serves one circuit to its end; a TCP or UDP flow to the end of its last one.
pub(crate) async fn run<L: Link, O: Outside>(services: &Services<L, O>, arrived: Arrived<L, O>) {
    let Arrived {
        seat,
        link,
        send,
        recv,
        keys,
        early,
    } = arrived;
    let sender = Sender::new(send, Sealer::new(&keys.frame.backward), Onion::default());
    let opener = Opener::new(&keys.frame.forward);
    let mut circuit = Circuit {
        ends: (sender, Receiver::new(recv, opener, Onion::default(), early)),
        link,
        keys,
        seat,
    };
    let first = tokio::time::timeout(OPEN_TIMEOUT, first(&mut circuit.ends.1)).await;
    let result = match first {
        Ok(Ok(First::Open(Target::Tcp(to)))) => tcp::run(services, &mut circuit, to).await,
        Ok(Ok(First::Open(Target::Udp(to)))) => udp::run(services, &mut circuit, to).await,
        Ok(Ok(First::Open(Target::Resolve))) => resolve(services, &mut circuit.ends).await,
        Ok(Ok(First::Open(Target::Echo(host)))) => echo(services, &mut circuit.ends, host).await,
        Ok(Ok(First::Resume(token, received))) => {
            let takeover = Box::new(Takeover { circuit, received });
            let Err(refused) = services.flows.hand_over(&token, takeover) else {
                return;
            };
            circuit = refused.circuit;
            Err(End::Failed(Code::FlowForgotten.into()))
        }
        Ok(Err(error)) => Err(End::Circuit(error)),
        Err(_) => Err(End::Failed(Failure::from(Code::Idle))),
    };
    if let Err(end) = result {
        conclude(&mut circuit.ends, end, &services.troubles).await;
    }
}

/// The flow has no circuit any more: waits for another one, as long as flows
/// are kept. None when the flow is over.
async fn next_circuit<L: Link, O: Outside>(
    place: &Place<'_, Box<Takeover<L, O>>>,
    circuit: &mut Circuit<L, O>,
    error: &CircuitError,
    weight: usize,
) -> Option<Box<Takeover<L, O>>> {
    tracing::debug!(%error, "circuit lost, flow kept");
    abandon(&mut circuit.ends, error.code());
    place.wait(circuit.seat.peer(), weight);
    let mail = tokio::time::timeout(KEPT_FOR, place.mail()).await;
    place.go_on();
    match mail {
        Ok(Mail::Circuit(takeover)) => Some(takeover),
        Ok(Mail::Dropped) | Err(_) => None,
    }
}

/// Whoever still carries the circuit hears that it is over.
fn abandon<S: LinkSend, R: LinkRecv>(
    (sender, receiver): &mut (Sender<S>, Receiver<R>),
    code: Code,
) {
    sender.reset(code);
    receiver.stop(code);
}

/// How a flow ended, other than in order.
enum End {
    /// The circuit broke.
    Circuit(CircuitError),
    /// The originator gave up.
    Aborted,
    /// Nothing was reached; the originator hears why.
    Failed(Failure),
    /// The destination broke off what had begun.
    Reset(Code),
}

impl From<CircuitError> for End {
    fn from(error: CircuitError) -> Self {
        End::Circuit(error)
    }
}

async fn conclude<S: LinkSend, R: LinkRecv>(
    ends: &mut (Sender<S>, Receiver<R>),
    end: End,
    troubles: &Troubles,
) {
    let (sender, receiver) = &mut *ends;
    let told = match end {
        End::Circuit(error) => {
            tracing::debug!(%error, "circuit ended");
            if error.is_malformed() {
                troubles.note(error.code(), "frame refused by the exit");
            }
            return abandon(ends, error.code());
        }
        End::Aborted => return abandon(ends, Code::Aborted),
        End::Failed(failure) => {
            tracing::debug!(code = %failure.code, detail = %failure.detail, "exit failed");
            sender.backward(&Backward::Failed {
                code: failure.code,
                // What this machine says of it is no business of the originator's.
                detail: "",
            })
        }
        End::Reset(reason) => sender.backward(&Backward::Reset(reason)),
    };
    if sender.is_stuck() {
        return abandon(ends, Code::RemoteReset);
    }
    receiver.stop(Code::RemoteReset);
    // The reason comes behind all data: it waits as long as a reader may.
    let flushed = tokio::time::timeout(TCP_IDLE, sender.flush()).await;
    if told.is_ok() && matches!(flushed, Ok(Ok(()))) {
        sender.finish();
    } else {
        sender.reset(Code::BadFrame);
    }
}

async fn first<R: LinkRecv>(receiver: &mut Receiver<R>) -> Result<First, CircuitError> {
    let (kind, payload) = receiver.next().await?.ok_or(CircuitError::Unexpected)?;
    match Forward::decode(kind, &payload) {
        Ok(Forward::Open(target)) => Ok(First::Open(target)),
        Ok(Forward::Resume { token, received }) => Ok(First::Resume(token, received)),
        Ok(_) | Err(_) => Err(CircuitError::Unexpected),
    }
}

/// Resolves when nothing has happened for `limit`.
async fn idle(activity: &Cell<u64>, limit: Duration) {
    loop {
        let before = activity.get();
        tokio::time::sleep(limit).await;
        if activity.get() == before {
            return;
        }
    }
}

/// The next frame of an originator that has something to ask.
async fn soon<R: LinkRecv>(receiver: &mut Receiver<R>) -> Result<Option<(Kind, BytesMut)>, End> {
    let next = tokio::time::timeout(QUESTION_IDLE, receiver.next()).await;
    Ok(next.map_err(|_| End::Reset(Code::Idle))??)
}

/// Answers DNS queries until the originator has no more.
async fn resolve<L: Link, O: Outside>(
    services: &Services<L, O>,
    (sender, receiver): &mut Ends<L>,
) -> Result<(), End> {
    sender.backward(&Backward::Opened(None))?;
    while let Some((kind, payload)) = soon(receiver).await? {
        match Forward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Forward::Query(query) => {
                let answer = services.outside.query(query).await.map_err(End::Failed)?;
                sender.backward(&Backward::Answer(&answer))?;
                sender.flush().await?;
            }
            Forward::Fin => break,
            Forward::KeepAlive | Forward::Padding(_) => {}
            Forward::Open(_)
            | Forward::Data(_)
            | Forward::Datagram(_)
            | Forward::Reset(_)
            | Forward::Ack(_)
            | Forward::Resume { .. } => return Err(CircuitError::Unexpected.into()),
        }
    }
    sender.backward(&Backward::Fin)?;
    sender.flush().await?;
    sender.finish();
    Ok(())
}

/// Tells whether one host answers an echo request, with its data.
async fn echo<L: Link, O: Outside>(
    services: &Services<L, O>,
    (sender, receiver): &mut Ends<L>,
    host: Host,
) -> Result<(), End> {
    let outside = &*services.outside;
    let to = match host {
        Host::Ip(ip) => Destination::from(SocketAddr::new(ip, 0)),
        Host::Name(name) => Destination::Name { name, port: 0 },
    };
    let found = outside::addresses(outside, &services.policy, &to, Protocol::Echo)
        .await
        .map_err(End::Failed)?;
    let address = found.first().map(SocketAddr::ip);
    let address = address.ok_or(End::Failed(Code::NameHasNoAddress.into()))?;
    let (kind, payload) = soon(receiver).await?.ok_or(CircuitError::Unexpected)?;
    let Ok(Forward::Datagram(data)) = Forward::decode(kind, &payload) else {
        return Err(CircuitError::Unexpected.into());
    };
    outside.echo(address, data).await.map_err(End::Failed)?;
    sender.backward(&Backward::Opened(None))?;
    sender.backward(&Backward::Datagram(data))?;
    sender.backward(&Backward::Fin)?;
    sender.flush().await?;
    sender.finish();
    Ok(())
}
