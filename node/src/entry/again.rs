//! Another way to the same exit for a flow whose circuit was lost, and the
//! word to an exit that a flow is over (W-5.9, W-5.10).

use super::Entry;
use super::circuit::{self, Circuit, Wish};
use crate::circuit::CircuitError;
use crate::link::Link;
use crate::outside::Outside;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward};
use masq_core::identity::NodeId;
use masq_core::resume::{KEPT_FOR, Token};
use rand::Rng;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

/// How long an exit may take to answer a resumption.
const ATTEMPT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The exit kept the flow somewhat later than we lost it, never earlier than
/// its own link did.
const PATIENCE: Duration = KEPT_FOR.saturating_sub(Duration::from_secs(1));
/// An exit that so many Nodes in turn have no link with is gone.
const WITHOUT_LINK: usize = 8;
/// How long a last word may take to leave, and the answer to it.
const LAST_WORD: Duration = Duration::from_millis(250);
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// A flow at its exit.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) token: Token,
    pub(super) exit: NodeId,
    pub(super) hops: u8,
}

/// A circuit that goes on with the flow, and how much its exit has received.
/// `lost` are the Nodes of the circuit that was lost, `received` is what this
/// side has.
pub(super) async fn circuit<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    flow: &Flow,
    lost: &[NodeId],
    received: u64,
) -> Result<(Box<Circuit<L>>, u64), Failure> {
    let begin = Instant::now();
    let mut avoid = probably_dead(entry, lost).to_vec();
    entry.failed_at(&avoid);
    let mut pause = FIRST_PAUSE;
    let mut without_link = 0;
    loop {
        if entry.log.is_closed() {
            return Err(Code::ShuttingDown.into());
        }
        let failure = match attempt(entry, flow, &avoid, received).await {
            Ok(resumed) => return Ok(resumed),
            Err(Refusal::Final(failure)) => return Err(failure),
            Err(Refusal::Tried(failure, path)) => {
                let suspects = probably_dead(entry, &path);
                entry.failed_at(suspects);
                avoid.extend(suspects);
                failure
            }
            Err(Refusal::NoWay(failure)) => {
                // Perhaps there was one that is only to be avoided.
                avoid.clear();
                failure
            }
        };
        tracing::debug!(code = %failure.code, detail = %failure.detail, "flow not resumed yet");
        without_link = if failure.code == Code::NoNextHop {
            without_link + 1
        } else {
            0
        };
        if without_link >= WITHOUT_LINK {
            return Err(Failure::new(Code::ExitLost, flow.exit.short()));
        }
        if begin.elapsed() + pause > PATIENCE {
            return Err(failure);
        }
        sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Refusal {
    /// By the exit itself.
    Final(Failure),
    /// On the way.
    Tried(Failure, Vec<NodeId>),
    /// Before it began.
    NoWay(Failure),
}

async fn attempt<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    flow: &Flow,
    avoid: &[NodeId],
    received: u64,
) -> Result<(Box<Circuit<L>>, u64), Refusal> {
    let mut circuit = begin(entry, flow, avoid, received)
        .await
        .map_err(Refusal::NoWay)?;
    let answer = async {
        circuit.sender.flush().await?;
        circuit.receiver.next().await
    };
    let answer = timeout(ATTEMPT, answer).await;
    let failure: Failure = match answer {
        Ok(Ok(Some((kind, payload)))) => match Backward::decode(kind, &payload) {
            Ok(Backward::Resumed(count)) => return Ok((circuit, count)),
            Ok(Backward::Failed { code, detail }) => {
                return Err(Refusal::Final(Failure::new(code, detail.to_string())));
            }
            Ok(Backward::Reset(code)) => return Err(Refusal::Final(code.into())),
            Ok(_) | Err(_) => return Err(Refusal::Final(CircuitError::Unexpected.into())),
        },
        Ok(Ok(None)) => Code::CircuitRefused.into(),
        Ok(Err(error)) => error.into(),
        Err(_) => Code::CircuitTimedOut.into(),
    };
    circuit.sender.reset(failure.code);
    circuit.receiver.stop(failure.code);
    Err(Refusal::Tried(failure, std::mem::take(&mut circuit.path)))
}

async fn begin<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    flow: &Flow,
    avoid: &[NodeId],
    received: u64,
) -> Result<Box<Circuit<L>>, Failure> {
    let wish = Wish {
        hops: flow.hops,
        exit: Some(flow.exit),
        avoid,
        ..Wish::default()
    };
    let token = flow.token.clone();
    circuit::begin(entry, wish, &Forward::Resume { token, received }).await
}

/// Tells the exit that the flow is over, which may take a moment: over its
/// circuit, or over another one where that takes nothing more. `received` is
/// none when the flow was not open yet.
pub(super) fn part<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    flow: Flow,
    circuit: Option<Box<Circuit<L>>>,
    received: Option<u64>,
) {
    let entry = entry.clone();
    spawn_local(async move {
        if let Some(circuit) = circuit {
            // Of a circuit that never left, nobody has heard.
            if circuit.sender.is_fresh() || last_word(circuit).await {
                return;
            }
        }
        let Some(received) = received else { return };
        match begin(&entry, &flow, &[], received).await {
            Ok(circuit) => {
                last_word(circuit).await;
            }
            Err(failure) => {
                tracing::debug!(code = %failure.code, "the exit hears of an end by itself");
            }
        }
    });
}

/// Whether the exit was told.
async fn last_word<L: Link>(mut circuit: Box<Circuit<L>>) -> bool {
    let Circuit {
        sender, receiver, ..
    } = &mut *circuit;
    let told = !sender.is_stuck() && {
        let word = async {
            sender.forward(&Forward::Reset(Code::Aborted))?;
            sender.flush().await
        };
        matches!(timeout(LAST_WORD, word).await, Ok(Ok(())))
    };
    if told {
        sender.finish();
        let ended = async { while let Ok(Some(_)) = receiver.next().await {} };
        // An exit that says nothing hears of it from the link.
        let _ = timeout(LAST_ANSWER, ended).await;
    }
    sender.reset(Code::Aborted);
    receiver.stop(Code::Aborted);
    told
}

/// The Nodes before the exit that are better left out: not the first, if there
/// are others and our link with it is up.
fn probably_dead<'a, L: Link, O: Outside>(entry: &Entry<L, O>, path: &'a [NodeId]) -> &'a [NodeId] {
    match path {
        [first, others @ .., _] if !others.is_empty() => match entry.services.mesh.link(first) {
            Some(_) => others,
            None => &path[..path.len() - 1],
        },
        [first, _] => std::slice::from_ref(first),
        _ => &[],
    }
}
