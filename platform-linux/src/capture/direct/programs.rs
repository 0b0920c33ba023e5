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

use masq_capture::plan::ruled_mark;

use crate::cgroup::Hierarchy;
use crate::owner::describe::executable;
use crate::process_mark::ProcessMark;
use crate::process_news::{Event, ProcessNews};

/// A program that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// By its file.
    Path(PathBuf),
    /// By the name of its file or of its process.
    Name(String),
}

#[derive(Debug)]
pub(super) struct Programs {
    paths: HashMap<PathBuf, u16>,
    names: HashMap<String, u16>,
    mark: ProcessMark,
    news: ProcessNews,
    /// Processes, each with the number of its program.
    marked: HashMap<u32, u16>,
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

    /// From here on these, each with its number, and no others.
    pub(super) fn set(&mut self, programs: &[(Program, u16)]) {
        self.paths.clear();
        self.names.clear();
        for (program, number) in programs {
            match program {
                Program::Path(path) => drop(self.paths.insert(path.clone(), *number)),
                Program::Name(name) => drop(self.names.insert(name.clone(), *number)),
            }
        }
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
        let marked = self.marked.keys().copied();
        let gone: Vec<u32> = marked.filter(|pid| !numbers.contains(pid)).collect();
        gone.into_iter().for_each(|pid| self.leave(pid));
        numbers.into_iter().for_each(|pid| self.look_at(pid));
    }

    fn look_at(&mut self, pid: u32) {
        let Some(number) = self.number_of(pid) else {
            return self.leave(pid);
        };
        if self.mark.insert(pid, ruled_mark(number)).is_err() {
            return;
        }
        self.marked.insert(pid, number);
        // It may have become another program since it was looked at, before it
        // was put in, and then the kernel has not taken it out.
        if self.number_of(pid) != Some(number) {
            self.leave(pid);
        }
    }

    fn leave(&mut self, pid: u32) {
        if self.marked.remove(&pid).is_some() {
            self.mark.remove(pid);
        }
    }

    /// The number of the program that a process is.
    fn number_of(&self, pid: u32) -> Option<u16> {
        let process = Path::new("/proc").join(pid.to_string());
        let path = executable(&process);
        if let Some(number) = self.paths.get(&path) {
            return Some(*number);
        }
        if self.names.is_empty() {
            return None;
        }
        // A thread of the kernel has a name and no file.
        let file = path.file_name()?.to_str();
        if let Some(number) = file.and_then(|file| self.names.get(file)) {
            return Some(*number);
        }
        let called = fs::read_to_string(process.join("comm")).ok()?;
        self.names.get(called.trim_end_matches('\n')).copied()
    }
}

impl AsFd for Programs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
