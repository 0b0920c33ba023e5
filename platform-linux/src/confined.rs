//! A command in a user, network and mount namespace of its own, whose only
//! way out is a TUN.
//!
//! The child prepares everything, hands the TUN to its parent and waits; at a
//! word it becomes the command, without a capability that could undo its
//! confinement. A process with an ordinary user keeps its own id and has no
//! capability at all; root keeps its id and loses the ones that reach the
//! network's and the mounts' settings.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use masq_capture::helper::{Reply, TunDescription};
use masq_capture::plan::{TUN_IPV4, TUN_IPV6, TUN_MTU};
use masq_capture::{CaptureError, FailureCode};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Pid, Uid};

mod names;
mod network;

use crate::channel::Channel;
use crate::sys;
use crate::tun::TunDevice;

/// A child that waits to become its command.
#[derive(Debug)]
pub struct Confined {
    pid: Pid,
    channel: Channel,
}

/// Exit status of a command that was found and could not be executed.
pub const NOT_EXECUTABLE: i32 = 126;
/// Exit status of a command that was not found.
pub const NOT_FOUND: i32 = 127;
/// Exit status of `masq run` itself when it fails.
pub const OWN_FAILURE: i32 = 125;

const INTERFACE: &str = "masq0";
const MAP: &[u8] = b"map";
const START: &[u8] = b"start";

impl Confined {
    /// Prepares the namespaces; answers the child and the TUN.
    ///
    /// The command starts with the signals of `blocked` blocked. To be called
    /// while the process has one thread.
    pub fn prepare(
        command: &[OsString],
        blocked: &SigSet,
    ) -> Result<(Confined, TunDevice), CaptureError> {
        let (ours, theirs) = Channel::pair().map_err(|error| failed("socket pair", &error))?;
        let theirs = std::cell::Cell::new(Some(theirs));
        let ours = std::cell::Cell::new(Some(ours));
        let pid = sys::fork(|| {
            drop(ours.take());
            theirs
                .take()
                .map_or(OWN_FAILURE, |channel| child(&channel, command, blocked))
        })
        .map_err(|error| failed("fork", &error))?;
        drop(theirs.take());
        let channel = ours.take().expect("only the child took this end");
        let confined = Confined { pid, channel };
        let device = confined.lead()?;
        Ok((confined, device))
    }

