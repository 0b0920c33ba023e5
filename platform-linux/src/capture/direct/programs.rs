//! Which processes are of the programs that are direct as a whole.
//!
//! A process is looked at when it begins, becomes another program or takes
//! another name, and marked or not. Until it has been looked at it is not:
//! then the Node sends its flows past the mesh, which costs only speed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use masq_capture::helper::Subjects;
use masq_capture::plan::MARK_DIRECT;

use crate::cgroup::Hierarchy;
use crate::owner::describe::executable;
use crate::process_mark::ProcessMark;
use crate::process_news::{Event, ProcessNews};

#[derive(Debug)]
pub(super) struct Programs {
    paths: HashSet<PathBuf>,
    names: HashSet<String>,
    mark: ProcessMark,
    news: ProcessNews,
    marked: HashSet<u32>,
}

impl Programs {
    /// None of them yet.
    pub(super) fn open(hierarchy: &Hierarchy) -> io::Result<Programs> {
        Ok(Programs {
            paths: HashSet::new(),
            names: HashSet::new(),
            mark: ProcessMark::attach(hierarchy, MARK_DIRECT)?,
            news: ProcessNews::open()?,
            marked: HashSet::new(),
        })
    }

    /// From here on these and no others.
    pub(super) fn set(&mut self, subjects: &Subjects) {
        self.paths = subjects.paths.iter().cloned().collect();
        self.names = subjects.names.iter().cloned().collect();
        self.look_at_all();
    }

    /// Follows what has happened to processes.
    pub(super) fn follow(&mut self) {
        let mut events = Vec::new();
        let taken = self.news.take(|event| events.push(event));
        if taken.is_err() {
            return self.look_at_all();
        }
        for event in events {
            match event {
                // As its parent; whatever it becomes is told.
                Event::Fork { parent, child } if self.marked.contains(&parent) => {
                    self.look_at(child)
                }
                Event::Fork { .. } => {}
                Event::Exec(pid) | Event::Name(pid) => self.look_at(pid),
                Event::End(pid) => self.leave(pid),
            }
        }
    }

    fn look_at_all(&mut self) {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers: HashSet<u32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        let gone: Vec<u32> = self.marked.difference(&numbers).copied().collect();
        gone.into_iter().for_each(|pid| self.leave(pid));
        numbers.into_iter().for_each(|pid| self.look_at(pid));
    }

    fn look_at(&mut self, pid: u32) {
        if !self.is_meant(pid) {
            return self.leave(pid);
        }
        if self.mark.insert(pid).is_err() {
            return;
        }
        self.marked.insert(pid);
        // It may have become another program since it was looked at, before it
        // was put in, and then the kernel has not taken it out.
        if !self.is_meant(pid) {
            self.leave(pid);
        }
    }

    fn leave(&mut self, pid: u32) {
        if self.marked.remove(&pid) {
            self.mark.remove(pid);
        }
    }

    fn is_meant(&self, pid: u32) -> bool {
        let process = Path::new("/proc").join(pid.to_string());
        let path = executable(&process);
        if path.as_os_str().is_empty() {
            return false;
        }
        if self.paths.contains(&path) {
            return true;
        }
        if self.names.is_empty() {
            return false;
        }
        let file = path.file_name().and_then(|name| name.to_str());
        let called = fs::read_to_string(process.join("comm")).unwrap_or_default();
        file.is_some_and(|name| self.names.contains(name))
            || self.names.contains(called.trim_end_matches('\n'))
    }
}

impl AsFd for Programs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
