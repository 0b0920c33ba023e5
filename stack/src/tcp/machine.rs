//! What moves a TCP flow from state to state: segments, deadlines, its turn to send.

use std::time::{Duration, Instant};

use smoltcp::socket::tcp::{self, Socket};

use super::{Held, Parked, State, TcpFlow};
use crate::emit;
use crate::event::Event;
use crate::flow::{FiveTuple, Flow, Kind};
use crate::packet::Segment;
use crate::slab::FlowId;
use crate::stack::Stack;
use crate::timers::Deadline;

impl Stack {
    pub(crate) fn handle_segment(
        &mut self,
        packet: &mut [u8],
        transport: usize,
        segment: &Segment,
        now: Instant,
    ) {
        let tuple = FiveTuple::tcp(segment.source, segment.destination);
        let Some(&id) = self.index.get(&tuple) else {
            return self.handle_unknown(packet, transport, tuple, segment, now);
        };
        let Some(tcp) = self.tcp_mut(id) else { return };
        match &mut tcp.state {
            State::Held(held) => {
                if segment.rst {
                    self.end(id, true);
                } else if opens(segment) && segment.sequence != held.segment.sequence {
                    **held = Held {
                        syn: (&*packet).into(),
                        transport,
                        segment: *segment,
                    };
                }
            }
            State::Live(live) if live.socket().state() == tcp::State::TimeWait => {
                if opens(segment) {
                    self.index.remove(&tuple);
                    self.handle_unknown(packet, transport, tuple, segment, now);
                } else if !segment.rst {
                    // RFC 1337: a reset does not end TIME-WAIT; data may still wait for the caller.
                    self.ingest(id, packet, transport, segment, now);
                }
            }
            State::Live(_) | State::Parked(_) => self.ingest(id, packet, transport, segment, now),
            State::Lingering { sent, received, .. } => {
                let (sent, received) = (*sent, *received);
                if opens(segment) {
                    self.retire(id);
                    self.handle_unknown(packet, transport, tuple, segment, now);
                } else if segment.fin || segment.payload_len > 0 {
                    emit::acknowledgment(&mut self.queue, &tuple, sent, received, false);
                }
            }
            State::Gone { .. } => {}
        }
    }

    fn handle_unknown(
        &mut self,
        packet: &mut [u8],
        transport: usize,
        tuple: FiveTuple,
        segment: &Segment,
        now: Instant,
    ) {
        if !opens(segment) {
            self.counters.unknown_flow += 1;
            if !segment.rst {
                self.send_reset(segment);
            }
            return;
        }
        if self.tcp_flows >= self.config.max_tcp_flows {
            self.counters.tcp_full += 1;
            return self.send_reset(segment);
        }
        let held = Held {
            syn: (&*packet).into(),
            transport,
            segment: *segment,
        };
        let tcp = TcpFlow {
            state: State::Held(Box::new(held)),
            pending: 0,
            ready: false,
            wants_room: false,
            wants_finish: false,
            finished: false,
            established: false,
            ended: false,
            reset: false,
            heard: now,
        };
        let deadline = Deadline::default();
        let id = self.flows.insert(Flow {
            tuple,
            deadline,
            kind: Kind::Tcp(tcp),
        });
        self.index.insert(tuple, id);
        self.tcp_flows += 1;
        self.set_deadline(id, Some((now + self.config.syn_timeout, "tcp syn held")));
        self.events.push_back(Event::TcpSyn { flow: id, tuple });
    }

    fn ingest(
        &mut self,
        id: FlowId,
        packet: &mut [u8],
        transport: usize,
        segment: &Segment,
        now: Instant,
    ) {
        self.revive(id, now);
        let wire_now = self.wire_time(now);
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        tcp.heard = now;
        tcp.reset |= segment.rst;
        live.track
            .translate_received(&mut packet[transport..], segment);
        let before = live.socket().recv_queue();
        live.ingest(&mut self.interface, &mut self.queue, packet, wire_now);
        let readable = live.socket().recv_queue() > before;
        self.mark_ready(id);
        self.settle_with(id, readable, now);
    }

