//! The control group whose sockets are not captured.
//!
//! A program on the group marks every socket at its creation, so whatever
//! library opens one, its packets pass by the TUN. The group is made below
//! the Node's own, so limits and accounting of a service still hold. The
//! hierarchy is reached through a mount of our own that is attached nowhere:
//! hybrid systems, containers and `ip netns exec` have it in odd places.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use masq_capture::{CaptureError, FailureCode};
use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::{marking, sys};

/// The v2 hierarchy.
#[derive(Debug)]
pub struct Hierarchy {
    root: OwnedFd,
}

/// Keeps the program attached.
#[derive(Debug)]
pub struct Mark {
    _link: OwnedFd,
}

impl Hierarchy {
    pub fn open() -> Result<Hierarchy, CaptureError> {
        let root = sys::mount_cgroup2().map_err(|error| failed("mount cgroup2", &error))?;
        Ok(Hierarchy { root })
    }

    /// Path of a process's group, relative to the root of the hierarchy.
    pub fn of_process(&self, pid: u32) -> Result<PathBuf, CaptureError> {
        let path = format!("/proc/{pid}/cgroup");
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        Ok(v2_path(&text).unwrap_or_default())
    }

    pub fn create(&self, group: &Path) -> Result<(), CaptureError> {
        match mkdirat(&self.root, group, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(nix::Error::EEXIST) => Ok(()),
            Err(error) => Err(failed(
                &format!("create {}", group.display()),
                &error.into(),
            )),
        }
    }

    pub fn add(&self, group: &Path, pid: u32) -> Result<(), CaptureError> {
        self.write_pid(group, pid).map_err(|error| {
            failed(
                &format!("move process {pid} to {}", group.display()),
                &error,
            )
        })
    }

