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
use std::path::{Component, Path, PathBuf};

use masq_capture::helper::Subjects;
use masq_capture::journal::Inverse;
use masq_capture::plan::{MARK_DIRECT, RULED_NUMBERS, ruled_mark};
use masq_capture::{CaptureError, FailureCode};

use super::{LinuxCapture, record};
use crate::cgroup::{self, Mark};
use crate::{marking, sys};
use programs::Programs;

mod programs;

/// Whose sockets are marked, and what keeps it so.
#[derive(Debug, Default)]
pub(super) struct DirectApps {
    /// Control groups of processes that asked for it.
    admitted: HashMap<PathBuf, Mark>,
    ruled: Vec<Ruled>,
    users: Option<Mark>,
    programs: Option<Programs>,
    last_number: u16,
}

/// What a rule makes direct.
#[derive(Debug)]
struct Ruled {
    subject: Subject,
    number: u16,
    /// Of a control group: none until its sockets are marked.
    mark: Option<Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Group {
        path: PathBuf,
        /// A group of the same name that was made later is another.
        id: u64,
        /// A unit's own processes; those of units below it are others.
        alone: bool,
    },
    User(u32),
    Path(PathBuf),
    Name(String),
}

/// Users beyond it stay at the Node's own sockets: each costs every socket of
/// the machine a comparison.
const MOST_USERS: usize = 256;

impl DirectApps {
    /// Tells that processes have changed; to be followed by
    /// [`LinuxCapture::look_after_programs`].
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        self.programs.as_ref().map(AsFd::as_fd)
    }

    fn numbers(&self) -> Vec<u16> {
        self.ruled.iter().map(|one| one.number).collect()
    }

    /// From here on these; whether they are others than before.
    fn set(&mut self, wanted: Vec<Subject>) -> bool {
        let before = self.numbers();
        self.ruled.retain(|one| wanted.contains(&one.subject));
        for subject in wanted {
            if !self.ruled.iter().any(|one| one.subject == subject) {
                let number = self.next_number();
                self.ruled.push(Ruled {
                    subject,
                    number,
                    mark: None,
                });
            }
        }
        before != self.numbers()
    }

    /// One that no subject has, and none had lately: what one left behind is not
    /// taken for another's.
    fn next_number(&mut self) -> u16 {
        let taken = self.numbers();
        loop {
            self.last_number = self.last_number % RULED_NUMBERS + 1;
            if !taken.contains(&self.last_number) {
                return self.last_number;
            }
        }
    }

    /// The marks of those that `which` picks.
    fn marks<T, C: FromIterator<(T, u32)>>(&self, which: impl Fn(&Subject) -> Option<T>) -> C {
        let ruled = self.ruled.iter();
        ruled
            .filter_map(|one| Some((which(&one.subject)?, ruled_mark(one.number))))
            .collect()
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
        let (wanted, mut missing) = self.subjects_of(subjects);
        // The firewall knows a number before a socket has it.
        let changed = self.direct.set(wanted);
        if changed {
            self.config.ruled = self.direct.numbers();
            self.enter(self.state)?;
            self.tell_ruled()?;
        }
        let network = network().map_err(|error| unmarked("the network's number", &error))?;
        for one in &mut self.direct.ruled {
            let Subject::Group { path, id, alone } = &one.subject else {
                continue;
            };
            if one.mark.is_none() {
                let only = alone.then_some(*id);
                let program = marking::of_group(network, only, ruled_mark(one.number));
                match self.hierarchy.attach(path, &program) {
                    Ok(mark) => one.mark = Some(mark),
                    Err(error) => missing.push(format!("{}: {error}", path.display())),
                }
            }
        }
        if changed {
            self.mark_users(network)?;
            self.mark_programs(network)?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("no such unit or control group: {}", missing.join(", "));
        Err(CaptureError::new(FailureCode::CgroupUnavailable, text))
    }

    /// All that is meant and there, and what has no control group.
    fn subjects_of(&self, subjects: &Subjects) -> (Vec<Subject>, Vec<String>) {
        let units = subjects.units.iter();
        let units = units.map(|unit| (unit.clone(), self.hierarchy.find(unit), true));
        let groups = subjects.cgroups.iter().map(|path| {
            let plain = path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            let below_root = plain && !path.as_os_str().is_empty();
            let found = below_root.then(|| path.clone());
            (path.display().to_string(), found, false)
        });
        let (mut wanted, mut missing) = (Vec::new(), Vec::new());
        for (name, path, alone) in units.chain(groups) {
            match path.and_then(|path| Some((self.hierarchy.number(&path).ok()?, path))) {
                Some((id, path)) => wanted.push(Subject::Group { path, id, alone }),
                None => missing.push(name),
            }
        }
        let users = subjects.users.iter().take(MOST_USERS);
        wanted.extend(users.map(|user| Subject::User(*user)));
        wanted.extend(subjects.paths.iter().cloned().map(Subject::Path));
        wanted.extend(subjects.names.iter().cloned().map(Subject::Name));
        wanted.truncate(usize::from(RULED_NUMBERS) / 2);
        (wanted, missing)
    }

    fn mark_users(&mut self, network: u64) -> Result<(), CaptureError> {
        let users: Vec<(u32, u32)> = self.direct.marks(|subject| match subject {
            Subject::User(user) => Some(*user),
            Subject::Group { .. } | Subject::Path(_) | Subject::Name(_) => None,
        });
        self.direct.users = None;
        if !users.is_empty() {
            let program = marking::of_users(network, &users);
            let root = Path::new("");
            self.direct.users = Some(self.hierarchy.attach(root, &program)?);
        }
        Ok(())
    }

    fn mark_programs(&mut self, network: u64) -> Result<(), CaptureError> {
        let paths: HashMap<PathBuf, u32> = self.direct.marks(|subject| match subject {
            Subject::Path(path) => Some(path.clone()),
            Subject::Group { .. } | Subject::User(_) | Subject::Name(_) => None,
        });
        let names: HashMap<String, u32> = self.direct.marks(|subject| match subject {
            Subject::Name(name) => Some(name.clone()),
            Subject::Group { .. } | Subject::User(_) | Subject::Path(_) => None,
        });
        if paths.is_empty() && names.is_empty() {
            self.direct.programs = None;
            return Ok(());
        }
        let programs = match self.direct.programs.take() {
            Some(programs) => Ok(programs),
            None => Programs::open(&self.hierarchy, network),
        };
        let mut programs =
            programs.map_err(|error| unmarked("follow which programs processes are", &error))?;
        programs.set(paths, names);
        self.direct.programs = Some(programs);
        Ok(())
    }

    /// Follows what processes have become.
    pub fn look_after_programs(&mut self) {
        if let Some(programs) = &mut self.direct.programs {
            programs.follow();
        }
    }

    /// Tells the firewall table the numbers, where it stands.
    pub(super) fn tell_ruled(&mut self) -> Result<(), CaptureError> {
        match &mut self.table {
            Some(table) => table.set_ruled(&self.config.nft_table, &self.config.ruled),
            None => Ok(()),
        }
    }
}

/// The kernel's number of this network namespace.
fn network() -> io::Result<u64> {
    sys::network_cookie(&UnixDatagram::unbound()?)
}

fn unmarked(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(FailureCode::MarkUnavailable, format!("{what}: {error}"))
}