    /// Makes a socket send again that has lost its retransmission timer.
    ///
    /// When a window closes and opens again while lost data is in flight, smoltcp waits for an
    /// acknowledgement that cannot come. Three duplicates of the last one start a fast retransmit,
    /// which sets the timer. When only a FIN is in flight, duplicates stop the timer for good: then
    /// the FIN is sent from here.
    fn nudge(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            tuple,
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        self.counters.nudged += 1;
        if live.socket().send_queue() == 0 {
            let (sent, received) = (live.track.sent.wrapping_sub(1), live.track.confirmed);
            emit::acknowledgment(&mut self.queue, tuple, sent, received, true);
            let due = (now + NUDGE_AFTER, "tcp retransmission lost");
            return self.set_deadline(id, Some(due));
        }
        live.duplicate_acknowledgments(tuple, &mut self.interface, &mut self.queue, wire_now);
        self.mark_ready(id);
        self.settle(id, now);
    }

    /// Makes a socket for a parked flow.
    pub(super) fn revive(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(Flow {
            tuple,
            kind: Kind::Tcp(tcp),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        let State::Parked(parked) = &tcp.state else {
            return;
        };
        let pool = &mut self.sockets;
        match parked.revive(
            tuple,
            pool,
            &mut self.interface,
            &mut self.scratch,
            wire_now,
        ) {
            Some(live) => {
                tcp.state = State::Live(live);
                tcp.heard = now;
                self.counters.revived += 1;
            }
            None => self.end(id, true),
        }
    }

    /// Polls flows in turn for packets while the queue has room.
    pub(crate) fn poll_ready(&mut self, now: Instant) {
        let wire_now = self.wire_time(now);
        while self.queue.has_room() {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
                continue;
            };
            tcp.ready = false;
            let State::Live(live) = &mut tcp.state else {
                continue;
            };
            let mut sent = 0;
            while sent < PACKETS_PER_TURN
                && live.emit(&mut self.interface, &mut self.queue, false, wire_now)
            {
                sent += 1;
            }
            if sent == PACKETS_PER_TURN || !self.queue.has_room() {
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
        let park_after = self.config.park_after;
        let wire_now = self.wire_time(now);
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        let silent = now.saturating_duration_since(tcp.heard);
        match &tcp.state {
            State::Held(_) => {
                self.break_off(id, now);
                self.end(id, true);
            }
            State::Live(live) if awaits_peer(live.socket()) && silent >= stall => {
                self.break_off(id, now);
                self.end(id, true);
            }
            State::Live(live)
                if awaits_peer(live.socket())
                    && live.poll_at(&mut self.interface, wire_now).is_none() =>
            {
                self.nudge(id, now);
            }
            State::Live(live) => match Parked::of(live) {
                Some(parked) if silent >= park_after && !tcp.ready => self.park(id, parked),
                _ => self.mark_ready(id),
            },
            State::Lingering { .. } => self.retire(id),
            State::Parked(_) | State::Gone { .. } => {}
        }
    }

    /// Whether a TCP event still concerns a flow; forgets a flow whose last event this is.
    pub(crate) fn delivers(&mut self, id: FlowId, event: &Event) -> bool {
        let Some(tcp) = self.tcp_mut(id) else {
            return false;
        };
        tcp.pending &= !bit(event);
        let last = matches!(event, Event::TcpReset { .. } | Event::TcpClosed { .. });
        match &mut tcp.state {
            State::Gone { .. } if last => self.forget(id),
            State::Lingering { delivered, .. } if last => *delivered = true,
            State::Gone { .. }
            | State::Lingering { .. }
            | State::Held(_)
            | State::Live(_)
            | State::Parked(_) => {}
        }
        true
    }

    pub(super) fn settle(&mut self, id: FlowId, now: Instant) {
        self.settle_with(id, false, now);
    }

    /// Sends the FIN that the caller asked for as soon as that can be.
    fn close(&mut self, id: FlowId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        // In LAST-ACK smoltcp does not look at window updates, so what is queued must fit the window.
        let window = live.track.peer_window();
        let socket = live.socket_mut();
        let fits = socket.state() != tcp::State::CloseWait || socket.send_queue() <= window;
        let established = tcp.established || socket.may_send();
        if tcp.wants_finish && established && fits {
            tcp.wants_finish = false;
            socket.close();
            self.mark_ready(id);
        }
    }

    /// Compares the socket with what the caller was told, and ends flows that have ended.
    fn settle_with(&mut self, id: FlowId, readable: bool, now: Instant) {
        self.close(id);
        let Some(tcp) = self.tcp_mut(id) else { return };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        let (socket, was_established, was_ended) = (live.socket(), tcp.established, tcp.ended);
        tcp.ended |= peer_has_ended(socket.state());
        tcp.established |= tcp.ended || socket.may_send() || socket.state() == tcp::State::FinWait2;
        let room = socket.send_capacity() - socket.send_queue();
        let writable = tcp.wants_room && socket.may_send() && room >= socket.send_capacity() / 4;
        tcp.wants_room &= !writable;
        let (state, unread) = (socket.state(), socket.recv_queue());
        let (established, ended, reset) = (tcp.established, tcp.ended, tcp.reset);
        if established && !was_established {
            self.push_event(id, Event::TcpEstablished { flow: id });
        }
        if readable {
            self.push_event(id, Event::TcpReadable { flow: id });
        }
        if ended && !was_ended {
            self.push_event(id, Event::TcpEnd { flow: id });
        }
        if writable {
            self.push_event(id, Event::TcpWritable { flow: id });
        }
        match state {
            tcp::State::TimeWait if unread == 0 => self.linger(id, now),
            tcp::State::Closed if reset || !ended => self.end(id, true),
            tcp::State::Closed if unread == 0 => self.end(id, false),
            tcp::State::Listen => self.end(id, true),
            // The caller has yet to read what is left; to the program the flow is over.
            tcp::State::Closed => self.detach(id),
            tcp::State::TimeWait
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

    fn park(&mut self, id: FlowId, parked: Parked) {
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        if let State::Live(live) = std::mem::replace(&mut tcp.state, State::Parked(parked)) {
            self.sockets.give(live);
            self.counters.parked += 1;
        }
    }

    fn schedule(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        let State::Live(live) = &tcp.state else {
            return;
        };
        let heard = tcp.heard;
        let waits = awaits_peer(live.socket());
        let parked = Parked::of(live).filter(|_| self.config.keep_alive.is_none());
        if let Some(parked) = parked
            && self.sockets.is_crowded()
        {
            return self.park(id, parked);
        }
        let wire_due = live.poll_at(&mut self.interface, wire_now);
        let stuck = waits && wire_due.is_none();
        let due = [
            stuck.then(|| (now + NUDGE_AFTER, "tcp retransmission lost")),
            // Nothing can be sent at this moment, so "at once" means as soon as time has moved on.
            wire_due.map(|due| {
                (
                    self.local_time(due).max(now + MIN_DELAY),
                    "tcp retransmission",
                )
            }),
            waits.then(|| (heard + self.config.stall_timeout, "tcp peer silent")),
            parked.map(|_| (heard + self.config.park_after, "tcp quiet")),
        ];
        self.set_deadline(id, due.into_iter().flatten().min());
    }

    pub(super) fn set_deadline(&mut self, id: FlowId, due: Option<(Instant, &'static str)>) {
        if let Some(flow) = self.flows.get_mut(id) {
            self.timers.set(id, &mut flow.deadline, due);
        }
    }

    pub(super) fn mark_ready(&mut self, id: FlowId) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        if !tcp.ready && matches!(tcp.state, State::Live(_)) {
            tcp.ready = true;
            self.ready.push_back(id);
        }
    }

    pub(super) fn push_event(&mut self, id: FlowId, event: Event) {
        let bit = bit(&event);
        let Some(tcp) = self.tcp_mut(id) else { return };
        if tcp.pending & bit == 0 {
            tcp.pending |= bit;
            self.events.push_back(event);
        }
    }
}

impl Flow {
    pub(crate) fn tcp_mut(&mut self) -> Option<&mut TcpFlow> {
        match &mut self.kind {
            Kind::Tcp(tcp) => Some(tcp),
            Kind::Udp(_) => None,
        }
    }
}

/// Whether a segment asks for a new connection.
fn opens(segment: &Segment) -> bool {
    segment.syn && !segment.ack && !segment.rst
}

fn peer_has_ended(state: tcp::State) -> bool {
    use tcp::State::{CloseWait, Closing, LastAck, TimeWait};
    matches!(state, CloseWait | Closing | LastAck | TimeWait)
}

/// Whether anything is sent that the peer must answer.
fn awaits_peer(socket: &Socket<'_>) -> bool {
    use tcp::State::{Closing, FinWait1, LastAck, SynReceived};
    socket.send_queue() > 0 || matches!(socket.state(), SynReceived | FinWait1 | Closing | LastAck)
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
const NUDGE_AFTER: Duration = Duration::from_millis(500);
const MIN_DELAY: Duration = Duration::from_millis(1);
