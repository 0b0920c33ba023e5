//! What the capture helper does to itself when it starts.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

/// Leaves the terminal, so that its Ctrl-C and its end reach only the Node.
/// A process that leads a group already has left it.
pub fn leave_terminal() -> io::Result<()> {
    match setsid() {
        Ok(_) | Err(Errno::EPERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Holds back the signals that ask for an end: the helper ends with the Node.
///
/// Programs that it starts inherit this, and end when their input does.
pub fn hold_end_signals() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        signals.add(signal);
    }
    Ok(signals.thread_block()?)
}
