//! TCP flows as the caller uses them: accept, receive, send, finish, abort.
//!
//! A flow is *held* from its SYN until the caller decides (the SYN is kept, no socket exists), then *live*
//! with a smoltcp socket or *parked* while it is quiet, then *lingering* for TIME-WAIT with nothing but
//! its last sequence numbers, then *gone* until its last event is fetched.

mod ending;
mod machine;
mod park;
mod socket;
mod track;

use std::net::SocketAddr;
use std::time::Instant;

use crate::emit;
use crate::event::{FlowError, Recv, Refusal};
use crate::flow::{FiveTuple, Flow, Kind, Protocol};
use crate::packet::Segment;
use crate::slab::FlowId;
use crate::stack::Stack;

pub(crate) use park::Parked;
pub(crate) use socket::SocketPool;
pub(crate) use track::Track;

use socket::Live;
use track::Peer;

#[derive(Debug)]
pub(crate) struct TcpFlow {
    state: State,
    /// Events of this flow that wait to be fetched, as bits.
    pending: u8,
    /// Whether it stands in line to be polled for packets.
    ready: bool,
    /// The caller has more to send than there was room for.
    wants_room: bool,
    /// The caller ended its direction; the FIN waits for the handshake or for the peer's window.
    wants_finish: bool,
    finished: bool,
    established: bool,
    /// The peer has ended its direction.
    ended: bool,
    /// The peer sent RST.
    reset: bool,
    /// When the last packet came.
    heard: Instant,
}

#[derive(Debug)]
enum State {
    Held(Box<Held>),
    Live(Box<Live>),
    Parked(Parked),
    Lingering {
        sent: u32,
        received: u32,
        delivered: bool,
    },
    Gone {
        reset: bool,
    },
}

#[derive(Debug)]
struct Held {
    syn: Box<[u8]>,
    transport: usize,
    segment: Segment,
}

impl Stack {
    /// Takes the connection: the handshake goes on, `TcpEstablished` follows.
    pub fn tcp_accept(&mut self, flow: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            tuple,
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(flow)
        else {
            return;
        };
        let State::Held(held) = &tcp.state else {
            return;
        };
        let mut live = self.sockets.take(self.sockets.size_for_next());
        let peer = Peer::of_syn(&held.syn[held.transport..]);
        let buffer = live.socket().recv_capacity();
        live.track = Track::new(peer, &held.segment, buffer);
        let listening = self.sockets.listen(&mut live, tuple.destination);
        live.ingest(&mut self.interface, &mut self.queue, &held.syn, wire_now);
        tcp.state = State::Live(live);
        tcp.heard = now;
        if listening {
            self.mark_ready(flow);
        } else {
            self.end(flow, true);
        }
    }

    /// Refuses a held connection, or breaks an accepted one, with RST or an ICMP error.
    pub fn tcp_refuse(&mut self, flow: FlowId, why: Refusal, now: Instant) {
        let Some(tcp) = self.tcp_mut(flow) else {
            return;
        };
        let State::Held(held) = &mut tcp.state else {
            return self.tcp_abort(flow, now);
        };
        let (syn, segment) = (std::mem::take(&mut held.syn), held.segment);
        self.forget(flow);
        match why {
            Refusal::Reset => self.send_reset(&segment),
            Refusal::HostUnreachable
            | Refusal::NetUnreachable
            | Refusal::PortUnreachable
            | Refusal::AdminProhibited => {
                let (from, to) = (segment.destination.ip(), segment.source.ip());
                self.icmp_error(now, |queue| emit::unreachable(queue, &syn, from, to, why));
            }
        }
    }

