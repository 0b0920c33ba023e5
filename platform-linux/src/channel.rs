//! One end of the SOCK_SEQPACKET pair between two processes: whole messages,
//! each with at most one descriptor beside it.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use masq_capture::helper::HELLO_LIMIT;
use nix::cmsg_space;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
    recvmsg, sendmsg, shutdown, socketpair,
};

use crate::sys;

/// A message and the descriptor that came with it.
#[derive(Debug)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

/// One end of the pair.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    buffer: RefCell<Vec<u8>>,
}

impl Channel {
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let (one, other) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Channel::over(one), Channel::over(other)))
    }

    /// Takes over the end that this program inherited under this number.
    /// To be called once for a number.
    pub fn from_inherited(number: RawFd) -> io::Result<Channel> {
        Ok(Channel::over(sys::adopt(number)?))
    }

    fn over(socket: OwnedFd) -> Channel {
        Channel {
            socket,
            buffer: RefCell::new(vec![0; HELLO_LIMIT]),
        }
    }

    pub fn into_descriptor(self) -> OwnedFd {
        self.socket
    }

    /// The other end sees an end, though descriptors stay open.
    pub fn shut_down(&self) {
        // One that is gone already sees it as well.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let mut flags = OFlag::from_bits_retain(fcntl(&self.socket, FcntlArg::F_GETFL)?);
        flags.set(OFlag::O_NONBLOCK, nonblocking);
        fcntl(&self.socket, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    pub fn send(&self, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let descriptors = descriptor.map(|descriptor| [descriptor.as_raw_fd()]);
        let rights = descriptors
            .as_ref()
            .map(|list| [ControlMessage::ScmRights(list)]);
        let control = rights.as_ref().map_or(&[][..], |list| &list[..]);
        loop {
            let sent = sendmsg::<()>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(bytes)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Err(nix::Error::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next message, or None when the other end is gone.
    pub fn receive(&self) -> io::Result<Option<Received>> {
        let mut bytes = self.buffer.borrow_mut();
        let mut space = cmsg_space!([RawFd; 1]);
        let (length, descriptor) = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let received = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            );
            let message = match received {
                Err(nix::Error::EINTR) => continue,
                Err(nix::Error::ECONNRESET) => return Ok(None),
                other => other?,
            };
            let mut descriptor = None;
            for control in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(list) = control {
                    for number in list {
                        descriptor = Some(sys::own(number));
                    }
                }
            }
            break (message.bytes, descriptor);
        };
        if length == 0 {
            return Ok(None);
        }
        let bytes = bytes[..length].to_vec();
        Ok(Some(Received { bytes, descriptor }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_brings_its_descriptor() {
        let (one, other) = Channel::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        one.send(b"with", Some(file.as_fd())).unwrap();
        one.send(b"without", None).unwrap();
        let first = other.receive().unwrap().unwrap();
        assert_eq!(
            (&first.bytes[..], first.descriptor.is_some()),
            (&b"with"[..], true)
        );
        let second = other.receive().unwrap().unwrap();
        assert_eq!(
            (&second.bytes[..], second.descriptor.is_some()),
            (&b"without"[..], false)
        );
        drop(one);
        assert!(other.receive().unwrap().is_none());
    }

    #[test]
    fn an_empty_non_blocking_channel_would_block() {
        let (one, _other) = Channel::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        assert_eq!(one.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
