//! Who made a socket, remembered by the kernel.
//!
//! A program on the root of the control groups notes process and name for the
//! cookie of each new socket. It answers in microseconds and also for
//! processes that have ended since; where it cannot be loaded, processes are
//! searched. It ends with its descriptor.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::bpf::{self, FRAME, Function, R0, R1, R2, R3, R4};
use crate::cgroup::Hierarchy;
use crate::sys;

#[derive(Debug)]
pub(super) struct Recorder {
    map: OwnedFd,
    _link: OwnedFd,
}

/// The maker of a socket; a thread's name may differ from its process's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maker {
    pub(super) pid: u32,
    pub(super) uid: u32,
    pub(super) name: String,
}

/// Sockets that are remembered; the least recently noted give way. 24 bytes
/// and the kernel's own for each.
const SOCKETS: u32 = 16_384;

const NAME: usize = 16;
const RECORD: usize = 8 + NAME;

impl Recorder {
    pub(super) fn attach(hierarchy: &Hierarchy) -> io::Result<Recorder> {
        let map = sys::create_lru_map(8, RECORD as u32, SOCKETS)?;
        let program = sys::load_socket_program(&recording_program(map.as_raw_fd()), "masq_owner")?;
        let link = sys::attach_to_cgroup(&program, hierarchy.root())?;
        Ok(Recorder { map, _link: link })
    }

    pub(super) fn maker(&self, cookie: u64) -> Option<Maker> {
        let mut record = [0; RECORD];
        sys::look_up(&self.map, &cookie.to_ne_bytes(), &mut record).ok()?;
        let (pid, rest) = record.split_first_chunk::<4>()?;
        let (uid, name) = rest.split_first_chunk::<4>()?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(Maker {
            pid: u32::from_ne_bytes(*pid),
            uid: u32::from_ne_bytes(*uid),
            name: String::from_utf8_lossy(name).into_owned(),
        })
    }
}

/// `map[cookie(socket)] = { current process, user, name }; return 1`.
fn recording_program(map: i32) -> Vec<u64> {
    const KEY: i16 = -8;
    const VALUE: i16 = KEY - RECORD as i16;
    let mut program = vec![
        bpf::call(Function::SocketCookie),
        bpf::store_double(FRAME, KEY, R0),
    ];
    program.extend([
        bpf::call(Function::CurrentPid),
        bpf::shift_right(R0, 32),
        bpf::store_word(FRAME, VALUE, R0),
        bpf::call(Function::CurrentUser),
        bpf::store_word(FRAME, VALUE + 4, R0),
    ]);
    program.extend(bpf::set_address(R1, FRAME, i32::from(VALUE) + 8));
    program.extend([bpf::set(R2, NAME as i32), bpf::call(Function::CurrentName)]);
    program.extend(bpf::set_map(R1, map));
    program.extend(bpf::set_address(R2, FRAME, i32::from(KEY)));
    program.extend(bpf::set_address(R3, FRAME, i32::from(VALUE)));
    program.extend([
        bpf::set(R4, 0),
        bpf::call(Function::UpdateMap),
        bpf::set(R0, 1),
        bpf::exit(),
    ]);
    program
}
