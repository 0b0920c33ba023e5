//! An exit: does on the Internet what the originator's first frame asks for,
//! and moves the bytes.

use crate::circuit::{CircuitError, Receiver, Sender};
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::outside::{self, Outside, OutsideTcp};
use crate::serve::Services;
use crate::trouble::Troubles;
use bytes::{BufMut, BytesMut};
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Host, Kind, MAX_PAYLOAD, Opener, Sealer, Target};
use masq_core::layer::Onion;
use masq_core::onion::ExitKeys;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite};

mod udp;

/// The first frame comes with the set-up or right behind it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A TCP flow without a byte in either direction ends after this long; the
/// least a NAT may keep one (RFC 5382, REQ-5).
const TCP_IDLE: Duration = Duration::from_secs(2 * 3_600 + 4 * 60);

/// How long a circuit for questions or an echo may ask nothing.
const QUESTION_IDLE: Duration = Duration::from_secs(30);

type Ends<L> = (Sender<<L as Link>::Send>, Receiver<<L as Link>::Recv>);

/// Serves one circuit to its end.
pub(crate) async fn run<L: Link, O: Outside>(
    services: &Services<L, O>,
    link: L,
    send: L::Send,
    recv: L::Recv,
    keys: ExitKeys,
    early: BytesMut,
) {
    let sender = Sender::new(send, Sealer::new(&keys.frame.backward), Onion::default());
    let opener = Opener::new(&keys.frame.forward);
    let mut ends = (sender, Receiver::new(recv, opener, Onion::default(), early));
    let opened = tokio::time::timeout(OPEN_TIMEOUT, target(&mut ends.1)).await;
    let result = match opened {
        Ok(Ok(Target::Tcp(to))) => tcp(services, &mut ends, to).await,
        Ok(Ok(Target::Udp(to))) => udp::run(services, &link, &mut ends, &keys, to).await,
        Ok(Ok(Target::Resolve)) => resolve(services, &mut ends).await,
        Ok(Ok(Target::Echo(host))) => echo(services, &mut ends, host).await,
        Ok(Err(error)) => Err(End::Circuit(error)),
        Err(_) => Err(End::Failed(Failure::from(Code::Idle))),
    };
    if let Err(end) = result {
        conclude(&mut ends, end, &services.troubles).await;
    }
}

