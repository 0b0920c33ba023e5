//! Apps that are direct as a whole: the kernel marks their sockets.
//!
//! A process that asks for it moves into a group of its own below the one it
//! was in, so limits and accounting of a service or a session still hold; its
//! sockets are marked as the Node's own are. What rules name has marks with a
//! number of its own, so that it can be taken back from sockets that are open.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use masq_capture::helper::Subjects;
use masq_capture::journal::Inverse;
use masq_capture::plan::{MARK_DIRECT, RULED_NUMBERS, ruled_mark};
use masq_capture::{CaptureError, FailureCode};

use super::{LinuxCapture, record};
use crate::cgroup::{self, Mark};
use crate::{marking, sys};
use programs::{Program, Programs};

mod programs;

/// Whose sockets are marked, and what keeps it so.
#[derive(Debug, Default)]
pub(super) struct DirectApps {
    /// Control groups of processes that asked for it.
    admitted: HashMap<PathBuf, Mark>,
    /// Subjects of the rules, each with its number.
    groups: Vec<(Group, u16)>,
    users: Vec<(u32, u16)>,
    programs: Vec<(Program, u16)>,
    /// Of the groups whose sockets are marked, by number.
    group_marks: HashMap<u16, Mark>,
    users_mark: Option<Mark>,
    processes: Option<Programs>,
    numbers: Numbers,
}

/// A control group that a rule makes direct. It is gone for good when it was
/// removed: one of the same name is another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    path: PathBuf,
    id: u64,
    /// A unit's own processes; those of units below it are others.
    alone: bool,
}

/// Numbers of subjects. They go round, so that what one left behind is not
/// taken for another's.
#[derive(Debug, Default)]
struct Numbers {
    taken: HashSet<u16>,
    last: u16,
}

impl Numbers {
    fn take(&mut self) -> u16 {
        loop {
            self.last = self.last % RULED_NUMBERS + 1;
            if self.taken.insert(self.last) {
                return self.last;
            }
        }
    }

    /// From here on these subjects have numbers and no others; whether that is new.
    fn give<T: PartialEq>(&mut self, subjects: &mut Vec<(T, u16)>, wanted: Vec<T>) -> bool {
        let before = subjects.len();
        subjects.retain(|(subject, number)| {
            let stays = wanted.contains(subject);
            if !stays {
                self.taken.remove(number);
            }
            stays
        });
        let kept = subjects.len();
        for subject in wanted {
            if !subjects.iter().any(|(known, _)| *known == subject) {
                subjects.push((subject, self.take()));
            }
        }
        kept != before || subjects.len() != kept
    }
}

impl DirectApps {
    fn numbers(&self) -> Vec<u16> {
        let groups = self.groups.iter().map(|one| one.1);
        let users = self.users.iter().map(|one| one.1);
        let programs = self.programs.iter().map(|one| one.1);
        groups.chain(users).chain(programs).collect()
    }

    /// Tells that processes have changed; to be followed by
    /// [`LinuxCapture::look_after_programs`].
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        self.processes.as_ref().map(AsFd::as_fd)
    }
}

impl LinuxCapture {
    /// Leads what a process connects to from here on past the TUN.
    pub fn admit(&mut self, pid: u32) -> Result<(), CaptureError> {
        let parent = self.hierarchy.of_process(pid)?;
        let name = cgroup::direct_group_name(self.namespace, std::process::id());
        if parent.ends_with(&name) {
            return Ok(());
        }
        let group = parent.join(name);
        if !self.direct.admitted.contains_key(&group) {
            let inverse = Inverse::RemoveCgroup {
                path: group.clone(),
            };
            record(&mut self.journal, "direct-group", &[inverse])?;
            self.hierarchy.create(&group)?;
            let mark = self.hierarchy.mark_sockets(&group, MARK_DIRECT)?;
            self.direct.admitted.insert(group.clone(), mark);
        }
        self.hierarchy.add(&group, pid)
    }

