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

use super::attempts::Attempts;
use super::circuit::Circuit;
use super::course::Terms;
use super::record::Flow;
use super::{Entry, again, ending};
use crate::app::{AppGone, AppTcp};
use crate::circuit::CircuitError;
use crate::ledger::Ledger;
use crate::link::Link;
use crate::outside::Outside;
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure};
use masq_core::frame::Target;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

mod carry;

use carry::carry;

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
    terms: &Terms,
) -> Result<(), Failure> {
    let at_once = WEB_PORTS.contains(&destination.port());
    if at_once {
        app.accept();
    }
    let first = RefCell::new(First {
        accepted: at_once,
        ..First::default()
    });
    let target = Target::Tcp(destination.clone());
    let mut attempts = Attempts::new(ATTEMPTS);
    while let Some(circuit) = attempts.next(entry, flow, terms, &target).await {
        let path = circuit.path.clone();
        match over_circuits(entry, app, flow, circuit, &first, terms.hops).await {
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
                let complete = first.borrow().complete;
                if !attempts.refused(entry, &path, failure, complete) {
                    break;
                }
            }
        }
    }
    let failure = attempts.into_failure();
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
            Ok(()) => return Ok(()),
            ended => return ended,
        };
        tracing::debug!(%error, "circuit lost, flow resumed");
        let before = std::mem::replace(&mut progress, ledger.progress());
        fruitless = if progress == before { fruitless + 1 } else { 0 };
        if fruitless > FRUITLESS {
            return Err(End::Lost(error));
        }
        // In a box, so that a flow pays for it only when it comes to that.
        let next = Box::pin(again::circuit(
            entry,
            &at_exit,
            &circuit.path,
            ledger.tell(),
        ));
        let next = tokio::select! {
            next = next => next,
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