    /// Removes a group after moving who is left in it to the group above.
    /// A group that is not there is as good.
    pub fn remove(&self, group: &Path) -> io::Result<()> {
        let parent = group.parent().unwrap_or(Path::new(""));
        if let Ok(mut file) = self.open_file(group, "cgroup.procs", OFlag::O_RDONLY) {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            for pid in text.lines().filter_map(|line| line.parse().ok()) {
                // It may have ended meanwhile.
                let _ = self.write_pid(parent, pid);
            }
        }
        match unlinkat(&self.root, group, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(nix::Error::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The group of a unit, wherever below the root it is.
    pub fn find(&self, unit: &str) -> Option<PathBuf> {
        let named = !unit.is_empty() && !unit.contains('/') && unit != "." && unit != "..";
        named.then(|| self.find_below(Path::new(""), unit, DEPTH))?
    }

    fn find_below(&self, parent: &Path, name: &str, depth: u32) -> Option<PathBuf> {
        let directory = self.open_directory(&Path::new(".").join(parent)).ok()?;
        let mut entries = Dir::from_fd(directory).ok()?;
        let groups: Vec<PathBuf> = entries
            .iter()
            .flatten()
            .filter(|entry| entry.file_type() == Some(nix::dir::Type::Directory))
            .filter_map(|entry| entry.file_name().to_str().map(PathBuf::from).ok())
            .filter(|group| !group.starts_with(".") && !group.starts_with(".."))
            .collect();
        if groups.iter().any(|group| group == Path::new(name)) {
            return Some(parent.join(name));
        }
        let below = |group: &PathBuf| self.find_below(&parent.join(group), name, depth - 1);
        (depth > 0).then(|| groups.iter().find_map(below))?
    }

    /// The kernel's number of a group: another one when it was made anew.
    pub(crate) fn number(&self, group: &Path) -> io::Result<u64> {
        let directory = self.open_directory(group)?;
        Ok(nix::sys::stat::fstat(&directory)?.st_ino)
    }

    /// Removes empty groups below `parent` whose helper is gone and whose
    /// journal is lost.
    pub fn sweep(&self, parent: &Path) {
        let Ok(directory) = self.open_directory(&Path::new(".").join(parent)) else {
            return;
        };
        let Ok(mut entries) = Dir::from_fd(directory) else {
            return;
        };
        let names: Vec<String> = entries
            .iter()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().map(str::to_owned).ok())
            .collect();
        for name in names.iter().filter(|name| is_abandoned(name)) {
            // The kernel keeps a group that is not empty.
            let _ = unlinkat(&self.root, &parent.join(name), UnlinkatFlags::RemoveDir);
        }
    }

    /// Has the kernel mark every socket that is made in the group from here on.
    pub fn mark_sockets(&self, group: &Path, mark: u32) -> Result<Mark, CaptureError> {
        self.attach(group, &marking::of_all(mark))
    }

    /// Has the kernel run a program that marks for every socket that is made
    /// in the group, the empty path being the root, and below.
    pub(crate) fn attach(&self, group: &Path, program: &[u64]) -> Result<Mark, CaptureError> {
        let unavailable = |what: &str, error: io::Error| {
            CaptureError::new(FailureCode::MarkUnavailable, format!("{what}: {error}"))
        };
        let program = sys::load_socket_program(program, "masq_mark")
            .map_err(|error| unavailable("load the marking program", error))?;
        let directory = self
            .open_directory(&Path::new(".").join(group))
            .map_err(|error| unavailable("open the group", error))?;
        let link = sys::attach_to_cgroup(&program, directory.as_fd())
            .map_err(|error| unavailable("attach the marking program", error))?;
        Ok(Mark { _link: link })
    }

    /// The directory of the whole hierarchy.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn open_directory(&self, group: &Path) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(openat(&self.root, group, flags, Mode::empty())?)
    }

    fn open_file(&self, group: &Path, name: &str, flags: OFlag) -> io::Result<File> {
        Ok(openat(
            &self.root,
            &group.join(name),
            flags | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?
        .into())
    }

    fn write_pid(&self, group: &Path, pid: u32) -> io::Result<()> {
        let mut file = self.open_file(group, "cgroup.procs", OFlag::O_WRONLY)?;
        file.write_all(pid.to_string().as_bytes())
    }
}

/// Name of the group that a helper makes for its Node.
pub(crate) fn group_name(namespace: u64, helper: u32) -> String {
    format!("{PREFIX}{namespace}-{helper}")
}

/// Name of the group below a process's own that makes it direct.
pub(crate) fn direct_group_name(namespace: u64, helper: u32) -> String {
    format!("{PREFIX}direct-{namespace}-{helper}")
}

fn is_abandoned(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .map(|rest| rest.strip_prefix("direct-").unwrap_or(rest))
        .and_then(|rest| rest.split_once('-')?.1.parse::<u32>().ok())
        .is_some_and(|helper| !Path::new(&format!("/proc/{helper}")).exists())
}

const PREFIX: &str = "masq-";
/// How deep units are nested: slices, a user's manager, slices again.
const DEPTH: u32 = 8;

/// The v2 line of /proc/PID/cgroup (cgroups(7)): `0::/path`.
pub(crate) fn v2_path(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    Some(PathBuf::from(path))
}

fn failed(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(FailureCode::CgroupUnavailable, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_abandoned_when_its_helper_is_gone() {
        assert!(!is_abandoned(&group_name(7, std::process::id())));
        assert!(is_abandoned(&group_name(7, u32::MAX)));
        assert!(is_abandoned(&direct_group_name(7, u32::MAX)));
        assert!(!is_abandoned("masq-else"));
        assert!(!is_abandoned("user.slice"));
    }

    #[test]
    fn the_group_of_a_process_is_its_v2_line() {
        let text = "2:cpu:/other\n0::/user.slice/a b\n";
        assert_eq!(v2_path(text), Some(PathBuf::from("user.slice/a b")));
        assert_eq!(v2_path("0::/\n"), Some(PathBuf::new()));
        assert_eq!(v2_path("2:cpu:/other\n"), None);
    }
}
