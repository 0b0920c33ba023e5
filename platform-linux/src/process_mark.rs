//! Marks the sockets of single processes, wherever among the control groups
//! they are.
//!
//! A program on the root of the control groups looks for the process that makes
//! a socket in a map. When a process begins another program, the kernel takes it
//! out of the map within that very event: what comes after has to be put in
//! again by whoever has looked what it is. All ends with the descriptors.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::cgroup::Hierarchy;
use crate::{marking, sys};

/// Processes that are marked at one time.
const PROCESSES: u32 = 32_768;
const EXEC: &std::ffi::CStr = c"sched_process_exec";

#[derive(Debug)]
pub(crate) struct ProcessMark {
    map: OwnedFd,
    _marks: OwnedFd,
    _forgets: OwnedFd,
}

impl ProcessMark {
    /// For sockets of the network of this number.
    pub(crate) fn attach(hierarchy: &Hierarchy, network: u64) -> io::Result<ProcessMark> {
        let map = sys::create_hash_map(4, 4, PROCESSES)?;
        let forgetting = marking::forgetting_process(map.as_raw_fd());
        let forgetting = sys::load_event_program(&forgetting, "masq_exec")?;
        let forgets = sys::attach_to_event(&forgetting, EXEC)?;
        let marking = marking::of_processes(network, map.as_raw_fd());
        let marking = sys::load_socket_program(&marking, "masq_direct")?;
        let marks = sys::attach_to_cgroup(&marking, hierarchy.root())?;
        Ok(ProcessMark {
            map,
            _marks: marks,
            _forgets: forgets,
        })
    }

    /// What the process makes from here on has this mark.
    pub(crate) fn insert(&self, pid: u32, mark: u32) -> io::Result<()> {
        sys::update(&self.map, &pid.to_ne_bytes(), &mark.to_ne_bytes())
    }

    /// One that is not there is as good.
    pub(crate) fn remove(&self, pid: u32) {
        let _ = sys::delete(&self.map, &pid.to_ne_bytes());
    }
}