    fn lead(&self) -> Result<TunDevice, CaptureError> {
        loop {
            let received = self
                .channel
                .receive()
                .map_err(|error| failed("hear the child", &error))?;
            let Some(received) = received else {
                return Err(failed(
                    "the child ended",
                    &io::ErrorKind::UnexpectedEof.into(),
                ));
            };
            if received.bytes == MAP {
                map_ids(self.pid).map_err(|error| failed("map user and group", &error))?;
                self.channel
                    .send(MAP, None)
                    .map_err(|error| failed("answer the child", &error))?;
                continue;
            }
            return match (Reply::decode(&received.bytes), received.descriptor) {
                (Some(Reply::Tun(_)), Some(descriptor)) => TunDevice::from_descriptor(descriptor)
                    .map_err(|error| failed("take over the TUN", &error)),
                (Some(Reply::Failed(error)), _) => Err(error),
                (other, _) => Err(CaptureError::new(
                    FailureCode::Protocol,
                    format!("{other:?}"),
                )),
            };
        }
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets the child become its command.
    pub fn start(self) -> io::Result<Pid> {
        self.channel.send(START, None)?;
        Ok(self.pid)
    }
}

fn child(channel: &Channel, command: &[OsString], blocked: &SigSet) -> i32 {
    let prepared = enter(channel).and_then(|()| {
        let device = TunDevice::create(INTERFACE)?;
        network::configure(INTERFACE)
            .map_err(|error| failed("configure the namespace's network", &error))?;
        names::lead_to_resolver().map_err(|error| failed("lead names into the TUN", &error))?;
        confine_root().map_err(|error| failed("drop capabilities", &error))?;
        Ok(device)
    });
    let device = match prepared {
        Ok(device) => device,
        Err(error) => {
            let _ = channel.send(&Reply::Failed(error).encode(), None);
            return OWN_FAILURE;
        }
    };
    let description = Reply::Tun(TunDescription {
        name: INTERFACE.to_owned(),
        mtu: TUN_MTU,
        ipv4: TUN_IPV4,
        ipv6: TUN_IPV6,
        mark: 0,
    });
    let handed = channel.send(&description.encode(), Some(device.as_fd()));
    drop(device);
    let started = handed.is_ok()
        && matches!(channel.receive(), Ok(Some(received)) if received.bytes == START);
    if !started {
        return OWN_FAILURE;
    }
    if blocked.thread_set_mask().is_err() {
        return OWN_FAILURE;
    }
    execute(command)
}

/// Enters the namespaces and becomes who the process was, inside.
fn enter(channel: &Channel) -> Result<(), CaptureError> {
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    unshare(flags).map_err(|error| {
        CaptureError::new(
            FailureCode::NamespaceUnavailable,
            format!("make a user namespace: {error}{}", explain_refusal()),
        )
    })?;
    channel
        .send(MAP, None)
        .map_err(|error| failed("ask for a map", &error))?;
    match channel.receive() {
        Ok(Some(received)) if received.bytes == MAP => {}
        Ok(_) => {
            return Err(failed(
                "wait for a map",
                &io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        Err(error) => return Err(failed("wait for a map", &error)),
    }
    names::detach_mounts().map_err(|error| {
        CaptureError::new(
            FailureCode::NamespaceUnavailable,
            format!("make mounts private: {error}{}", explain_refusal()),
        )
    })
}

/// Maps the ids of this process into the child's namespace: every id for
/// root, otherwise just the own.
fn map_ids(child: Pid) -> io::Result<()> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    if uid.is_root() {
        for map in ["uid_map", "gid_map"] {
            let own = fs::read_to_string(format!("/proc/self/{map}"))?;
            fs::write(format!("/proc/{child}/{map}"), identity_map(&own))?;
        }
        return Ok(());
    }
    fs::write(format!("/proc/{child}/setgroups"), "deny")?;
    fs::write(format!("/proc/{child}/uid_map"), format!("{uid} {uid} 1\n"))?;
    fs::write(format!("/proc/{child}/gid_map"), format!("{gid} {gid} 1\n"))
}

/// The map of a namespace in which every id of `own` stands for itself.
fn identity_map(own: &str) -> String {
    own.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (first, count) = (fields.next()?, fields.nth(1)?);
            Some(format!("{first} {first} {count}\n"))
        })
        .collect()
}

/// For an ordinary user the exec drops all; root would keep these.
fn confine_root() -> io::Result<()> {
    const NET_ADMIN: u32 = 12;
    const SYS_MODULE: u32 = 16;
    const SYS_PTRACE: u32 = 19;
    const SYS_ADMIN: u32 = 21;
    if !Uid::effective().is_root() {
        return Ok(());
    }
    [NET_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_ADMIN]
        .into_iter()
        .try_for_each(sys::drop_bounding_capability)
}

fn execute(command: &[OsString]) -> i32 {
    let Some((program, arguments)) = command.split_first() else {
        return OWN_FAILURE;
    };
    let error = Command::new(program).args(arguments).exec();
    let found = error.kind() != io::ErrorKind::NotFound && is_visible(program);
    let (status, why) = if found {
        (NOT_EXECUTABLE, error.to_string())
    } else {
        (NOT_FOUND, "no such program".to_owned())
    };
    let _ = writeln!(
        io::stderr(),
        "masq: cannot run {}: {why}",
        program.display()
    );
    status
}

/// Whether a program is there at all: a folder of PATH that may not be read
/// makes the kernel deny permission for what is nowhere.
fn is_visible(program: &OsStr) -> bool {
    if program.as_encoded_bytes().contains(&b'/') {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// Which of the known settings forbids user namespaces here.
fn explain_refusal() -> String {
    let known = [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("user/max_net_namespaces", "0", "10000"),
    ];
    known
        .iter()
        .filter(|(setting, refusing, _)| {
            fs::read_to_string(format!("/proc/sys/{setting}"))
                .is_ok_and(|value| value.trim() == *refusing)
        })
        .map(|(setting, _, allowing)| {
            format!(
                "; allow with `sysctl {}={allowing}`",
                setting.replace('/', ".")
            )
        })
        .collect()
}

fn failed(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(
        FailureCode::NamespaceUnavailable,
        format!("{what}: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_of_a_map_stands_for_itself() {
        assert_eq!(
            identity_map("         0          0 4294967295\n"),
            "0 0 4294967295\n"
        );
        let nested = "0 1000 1\n1 100000 65536\n";
        assert_eq!(identity_map(nested), "0 0 1\n1 1 65536\n");
    }
}
