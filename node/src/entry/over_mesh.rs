//! TCP flows over the mesh.
//!
//! On the ports of the web the app's SYN is answered at once and its first
//! bytes ride right behind the set-up, so the first answer costs one round trip
//! whatever the number of hops; a failure is then a page or an alert. On other
//! ports the SYN is answered when the exit is connected, so that a refused
//! connection is refused to the app too; where the server speaks first that
//! costs nothing.
//!
//! Until the exit says that it is connected the first bytes are kept: what one
//! exit could not do is tried at another before the app hears of it. From then
//! on the flow is that exit's, and a circuit that is lost is followed by another
//! one to it; the app sees nothing of that but a pause.

use super::circuit::{self, Circuit};
use super::record::Flow;
use super::{Entry, again, ending};
use crate::app::{AppGone, AppTcp};
use crate::circuit::{CircuitError, GATHERED_DATA, Receiver, Sender};
use crate::ledger::Ledger;
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::outside::Outside;
use bytes::{Buf, BytesMut};
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure, Place};
use masq_core::frame::{Backward, Forward, Kind, Target};
use masq_core::identity::NodeId;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

/// Where clients speak first and understand a page or an alert.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Routes that are tried for one flow.
const ATTEMPTS: usize = 5;
/// First bytes that are kept until the exit is connected.
const KEPT: usize = 64 * 1024;
/// The exit's own time-out for connecting, and the way there and back.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// Circuits in a row that carried nothing before the flow ends.
const FRUITLESS: usize = 8;

pub(super) async fn tcp<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    app: &AppTcp,
    flow: &Flow,
    destination: &Destination,
    hops: u8,
) -> Result<(), Failure> {
    let at_once = WEB_PORTS.contains(&destination.port());
    if at_once {
        app.accept();
    }
    let first = RefCell::new(First {
        accepted: at_once,
        ..First::default()
    });
    let mut avoid = Vec::new();
    let mut last: Option<Failure> = None;
    for _ in 0..ATTEMPTS {
        let target = Target::Tcp(destination.clone());
        let circuit = match circuit::open(entry, hops, &avoid, target).await {
            Ok(circuit) => circuit,
            Err(failure) => {
                // That nothing is left to try says less than why the others failed.
                last.get_or_insert(failure);
                break;
            }
        };
        flow.routed(&circuit.path);
        let path = circuit.path.clone();
        match over_circuits(entry, app, flow, circuit, &first, hops).await {
            Ok(()) => {
                app.release();
                return Ok(());
            }
            Err(End::App) => return Err(Code::Aborted.into()),
            Err(End::Lost(error)) => {
                app.abort();
                return Err(error.into());
            }
            Err(End::Broken(failure)) => {
                app.abort();
                return Err(failure);
            }
            Err(End::NotOpened(failure)) => {
                let again = failure.code.worth_another_route() && first.borrow().complete;
                tracing::debug!(code = %failure.code, again, "circuit did not open");
                entry.failed_at(&suspects(&path, failure.code));
                if matches!(failure.code.place(), Place::Exit | Place::Remote) {
                    avoid.extend(path.last());
                }
                last = Some(failure);
                if !again {
                    break;
                }
            }
        }
    }
    let failure = last.unwrap_or_else(|| Failure::bug("no attempt and no reason"));
    let First {
        bytes, accepted, ..
    } = first.into_inner();
    if accepted {
        ending::after_accept(app, destination, &bytes, &failure).await;
    } else {
        ending::before_accept(app, destination, &failure).await;
    }
    Err(failure)
}

/// What the app sent before the exit was connected.
struct First {
    bytes: Vec<u8>,
    /// Nothing was left out for want of room, and nothing opened yet.
    complete: bool,
    opened: bool,
    /// The app's SYN was answered.
    accepted: bool,
}

impl Default for First {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            complete: true,
            opened: false,
            accepted: false,
        }
    }
}

impl First {
    fn keep(&mut self, data: &[u8]) {
        if self.opened || !self.complete {
            return;
        }
        if self.bytes.len() + data.len() > KEPT {
            self.complete = false;
            self.bytes.truncate(ENOUGH_TO_SNIFF);
        } else {
            self.bytes.extend_from_slice(data);
        }
    }

    fn opened(&mut self) {
        self.opened = true;
        self.bytes = Vec::new();
    }
}

