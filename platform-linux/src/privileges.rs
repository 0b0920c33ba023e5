//! What the Node does to itself before it reads a byte from the network.

use std::io;
use std::path::Path;

use masq_capture::{CaptureError, FailureCode};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, chdir, setgroups, setresgid, setresuid};

use crate::sys;

/// Becomes an ordinary user for good: no way back to root, no gain from
/// setuid programs, no other process of the user may trace this one.
///
/// To be called while the process has one thread.
pub fn drop_privileges(uid: u32, gid: u32, home: &Path) -> Result<(), CaptureError> {
    if uid == 0 || gid == 0 {
        let text = "the Node does not run as root; name another user with `real-user`";
        return Err(CaptureError::new(FailureCode::Configuration, text));
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let with_parent = prctl::get_pdeathsig().map_err(|error| failed("get pdeathsig", error))?;
    setgroups(&[]).map_err(|error| failed("setgroups", error))?;
    setresgid(gid, gid, gid).map_err(|error| failed("setresgid", error))?;
    setresuid(uid, uid, uid).map_err(|error| failed("setresuid", error))?;
    // The kernel forgets it with the user.
    prctl::set_pdeathsig(with_parent).map_err(|error| failed("set pdeathsig", error))?;
    prctl::set_no_new_privs().map_err(|error| failed("set no_new_privs", error))?;
    prctl::set_dumpable(false).map_err(|error| failed("set not dumpable", error))?;
    if chdir(home).is_err() {
        chdir("/").map_err(|error| failed("chdir", error))?;
    }
    check_dropped(uid)
}

fn check_dropped(uid: Uid) -> Result<(), CaptureError> {
    let still = |what: &str| {
        Err(CaptureError::new(
            FailureCode::NotPermitted,
            format!("privileges remain: {what}"),
        ))
    };
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return still("could become root again");
    }
    if Uid::effective() != uid || Uid::current() != uid {
        return still("another user");
    }
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| {
        CaptureError::new(
            FailureCode::NotPermitted,
            format!("read /proc/self/status: {error}"),
        )
    })?;
    if !capabilities_are_empty(&status) {
        return still("capabilities");
    }
    Ok(())
}

/// Whether effective, permitted, inheritable and ambient sets are empty.
fn capabilities_are_empty(status: &str) -> bool {
    ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"]
        .iter()
        .all(|field| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(field))
                .is_some_and(|value| value.trim().bytes().all(|digit| digit == b'0'))
        })
}

/// Raises the soft limit of open files to the hard one; answers it.
pub fn raise_nofile_limit() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Has blocks of 128 KiB and more taken from the kernel one by one, so that
/// big buffers cost only the pages that were touched and go back when freed.
///
/// Without this glibc raises its threshold with every such block that is freed.
pub fn fix_malloc_threshold() -> bool {
    sys::set_mmap_threshold(128 * 1024)
}

fn failed(what: &str, error: nix::Error) -> CaptureError {
    CaptureError::new(FailureCode::NotPermitted, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_capability_counts() {
        let none = "CapInh:\t0000\nCapPrm:\t0000\nCapEff:\t0000\nCapBnd:\t01ff\nCapAmb:\t0000\n";
        assert!(capabilities_are_empty(none));
        assert!(!capabilities_are_empty(
            &none.replace("CapPrm:\t0000", "CapPrm:\t0001")
        ));
        assert!(!capabilities_are_empty(""));
    }

    #[test]
    fn root_is_no_user_to_drop_to() {
        assert!(drop_privileges(0, 0, Path::new("/")).is_err());
    }
}
