//! Apps that are direct as a whole: the kernel marks their sockets.
//!
//! A process that asks for it moves into a group of its own below the one it
//! was in, so limits and accounting of a service or a session still hold; its
//! sockets are marked as the Node's own are. What rules name has marks with a
//! number of its own, so that it can be taken back from sockets that are open.

use std::collections::HashMap;
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
    /// Control groups of the rules.
    groups: Vec<RuledGroup>,
    /// Users of the rules, each with its number.
    users: Vec<(u32, u16)>,
    users_mark: Option<Mark>,
    /// Programs of the rules, each with its number.
    programs: Vec<(Program, u16)>,
    processes: Option<Programs>,
    last_number: u16,
}

/// A control group that a rule makes direct. It is gone for good when it was
/// removed: one of the same name is another.
#[derive(Debug)]
struct RuledGroup {
    group: Group,
    number: u16,
    /// None until its sockets are marked.
    mark: Option<Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    path: PathBuf,
    id: u64,
    /// A unit's own processes; those of units below it are others.
    alone: bool,
}

impl DirectApps {
    /// A number that no subject has, so that what one left behind is never
    /// taken for another's.
    fn next_number(&mut self) -> u16 {
        loop {
            self.last_number = self.last_number % RULED_NUMBERS + 1;
            if !self.numbers().contains(&self.last_number) {
                return self.last_number;
            }
        }
    }

    fn numbers(&self) -> Vec<u16> {
        let groups = self.groups.iter().map(|one| one.number);
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
        let (wanted, mut missing) = self.groups_of(subjects);
        let before = self.direct.numbers();
        self.direct.groups.retain(|one| wanted.contains(&one.group));
        for group in wanted {
            if !self.direct.groups.iter().any(|one| one.group == group) {
                let number = self.direct.next_number();
                let mark = None;
                let ruled = RuledGroup {
                    group,
                    number,
                    mark,
                };
                self.direct.groups.push(ruled);
            }
        }
        let users = self.direct.users.clone();
        let ruled = |user: &u32| subjects.users.contains(user);
        self.direct.users.retain(|(user, _)| ruled(user));
        let mut wanted = subjects.users.clone();
        wanted.truncate(MOST_USERS);
        for user in wanted {
            if !self.direct.users.iter().any(|one| one.0 == user) {
                let number = self.direct.next_number();
                self.direct.users.push((user, number));
            }
        }
        let programs = programs_of(subjects);
        self.direct.programs.retain(|one| programs.contains(&one.0));
        for program in programs {
            if !self.direct.programs.iter().any(|one| one.0 == program) {
                let number = self.direct.next_number();
                self.direct.programs.push((program, number));
            }
        }
        // The firewall knows a number before a socket has it.
        if before != self.direct.numbers() {
            self.config.ruled = self.direct.numbers();
            self.enter(self.state)?;
            self.tell_ruled()?;
        }
        let network = network().map_err(|error| unmarked("the network's number", &error))?;
        for index in 0..self.direct.groups.len() {
            let one = &self.direct.groups[index];
            if one.mark.is_some() {
                continue;
            }
            let only = one.group.alone.then_some(one.group.id);
            let program = marking::of_group(network, only, ruled_mark(one.number));
            match self.hierarchy.attach(&one.group.path, &program) {
                Ok(mark) => self.direct.groups[index].mark = Some(mark),
                Err(error) => missing.push(format!("{}: {error}", one.group.path.display())),
            }
        }
        if users != self.direct.users {
            self.direct.users_mark = None;
            let marks = self.direct.users.iter();
            let marks: Vec<(u32, u32)> = marks.map(|one| (one.0, ruled_mark(one.1))).collect();
            if !marks.is_empty() {
                let program = marking::of_users(network, &marks);
                let mark = self.hierarchy.attach(Path::new(""), &program)?;
                self.direct.users_mark = Some(mark);
            }
        }
        self.mark_programs(network)?;
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("no such unit or control group: {}", missing.join(", "));
        Err(CaptureError::new(FailureCode::CgroupUnavailable, text))
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
