//! TCP at an exit: one connection with one destination, over one circuit after
//! the other when they are lost.
//!
//! Without a circuit nothing is read from the destination and nothing written
//! to it, so its own window holds it up.

use super::{Circuit, End, Place, TCP_IDLE, Takeover, abandon, idle, next_circuit};
use crate::circuit::{CircuitError, GATHERED_DATA, Receiver, Sender};
use crate::exit::kept::Mail;
use crate::ledger::Ledger;
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::outside::{self, Outside, OutsideTcp};
use crate::serve::{Meter, Services};
use bytes::{Buf, BufMut, BytesMut};
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::Code;
use masq_core::frame::{Backward, Forward, Kind, MAX_PAYLOAD};
use masq_core::resume::CountError;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;

/// What lasts longer than a circuit.
struct Flow<T> {
    stream: RefCell<T>,
    ledger: Ledger,
    /// The destination was told that no more follows.
    shut: Cell<bool>,
    activity: Cell<u64>,
}

pub(super) async fn run<L: Link, O: Outside>(
    services: &Services<L, O>,
    circuit: &mut Circuit<L, O>,
    to: Destination,
) -> Result<(), End> {
    let outside = &*services.outside;
    let reach = async {
        let found = outside::addresses(outside, &services.policy, &to, Protocol::Tcp).await?;
        outside::connect(outside, &found).await
    };
    let sender = &mut circuit.ends.0;
    let stream = tokio::select! {
        stream = reach => stream.map_err(End::Failed)?,
        error = sender.stopped() => return Err(End::Circuit(error.into())),
    };
    sender.backward(&Backward::Opened(Some(stream.peer())))?;
    let flow = Flow {
        stream: RefCell::new(stream),
        ledger: Ledger::default(),
        shut: Cell::new(false),
        activity: Cell::new(0),
    };
    let place = services.flows.register(&circuit.keys.resume);
    let result = over_circuits(&services.meter, circuit, &flow, &place).await;
    if result.is_err() {
        flow.stream.borrow().abort();
    }
    result
}

async fn over_circuits<L: Link, O: Outside>(
    meter: &Meter,
    circuit: &mut Circuit<L, O>,
    flow: &Flow<O::Tcp>,
    place: &Place<'_, Box<Takeover<L, O>>>,
) -> Result<(), End> {
    loop {
        let next = tokio::select! {
            result = carry(meter, circuit, flow) => match result {
                Err(End::Circuit(error)) if error.is_loss() => {
                    let weight = flow.ledger.weight();
                    let next = Box::pin(next_circuit(place, circuit, &error, weight)).await;
                    next.ok_or(End::Circuit(error))?
                }
                ended => return ended,
            },
            Mail::Circuit(next) = place.mail() => {
                abandon(&mut circuit.ends, Code::LinkLost);
                next
            }
        };
        *circuit = next.circuit;
        flow.ledger
            .resume(next.received)
            .map_err(|error| match error {
                CountError::Forgotten { .. } => End::Failed(Code::FlowForgotten.into()),
                CountError::Beyond { .. } | CountError::Backwards { .. } => {
                    End::Circuit(error.into())
                }
            })?;
        let count = flow.ledger.tell();
        circuit.ends.0.backward(&Backward::Resumed(count))?;
    }
}

/// Moves the bytes of both directions, as long as the circuit lives.
async fn carry<L: Link, O: Outside>(
    meter: &Meter,
    circuit: &mut Circuit<L, O>,
    flow: &Flow<O::Tcp>,
) -> Result<(), End> {
    let (sender, receiver) = &mut circuit.ends;
    let mut stopped = pin!(sender.stopped());
    let up = upward(meter, receiver, flow);
    let down = downward(meter, sender, flow);
    tokio::select! {
        result = async { tokio::try_join!(up, down).map(|_| ()) } => result,
        // A finished stream resolves too, once everything was received. A lost
        // link shows here alone when the originator has finished before.
        error @ (StreamError::Stopped(1..) | StreamError::LinkLost) = &mut stopped => {
            Err(End::Circuit(error.into()))
        }
        () = idle(&flow.activity, TCP_IDLE) => Err(End::Reset(Code::Idle)),
    }
}

/// From the circuit to the destination.
async fn upward<R: LinkRecv, T: OutsideTcp>(
    meter: &Meter,
    receiver: &mut Receiver<R>,
    flow: &Flow<T>,
) -> Result<(), End> {
    let ledger = &flow.ledger;
    let mut held = None;
    while !ledger.has_heard_all() {
        let Some((kind, payload)) = next(receiver, flow, &mut held).await? else {
            return Err(CircuitError::Stream(StreamError::LinkLost).into());
        };
        flow.activity.set(flow.activity.get() + 1);
        if kind == Kind::Data && !ledger.has_ended() {
            meter.forward(payload.len());
            ledger.received(payload);
            continue;
        }
        match Forward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Forward::Fin if !ledger.has_ended() => ledger.ended(),
            Forward::Ack(count) => ledger.acknowledged(count).map_err(CircuitError::from)?,
            Forward::Reset(_) => return Err(End::Aborted),
            Forward::KeepAlive | Forward::Padding(_) => {}
            Forward::Fin
            | Forward::Data(_)
            | Forward::Open(_)
            | Forward::Datagram(_)
            | Forward::Query(_)
            | Forward::Resume { .. } => return Err(CircuitError::Unexpected.into()),
        }
    }
    poll_fn(|cx| flow.poll_write(cx)).await
}