/// What a relay says of a link that it lost.
const LINK_LOST: u64 = Code::LinkLost.number() as u64;
/// How long the reason of an end may take to arrive behind the end itself.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// Of first bytes that cannot be sent again, this many still tell the protocol.
const ENOUGH_TO_SNIFF: usize = 512;

enum End {
    /// The app gave up.
    App,
    /// The exit never said that it is connected.
    NotOpened(Failure),
    /// The flow was under way, and the exit said that it is over.
    Broken(Failure),
    /// The flow was under way, and its circuit is lost.
    Lost(CircuitError),
}

impl From<AppGone> for End {
    fn from(_: AppGone) -> Self {
        End::App
    }
}

/// Carries the flow over this circuit and those that follow it.
async fn over_circuits<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    app: &AppTcp,
    flow: &Flow,
    mut circuit: Box<Circuit<L>>,
    first: &RefCell<First>,
    hops: u8,
) -> Result<(), End> {
    let ledger = Ledger::default();
    let at_exit = again::Flow {
        token: circuit.keys.exit.resume.clone(),
        exit: *circuit.path.last().ok_or(End::App)?,
        hops,
    };
    let (mut fruitless, mut progress) = (0, 0);
    loop {
        let error = match carry(app, flow, &mut circuit, first, &ledger).await {
            Err(End::Lost(error)) => error,
            Err(End::App) => {
                let received = first.borrow().opened.then(|| ledger.tell());
                again::part(entry, at_exit, Some(circuit), received);
                return Err(End::App);
            }
            Ok(()) => {
                entry.served_well(&circuit.path);
                return Ok(());
            }
            ended => return ended,
        };
        tracing::debug!(%error, "circuit lost, flow resumed");
        let before = std::mem::replace(&mut progress, ledger.progress());
        fruitless = if progress == before { fruitless + 1 } else { 0 };
        if fruitless > FRUITLESS {
            return Err(End::Lost(error));
        }
        let next = tokio::select! {
            next = again::circuit(entry, &at_exit, &circuit.path, ledger.tell()) => next,
            gone = app.gone() => {
                again::part(entry, at_exit, None::<Box<Circuit<L>>>, Some(ledger.tell()));
                return Err(gone.into());
            }
        };
        let received;
        (circuit, received) = match next {
            Ok(next) => next,
            // The exit may have ended before us, with all that we had to say.
            Err(failure) if failure.code == Code::FlowForgotten && ledger.has_delivered_all() => {
                return Ok(());
            }
            Err(failure) => return Err(End::Broken(failure)),
        };
        flow.resumed(&circuit.path);
        if let Err(error) = ledger.resume(received) {
            let failure = Failure::from(CircuitError::from(error));
            circuit.sender.reset(failure.code);
            circuit.receiver.stop(failure.code);
            return Err(End::Broken(failure));
        }
    }
}

async fn carry<L: Link>(
    app: &AppTcp,
    flow: &Flow,
    circuit: &mut Circuit<L>,
    first: &RefCell<First>,
    ledger: &Ledger,
) -> Result<(), End> {
    let Circuit {
        sender, receiver, ..
    } = circuit;
    let stopped = sender.stopped();
    let result = {
        let up = async {
            let result = upward(app, flow, sender, first, ledger).await;
            let lost = match &result {
                Err(End::Lost(error)) => error.code() == Code::LinkLost,
                Err(End::Broken(_) | End::NotOpened(_)) => false,
                Ok(()) | Err(End::App) => true,
            };
            if !lost {
                // The exit has stopped reading; why it did is on its way.
                tokio::time::sleep(LAST_WORD).await;
            }
            result
        };
        let down = downward(app, flow, receiver, first, ledger);
        // Tells of a lost circuit while nothing is read and nothing written,
        // because the app waits or takes nothing.
        let lost = async {
            let error = stopped.await;
            let lost = matches!(&error, StreamError::LinkLost)
                || matches!(&error, StreamError::Stopped(code) if *code == LINK_LOST);
            if !lost || !first.borrow().opened {
                std::future::pending::<()>().await;
            }
            CircuitError::from(error)
        };
        tokio::select! {
            biased;
            ended = async { tokio::try_join!(up, down).map(|_| ()) } => ended,
            gone = app.gone() => Err(gone.into()),
            error = lost => Err(End::Lost(error)),
        }
    };
    let code = match &result {
        Ok(()) | Err(End::App) => return result,
        Err(End::NotOpened(failure) | End::Broken(failure)) => failure.code,
        Err(End::Lost(error)) => error.code(),
    };
    sender.reset(code);
    receiver.stop(code);
    result
}

