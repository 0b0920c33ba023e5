//! A socket to which the kernel tells changes of one of its subsystems (netlink(7)).
//!
//! What a message means is for whoever asked for it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

#[derive(Debug)]
pub(crate) struct KernelNews {
    socket: OwnedFd,
    buffer: RefCell<Vec<u8>>,
}

impl KernelNews {
    /// Joins the groups of these numbers.
    pub(crate) fn open(protocol: SockProtocol, groups: &[u32]) -> io::Result<KernelNews> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            protocol,
        )?;
        KernelNews::on(socket, groups)
    }

    /// The same on a socket that does not wait.
    pub(crate) fn on(socket: OwnedFd, groups: &[u32]) -> io::Result<KernelNews> {
        let groups = groups
            .iter()
            .fold(0, |groups, group| groups | 1 << (group - 1));
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(KernelNews {
            socket,
            buffer: RefCell::new(vec![0; 64 * 1024]),
        })
    }

    /// Takes all news; whether any is of concern, or some were lost.
    pub(crate) fn take(&self, mut is_concern: impl FnMut(&[u8]) -> bool) -> bool {
        let mut buffer = self.buffer.borrow_mut();
        let mut concern = false;
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => concern |= is_concern(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return concern,
                // News were lost.
                Err(_) => return true,
            }
        }
    }
}

impl AsFd for KernelNews {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
