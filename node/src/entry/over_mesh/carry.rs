//! One circuit of a TCP flow at its originator: what the app says goes up,
//! what the exit says comes down.

use super::{End, First, LAST_WORD, OPEN_TIMEOUT};
use crate::app::{AppGone, AppTcp};
use crate::circuit::{CircuitError, GATHERED_DATA, Receiver, Sender};
use crate::entry::circuit::Circuit;
use crate::entry::record::Flow;
use crate::ledger::Ledger;
use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use bytes::{Buf, BytesMut};
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Kind};
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, ready};

/// What a relay says of a link that it lost.
const LINK_LOST: u64 = Code::LinkLost.number() as u64;

/// Carries the flow as long as the circuit lives.
pub(super) async fn carry<L: Link>(
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