async fn upward<S: LinkSend>(
    app: &AppTcp,
    flow: &Flow,
    sender: &mut Sender<S>,
    first: &RefCell<First>,
    ledger: &Ledger,
) -> Result<(), End> {
    let broken = |error: CircuitError| broken(first, error);
    let again = first.borrow().bytes.clone();
    let mut taken = 0;
    while taken < again.len() {
        let amount = sender.data(&again[taken..]).map_err(broken)?;
        ledger.sent(&again[taken..taken + amount]);
        taken += amount;
    }
    while let Some(bytes) = ledger.again(GATHERED_DATA) {
        sender.data(&bytes).map_err(broken)?;
        sender.flush().await.map_err(broken)?;
    }
    if ledger.has_finished() {
        finish(sender, ledger).map_err(broken)?;
    } else if again.is_empty() {
        // The TUN loop has had time to bring what the app sent on its SYN-ACK.
        tokio::task::yield_now().await;
        match poll_fn(|cx| Poll::Ready(poll_data(app, flow, sender, first, ledger, cx))).await {
            Poll::Ready(Step::Data(sealed)) => sealed.map_err(broken)?,
            Poll::Ready(Step::End) => finish(sender, ledger).map_err(broken)?,
            Poll::Ready(Step::Gone(gone)) => return Err(gone.into()),
            Poll::Ready(Step::Tell(_)) | Poll::Pending => {}
        }
    }
    sender.flush().await.map_err(broken)?;
    while !ledger.has_said_all() {
        let step = poll_fn(|cx| {
            if !ledger.has_finished()
                && let Poll::Ready(step) = poll_data(app, flow, sender, first, ledger, cx)
            {
                return Poll::Ready(step);
            }
            ledger.poll_tell(cx).map(Step::Tell)
        });
        match step.await {
            Step::Data(sealed) => {
                sealed.map_err(broken)?;
                tell(sender, ledger).map_err(broken)?;
            }
            Step::End => {
                tell(sender, ledger).map_err(broken)?;
                finish(sender, ledger).map_err(broken)?;
            }
            Step::Tell(count) => sender.forward(&Forward::Ack(count)).map_err(broken)?,
            Step::Gone(gone) => return Err(gone.into()),
        }
        sender.flush().await.map_err(broken)?;
    }
    sender.finish();
    Ok(())
}

fn tell<S: LinkSend>(sender: &mut Sender<S>, ledger: &Ledger) -> Result<(), CircuitError> {
    match ledger.tell_along() {
        Some(count) => sender.forward(&Forward::Ack(count)),
        None => Ok(()),
    }
}

fn finish<S: LinkSend>(sender: &mut Sender<S>, ledger: &Ledger) -> Result<(), CircuitError> {
    if !ledger.is_finish_sent() {
        ledger.finished();
        sender.forward(&Forward::Fin)?;
    }
    Ok(())
}

/// What there is to say to the exit.
enum Step {
    /// Bytes, which are sealed.
    Data(Result<(), CircuitError>),
    End,
    Tell(u64),
    /// Nothing any more.
    Gone(AppGone),
}

/// Seals what the app has sent.
fn poll_data<S: LinkSend>(
    app: &AppTcp,
    flow: &Flow,
    sender: &mut Sender<S>,
    first: &RefCell<First>,
    ledger: &Ledger,
    cx: &mut std::task::Context<'_>,
) -> Poll<Step> {
    let polled = app.poll_recv(cx, |data| {
        let sealed = sender.data(data);
        let taken = *sealed.as_ref().unwrap_or(&0);
        let data = &data[..taken];
        ledger.sent(data);
        first.borrow_mut().keep(data);
        flow.said(data);
        (taken, sealed.map(|_| ()))
    });
    polled.map(|received| match received {
        Ok(Some(sealed)) => Step::Data(sealed),
        Ok(None) => Step::End,
        Err(gone) => Step::Gone(gone),
    })
}

