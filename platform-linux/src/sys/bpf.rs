//! The bpf(2) system call: programs that run when a socket is made or a program
//! begins, and their maps.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::libc;

use super::{check_long, own};

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_DELETE_ELEM: libc::c_int = 3;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_CGROUP_SOCK: u32 = 9;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_LRU_HASH: u32 = 9;
const BPF_CGROUP_INET_SOCK_CREATE: u32 = 2;

/// The head of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
struct ProgramLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

/// The head of `union bpf_attr` for BPF_LINK_CREATE.
#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// The head of `union bpf_attr` for BPF_MAP_CREATE.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The head of `union bpf_attr` for BPF_RAW_TRACEPOINT_OPEN.
#[repr(C)]
struct TracepointOpen {
    name: u64,
    program: u32,
    _padding: u32,
}

/// The head of `union bpf_attr` for the elements of a map.
#[repr(C)]
struct MapElement {
    map: u32,
    _padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A map of fixed sizes whose least recently used entries give way.
pub(crate) fn create_lru_map(key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    create_map(BPF_MAP_TYPE_LRU_HASH, key, value, entries)
}

/// A map of fixed sizes that refuses what does not fit.
pub(crate) fn create_hash_map(key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    create_map(BPF_MAP_TYPE_HASH, key, value, entries)
}

fn create_map(kind: u32, key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    let attributes = MapCreate {
        kind,
        key_size: key,
        value_size: value,
        max_entries: entries,
    };
    Ok(own(bpf(BPF_MAP_CREATE, &attributes)?))
}

/// Copies a map's value; key and value must have the map's sizes.
pub(crate) fn look_up<const K: usize, const V: usize>(
    map: &OwnedFd,
    key: &[u8; K],
    value: &mut [u8; V],
) -> io::Result<()> {
    let attributes = MapElement {
        map: map.as_raw_fd().cast_unsigned(),
        _padding: 0,
        key: key.as_ptr() as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_LOOKUP_ELEM, &attributes).map(drop)
}

/// Puts a value into a map; key and value must have the map's sizes.
pub(crate) fn update<const K: usize, const V: usize>(
    map: &OwnedFd,
    key: &[u8; K],
    value: &[u8; V],
) -> io::Result<()> {
    let attributes = MapElement {
        map: map.as_raw_fd().cast_unsigned(),
        _padding: 0,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_UPDATE_ELEM, &attributes).map(drop)
}

/// Takes a key out of a map; it must have the map's size.
pub(crate) fn delete<const K: usize>(map: &OwnedFd, key: &[u8; K]) -> io::Result<()> {
    let attributes = MapElement {
        map: map.as_raw_fd().cast_unsigned(),
        _padding: 0,
        key: key.as_ptr() as u64,
        value: 0,
        flags: 0,
    };
    bpf(BPF_MAP_DELETE_ELEM, &attributes).map(drop)
}

/// Loads a program that runs whenever a socket is made.
pub(crate) fn load_socket_program(instructions: &[u64], name: &str) -> io::Result<OwnedFd> {
    let expected = BPF_CGROUP_INET_SOCK_CREATE;
    load(BPF_PROG_TYPE_CGROUP_SOCK, expected, instructions, name)
}

/// Loads a program for an event of the kernel ([`attach_to_event`]).
pub(crate) fn load_event_program(instructions: &[u64], name: &str) -> io::Result<OwnedFd> {
    load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, instructions, name)
}

fn load(
    kind: u32,
    expected_attach_type: u32,
    instructions: &[u64],
    name: &str,
) -> io::Result<OwnedFd> {
    let license = c"GPL";
    let mut attributes = ProgramLoad {
        kind,
        instruction_count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        interface: 0,
        expected_attach_type,
    };
    for (to, from) in attributes.name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Ok(own(bpf(BPF_PROG_LOAD, &attributes)?))
}

/// Attaches a program to a control group; the attachment lives as long as
/// the descriptor that is answered.
pub(crate) fn attach_to_cgroup(program: &OwnedFd, group: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        target: group.as_raw_fd().cast_unsigned(),
        attach_type: BPF_CGROUP_INET_SOCK_CREATE,
        flags: 0,
    };
    Ok(own(bpf(BPF_LINK_CREATE, &attributes)?))
}

/// Runs a program at each event of this name, within the event; for as long as
/// the descriptor that is answered.
pub(crate) fn attach_to_event(program: &OwnedFd, event: &CStr) -> io::Result<OwnedFd> {
    let attributes = TracepointOpen {
        name: event.as_ptr() as u64,
        program: program.as_raw_fd().cast_unsigned(),
        _padding: 0,
    };
    Ok(own(bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)?))
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<RawFd> {
    // SAFETY: `attributes` is a head of union bpf_attr, laid out as the kernel
    // has it; the kernel takes its size as given. What it points to, which the
    // callers keep alive over the call, is read, or is a value that is lent
    // for writing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    check_long(result)
}
