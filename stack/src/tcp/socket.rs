//! A smoltcp socket alone in its set, and the pool it comes from.
//!
//! Sockets are reused last in first out, so that the part of their buffers in use stays warm and small:
//! a socket that listens anew starts at the front of its buffers.

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};

use super::track::Track;
use crate::config::Config;
use crate::device::{Link, TransmitQueue};

/// The socket of a flow.
#[derive(Debug)]
pub(crate) struct Live {
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(crate) track: Track,
    pub(crate) size: Size,
}

impl Live {
    pub(crate) fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    pub(crate) fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Gives one packet to the socket; an answer that cannot wait goes to the queue.
    pub(crate) fn ingest(
        &mut self,
        interface: &mut Interface,
        queue: &mut TransmitQueue,
        packet: &[u8],
        now: Instant,
    ) {
        let mut link = Link {
            received: Some(packet),
            queue,
            track: Some(&mut self.track),
            urgent: true,
        };
        interface.poll_ingress_single(now, &mut link, &mut self.sockets);
    }

    /// Lets the socket send one packet; false when it has none, or when it is not urgent and must wait.
    pub(crate) fn emit(
        &mut self,
        interface: &mut Interface,
        queue: &mut TransmitQueue,
        urgent: bool,
        now: Instant,
    ) -> bool {
        let mut link = Link {
            received: None,
            queue,
            track: Some(&mut self.track),
            urgent,
        };
        interface.poll_egress(now, &mut link, &mut self.sockets) != PollResult::None
    }

    pub(crate) fn poll_at(&self, interface: &mut Interface, now: Instant) -> Option<Instant> {
        interface.poll_at(now, &self.sockets)
    }
}

/// How large a flow's buffers are; fixed when it is accepted, since a window must not shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Reduced,
    Small,
}

#[derive(Debug)]
#[expect(
    clippy::vec_box,
    reason = "boxes go from flow to pool and back as they are"
)]
pub(crate) struct SocketPool {
    free: [Vec<Box<Live>>; 3],
    pub(crate) in_use: usize,
    buffer: usize,
    ack_delay: Option<Duration>,
    keep_alive: Option<Duration>,
}

impl SocketPool {
    pub(crate) fn new(config: &Config) -> SocketPool {
        SocketPool {
            free: Default::default(),
            in_use: 0,
            buffer: config
                .tcp_buffer
                .clamp(SMALL_BUFFER, 16 << 20)
                .next_power_of_two(),
            ack_delay: config.ack_delay.map(Into::into),
            keep_alive: config.keep_alive.map(Into::into),
        }
    }

    /// The more sockets are in use, the smaller the buffers of the next, so that their sum is bounded.
    pub(crate) fn size_for_next(&self) -> Size {
        match self.in_use {
            0..FULL_SOCKETS => Size::Full,
            FULL_SOCKETS..REDUCED_SOCKETS => Size::Reduced,
            _ => Size::Small,
        }
    }

    /// Whether quiet flows should give their sockets back at once.
    pub(crate) fn is_crowded(&self) -> bool {
        self.in_use > CROWDED_SOCKETS
    }

    pub(crate) fn take(&mut self, size: Size) -> Box<Live> {
        self.in_use += 1;
        if let Some(live) = self.free[size as usize].pop() {
            return live;
        }
        let bytes = self.capacity(size);
        let ring = || SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(ring(), ring());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(self.ack_delay);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Box::new(Live {
            sockets,
            handle,
            track: Track::default(),
            size,
        })
    }

    pub(crate) fn capacity(&self, size: Size) -> usize {
        let bytes = match size {
            Size::Full => self.buffer,
            Size::Reduced => (self.buffer / 4).max(SMALL_BUFFER),
            Size::Small => SMALL_BUFFER,
        };
        // smoltcp takes the unscaled window of a SYN-ACK for a scaled one; with one byte less than a power
        // of two, the window it believes in is never larger than the buffer.
        bytes - 1
    }

    pub(crate) fn give(&mut self, mut live: Box<Live>) {
        self.in_use -= 1;
        live.socket_mut().abort();
        let free = &mut self.free[live.size as usize];
        if free.len() < FREE_SOCKETS {
            free.push(live);
        }
    }

    /// Readies a taken socket for the SYN of a flow to `destination`; false for what cannot be listened on.
    pub(crate) fn listen(&self, live: &mut Live, destination: std::net::SocketAddr) -> bool {
        let socket = live.socket_mut();
        socket.abort();
        let listening = socket
            .listen((destination.ip(), destination.port()))
            .is_ok();
        socket.set_keep_alive(self.keep_alive);
        listening
    }
}

const SMALL_BUFFER: usize = 64 << 10;
const CROWDED_SOCKETS: usize = 256;
const FULL_SOCKETS: usize = 512;
const REDUCED_SOCKETS: usize = 4_096;
const FREE_SOCKETS: usize = 64;
