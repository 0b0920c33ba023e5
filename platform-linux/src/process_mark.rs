//! Marks the sockets of single processes, wherever among the control groups
//! they are.
//!
//! A program on the root of the control groups looks for the process that makes
//! a socket in a map. When a process begins another program, the kernel takes it
//! out of the map within that very event: what comes after has to be put in
//! again by whoever has looked what it is. All ends with the descriptors.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::bpf::{self, FRAME, Function, R0, R1, R2, R6};
use crate::cgroup::{self, Hierarchy};
use crate::sys;

/// Processes that are marked at one time.
const PROCESSES: u32 = 32_768;
const EXEC: &std::ffi::CStr = c"sched_process_exec";
/// Where a program keeps the key on its stack.
const KEY: i16 = -4;

#[derive(Debug)]
pub(crate) struct ProcessMark {
    map: OwnedFd,
    _marks: OwnedFd,
    _forgets: OwnedFd,
}

impl ProcessMark {
    pub(crate) fn attach(hierarchy: &Hierarchy, mark: u32) -> io::Result<ProcessMark> {
        let map = sys::create_hash_map(4, 1, PROCESSES)?;
        let forgetting = forgetting_program(map.as_raw_fd());
        let forgetting = sys::load_event_program(&forgetting, "masq_exec")?;
        let forgets = sys::attach_to_event(&forgetting, EXEC)?;
        let marking = marking_program(map.as_raw_fd(), mark);
        let marking = sys::load_socket_program(&marking, "masq_direct")?;
        let marks = sys::attach_to_cgroup(&marking, hierarchy.root())?;
        Ok(ProcessMark {
            map,
            _marks: marks,
            _forgets: forgets,
        })
    }

    /// What the process makes from here on is marked.
    pub(crate) fn insert(&self, pid: u32) -> io::Result<()> {
        sys::update(&self.map, &pid.to_ne_bytes(), &[1])
    }

    /// One that is not there is as good.
    pub(crate) fn remove(&self, pid: u32) {
        let _ = sys::delete(&self.map, &pid.to_ne_bytes());
    }
}

/// `if map[current process] { socket.mark = mark }; return 1`.
fn marking_program(map: i32, mark: u32) -> Vec<u64> {
    let mut program = vec![bpf::copy(R6, R1)];
    program.extend(current_process());
    program.extend(bpf::set_map(R1, map));
    program.extend(bpf::set_address(R2, FRAME, i32::from(KEY)));
    program.extend([
        bpf::call(Function::LookUpMap),
        bpf::skip_if_zero(R0, 2),
        bpf::set_word(R2, mark),
        bpf::store_word(R6, cgroup::BPF_SOCK_MARK, R2),
        bpf::set(R0, 1),
        bpf::exit(),
    ]);
    program
}

/// `delete map[current process]; return 0`.
fn forgetting_program(map: i32) -> Vec<u64> {
    let mut program: Vec<u64> = current_process().to_vec();
    program.extend(bpf::set_map(R1, map));
    program.extend(bpf::set_address(R2, FRAME, i32::from(KEY)));
    program.extend([
        bpf::call(Function::DeleteFromMap),
        bpf::set(R0, 0),
        bpf::exit(),
    ]);
    program
}

/// The number of the process on the stack, as a key.
fn current_process() -> [u64; 3] {
    [
        bpf::call(Function::CurrentPid),
        bpf::shift_right(R0, 32),
        bpf::store_word(FRAME, KEY, R0),
    ]
}
