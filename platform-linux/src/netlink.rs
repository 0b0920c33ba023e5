//! Netlink requests by hand: one message out, its answers back (RFC 3549).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// A netlink socket of the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// One message that the kernel answered.
pub(crate) struct Answer<'a> {
    pub(crate) kind: u16,
    pub(crate) payload: &'a [u8],
}

pub(crate) const FLAG_REQUEST: u16 = 1;
pub(crate) const FLAG_ACKNOWLEDGE: u16 = 4;
pub(crate) const FLAG_DUMP: u16 = 0x300;
pub(crate) const FLAG_CREATE: u16 = 0x400;
pub(crate) const FLAG_REPLACE: u16 = 0x100;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;

impl Netlink {
    pub(crate) fn open(protocol: SockProtocol) -> io::Result<Netlink> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        Ok(Netlink {
            socket,
            sequence: 0,
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Sends a request and hands every answer to `handle` until the last one.
    pub(crate) fn request(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
        mut handle: impl FnMut(Answer<'_>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + payload.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER + payload.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(flags | FLAG_REQUEST).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0u32.to_ne_bytes());
        message.extend_from_slice(payload);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(nix::Error::EINTR) => continue,
                other => other?,
            };
            let several = flags & (FLAG_DUMP | FLAG_ACKNOWLEDGE) != 0;
            if read_answers(&self.buffer[..length], self.sequence, several, &mut handle)? {
                return Ok(());
            }
        }
    }
}

/// Whether the last answer was among these.
fn read_answers(
    mut rest: &[u8],
    sequence: u32,
    several: bool,
    handle: &mut impl FnMut(Answer<'_>),
) -> io::Result<bool> {
    while let Some(header) = rest.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let of = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let Some(payload) = rest.get(HEADER..length) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        if of != sequence {
            continue;
        }
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code = payload
                    .first_chunk()
                    .map_or(0, |code| i32::from_ne_bytes(*code));
                return if code == 0 {
                    Ok(true)
                } else {
                    Err(io::Error::from_raw_os_error(-code))
                };
            }
            kind => handle(Answer { kind, payload }),
        }
        if !several {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Appends an attribute: length, type, value, padding to four bytes.
pub(crate) fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).expect("attributes are short");
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}