    /// From here on these and no others are direct as a whole by a rule. What
    /// can be done is done; what cannot is said. Sockets of those that no rule
    /// names any more are captured like all others.
    pub fn bypass(&mut self, subjects: &Subjects) -> Result<(), CaptureError> {
        let (groups, mut missing) = self.groups_of(subjects);
        let mut users = subjects.users.clone();
        users.truncate(MOST_USERS);
        let direct = &mut self.direct;
        let numbers = &mut direct.numbers;
        let new_groups = numbers.give(&mut direct.groups, groups);
        let new_users = numbers.give(&mut direct.users, users);
        let new_programs = numbers.give(&mut direct.programs, programs_of(subjects));
        // The firewall knows a number before a socket has it.
        if new_groups || new_users || new_programs {
            self.config.ruled = self.direct.numbers();
            self.enter(self.state)?;
            self.tell_ruled()?;
        }
        let network = network().map_err(|error| unmarked("the network's number", &error))?;
        missing.extend(self.mark_groups(network));
        if new_users {
            self.mark_users(network)?;
        }
        if new_programs || self.direct.processes.is_none() {
            self.mark_programs(network)?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("no such unit or control group: {}", missing.join(", "));
        Err(CaptureError::new(FailureCode::CgroupUnavailable, text))
    }

    /// What could not be marked, and why.
    fn mark_groups(&mut self, network: u64) -> Vec<String> {
        let DirectApps {
            groups,
            group_marks,
            ..
        } = &mut self.direct;
        group_marks.retain(|number, _| groups.iter().any(|one| one.1 == *number));
        let mut failed = Vec::new();
        for (group, number) in groups {
            if group_marks.contains_key(number) {
                continue;
            }
            let only = group.alone.then_some(group.id);
            let program = marking::of_group(network, only, ruled_mark(*number));
            match self.hierarchy.attach(&group.path, &program) {
                Ok(mark) => drop(group_marks.insert(*number, mark)),
                Err(error) => failed.push(format!("{}: {error}", group.path.display())),
            }
        }
        failed
    }

    fn mark_users(&mut self, network: u64) -> Result<(), CaptureError> {
        self.direct.users_mark = None;
        let marks = self.direct.users.iter();
        let marks: Vec<(u32, u32)> = marks.map(|one| (one.0, ruled_mark(one.1))).collect();
        if !marks.is_empty() {
            let program = marking::of_users(network, &marks);
            let mark = self.hierarchy.attach(Path::new(""), &program)?;
            self.direct.users_mark = Some(mark);
        }
        Ok(())
    }

    fn mark_programs(&mut self, network: u64) -> Result<(), CaptureError> {
        if self.direct.programs.is_empty() {
            self.direct.processes = None;
            return Ok(());
        }
        let processes = match self.direct.processes.take() {
            Some(processes) => Ok(processes),
            None => Programs::open(&self.hierarchy, network),
        };
        let mut processes =
            processes.map_err(|error| unmarked("follow which programs there are", &error))?;
        processes.set(&self.direct.programs);
        self.direct.processes = Some(processes);
        Ok(())
    }

    /// Follows what processes have become.
    pub fn look_after_programs(&mut self) {
        if let Some(processes) = &mut self.direct.processes {
            processes.follow();
        }
    }

    /// The control groups that are meant, and what has none.
    fn groups_of(&self, subjects: &Subjects) -> (Vec<Group>, Vec<String>) {
        let mut wanted: Vec<Group> = Vec::new();
        let mut missing = Vec::new();
        let named = subjects
            .units
            .iter()
            .map(|unit| (unit.clone(), self.hierarchy.find(unit)));
        let by_path = subjects.cgroups.iter().map(|path| {
            let plain = path
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            let found = (plain && !path.as_os_str().is_empty()).then(|| path.clone());
            (path.display().to_string(), found)
        });
        let units = named.map(|one| (one, true));
        for ((name, path), alone) in units.chain(by_path.map(|one| (one, false))) {
            let found = path.and_then(|path| Some((self.hierarchy.number(&path).ok()?, path)));
            match found {
                Some((id, path)) => {
                    let group = Group { path, id, alone };
                    if !wanted.contains(&group) {
                        wanted.push(group);
                    }
                }
                None => missing.push(name),
            }
        }
        (wanted, missing)
    }

    /// Tells the firewall table the numbers, where it stands.
    pub(super) fn tell_ruled(&mut self) -> Result<(), CaptureError> {
        match &mut self.table {
            Some(table) => table.set_ruled(&self.config.nft_table, &self.config.ruled),
            None => Ok(()),
        }
    }
}

/// Users beyond it stay at the Node's own sockets: each costs every socket of
/// the machine a comparison.
const MOST_USERS: usize = 256;

/// Programs beyond it stay there too: the numbers are for all.
const MOST_PROGRAMS: usize = 512;

fn programs_of(subjects: &Subjects) -> Vec<Program> {
    let paths = subjects.paths.iter().cloned().map(Program::Path);
    let names = subjects.names.iter().cloned().map(Program::Name);
    paths.chain(names).take(MOST_PROGRAMS).collect()
}

/// The kernel's number of this network namespace.
fn network() -> io::Result<u64> {
    sys::network_cookie(&UnixDatagram::unbound()?)
}

fn unmarked(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(FailureCode::MarkUnavailable, format!("{what}: {error}"))
}
