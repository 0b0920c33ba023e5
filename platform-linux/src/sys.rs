//! System calls that neither the standard library nor `nix` offers as safe
//! functions. Nothing here decides anything.

mod bpf;
mod process;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;

pub(crate) use bpf::{
    attach_to_cgroup, attach_to_event, create_hash_map, create_lru_map, delete, load_event_program,
    load_socket_program, look_up, update,
};
pub(crate) use process::{
    after_fork, drop_bounding_capability, fork, replace_descriptor, set_parent_death_signal,
};

/// Takes over a descriptor that this process inherited under a known number.
pub(crate) fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes an integer and fails on a number that is not open.
    let result = unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    check(result)?;
    // SAFETY: the descriptor is open, and the caller names it because nothing
    // else in this process owns it: it came with the program's start.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Takes over a descriptor that the kernel has just made for this process.
pub(crate) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: callers pass descriptors received in a control message, which
    // belong to the receiver and are in no other hands.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// The kernel's number of the network namespace that a socket is in.
pub(crate) fn network_cookie(socket: &impl AsRawFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).map_err(io::Error::other)?;
    // SAFETY: SO_NETNS_COOKIE writes eight bytes, as many as are lent.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    })?;
    Ok(cookie)
}

/// Makes the interface behind an open /dev/net/tun. Each packet has a header
/// before it that says how far its checksum is computed.
pub(crate) fn create_tun(device: &OwnedFd, name: &str) -> io::Result<()> {
    const CHECKSUM_OFFLOAD: libc::c_ulong = 1;
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut request = interface_request(libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR);
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: TUNSETIFF reads and writes one ifreq, which lives until the call
    // returns; the name is zero-terminated because it is shorter than the field.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })?;
    // SAFETY: TUNSETOFFLOAD takes an integer.
    check(unsafe {
        libc::ioctl(
            device.as_raw_fd(),
            libc::TUNSETOFFLOAD as _,
            CHECKSUM_OFFLOAD,
        )
    })?;
    Ok(())
}

/// Whether packets of a TUN have that header.
pub(crate) fn tun_has_header(device: &OwnedFd) -> io::Result<bool> {
    let mut request = interface_request(0);
    // SAFETY: TUNGETIFF writes one ifreq, which lives until the call returns.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNGETIFF as _, &raw mut request) })?;
    // SAFETY: TUNGETIFF has written the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(libc::c_int::from(flags) & libc::IFF_VNET_HDR != 0)
}

fn interface_request(flags: libc::c_int) -> libc::ifreq {
    libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: flags as libc::c_short,
        },
    }
}

/// Mounts the v2 hierarchy of control groups without attaching it anywhere.
pub(crate) fn mount_cgroup2() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    let kind = CString::from(c"cgroup2");
    // SAFETY: fsopen reads a zero-terminated string.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
    let context = own(check_long(context)?);
    // SAFETY: FSCONFIG_CMD_CREATE takes no key, value or auxiliary number.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_void>(),
            0,
        )
    };
    check_long(created)?;
    // SAFETY: fsmount takes three integers.
    let mount =
        unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) };
    Ok(own(check_long(mount)?))
}

/// A socket of the kernel's connector, which speaks in the network namespace
/// of the first process only (linux/connector.h).
pub(crate) fn connector_socket() -> io::Result<OwnedFd> {
    const NETLINK_CONNECTOR: libc::c_int = 11;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes three integers.
    let socket = unsafe { libc::socket(libc::AF_NETLINK, kind, NETLINK_CONNECTOR) };
    Ok(own(check(socket)?))
}

/// Has the allocator take blocks of this size and more from the kernel.
pub(crate) fn set_mmap_threshold(bytes: i32) -> bool {
    // SAFETY: mallopt takes two integers; M_MMAP_THRESHOLD accepts any value.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) == 1 }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn check_long(result: libc::c_long) -> io::Result<RawFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}
