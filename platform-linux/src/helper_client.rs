//! The Node's end of the pair that it shares with its capture helper.
//!
//! Start-up is blocking: [`spawn_helper`] answers with the TUN. Afterwards an
//! event loop waits for the client's descriptor and calls
//! [`HelperClient::receive`]; end of file means that the helper is gone and
//! nothing is captured any more.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use masq_capture::helper::{Parameters, Reply, Request, TunDescription};
use masq_capture::{CaptureError, FailureCode};

use crate::channel::Channel;
use crate::sys;
use crate::tun::TunDevice;

/// How long an undo may take, many times what it does; the helper ends without
/// us as well.
const PATIENCE: u32 = 400;
const PAUSE: Duration = Duration::from_millis(5);

/// Number under which the helper finds its end of the pair.
pub const HELPER_DESCRIPTOR: i32 = 3;

/// The connection to a running helper.
#[derive(Debug)]
pub struct HelperClient {
    channel: Channel,
    child: Child,
    /// Whether an end that nobody asked for is a failure.
    active: Cell<bool>,
}

/// The TUN as the helper handed it over.
#[derive(Debug)]
pub struct CapturedTun {
    pub device: TunDevice,
    pub description: TunDescription,
}

/// Starts `program --capture-helper` and waits for the TUN.
///
/// When this returns, every socket that the Node makes passes by the TUN;
/// sockets made earlier do not. To be called as root, before any thread.
pub fn spawn_helper(
    program: &Path,
    parameters: &Parameters,
) -> Result<(HelperClient, CapturedTun), CaptureError> {
    let (ours, theirs) = Channel::pair().map_err(|error| gone("socket pair", &error))?;
    let theirs = theirs.into_descriptor();
    let mut command = Command::new(program);
    command
        .arg("--capture-helper")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    sys::after_fork(&mut command, move || {
        sys::replace_descriptor(theirs.as_fd(), HELPER_DESCRIPTOR)?;
        nix::unistd::setsid().map(drop).map_err(io::Error::from)
    });
    let child = command
        .spawn()
        .map_err(|error| gone("start the capture helper", &error))?;
    // Holds the helper's end: a pair is at its end when every copy is closed.
    drop(command);
    let client = HelperClient {
        channel: ours,
        child,
        active: Cell::new(false),
    };
    client
        .send(&Request::Hello(parameters.clone()))
        .map_err(|error| gone("greet the capture helper", &error))?;
    let received = client
        .channel
        .receive()
        .map_err(|error| gone("hear the capture helper", &error))?;
    let Some(received) = received else {
        return Err(CaptureError::new(
            FailureCode::HelperGone,
            "the capture helper ended at once",
        ));
    };
    match (Reply::decode(&received.bytes), received.descriptor) {
        (Some(Reply::Tun(description)), Some(descriptor)) => {
            let device = TunDevice::from_descriptor(descriptor)
                .map_err(|error| gone("take over the TUN", &error))?;
            Ok((
                client,
                CapturedTun {
                    device,
                    description,
                },
            ))
        }
        (Some(Reply::Failed(error)), _) => Err(error),
        (other, _) => {
            let text = format!("expected the TUN, got {other:?}");
            Err(CaptureError::new(FailureCode::Protocol, text))
        }
    }
}

impl HelperClient {
    /// Asks for something; the answer comes through [`HelperClient::receive`].
    pub fn send(&self, request: &Request) -> io::Result<()> {
        self.channel.send(&request.encode(), None)
    }

    /// The next reply; None when the helper is gone. Blocks unless
    /// [`HelperClient::set_nonblocking`] was called.
    pub fn receive(&self) -> io::Result<Option<Reply>> {
        let Some(received) = self.channel.receive()? else {
            return Ok(None);
        };
        Reply::decode(&received.bytes)
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no message of the helper"))
    }

    /// Has the machine's traffic captured; blocks until it is.
    pub fn activate(&self) -> Result<(), CaptureError> {
        self.send(&Request::Activate)
            .map_err(|error| gone("ask for activation", &error))?;
        loop {
            match self
                .receive()
                .map_err(|error| gone("wait for activation", &error))?
            {
                Some(Reply::Active) => {
                    self.active.set(true);
                    return Ok(());
                }
                Some(Reply::Failed(error)) => return Err(error),
                Some(
                    Reply::Tun(_) | Reply::Suspended | Reply::Owner { .. } | Reply::Done { .. },
                ) => {}
                Some(Reply::Stopped) | None => {
                    let text = "the capture helper ended";
                    return Err(CaptureError::new(FailureCode::HelperGone, text));
                }
            }
        }
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.channel.set_nonblocking(nonblocking)
    }

    /// Has the helper undo everything, as the user wants it; the helper ends.
    /// Without this, the end of an active client is a failure.
    pub fn release(&self) {
        // One that has ended already has undone everything.
        let _ = self.send(&Request::Stop);
        self.active.set(false);
    }

    /// The same, and waits for its end; answers whether it has ended.
    pub fn stop(mut self) -> bool {
        self.release();
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> bool {
        for _ in 0..PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for HelperClient {
    fn drop(&mut self) {
        if self.active.get() {
            // The helper sees the end of the pair and refuses what would leak.
            self.channel.shut_down();
        } else {
            self.release();
        }
        self.wait_for_end();
    }
}

impl AsFd for HelperClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn gone(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(FailureCode::HelperGone, format!("{what}: {error}"))
}
