//! The capture helper's loop: one thread that serves one Node.
//!
//! It touches no Internet socket and no byte that came from the network: the
//! TUN's descriptor goes to the Node and no copy stays here. When the Node says
//! that the user wants the end, everything is undone; when its end of the pair
//! closes without that, traffic is refused from then on, unless the user
//! prefers it direct.

use std::io;
use std::os::fd::AsFd;

use masq_capture::helper::{Parameters, Reply, Request};
use masq_capture::states::LocalNetwork;
use masq_capture::{CaptureError, FailureCode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::{End, LinuxCapture};
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
    capture.stop(*result.as_ref().unwrap_or(&End::NodeGone));
    // The Node may be gone; then nobody waits for this.
    let _ = reply(channel, &Reply::Stopped);
    result.map(drop)
}

fn begin(channel: &Channel, parameters: &Parameters) -> Result<LinuxCapture, CaptureError> {
    let (capture, device, description) = LinuxCapture::prepare(parameters)?;
    let descriptor = device.into_descriptor();
    let message = Reply::Tun(description).encode();
    match channel.send(&message, Some(descriptor.as_fd())) {
        Ok(()) => Ok(capture),
        Err(error) => {
            capture.stop(End::NodeGone);
            Err(lost("hand over the TUN", &error))
        }
    }
}

fn answer_all(channel: &Channel, capture: &mut LinuxCapture) -> Result<End, CaptureError> {
    loop {
        let Ready {
            asked,
            table_ended,
            firewall_changed,
            routing_changed,
            programs_changed,
        } = wait(channel, capture)?;
        if programs_changed {
            capture.look_after_programs();
        }
        if firewall_changed {
            capture.look_after_guard()?;
        }
        if routing_changed && let Err(error) = capture.look_after_routing() {
            // The firewall refuses what then misses its way.
            tracing::warn!(%error, "our routing rules cannot be put back");
        }
        if table_ended {
            tracing::warn!("the firewall table was removed by another program; putting it back");
            capture.restore_table()?;
        }
        if !asked {
            continue;
        }
        match receive(channel)? {
            Received::Request(Request::Stop) => return Ok(End::Asked),
            Received::End => return Ok(End::NodeGone),
            Received::Request(request) => {
                if answer(channel, capture, &request).is_err() {
                    return Ok(End::NodeGone);
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
        Request::Suspend { seconds } => match capture.suspend(*seconds) {
            Ok(()) => Reply::Suspended,
            Err(error) => Reply::Failed(error),
        },
        Request::Owner { id, tuple } => {
            let owned = capture.owner(tuple);
            Reply::Owner { id: *id, owned }
        }
        Request::Admit { id, pid } => done(*id, capture.admit(*pid)),
        Request::Bypass { id, subjects } => done(*id, capture.bypass(subjects)),
        Request::LocalNetwork { id, allowed } => {
            let wish = if *allowed {
                LocalNetwork::Allow
            } else {
                LocalNetwork::Block
            };
            done(*id, capture.set_local_network(wish))
        }
        Request::Hello(_) | Request::Stop => {
            Reply::Failed(CaptureError::new(FailureCode::Protocol, "greeted twice"))
        }
    };
    reply(channel, &answer)
}

fn done(id: u32, result: Result<(), CaptureError>) -> Reply {
    Reply::Done {
        id,
        refused: result.err(),
    }
}

/// What there is to do.
struct Ready {
    asked: bool,
    table_ended: bool,
    firewall_changed: bool,
    routing_changed: bool,
    programs_changed: bool,
}

/// Waits until the Node asks something, `nft` ends, or firewall, routing or
/// processes change.
fn wait(channel: &Channel, capture: &LinuxCapture) -> Result<Ready, CaptureError> {
    let watched = [
        Some(channel.as_fd()),
        capture.table().map(AsFd::as_fd),
        capture.news(),
        capture.routing_news(),
        capture.program_news(),
    ];
    let mut sources: Vec<PollFd<'_>> = watched
        .iter()
        .flatten()
        .map(|&source| PollFd::new(source, PollFlags::POLLIN))
        .collect();
    match poll(&mut sources, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(lost("poll", &error.into())),
    }
    let mut answers = sources.iter().map(|source| source.any().unwrap_or(false));
    let mut ready = watched
        .iter()
        .map(|source| source.is_some() && answers.next() == Some(true));
    Ok(Ready {
        asked: ready.next() == Some(true),
        table_ended: ready.next() == Some(true),
        firewall_changed: ready.next() == Some(true),
        routing_changed: ready.next() == Some(true),
        programs_changed: ready.next() == Some(true),
    })
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