/// How a flow ended, other than in order.
enum End {
    /// The circuit broke or the originator gave up.
    Circuit(CircuitError),
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
    let (sender, receiver) = ends;
    let told = match end {
        End::Circuit(error) => {
            tracing::debug!(%error, "circuit ended");
            if error.is_malformed() {
                troubles.note(error.code(), "frame refused by the exit");
            }
            sender.reset(error.code());
            receiver.stop(error.code());
            return;
        }
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
    receiver.stop(Code::RemoteReset);
    // The reason comes behind all data: it waits as long as a reader may.
    let flushed = tokio::time::timeout(TCP_IDLE, sender.flush()).await;
    if told.is_ok() && matches!(flushed, Ok(Ok(()))) {
        sender.finish();
    } else {
        sender.reset(Code::BadFrame);
    }
}

async fn target<R: LinkRecv>(receiver: &mut Receiver<R>) -> Result<Target, CircuitError> {
    let (kind, payload) = receiver.next().await?.ok_or(CircuitError::Unexpected)?;
    match Forward::decode(kind, &payload) {
        Ok(Forward::Open(target)) => Ok(target),
        Ok(_) | Err(_) => Err(CircuitError::Unexpected),
    }
}

async fn tcp<L: Link, O: Outside>(
    services: &Services<L, O>,
    (sender, receiver): &mut Ends<L>,
    to: Destination,
) -> Result<(), End> {
    let outside = &*services.outside;
    let reach = async {
        let found = outside::addresses(outside, &services.policy, &to, Protocol::Tcp).await?;
        outside::connect(outside, &found).await
    };
    let stream = tokio::select! {
        stream = reach => stream.map_err(End::Failed)?,
        error = sender.stopped() => return Err(End::Circuit(error.into())),
    };
    sender.backward(&Backward::Opened(Some(stream.peer())))?;
    sender.flush().await?;

    let stream = RefCell::new(stream);
    let activity = Cell::new(0_u64);
    let mut stopped = pin!(sender.stopped());
    let up = upward(services, receiver, &stream, &activity);
    let down = downward(services, sender, &stream, &activity);
    let result = tokio::select! {
        result = async { tokio::try_join!(up, down).map(|_| ()) } => result,
        // A finished stream resolves too, once everything was received. A lost
        // link shows here alone when the originator has finished before.
        error @ (StreamError::Stopped(1..) | StreamError::LinkLost) = &mut stopped => {
            Err(End::Circuit(error.into()))
        }
        () = idle(&activity, TCP_IDLE) => Err(End::Reset(Code::Idle)),
    };
    if result.is_err() {
        stream.borrow().abort();
    }
    result
}

/// From the circuit to the destination.
async fn upward<L: Link, O: Outside>(
    services: &Services<L, O>,
    receiver: &mut Receiver<L::Recv>,
    stream: &RefCell<O::Tcp>,
    activity: &Cell<u64>,
) -> Result<(), End> {
    while let Some((kind, payload)) = receiver.next().await? {
        activity.set(activity.get() + 1);
        match Forward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Forward::Data(mut bytes) => {
                services.meter.forward(bytes.len());
                while !bytes.is_empty() {
                    let written =
                        poll_fn(|cx| Pin::new(&mut *stream.borrow_mut()).poll_write(cx, bytes));
                    let written = written.await.map_err(broken)?;
                    bytes = &bytes[written..];
                }
            }
            Forward::Fin => {
                poll_fn(|cx| Pin::new(&mut *stream.borrow_mut()).poll_shutdown(cx))
                    .await
                    .map_err(broken)?;
                return Ok(());
            }
            Forward::Reset(_) => {
                return Err(End::Circuit(CircuitError::Stream(StreamError::Reset(
                    u64::from(Code::Aborted.number()),
                ))));
            }
            Forward::KeepAlive | Forward::Padding(_) => {}
            Forward::Open(_) | Forward::Datagram(_) | Forward::Query(_) => {
                return Err(CircuitError::Unexpected.into());
            }
        }
    }
    Ok(())
}

/// From the destination to the circuit.
async fn downward<L: Link, O: Outside>(
    services: &Services<L, O>,
    sender: &mut Sender<L::Send>,
    stream: &RefCell<O::Tcp>,
    activity: &Cell<u64>,
) -> Result<(), End> {
    loop {
        let amount = poll_fn(|cx| poll_frame(sender, stream, cx)).await?;
        if amount == 0 {
            sender.backward(&Backward::Fin)?;
            sender.flush().await?;
            sender.finish();
            return Ok(());
        }
        activity.set(activity.get() + 1);
        services.meter.backward(amount);
        sender.flush().await?;
    }
}

/// Reads what is there, at most a frame of it, to where it is sealed; the
/// buffer of a frame is taken only when there is something to put in it.
/// Zero is the end of the stream.
fn poll_frame<S: LinkSend, T: OutsideTcp>(
    sender: &mut Sender<S>,
    stream: &RefCell<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, End>> {
    let stream = &mut *stream.borrow_mut();
    ready!(stream.poll_readable(cx)).map_err(broken)?;
    let (draft, buffer) = sender.begin_data();
    let polled = {
        let mut room = buffer.limit(MAX_PAYLOAD);
        let read = pin!(stream.read_buf(&mut room));
        read.poll(cx)
    };
    match polled {
        Poll::Ready(Ok(amount)) if amount > 0 => {
            sender.finish_data(draft)?;
            Poll::Ready(Ok(amount))
        }
        Poll::Ready(end) => {
            sender.cancel_data(draft);
            Poll::Ready(end.map_err(broken))
        }
        Poll::Pending => {
            sender.cancel_data(draft);
            Poll::Pending
        }
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

/// The destination's connection broke.
fn broken(error: io::Error) -> End {
    tracing::debug!(%error, "destination broke the connection off");
    End::Reset(Code::RemoteReset)
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
            Forward::Open(_) | Forward::Data(_) | Forward::Datagram(_) | Forward::Reset(_) => {
                return Err(CircuitError::Unexpected.into());
            }
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