    /// Hands received bytes to `f`, which says how many it took and what to return.
    ///
    /// The slice is contiguous in the receive buffer and may be less than all that is there. The window
    /// opens by what was taken.
    pub fn tcp_recv<R>(
        &mut self,
        flow: FlowId,
        now: Instant,
        f: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Result<Recv<R>, FlowError> {
        let tcp = self.tcp_mut(flow).ok_or(FlowError::NoFlow)?;
        let live = match &mut tcp.state {
            State::Live(live) => live,
            State::Held(_) | State::Parked(_) => return Ok(Recv::Empty),
            State::Lingering {
                delivered: false, ..
            }
            | State::Gone { reset: false } => {
                return Ok(Recv::Eof);
            }
            State::Lingering {
                delivered: true, ..
            } => return Err(FlowError::NoFlow),
            State::Gone { reset: true } => return Err(FlowError::Reset),
        };
        let socket = live.socket_mut();
        if !socket.can_recv() {
            return if tcp.ended {
                Ok(Recv::Eof)
            } else {
                Ok(Recv::Empty)
            };
        }
        let received = socket.recv(|data| {
            let (taken, result) = f(data);
            (taken.min(data.len()), result)
        });
        let Ok(result) = received else {
            return Err(FlowError::Reset);
        };
        let drained = !socket.can_recv();
        let ended = tcp.ended;
        self.mark_ready(flow);
        if drained && ended {
            self.settle(flow, now);
        }
        Ok(Recv::Data(result))
    }

    /// Queues bytes for the program; returns how many were taken.
    ///
    /// When fewer than offered, `TcpWritable` follows once there is worthwhile room.
    pub fn tcp_send(
        &mut self,
        flow: FlowId,
        data: &[u8],
        now: Instant,
    ) -> Result<usize, FlowError> {
        let Some(live) = self.sending(flow, now)? else {
            return Ok(0);
        };
        let taken = live
            .socket_mut()
            .send_slice(data)
            .map_err(|_| FlowError::NotOpen)?;
        self.sent(flow, taken < data.len());
        Ok(taken)
    }

    /// Lets `f` write into the contiguous room of the send buffer; it returns how much it wrote.
    ///
    /// `TcpWritable` follows when the buffer was filled.
    pub fn tcp_send_with(
        &mut self,
        flow: FlowId,
        now: Instant,
        f: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, FlowError> {
        let Some(live) = self.sending(flow, now)? else {
            return Ok(0);
        };
        let socket = live.socket_mut();
        let sent = socket.send(|buffer| {
            let taken = f(buffer).min(buffer.len());
            (taken, taken)
        });
        let taken = sent.map_err(|_| FlowError::NotOpen)?;
        let full = socket.send_queue() == socket.send_capacity();
        self.sent(flow, full);
        Ok(taken)
    }

    /// Room in the send buffer, bytes; none when nothing can be sent on this flow.
    pub fn tcp_send_capacity(&self, flow: FlowId) -> usize {
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get(flow)
        else {
            return 0;
        };
        match &tcp.state {
            State::Live(live) if live.socket().may_send() => {
                live.socket().send_capacity() - live.socket().send_queue()
            }
            State::Parked(parked) => self.sockets.capacity(parked.size),
            State::Live(_) | State::Held(_) | State::Lingering { .. } | State::Gone { .. } => 0,
        }
    }

    /// Ends our direction: FIN after what is queued.
    pub fn tcp_finish(&mut self, flow: FlowId, now: Instant) {
        self.revive(flow, now);
        let Some(tcp) = self.tcp_mut(flow) else {
            return;
        };
        tcp.wants_finish = true;
        tcp.finished = true;
        tcp.wants_room = false;
        self.settle(flow, now);
    }

    /// Breaks the flow: RST to the program, the id is no longer valid, no event follows.
    pub fn tcp_abort(&mut self, flow: FlowId, now: Instant) {
        if self.tcp_mut(flow).is_some() {
            self.break_off(flow, now);
            self.forget(flow);
        }
    }

    /// The socket to send on; none while the handshake is not complete.
    fn sending(&mut self, flow: FlowId, now: Instant) -> Result<Option<&mut Live>, FlowError> {
        self.revive(flow, now);
        let tcp = self.tcp_mut(flow).ok_or(FlowError::NoFlow)?;
        match &mut tcp.state {
            State::Live(_) | State::Held(_) if tcp.finished => Err(FlowError::NotOpen),
            State::Live(live) if tcp.established => Ok(Some(live)),
            State::Live(_) | State::Held(_) => {
                tcp.wants_room = true;
                Ok(None)
            }
            State::Gone { reset: true } => Err(FlowError::Reset),
            State::Parked(_) | State::Lingering { .. } | State::Gone { reset: false } => {
                Err(FlowError::NotOpen)
            }
        }
    }

    fn sent(&mut self, flow: FlowId, wants_room: bool) {
        if let Some(tcp) = self.tcp_mut(flow) {
            tcp.wants_room |= wants_room;
        }
        self.mark_ready(flow);
    }

    fn send_reset(&mut self, segment: &Segment) {
        if emit::reset(&mut self.queue, segment) {
            self.counters.resets_sent += 1;
        }
    }

    fn tcp_mut(&mut self, id: FlowId) -> Option<&mut TcpFlow> {
        match &mut self.flows.get_mut(id)?.kind {
            Kind::Tcp(tcp) => Some(tcp),
            Kind::Udp(_) => None,
        }
    }
}

impl FiveTuple {
    pub(crate) fn tcp(source: SocketAddr, destination: SocketAddr) -> FiveTuple {
        FiveTuple {
            protocol: Protocol::Tcp,
            source,
            destination,
        }
    }
}
