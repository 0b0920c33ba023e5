//! Which processes are of the programs that are direct as a whole.
//!
//! A process is looked at when it begins, becomes another program or takes
//! another name, and marked or not. Until it has been looked at it is not:
//! then the Node sends its flows past the mesh, which costs only speed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::cgroup::Hierarchy;
use crate::owner::describe::executable;
use crate::process_mark::ProcessMark;
use crate::process_news::{Event, ProcessNews};

#[derive(Debug)]
pub(super) struct Programs {
    /// With the mark of each.
    paths: HashMap<PathBuf, u32>,
    names: HashMap<String, u32>,
    mark: ProcessMark,
    news: ProcessNews,
    marked: HashMap<u32, u32>,
}

impl Programs {
    /// None of them yet.
    pub(super) fn open(hierarchy: &Hierarchy, network: u64) -> io::Result<Programs> {
        Ok(Programs {
            paths: HashMap::new(),
            names: HashMap::new(),
            mark: ProcessMark::attach(hierarchy, network)?,
            news: ProcessNews::open()?,
            marked: HashMap::new(),
        })
    }

    /// From here on these and no others.
    pub(super) fn set(&mut self, paths: HashMap<PathBuf, u32>, names: HashMap<String, u32>) {
        if (&self.paths, &self.names) == (&paths, &names) {
            return;
        }
        (self.paths, self.names) = (paths, names);
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
                Event::Fork { parent, child } if self.marked.contains_key(&parent) => {
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
        let gone: Vec<u32> = {
            let marked = self.marked.keys().copied();
            marked.filter(|pid| !numbers.contains(pid)).collect()
        };
        gone.into_iter().for_each(|pid| self.leave(pid));
        numbers.into_iter().for_each(|pid| self.look_at(pid));
    }

    fn look_at(&mut self, pid: u32) {
        let Some(mark) = self.mark_of(pid) else {
            return self.leave(pid);
        };
        if self.mark.insert(pid, mark).is_err() {
            return;
        }
        self.marked.insert(pid, mark);
        // It may have become another program since it was looked at, before it
        // was put in, and then the kernel has not taken it out.
        if self.mark_of(pid) != Some(mark) {
            self.leave(pid);
        }
    }

    fn leave(&mut self, pid: u32) {
        if self.marked.remove(&pid).is_some() {
            self.mark.remove(pid);
        }
    }

    fn mark_of(&self, pid: u32) -> Option<u32> {
        let process = Path::new("/proc").join(pid.to_string());
        let path = executable(&process);
        if path.as_os_str().is_empty() {
            return None;
        }
        if let Some(mark) = self.paths.get(&path) {
            return Some(*mark);
        }
        if self.names.is_empty() {
            return None;
        }
        let file = path.file_name().and_then(|name| name.to_str());
        let called = || fs::read_to_string(process.join("comm")).unwrap_or_default();
        let by_file = file.and_then(|name| self.names.get(name));
        by_file
            .or_else(|| self.names.get(called().trim_end_matches('\n')))
            .copied()
    }
}

impl AsFd for Programs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
