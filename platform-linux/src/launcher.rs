//! The launcher: the small process that starts the Node for the Daemon.
//!
//! The Daemon gives up starting programs and making sockets, and whatever it
//! started afterwards would inherit that, so `MASQNode --launcher` is started
//! before. It obeys two orders, start and kill, and tells how the Node gets on.
//! When the Daemon goes, however it goes, the Node ends: nothing runs that
//! nobody can ask. When the launcher goes, the Node hears of it from the kernel.

mod message;
mod serve;
mod tail;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

pub use message::{Ending, Order, Report};
pub use serve::serve;

use crate::channel::Channel;
use crate::sys;

/// Number under which the launcher finds its end of the pair.
const LAUNCHER_DESCRIPTOR: i32 = 3;
/// How long a Node may take to end before it is killed. The capture helper
/// takes up to 2 s to undo everything.
const END: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// The Daemon's side of a running launcher; dropping it ends the Node.
#[derive(Debug)]
pub struct Launcher {
    /// None when it is closed, which the launcher takes as the end.
    channel: Option<Channel>,
    child: Child,
}

/// Starts `program --launcher`, without the settings of the environment: the
/// Node gets its configuration another way.
pub fn spawn_launcher(program: &Path) -> io::Result<Launcher> {
    let (ours, theirs) = Channel::pair()?;
    let theirs = theirs.into_descriptor();
    let mut command = Command::new(program);
    command
        .arg("--launcher")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if is_setting(name.as_encoded_bytes()) {
            command.env_remove(name);
        }
    }
    sys::after_fork(&mut command, move || {
        sys::replace_descriptor(theirs.as_fd(), LAUNCHER_DESCRIPTOR)?;
        // A Ctrl-C is for the Daemon, which ends the Node.
        nix::unistd::setsid().map(drop).map_err(io::Error::from)
    });
    let child = command.spawn()?;
    Ok(Launcher {
        channel: Some(ours),
        child,
    })
}

fn is_setting(name: &[u8]) -> bool {
    name.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"MASQ_"))
}

impl Launcher {
    /// Has a Node started with this configuration, which never touches a disk.
    pub fn launch(&self, run: u64, configuration: &str) -> io::Result<()> {
        let memory = memfd_create("masq-node.toml", MFdFlags::MFD_CLOEXEC)?;
        let mut file = File::from(memory);
        file.write_all(configuration.as_bytes())?;
        self.channel()?
            .send(&Order::Launch { run }.encode(), Some(file.as_fd()))
    }

    /// Has it end, by force after 5 s.
    pub fn kill(&self, run: u64) -> io::Result<()> {
        self.channel()?.send(&Order::Kill { run }.encode(), None)
    }

    /// The next report with the number of its Node; None when the launcher is
    /// gone. Blocks unless [`Launcher::set_nonblocking`] was called.
    pub fn receive(&self) -> io::Result<Option<(u64, Report)>> {
        let Some(received) = self.channel()?.receive()? else {
            return Ok(None);
        };
        Report::decode(&received.bytes)
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no report of the launcher"))
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.channel()?.set_nonblocking(nonblocking)
    }

    fn channel(&self) -> io::Result<&Channel> {
        self.channel
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ends the Node and the launcher; answers whether both have ended.
    pub fn end(mut self) -> bool {
        self.finish()
    }

    fn finish(&mut self) -> bool {
        self.channel = None;
        let mut waited = Duration::ZERO;
        // Longer than the launcher waits for the Node.
        while waited < END + Duration::from_secs(1) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
        false
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.finish();
    }
}

/// To be called on a launcher that is not ended.
impl AsFd for Launcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Some(channel) => channel.as_fd(),
            None => unreachable!("only `finish` closes it, which comes last"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_environment_are_recognized() {
        assert!(is_setting(b"MASQ_DB_PASSWORD"));
        assert!(is_setting(b"masq_db_password"));
        assert!(!is_setting(b"MASQUERADE"));
        assert!(!is_setting(b"SUDO_UID"));
        assert!(!is_setting(b""));
    }
}
