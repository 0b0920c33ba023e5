//! TCP flows: a smoltcp socket each, found by five-tuple, polled alone.
//!
//! A flow is *held* from its SYN until the caller decides (the SYN is kept, no socket exists), then *live*
//! with a socket, then *lingering* for TIME-WAIT with nothing but its last acknowledgement, then *gone*
//! until its last event is fetched.

use std::net::SocketAddr;
use std::time::Instant;

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, Socket, SocketBuffer};
use smoltcp::time::Duration as WireDuration;

use crate::config::Config;
use crate::device::{Link, TransmitQueue};
use crate::emit;
use crate::event::{Event, FlowError, Recv, Refusal};
use crate::flow::{FiveTuple, Flow, Kind, Protocol};
use crate::packet::Segment;
use crate::slab::FlowId;
use crate::stack::Stack;
use crate::timers::Deadline;

#[derive(Debug)]
pub(crate) struct TcpFlow {
    state: State,
    /// Events of this flow that wait to be fetched, as bits.
    pending: u8,
    ready: bool,
    wants_room: bool,
    established: bool,
    ended: bool,
    reset: bool,
    heard: Instant,
}

#[derive(Debug)]
enum State {
    Held {
        syn: Box<[u8]>,
        segment: Segment,
    },
    Live(Live),
    Lingering {
        acknowledgment: Option<Box<[u8]>>,
        delivered: bool,
    },
    Gone {
        reset: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Live {
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl Live {
    fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }
}

/// Sockets whose flows have ended, last in first out so that their memory is warm.
#[derive(Debug)]
pub(crate) struct SocketPool {
    free: Vec<Live>,
    buffer: usize,
    ack_delay: Option<WireDuration>,
    keep_alive: Option<WireDuration>,
}

impl SocketPool {
    pub(crate) fn new(config: &Config) -> SocketPool {
        // smoltcp keeps the unscaled window of a SYN-ACK as if it were scaled; with one byte less than a
        // power of two the window it then accepts is never larger than the buffer.
        let buffer = config
            .tcp_buffer
            .clamp(64 << 10, 16 << 20)
            .next_power_of_two()
            - 1;
        SocketPool {
            free: Vec::new(),
            buffer,
            ack_delay: config.ack_delay.map(Into::into),
            keep_alive: config.keep_alive.map(Into::into),
        }
    }

    fn take(&mut self) -> Live {
        if let Some(live) = self.free.pop() {
            return live;
        }
        let ring = || SocketBuffer::new(vec![0; self.buffer]);
        let mut socket = Socket::new(ring(), ring());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(self.ack_delay);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Live { sockets, handle }
    }

    fn give(&mut self, mut live: Live) {
        live.socket_mut().abort();
        if self.free.len() < FREE_SOCKETS {
            self.free.push(live);
        }
    }
}

impl Stack {
    pub(crate) fn handle_segment(
        &mut self,
        packet: &mut [u8],
        _transport: usize,
        segment: &Segment,
        now: Instant,
    ) {
        let tuple = FiveTuple::tcp(segment.source, segment.destination);
        let Some(&id) = self.index.get(&tuple) else {
            return self.handle_unknown(packet, tuple, segment, now);
        };
        let opens = segment.syn && !segment.ack && !segment.rst;
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        match &mut tcp.state {
            State::Held { syn, segment: held } => {
                if segment.rst {
                    self.end(id, true);
                } else if opens && segment.sequence != held.sequence {
                    *syn = packet.into();
                    *held = *segment;
                }
            }
            State::Live(live) => {
                if opens && live.socket().state() == tcp::State::TimeWait {
                    self.end(id, false);
                    self.handle_unknown(packet, tuple, segment, now);
                } else {
                    self.ingest(id, packet, segment.rst, now);
                }
            }
            State::Lingering { acknowledgment, .. } => {
                if opens {
                    self.forget(id);
                    self.handle_unknown(packet, tuple, segment, now);
                } else if segment.rst {
                    self.forget(id);
                } else if let Some(packet) = acknowledgment {
                    let packet: &[u8] = packet;
                    self.queue.push(packet.len(), |buffer| {
                        buffer.copy_from_slice(packet);
                        true
                    });
                }
            }
            State::Gone { .. } => {}
        }
    }

    fn handle_unknown(&mut self, packet: &[u8], tuple: FiveTuple, segment: &Segment, now: Instant) {
        if segment.rst {
            self.counters.unknown_flow += 1;
            return;
        }
        let opens = segment.syn && !segment.ack;
        if !opens || self.tcp_flows >= self.config.max_tcp_flows {
            if opens {
                self.counters.tcp_full += 1;
            } else {
                self.counters.unknown_flow += 1;
            }
            self.send_reset(segment);
            return;
        }
        let tcp = TcpFlow {
            state: State::Held {
                syn: packet.into(),
                segment: *segment,
            },
            pending: 0,
            ready: false,
            wants_room: false,
            established: false,
            ended: false,
            reset: false,
            heard: now,
        };
        let id = self.flows.insert(Flow {
            tuple,
            deadline: Deadline::default(),
            kind: Kind::Tcp(tcp),
        });
        self.index.insert(tuple, id);
        self.tcp_flows += 1;
        let due = now + self.config.syn_timeout;
        self.set_deadline(id, Some((due, "tcp syn held")));
        self.events.push_back(Event::TcpSyn { flow: id, tuple });
    }

    /// Takes the connection: the handshake goes on, `TcpEstablished` follows.
    pub fn tcp_accept(&mut self, flow: FlowId, now: Instant) {
        let Some(destination) = self.flows.get(flow).map(|flow| flow.tuple.destination) else {
            return;
        };
        let mut live = self.sockets.take();
        let keep_alive = self.sockets.keep_alive;
        let Some(tcp) = self.tcp_mut(flow) else {
            return self.sockets.give(live);
        };
        let State::Held { syn, .. } = &mut tcp.state else {
            return self.sockets.give(live);
        };
        let mut syn = std::mem::take(syn);
        let listening = live
            .socket_mut()
            .listen((destination.ip(), destination.port()));
        live.socket_mut().set_keep_alive(keep_alive);
        tcp.state = State::Live(live);
        tcp.heard = now;
        if listening.is_err() {
            return self.end(flow, true);
        }
        self.ingest(flow, &mut syn, false, now);
    }

    /// Refuses a held connection, or breaks an accepted one, with RST or an ICMP error.
    pub fn tcp_refuse(&mut self, flow: FlowId, why: Refusal, now: Instant) {
        let Some(tcp) = self.tcp_mut(flow) else {
            return;
        };
        let State::Held { syn, segment } = &mut tcp.state else {
            return self.tcp_abort(flow, now);
        };
        let (syn, segment) = (std::mem::take(syn), *segment);
        self.forget(flow);
        match why {
            Refusal::Reset => self.send_reset(&segment),
            Refusal::HostUnreachable
            | Refusal::NetUnreachable
            | Refusal::PortUnreachable
            | Refusal::AdminProhibited => {
                self.icmp_error(now, |queue| {
                    emit::unreachable(
                        queue,
                        &syn,
                        segment.destination.ip(),
                        segment.source.ip(),
                        why,
                    )
                });
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
            State::Held { .. } => return Ok(Recv::Empty),
            State::Lingering {
                delivered: false, ..
            }
            | State::Gone { reset: false } => return Ok(Recv::Eof),
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
        let taken = socket.recv(|data| {
            let (taken, result) = f(data);
            (taken.min(data.len()), result)
        });
        let Ok(result) = taken else {
            return Err(FlowError::Reset);
        };
        if socket.state() == tcp::State::Established || socket.can_recv() {
            self.mark_ready(flow);
        } else {
            self.mark_ready(flow);
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
        self.tcp_send_with(flow, now, |buffer| {
            let taken = buffer.len().min(data.len());
            buffer[..taken].copy_from_slice(&data[..taken]);
            taken
        })
        .and_then(|taken| {
            if taken == data.len() {
                return Ok(taken);
            }
            // The ring has a second part, or is full.
            let rest = &data[taken..];
            let tcp = self.tcp_mut(flow).ok_or(FlowError::NoFlow)?;
            let State::Live(live) = &mut tcp.state else {
                return Err(FlowError::NotOpen);
            };
            let more = live
                .socket_mut()
                .send_slice(rest)
                .map_err(|_| FlowError::NotOpen)?;
            tcp.wants_room |= more < rest.len();
            Ok(taken + more)
        })
    }

    /// Lets `f` write into the contiguous room of the send buffer; it returns how much it wrote.
    pub fn tcp_send_with(
        &mut self,
        flow: FlowId,
        _now: Instant,
        f: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, FlowError> {
        let tcp = self.tcp_mut(flow).ok_or(FlowError::NoFlow)?;
        let live = match &mut tcp.state {
            State::Live(live) => live,
            State::Gone { reset: true } => return Err(FlowError::Reset),
            State::Held { .. } | State::Lingering { .. } | State::Gone { reset: false } => {
                return Err(FlowError::NotOpen);
            }
        };
        let socket = live.socket_mut();
        let taken = socket
            .send(|buffer| {
                let taken = f(buffer).min(buffer.len());
                (taken, taken)
            })
            .map_err(|_| FlowError::NotOpen)?;
        tcp.wants_room |= socket.send_queue() == socket.send_capacity();
        self.mark_ready(flow);
        Ok(taken)
    }

    /// Room in the send buffer, bytes; none when nothing can be sent on this flow.
    pub fn tcp_send_capacity(&self, flow: FlowId) -> usize {
        let Some(Flow {
            kind:
                Kind::Tcp(TcpFlow {
                    state: State::Live(live),
                    ..
                }),
            ..
        }) = self.flows.get(flow)
        else {
            return 0;
        };
        let socket = live.socket();
        if socket.may_send() {
            socket.send_capacity() - socket.send_queue()
        } else {
            0
        }
    }

    /// Ends our direction: FIN after what is queued.
    pub fn tcp_finish(&mut self, flow: FlowId, _now: Instant) {
        let Some(tcp) = self.tcp_mut(flow) else {
            return;
        };
        if let State::Live(live) = &mut tcp.state {
            live.socket_mut().close();
            self.mark_ready(flow);
        }
    }

    /// Breaks the flow: RST to the program, the id is no longer valid, no event follows.
    pub fn tcp_abort(&mut self, flow: FlowId, now: Instant) {
        if self.tcp_mut(flow).is_some() {
            self.break_off(flow, now);
            self.forget(flow);
        }
    }

    fn break_off(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        match &mut tcp.state {
            State::Live(live) => {
                live.socket_mut().abort();
                let mut link = Link {
                    received: None,
                    queue: &mut self.queue,
                    urgent: true,
                };
                if self
                    .interface
                    .poll_egress(wire_now, &mut link, &mut live.sockets)
                    != PollResult::None
                {
                    self.counters.resets_sent += 1;
                }
            }
            State::Held { segment, .. } => {
                let segment = *segment;
                self.send_reset(&segment);
            }
            State::Lingering { .. } | State::Gone { .. } => {}
        }
    }

    /// Polls flows in turn for packets while the queue has room.
    pub(crate) fn poll_ready(&mut self, now: Instant) {
        let wire_now = self.wire_time(now);
        while self.queue.has_room() {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            let Some(Flow {
                kind: Kind::Tcp(tcp),
                ..
            }) = self.flows.get_mut(id)
            else {
                continue;
            };
            tcp.ready = false;
            let State::Live(live) = &mut tcp.state else {
                continue;
            };
            let more = poll_flow(&mut self.interface, &mut self.queue, live, wire_now);
            if more {
                tcp.ready = true;
                self.ready.push_back(id);
            } else {
                self.settle(id, now);
                self.schedule(id, now);
            }
        }
    }

    pub(crate) fn tcp_deadline(&mut self, id: FlowId, now: Instant) {
        let stall = self.config.stall_timeout;
        let Some(tcp) = self.tcp_mut(id) else { return };
        match &tcp.state {
            State::Held { .. } => {
                self.break_off(id, now);
                self.end(id, true);
            }
            State::Live(live) => {
                if awaits_peer(live.socket()) && now.saturating_duration_since(tcp.heard) >= stall {
                    self.break_off(id, now);
                    self.end(id, true);
                } else {
                    self.mark_ready(id);
                }
            }
            State::Lingering {
                delivered: true, ..
            } => self.forget(id),
            State::Lingering {
                delivered: false, ..
            } => self.end_quietly(id),
            State::Gone { .. } => {}
        }
    }

    /// Whether a TCP event still concerns a flow; forgets a flow whose last event this is.
    pub(crate) fn delivers(&mut self, id: FlowId, event: &Event) -> bool {
        let Some(tcp) = self.tcp_mut(id) else {
            return false;
        };
        tcp.pending &= !bit(event);
        match (&mut tcp.state, event) {
            (State::Gone { .. }, Event::TcpReset { .. } | Event::TcpClosed { .. }) => {
                self.forget(id)
            }
            (State::Lingering { delivered, .. }, Event::TcpClosed { .. }) => *delivered = true,
            _ => {}
        }
        true
    }

    fn ingest(&mut self, id: FlowId, packet: &mut [u8], reset: bool, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        tcp.heard = now;
        tcp.reset |= reset;
        let before = live.socket().recv_queue();
        let mut link = Link {
            received: Some(packet),
            queue: &mut self.queue,
            urgent: false,
        };
        self.interface
            .poll_ingress_single(wire_now, &mut link, &mut live.sockets);
        if live.socket().recv_queue() > before {
            self.push_event(id, Event::TcpReadable { flow: id });
        }
        self.mark_ready(id);
        self.settle(id, now);
    }

    /// Compares the socket with what the caller was told, and ends flows that have ended.
    fn settle(&mut self, id: FlowId, now: Instant) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        let socket = live.socket();
        let state = socket.state();
        let unread = socket.recv_queue();
        let peer_ended = matches!(
            state,
            tcp::State::CloseWait
                | tcp::State::LastAck
                | tcp::State::Closing
                | tcp::State::TimeWait
        );
        let was_established = tcp.established;
        let established = was_established
            || peer_ended
            || matches!(
                state,
                tcp::State::Established | tcp::State::FinWait1 | tcp::State::FinWait2
            );
        let newly_ended = peer_ended && !tcp.ended;
        tcp.established = established;
        tcp.ended |= peer_ended;
        let (ended, reset) = (tcp.ended, tcp.reset);
        let room = socket.send_capacity() - socket.send_queue();
        let writable = tcp.wants_room && socket.may_send() && room >= socket.send_capacity() / 4;
        if writable {
            tcp.wants_room = false;
        }
        if established && !was_established {
            self.push_event(id, Event::TcpEstablished { flow: id });
        }
        if newly_ended {
            self.push_event(id, Event::TcpEnd { flow: id });
        }
        if writable {
            self.push_event(id, Event::TcpWritable { flow: id });
        }
        match state {
            tcp::State::TimeWait if unread == 0 => self.linger(id, now),
            tcp::State::Closed if unread == 0 || !ended => {
                self.end(id, reset || !ended);
            }
            tcp::State::Listen => self.end(id, true),
            tcp::State::Closed
            | tcp::State::TimeWait
            | tcp::State::SynSent
            | tcp::State::SynReceived
            | tcp::State::Established
            | tcp::State::FinWait1
            | tcp::State::FinWait2
            | tcp::State::CloseWait
            | tcp::State::Closing
            | tcp::State::LastAck => {}
        }
    }

    /// TIME-WAIT: gives the socket back and keeps the last acknowledgement for a peer that missed it.
    fn linger(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        let mut link = Link {
            received: None,
            queue: &mut self.queue,
            urgent: true,
        };
        let sent = self
            .interface
            .poll_egress(wire_now, &mut link, &mut live.sockets)
            != PollResult::None;
        let acknowledgment = if sent {
            self.queue.back().map(Box::from)
        } else {
            None
        };
        let lingering = State::Lingering {
            acknowledgment,
            delivered: false,
        };
        if let State::Live(live) = std::mem::replace(&mut tcp.state, lingering) {
            self.sockets.give(live);
        }
        self.tcp_flows -= 1;
        self.lingering += 1;
        self.push_event(id, Event::TcpClosed { flow: id });
        if self.lingering > MAX_LINGERING {
            self.end_quietly(id);
        } else {
            self.set_deadline(id, Some((now + self.config.time_wait, "tcp time-wait")));
        }
    }

    /// The flow is over: says so, and keeps its id until the caller fetched that.
    fn end(&mut self, id: FlowId, reset: bool) {
        self.end_quietly(id);
        let event = if reset {
            Event::TcpReset { flow: id }
        } else {
            Event::TcpClosed { flow: id }
        };
        if let Some(TcpFlow { state, .. }) = self.tcp_mut(id) {
            *state = State::Gone { reset };
        }
        self.push_event(id, event);
    }

    fn end_quietly(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let tuple = flow.tuple;
        let Kind::Tcp(tcp) = &mut flow.kind else {
            return;
        };
        match std::mem::replace(&mut tcp.state, State::Gone { reset: false }) {
            State::Live(live) => {
                self.tcp_flows -= 1;
                self.sockets.give(live);
            }
            State::Held { .. } => self.tcp_flows -= 1,
            State::Lingering { .. } => self.lingering -= 1,
            State::Gone { .. } => return,
        }
        self.index.remove(&tuple);
    }

    fn forget(&mut self, id: FlowId) {
        self.end_quietly(id);
        self.flows.remove(id);
    }

    fn schedule(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        let heard = tcp.heard;
        let waits = awaits_peer(live.socket());
        let wire_due = self.interface.poll_at(wire_now, &live.sockets);
        // Nothing can be sent at this moment, so "at once" means as soon as time has moved on.
        let wire_due = wire_due.map(|due| {
            (
                self.local_time(due).max(now + MIN_DELAY),
                "tcp retransmit or acknowledge",
            )
        });
        let stall_due = waits.then(|| (heard + self.config.stall_timeout, "tcp peer silent"));
        let due = match (wire_due, stall_due) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        self.set_deadline(id, due);
    }

    fn set_deadline(&mut self, id: FlowId, due: Option<(Instant, &'static str)>) {
        if let Some(flow) = self.flows.get_mut(id) {
            self.timers.set(id, &mut flow.deadline, due);
        }
    }

    fn mark_ready(&mut self, id: FlowId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if !tcp.ready {
            tcp.ready = true;
            self.ready.push_back(id);
        }
    }

    fn push_event(&mut self, id: FlowId, event: Event) {
        let bit = bit(&event);
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.pending & bit == 0 {
            tcp.pending |= bit;
            self.events.push_back(event);
        }
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

/// Whether anything is sent that the peer must answer.
fn awaits_peer(socket: &Socket<'_>) -> bool {
    socket.send_queue() > 0
        || matches!(
            socket.state(),
            tcp::State::SynReceived
                | tcp::State::FinWait1
                | tcp::State::Closing
                | tcp::State::LastAck
        )
}

/// One flow's turn; true when it has more to send.
fn poll_flow(
    interface: &mut Interface,
    queue: &mut TransmitQueue,
    live: &mut Live,
    now: smoltcp::time::Instant,
) -> bool {
    for _ in 0..PACKETS_PER_TURN {
        let mut link = Link {
            received: None,
            queue,
            urgent: false,
        };
        if !link.queue.has_room() {
            return true;
        }
        if interface.poll_egress(now, &mut link, &mut live.sockets) == PollResult::None {
            return false;
        }
    }
    true
}

fn bit(event: &Event) -> u8 {
    match event {
        Event::TcpSyn { .. } => 1,
        Event::TcpEstablished { .. } => 2,
        Event::TcpReadable { .. } => 4,
        Event::TcpWritable { .. } => 8,
        Event::TcpEnd { .. } => 16,
        Event::TcpReset { .. } => 32,
        Event::TcpClosed { .. } => 64,
        Event::UdpDatagram { .. } | Event::UdpExpired { .. } | Event::EchoRequest(_) => 0,
    }
}

const PACKETS_PER_TURN: usize = 4;
const FREE_SOCKETS: usize = 64;
const MAX_LINGERING: usize = 16_384;
const MIN_DELAY: std::time::Duration = std::time::Duration::from_millis(1);
