//! The process that holds a socket, by search through `/proc`: first where the
//! socket was seen, then in the processes that owned a flow lately, then in
//! those of the socket's user, the newest first. Every socket that a search
//! comes by is noted, so that the next one need not be looked for.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, readlinkat};

/// Enough for the programs that open flows at one time; each costs a scan of
/// its descriptors when the owner is none of them.
const RECENT: usize = 8;
/// Sockets of which it is noted where they were seen.
const SEEN: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Search {
    /// Processes that owned a flow, the latest first.
    recent: VecDeque<u32>,
    /// Process and descriptor, by inode.
    seen: HashMap<u32, (u32, u32)>,
}

impl Search {
    pub(super) fn find(&mut self, proc: &Path, inode: u32, uid: u32) -> Option<u32> {
        if inode == 0 {
            return None;
        }
        let pid = self.where_seen(proc, inode).or_else(|| {
            let recent: Vec<u32> = self.recent.iter().copied().collect();
            self.among(proc, inode, recent.iter().copied()).or_else(|| {
                let others = newest_first(proc).into_iter();
                let others = others.filter(|pid| !recent.contains(pid));
                let theirs = others.filter(|pid| runs_as(&proc.join(pid.to_string()), uid));
                self.among(proc, inode, theirs)
            })
        })?;
        self.remember(pid);
        Some(pid)
    }

    /// A descriptor may be another's by now.
    fn where_seen(&mut self, proc: &Path, inode: u32) -> Option<u32> {
        let (pid, number) = *self.seen.get(&inode)?;
        let path = proc.join(format!("{pid}/fd/{number}"));
        let target = readlinkat(AT_FDCWD, &path).ok();
        if target.and_then(|target| socket_of(&target)) == Some(inode) {
            return Some(pid);
        }
        self.seen.remove(&inode);
        None
    }

    fn among(
        &mut self,
        proc: &Path,
        inode: u32,
        mut pids: impl Iterator<Item = u32>,
    ) -> Option<u32> {
        pids.find(|pid| self.holds(proc, *pid, inode))
    }

    /// Whether a process has a socket open; the newest descriptors come first.
    fn holds(&mut self, proc: &Path, pid: u32, inode: u32) -> bool {
        let folder = proc.join(format!("{pid}/fd"));
        let Ok(directory) = File::open(&folder) else {
            return false;
        };
        let mut numbers: Vec<u32> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        for number in numbers {
            let Ok(target) = readlinkat(&directory, number.to_string().as_str()) else {
                continue;
            };
            let Some(found) = socket_of(&target) else {
                continue;
            };
            if self.seen.len() >= SEEN {
                self.seen.clear();
            }
            self.seen.insert(found, (pid, number));
            if found == inode {
                return true;
            }
        }
        false
    }

    fn remember(&mut self, pid: u32) {
        self.recent.retain(|&other| other != pid);
        self.recent.truncate(RECENT - 1);
        self.recent.push_front(pid);
    }
}

/// The inode in `socket:[INODE]`.
fn socket_of(target: &OsStr) -> Option<u32> {
    let number = target.as_bytes().strip_prefix(b"socket:[")?;
    std::str::from_utf8(number.strip_suffix(b"]")?)
        .ok()?
        .parse()
        .ok()
}

/// A process that dropped its privileges may own its directory as root.
pub(super) fn runs_as(process: &Path, uid: u32) -> bool {
    fs::metadata(process).is_ok_and(|status| status.uid() == uid || status.uid() == 0)
}

/// All processes, the newest first: most flows are of a program that has just
/// started, and it may end soon.
fn newest_first(proc: &Path) -> Vec<u32> {
    let numbers = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut pids: Vec<u32> = numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let newest = fs::read_to_string(proc.join("loadavg"))
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(4)?.parse().ok())
        .unwrap_or(u32::MAX);
    // Numbers above the newest were given before they started over.
    pids.sort_unstable_by_key(|&pid| std::cmp::Reverse((pid <= newest, pid)));
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_that_are_remembered_are_bounded() {
        let mut search = Search::default();
        for pid in 0..100 {
            search.remember(pid);
        }
        assert_eq!(search.recent.len(), RECENT);
        search.remember(99);
        assert_eq!(search.recent.iter().filter(|&&pid| pid == 99).count(), 1);
    }

    #[test]
    fn a_socket_is_known_by_the_link_of_its_descriptor() {
        assert_eq!(socket_of(OsStr::new("socket:[4711]")), Some(4711));
        for other in ["/dev/null", "socket:[]", "pipe:[4711]", "socket:[x]"] {
            assert_eq!(socket_of(OsStr::new(other)), None, "{other}");
        }
    }
}
