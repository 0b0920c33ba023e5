//! Processes: fork, what a child does before exec, capabilities.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;
use nix::unistd::{ForkResult, Pid};

use super::check;

/// Splits the process; the child runs `child` and ends.
///
/// Only for a process with one thread: the child may then do anything.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other("fork with more than one thread"));
    }
    // SAFETY: there is one thread, so no lock is held by a thread that the
    // child does not have.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let status = child();
            // SAFETY: _exit takes an integer and does not return.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Runs `action` in the child of `command` before it executes.
pub(crate) fn after_fork(
    command: &mut Command,
    action: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: callers pass closures that only make system calls: they neither
    // allocate nor take locks, so they are sound between fork and exec.
    unsafe { command.pre_exec(action) };
}

/// Puts `from` under the number `to`, to be inherited by the next program.
pub(crate) fn replace_descriptor(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    let from = from.as_raw_fd();
    if from == to {
        // SAFETY: F_SETFD takes an integer.
        check(unsafe { libc::fcntl(to, libc::F_SETFD, 0) })?;
    } else {
        // SAFETY: dup2 takes two integers; it is called in a child that is
        // about to execute another program, so nothing relies on `to`.
        check(unsafe { libc::dup2(from, to) })?;
    }
    Ok(())
}

/// Asks for a signal when the parent ends.
pub(crate) fn set_parent_death_signal(signal: nix::sys::signal::Signal) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(signal).map_err(io::Error::from)
}

/// Takes a capability out of what any later program can gain.
pub(crate) fn drop_bounding_capability(capability: u32) -> io::Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes an integer.
    check(unsafe {
        libc::prctl(
            libc::PR_CAPBSET_DROP,
            libc::c_ulong::from(capability),
            0,
            0,
            0,
        )
    })?;
    Ok(())
}
