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
//! exit could not do is tried at another before the app hears of it.

use super::circuit::{self, Circuit};
use super::record::Flow;
use super::{Entry, ending};
use crate::app::{AppGone, AppTcp};
use crate::circuit::{CircuitError, Preamble, Receiver, Sender};
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::outside::Outside;
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure, Place};
use masq_core::frame::{Backward, Forward, Target};
use masq_core::identity::NodeId;
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

/// Where clients speak first and understand a page or an alert.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Routes that are tried for one flow.
const ATTEMPTS: usize = 5;
/// First bytes that are kept until the exit is connected.
const KEPT: usize = 64 * 1024;
/// The exit's own time-out for connecting, and the way there and back.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn tcp<L: Link, O: Outside>(
    entry: &Entry<L, O>,
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
        let mut circuit = match circuit::open(entry, hops, &avoid, target).await {
            Ok(circuit) => circuit,
            Err(failure) => {
                // That nothing is left to try says less than why the others failed.
                last.get_or_insert(failure);
                break;
            }
        };
        flow.routed(&circuit.path);
        let carried = carry(app, flow, &mut circuit, &first).await;
        let path = std::mem::take(&mut circuit.path);
        drop(circuit);
        match carried {
            Ok(()) => {
                entry.served_well(&path);
                app.release();
                return Ok(());
            }
            Err(End::App) => return Err(Code::Aborted.into()),
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

/// How long the reason of an end may take to arrive behind the end itself.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);
/// Of first bytes that cannot be sent again, this many still tell the protocol.
const ENOUGH_TO_SNIFF: usize = 512;

enum End {
    /// The app gave up.
    App,
    /// The exit never said that it is connected.
    NotOpened(Failure),
    /// The flow was under way.
    Broken(Failure),
}

impl From<AppGone> for End {
    fn from(_: AppGone) -> Self {
        End::App
    }
}

async fn carry<L: Link>(
    app: &AppTcp,
    flow: &Flow,
    circuit: &mut Circuit<L>,
    first: &RefCell<First>,
) -> Result<(), End> {
    let Circuit {
        sender,
        receiver,
        preamble,
        ..
    } = circuit;
    let result = {
        let up = async {
            let result = upward(app, flow, sender, preamble.take(), first).await;
            if let Err(End::Broken(_) | End::NotOpened(_)) = result {
                // The exit has stopped reading; why it did is on its way.
                tokio::time::sleep(LAST_WORD).await;
            }
            result
        };
        let down = downward(app, flow, receiver, first);
        tokio::select! {
            biased;
            ended = async { tokio::try_join!(up, down).map(|_| ()) } => ended,
            gone = app.gone() => Err(gone.into()),
        }
    };
    let Err(end) = result else { return Ok(()) };
    let code = match &end {
        End::App => Code::Aborted,
        End::NotOpened(failure) | End::Broken(failure) => failure.code,
    };
    sender.reset(code);
    receiver.stop(code);
    Err(end)
}

async fn upward<S: LinkSend>(
    app: &AppTcp,
    flow: &Flow,
    sender: &mut Sender<S>,
    preamble: Option<Preamble>,
    first: &RefCell<First>,
) -> Result<(), End> {
    let broken = |error: CircuitError| broken(first, error);
    let again = first.borrow().bytes.clone();
    let mut taken = 0;
    while taken < again.len() {
        taken += sender.data(&again[taken..]).map_err(broken)?;
    }
    // The TUN loop has had time to bring what the app sent on its SYN-ACK.
    tokio::task::yield_now().await;
    let mut ended = false;
    if again.is_empty() {
        match poll_fn(|cx| Poll::Ready(poll_data(app, flow, sender, first, cx))).await {
            Poll::Ready(data) => ended = !data?,
            Poll::Pending => {}
        }
    }
    if let Some(preamble) = preamble {
        sender.flush_after(preamble).await.map_err(broken)?;
    }
    while !ended {
        ended = !poll_fn(|cx| poll_data(app, flow, sender, first, cx)).await?;
        sender.flush().await.map_err(broken)?;
    }
    sender.forward(&Forward::Fin).map_err(broken)?;
    sender.flush().await.map_err(broken)?;
    sender.finish();
    Ok(())
}

/// Seals what the app has sent; false at its end.
fn poll_data<S: LinkSend>(
    app: &AppTcp,
    flow: &Flow,
    sender: &mut Sender<S>,
    first: &RefCell<First>,
    cx: &mut std::task::Context<'_>,
) -> Poll<Result<bool, End>> {
    let polled = app.poll_recv(cx, |data| {
        let sealed = sender.data(data);
        let taken = *sealed.as_ref().unwrap_or(&0);
        first.borrow_mut().keep(&data[..taken]);
        flow.said(&data[..taken]);
        (taken, sealed)
    });
    polled.map(|received| match received? {
        None => Ok(false),
        Some(sealed) => {
            sealed.map_err(|error| broken(first, error))?;
            Ok(true)
        }
    })
}

async fn downward<R: LinkRecv>(
    app: &AppTcp,
    flow: &Flow,
    receiver: &mut Receiver<R>,
    first: &RefCell<First>,
) -> Result<(), End> {
    loop {
        let next = if first.borrow().opened {
            receiver.next().await
        } else {
            match tokio::time::timeout(OPEN_TIMEOUT, receiver.next()).await {
                Ok(next) => next,
                Err(_) => return Err(End::NotOpened(Code::CircuitTimedOut.into())),
            }
        };
        let Some((kind, payload)) = next.map_err(|error| broken(first, error))? else {
            return Ok(());
        };
        let message = Backward::decode(kind, &payload);
        match message.map_err(|_| broken(first, CircuitError::Unexpected))? {
            Backward::Opened(_) => {
                let mut first = first.borrow_mut();
                first.opened();
                if !first.accepted {
                    first.accepted = true;
                    app.accept();
                }
            }
            Backward::Data(data) => {
                flow.received(data.len());
                app.send_all(data).await?;
            }
            Backward::Fin => {
                app.finish();
                return Ok(());
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
            Backward::Datagram(_) | Backward::Answer(_) => {
                return Err(broken(first, CircuitError::Unexpected));
            }
        }
    }
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
