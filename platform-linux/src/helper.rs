//! The capture helper's loop: one thread that serves one Node.
//!
//! It touches no Internet socket and no byte that came from the network: the
//! TUN's descriptor goes to the Node and no copy stays here. When the Node's
//! end of the pair closes, for whatever reason, everything is undone.

use std::io;
use std::os::fd::AsFd;

use masq_capture::helper::{Parameters, Reply, Request};
use masq_capture::{CaptureError, FailureCode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::LinuxCapture;
use crate::channel::Channel;
use crate::guard::Guard;
use crate::helper_client::HELPER_DESCRIPTOR;
use crate::process;

/// Serves the Node at the other end of descriptor 3 until it is gone.
pub fn run() -> Result<(), CaptureError> {
    let channel =
        Channel::from_inherited(HELPER_DESCRIPTOR).map_err(|error| lost("descriptor 3", &error))?;
    process::leave_terminal().map_err(|error| lost("setsid", &error))?;
    process::hold_end_signals().map_err(|error| lost("hold signals", &error))?;
    serve(&channel)
}

/// Serves the Node at the other end of `channel` until it is gone.
pub fn serve(channel: &Channel) -> Result<(), CaptureError> {
    let parameters = match receive(channel)? {
        Received::Request(Request::Hello(parameters)) => parameters,
        Received::End => return Ok(()),
        Received::Request(_) | Received::Garbage => {
            let error =
                CaptureError::new(FailureCode::Protocol, "the first message was no greeting");
            return refuse(channel, error);
        }
    };
    let guard = std::env::current_exe()
        .and_then(|program| Guard::start(&program, &parameters.journal_directory));
    let _guard = match guard {
        Ok(guard) => guard,
        Err(error) => return refuse(channel, lost("start the guard", &error)),
    };
    let mut capture = match begin(channel, &parameters) {
        Ok(capture) => capture,
        Err(error) => return refuse(channel, error),
    };
    let result = answer_all(channel, &mut capture);
    capture.stop();
    // The Node may be gone; then nobody waits for this.
    let _ = reply(channel, &Reply::Stopped);
    result
}

fn begin(channel: &Channel, parameters: &Parameters) -> Result<LinuxCapture, CaptureError> {
    let (capture, device, description) = LinuxCapture::prepare(parameters)?;
    let descriptor = device.into_descriptor();
    let message = Reply::Tun(description).encode();
    match channel.send(&message, Some(descriptor.as_fd())) {
        Ok(()) => Ok(capture),
        Err(error) => {
            capture.stop();
            Err(lost("hand over the TUN", &error))
        }
    }
}

fn answer_all(channel: &Channel, capture: &mut LinuxCapture) -> Result<(), CaptureError> {
    loop {
        let (asked, table_ended) = wait(channel, capture)?;
        if table_ended {
            tracing::warn!("the firewall table was removed by another program; putting it back");
            capture.restore_table()?;
        }
        if !asked {
            continue;
        }
        match receive(channel)? {
            Received::Request(Request::Stop) | Received::End => return Ok(()),
            Received::Request(request) => {
                if answer(channel, capture, &request).is_err() {
                    return Ok(());
                }
            }
            Received::Garbage => {
                let error = CaptureError::new(FailureCode::Protocol, "no request");
                reply(channel, &Reply::Failed(error))?;
            }
        }
    }
}

fn answer(
    channel: &Channel,
    capture: &mut LinuxCapture,
    request: &Request,
) -> Result<(), CaptureError> {
    let answer = match request {
        Request::Activate | Request::Resume => match capture.activate() {
            Ok(()) => Reply::Active,
            Err(error) => Reply::Failed(error),
        },
        Request::Suspend => match capture.suspend() {
            Ok(()) => Reply::Suspended,
            Err(error) => Reply::Failed(error),
        },
        Request::Owner { id, tuple } => {
            let owner = capture.owner(tuple);
            Reply::Owner { id: *id, owner }
        }
        Request::Admit { id, .. } | Request::Bypass { id, .. } => Reply::Done {
            id: *id,
            refused: Some(CaptureError::unsupported("a direct app")),
        },
        Request::Hello(_) | Request::Stop => {
            Reply::Failed(CaptureError::new(FailureCode::Protocol, "greeted twice"))
        }
    };
    reply(channel, &answer)
}

/// Waits until the Node asks something or `nft` ends.
fn wait(channel: &Channel, capture: &LinuxCapture) -> Result<(bool, bool), CaptureError> {
    let mut sources = vec![PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    if let Some(table) = capture.table() {
        sources.push(PollFd::new(table.as_fd(), PollFlags::POLLIN));
    }
    match poll(&mut sources, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(lost("poll", &error.into())),
    }
    let ready = |index: usize| sources.get(index).and_then(PollFd::any).unwrap_or(false);
    Ok((ready(0), ready(1)))
}

enum Received {
    Request(Request),
    Garbage,
    End,
}

fn receive(channel: &Channel) -> Result<Received, CaptureError> {
    let message = channel
        .receive()
        .map_err(|error| lost("hear the Node", &error))?;
    Ok(match message {
        None => Received::End,
        Some(message) => {
            Request::decode(&message.bytes).map_or(Received::Garbage, Received::Request)
        }
    })
}

fn reply(channel: &Channel, reply: &Reply) -> Result<(), CaptureError> {
    channel
        .send(&reply.encode(), None)
        .map_err(|error| lost("answer the Node", &error))
}

fn refuse(channel: &Channel, error: CaptureError) -> Result<(), CaptureError> {
    // The error is the caller's in any case.
    let _ = reply(channel, &Reply::Failed(error.clone()));
    Err(error)
}

fn lost(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(FailureCode::Protocol, format!("{what}: {error}"))
}
