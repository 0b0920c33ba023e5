//! Apps that are direct as a whole: their sockets are marked as the Node's own
//! are, by a program of the kernel on a control group, or by process.
//!
//! A process that asks for it moves into a group of its own below the one it
//! was in, so limits and accounting of a service or a session still hold.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use masq_capture::helper::Subjects;
use masq_capture::journal::Inverse;
use masq_capture::plan::MARK_DIRECT;
use masq_capture::{CaptureError, FailureCode};

use super::{LinuxCapture, record};
use crate::cgroup::{self, Mark};
use programs::Programs;

mod programs;

/// Control groups whose sockets are marked, each with what keeps it so.
#[derive(Debug, Default)]
pub(super) struct DirectApps {
    /// Of processes that asked for it.
    admitted: HashMap<PathBuf, Mark>,
    /// Of the rules.
    ruled: HashMap<PathBuf, Mark>,
    /// Users of the rules; the firewall table has them while it stands.
    pub(super) users: Vec<u32>,
    /// Processes of programs of the rules.
    programs: Option<Programs>,
}

impl DirectApps {
    /// Tells that processes have changed; to be followed by
    /// [`LinuxCapture::look_after_programs`].
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        self.programs.as_ref().map(AsFd::as_fd)
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
    /// can be done is done; what cannot is said.
    pub fn bypass(&mut self, subjects: &Subjects) -> Result<(), CaptureError> {
        let mut wanted: Vec<PathBuf> = subjects.cgroups.clone();
        let mut missing = Vec::new();
        for unit in &subjects.units {
            match self.hierarchy.find(unit) {
                Some(group) => wanted.push(group),
                None => missing.push(unit.clone()),
            }
        }
        self.direct.ruled.retain(|group, _| wanted.contains(group));
        for group in wanted {
            if self.direct.ruled.contains_key(&group) {
                continue;
            }
            match self.mark_group(&group) {
                Ok(mark) => {
                    self.direct.ruled.insert(group, mark);
                }
                Err(_) => missing.push(group.display().to_string()),
            }
        }
        self.direct.users.clone_from(&subjects.users);
        self.tell_users()?;
        self.bypass_programs(subjects)?;
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("no such unit or control group: {}", missing.join(", "));
        Err(CaptureError::new(FailureCode::CgroupUnavailable, text))
    }

    fn bypass_programs(&mut self, subjects: &Subjects) -> Result<(), CaptureError> {
        if subjects.paths.is_empty() && subjects.names.is_empty() {
            self.direct.programs = None;
            return Ok(());
        }
        let programs = match self.direct.programs.take() {
            Some(programs) => Ok(programs),
            None => Programs::open(&self.hierarchy),
        };
        let mut programs = programs.map_err(|error| {
            let text = format!("follow which programs processes are: {error}");
            CaptureError::new(FailureCode::MarkUnavailable, text)
        })?;
        programs.set(subjects);
        self.direct.programs = Some(programs);
        Ok(())
    }

    /// Follows what processes have become.
    pub fn look_after_programs(&mut self) {
        if let Some(programs) = &mut self.direct.programs {
            programs.follow();
        }
    }

    fn mark_group(&self, group: &Path) -> Result<Mark, CaptureError> {
        let plain = group
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain || group.as_os_str().is_empty() {
            let text = format!("{} is no path below the root", group.display());
            return Err(CaptureError::new(FailureCode::CgroupUnavailable, text));
        }
        self.hierarchy.mark_sockets(group, MARK_DIRECT)
    }

    /// Tells the firewall table the users, where it stands.
    pub(super) fn tell_users(&mut self) -> Result<(), CaptureError> {
        match &mut self.table {
            Some(table) => table.set_users(&self.config.nft_table, &self.direct.users),
            None => Ok(()),
        }
    }
}
