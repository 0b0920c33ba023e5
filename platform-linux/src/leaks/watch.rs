//! Hears all that the interfaces of this network namespace send.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::net::if_::if_nameindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};

/// One packet, from its IP header on.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) interface: String,
    pub(super) bytes: Vec<u8>,
}

/// A thread that keeps what left since its start.
#[derive(Debug)]
pub(super) struct Watch {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Seen>>>,
}

/// linux/if_packet.h
const OUTGOING: u8 = 4;
/// Bytes kept of a packet: more than any probe has.
const KEPT: usize = 256;
/// A machine that sends more than this within seconds cannot be watched.
const MOST: usize = 200_000;

impl Watch {
    pub(super) fn start() -> io::Result<Watch> {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )?;
        // A smaller one serves as well on a machine that is not busy.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20));
        let enough = Arc::new(AtomicBool::new(false));
        let told = enough.clone();
        let thread = std::thread::spawn(move || listen(&socket, &told));
        Ok(Watch { enough, thread })
    }

    /// What left.
    pub(super) fn stop(self) -> io::Result<Vec<Seen>> {
        self.enough.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the watcher ended")))
    }
}

fn listen(socket: &OwnedFd, enough: &AtomicBool) -> io::Result<Vec<Seen>> {
    let names: HashMap<usize, String> = if_nameindex()?
        .iter()
        .map(|one| {
            (
                one.index() as usize,
                one.name().to_string_lossy().into_owned(),
            )
        })
        .collect();
    let mut seen = Vec::new();
    let mut buffer = [0; KEPT];
    loop {
        match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
            Ok((length, Some(from))) if from.pkttype() == OUTGOING => {
                let name = names.get(&from.ifindex()).map_or("?", String::as_str);
                if name != "lo" {
                    seen.push(Seen {
                        interface: name.to_owned(),
                        bytes: buffer[..length.min(KEPT)].to_vec(),
                    });
                }
                if seen.len() > MOST {
                    return Err(io::Error::other("too much else is sent to see the probes"));
                }
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if enough.load(Ordering::Relaxed) => return Ok(seen),
            Err(Errno::EAGAIN) => {
                let mut source = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                poll(&mut source, PollTimeout::from(50u16))?;
            }
            // An interface went down; the others are heard on.
            Err(Errno::ENETDOWN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