async fn downward<R: LinkRecv>(
    app: &AppTcp,
    flow: &Flow,
    receiver: &mut Receiver<R>,
    first: &RefCell<First>,
    ledger: &Ledger,
) -> Result<(), End> {
    poll_fn(|cx| poll_give(app, ledger, cx)).await?;
    while !ledger.has_heard_all() {
        let next = if first.borrow().opened {
            receiver.next().await
        } else {
            match tokio::time::timeout(OPEN_TIMEOUT, receiver.next()).await {
                Ok(next) => next,
                Err(_) => return Err(End::NotOpened(Code::CircuitTimedOut.into())),
            }
        };
        let Some((kind, payload)) = next.map_err(|error| broken(first, error))? else {
            return Err(broken(first, StreamError::LinkLost.into()));
        };
        if kind == Kind::Data && first.borrow().opened && !ledger.has_ended() {
            flow.received(payload.len());
            ledger.received(payload);
            poll_fn(|cx| poll_give(app, ledger, cx)).await?;
            continue;
        }
        let message = Backward::decode(kind, &payload);
        match message.map_err(|_| broken(first, CircuitError::Unexpected))? {
            Backward::Opened(_) if !first.borrow().opened => {
                let mut first = first.borrow_mut();
                first.opened();
                if !first.accepted {
                    first.accepted = true;
                    app.accept();
                }
            }
            Backward::Fin if first.borrow().opened && !ledger.has_ended() => {
                ledger.ended();
                app.finish();
            }
            Backward::Ack(count) => {
                let acknowledged = ledger.acknowledged(count);
                acknowledged.map_err(|error| broken(first, error.into()))?;
            }
            Backward::Failed { code, detail } => {
                let failure = Failure::new(code, detail.to_string());
                return Err(if first.borrow().opened {
                    End::Broken(failure)
                } else {
                    End::NotOpened(failure)
                });
            }
            Backward::Reset(code) => return Err(End::Broken(code.into())),
            Backward::KeepAlive | Backward::Padding(_) => {}
            Backward::Opened(_)
            | Backward::Resumed(_)
            | Backward::Data(_)
            | Backward::Fin
            | Backward::Datagram(_)
            | Backward::Answer(_) => return Err(broken(first, CircuitError::Unexpected)),
        }
    }
    Ok(())
}

/// Gives the app what was received.
fn poll_give(
    app: &AppTcp,
    ledger: &Ledger,
    cx: &mut std::task::Context<'_>,
) -> Poll<Result<(), AppGone>> {
    let untaken = &mut *ledger.untaken.borrow_mut();
    while !untaken.is_empty() {
        let taken = app.poll_send_with(cx, |room| {
            let amount = room.len().min(untaken.len());
            room[..amount].copy_from_slice(&untaken[..amount]);
            (amount, amount)
        });
        untaken.advance(ready!(taken)?);
    }
    // The buffer of a frame is not kept for one that may come much later.
    *untaken = BytesMut::new();
    Poll::Ready(Ok(()))
}

/// Before the exit is connected a refusal by a relay is one more reason to try
/// another way. A link that broke may have carried the first bytes to the
/// destination already, so those are not sent twice, except the greeting of a
/// TLS client, which means nothing without its continuation.
fn broken(first: &RefCell<First>, error: CircuitError) -> End {
    let mut first = first.borrow_mut();
    let ambiguous = matches!(
        error,
        CircuitError::Stream(StreamError::LinkLost) | CircuitError::Open(_)
    );
    if first.opened && error.is_loss() {
        return End::Lost(error);
    }
    if first.opened {
        return End::Broken(error.into());
    }
    let greeting = first.bytes.is_empty() || first.bytes.first() == Some(&0x16);
    if ambiguous && !greeting {
        first.complete = false;
    }
    End::NotOpened(error.into())
}

/// Whom a failure speaks against: an exit for what exits say, everyone on the
/// path for what nobody signs.
pub(super) fn suspects(path: &[NodeId], code: Code) -> Vec<NodeId> {
    match code.place() {
        Place::Exit | Place::Remote => path.last().copied().into_iter().collect(),
        Place::Mesh if code == Code::NoNextHop => path.iter().skip(1).copied().collect(),
        Place::Mesh | Place::Local | Place::Platform | Place::Payment | Place::Bug => path.to_vec(),
    }
}
