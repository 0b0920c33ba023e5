//! The process behind a flow.
//!
//! An exact socket query answers number, inode and user in microseconds; who
//! made a socket of this number the kernel has noted. Where it has not, the
//! processes that owned a flow lately are searched for the inode, then the
//! user's, the newest first. Only processes of the socket's user are looked
//! into, and caches are bounded.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use masq_capture::{FiveTuple, FlowOwner};
use nix::fcntl::readlinkat;

use crate::cgroup::Hierarchy;

mod recorder;
mod socket;

use recorder::{Maker, Recorder};
pub use socket::{Socket, SocketQuery};

/// Looks up owners; one for a network namespace.
#[derive(Debug)]
pub struct Owners {
    query: SocketQuery,
    recorder: Option<Recorder>,
    proc: PathBuf,
    /// Processes that owned a flow, the latest first.
    recent: VecDeque<u32>,
}

/// Enough for the programs that open flows at one time; each costs a scan of
/// its descriptors when the owner is none of them.
const RECENT: usize = 8;

impl Owners {
    /// Asks about sockets of the calling thread's network namespace.
    pub fn new() -> io::Result<Owners> {
        Ok(Owners {
            query: SocketQuery::open()?,
            recorder: None,
            proc: PathBuf::from("/proc"),
            recent: VecDeque::with_capacity(RECENT),
        })
    }

    /// Has the kernel note who makes a socket from here on.
    pub fn record(&mut self, hierarchy: &Hierarchy) -> io::Result<()> {
        self.recorder = Some(Recorder::attach(hierarchy)?);
        Ok(())
    }

    /// None where no socket or no process has this flow any more.
    pub fn look_up(&mut self, tuple: &FiveTuple) -> Option<FlowOwner> {
        let socket = self.query.find(tuple).ok()??;
        let recorder = self.recorder.as_ref();
        if let Some(maker) = recorder.and_then(|recorder| recorder.maker(socket.cookie)) {
            return Some(self.describe_maker(maker));
        }
        if socket.inode == 0 {
            return None;
        }
        let link = format!("socket:[{}]", socket.inode);
        let pid = self.find(&link, socket.uid)?;
        self.remember(pid);
        Some(describe(&self.proc.join(pid.to_string()), pid, socket.uid))
    }

    /// The maker may have ended, and its number may be another's by now.
    fn describe_maker(&self, maker: Maker) -> FlowOwner {
        let uid = maker.uid;
        let process = self.proc.join(maker.pid.to_string());
        if runs_as(&process, uid) {
            return describe(&process, maker.pid, uid);
        }
        FlowOwner {
            pid: maker.pid,
            uid,
            path: PathBuf::new(),
            name: maker.name,
            cgroup: None,
        }
    }

    fn find(&self, link: &str, uid: u32) -> Option<u32> {
        let holds = |pid: &u32| holds(&self.proc.join(pid.to_string()), link);
        self.recent.iter().copied().find(holds).or_else(|| {
            let others = self.newest_first().into_iter();
            others
                .filter(|pid| !self.recent.contains(pid))
                .filter(|pid| runs_as(&self.proc.join(pid.to_string()), uid))
                .find(holds)
        })
    }

    /// All processes, the newest first: most flows are of a program that has
    /// just started, and it may end soon.
    fn newest_first(&self) -> Vec<u32> {
        let numbers = fs::read_dir(&self.proc).into_iter().flatten().flatten();
        let mut pids: Vec<u32> = numbers
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        let newest = fs::read_to_string(self.proc.join("loadavg"))
            .ok()
            .and_then(|text| text.split_ascii_whitespace().nth(4)?.parse().ok())
            .unwrap_or(u32::MAX);
        // Numbers above the newest were given before they started over.
        pids.sort_unstable_by_key(|&pid| std::cmp::Reverse((pid <= newest, pid)));
        pids
    }

    fn remember(&mut self, pid: u32) {
        self.recent.retain(|&other| other != pid);
        self.recent.truncate(RECENT - 1);
        self.recent.push_front(pid);
    }
}

/// A process that dropped its privileges may own its directory as root.
fn runs_as(process: &Path, uid: u32) -> bool {
    fs::metadata(process).is_ok_and(|status| status.uid() == uid || status.uid() == 0)
}

/// Whether a process has a socket open; the newest descriptors come first.
fn holds(process: &Path, link: &str) -> bool {
    let Ok(directory) = File::open(process.join("fd")) else {
        return false;
    };
    let mut numbers: Vec<u32> = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.into_iter().any(|number| {
        readlinkat(&directory, number.to_string().as_str()).is_ok_and(|target| target == link)
    })
}

fn describe(process: &Path, pid: u32, uid: u32) -> FlowOwner {
    let text = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
    FlowOwner {
        pid,
        uid,
        path: fs::read_link(process.join("exe")).unwrap_or_default(),
        name: text("comm").trim_end().to_owned(),
        cgroup: crate::cgroup::v2_path(&text("cgroup")).map(|path| format!("/{}", path.display())),
    }
}

#[cfg(test)]
mod tests;