type Frame = (Kind, BytesMut);

/// The next frame to act upon. While the destination takes nothing, one of
/// bytes waits in `held`; what is no bytes passes it by, above all a reset.
async fn next<R: LinkRecv, T: OutsideTcp>(
    receiver: &mut Receiver<R>,
    flow: &Flow<T>,
    held: &mut Option<Frame>,
) -> Result<Option<Frame>, End> {
    loop {
        if poll_fn(|cx| Poll::Ready(flow.poll_write(cx)))
            .await?
            .is_ready()
        {
            return match held.take() {
                Some(frame) => Ok(Some(frame)),
                None => Ok(receiver.next().await?),
            };
        }
        tokio::select! {
            biased;
            written = poll_fn(|cx| flow.poll_write(cx)) => written?,
            frame = receiver.next(), if held.is_none() => match frame? {
                Some(frame) if matches!(frame.0, Kind::Data | Kind::Fin) => *held = Some(frame),
                frame => return Ok(frame),
            },
        }
    }
}

impl<T: OutsideTcp> Flow<T> {
    /// Gives the destination what was received, its end included.
    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let stream = &mut *self.stream.borrow_mut();
        let unwritten = &mut *self.ledger.untaken.borrow_mut();
        while !unwritten.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, unwritten));
            unwritten.advance(written.map_err(broken)?);
        }
        // The buffer of a frame is not kept for one that may come much later.
        *unwritten = BytesMut::new();
        if self.ledger.has_ended() && !self.shut.get() {
            ready!(Pin::new(stream).poll_shutdown(cx)).map_err(broken)?;
            self.shut.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

/// From the destination to the circuit.
async fn downward<S: LinkSend, T: OutsideTcp>(
    meter: &Meter,
    sender: &mut Sender<S>,
    flow: &Flow<T>,
) -> Result<(), End> {
    let ledger = &flow.ledger;
    sender.flush().await?;
    while let Some(bytes) = ledger.again(GATHERED_DATA) {
        sender.data(&bytes)?;
        tell(sender, ledger)?;
        sender.flush().await?;
    }
    if ledger.has_finished() {
        finish(sender, ledger)?;
    }
    while !ledger.has_said_all() {
        match poll_fn(|cx| poll_step(sender, flow, cx)).await? {
            Step::Data(amount) => {
                flow.activity.set(flow.activity.get() + 1);
                meter.backward(amount);
                tell(sender, ledger)?;
            }
            Step::End => {
                tell(sender, ledger)?;
                finish(sender, ledger)?;
            }
            Step::Tell(count) => sender.backward(&Backward::Ack(count))?,
        }
        sender.flush().await?;
    }
    sender.flush().await?;
    sender.finish();
    Ok(())
}

fn tell<S: LinkSend>(sender: &mut Sender<S>, ledger: &Ledger) -> Result<(), CircuitError> {
    match ledger.tell_along() {
        Some(count) => sender.backward(&Backward::Ack(count)),
        None => Ok(()),
    }
}

fn finish<S: LinkSend>(sender: &mut Sender<S>, ledger: &Ledger) -> Result<(), CircuitError> {
    if !ledger.is_finish_sent() {
        ledger.finished();
        sender.backward(&Backward::Fin)?;
    }
    Ok(())
}

/// What there is to say to the originator.
enum Step {
    /// So many bytes are sealed.
    Data(usize),
    End,
    Tell(u64),
}

fn poll_step<S: LinkSend, T: OutsideTcp>(
    sender: &mut Sender<S>,
    flow: &Flow<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<Step, End>> {
    if !flow.ledger.has_finished()
        && let Poll::Ready(read) = poll_frame(sender, flow, cx)?
    {
        return Poll::Ready(Ok(read));
    }
    flow.ledger.poll_tell(cx).map(|count| Ok(Step::Tell(count)))
}

/// Reads what is there, at most a frame of it, to where it is sealed; the
/// buffer of a frame is taken only when there is something to put in it.
fn poll_frame<S: LinkSend, T: OutsideTcp>(
    sender: &mut Sender<S>,
    flow: &Flow<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<Step, End>> {
    let stream = &mut *flow.stream.borrow_mut();
    ready!(stream.poll_readable(cx)).map_err(broken)?;
    let (draft, buffer) = sender.begin_data();
    let start = buffer.len();
    let polled = {
        let mut room = buffer.limit(MAX_PAYLOAD);
        let read = pin!(stream.read_buf(&mut room));
        read.poll(cx)
    };
    match polled {
        Poll::Ready(Ok(amount)) if amount > 0 => {
            flow.ledger.sent(&sender.gathered()[start..]);
            sender.finish_data(draft)?;
            Poll::Ready(Ok(Step::Data(amount)))
        }
        Poll::Ready(end) => {
            sender.cancel_data(draft);
            Poll::Ready(end.map(|_| Step::End).map_err(broken))
        }
        Poll::Pending => {
            sender.cancel_data(draft);
            Poll::Pending
        }
    }
}

/// The destination's connection broke.
fn broken(error: io::Error) -> End {
    tracing::debug!(%error, "destination broke the connection off");
    End::Reset(Code::RemoteReset)
}
