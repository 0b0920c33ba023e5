//! How a TCP flow ends, and what is kept of it for how long.

use std::time::Instant;

use super::{State, TcpFlow};
use crate::event::Event;
use crate::flow::Flow;
use crate::slab::FlowId;
use crate::stack::Stack;

impl Stack {
    /// TIME-WAIT: gives the socket back and keeps the numbers of the last acknowledgement for a peer
    /// that missed it.
    pub(super) fn linger(&mut self, id: FlowId, now: Instant) {
        let wire_now = self.wire_time(now);
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        let State::Live(live) = &mut tcp.state else {
            return;
        };
        while live.emit(&mut self.interface, &mut self.queue, true, wire_now) {}
        let (sent, received) = (live.track.sent, live.track.confirmed);
        let lingering = State::Lingering {
            sent,
            received,
            delivered: false,
        };
        if let State::Live(live) = std::mem::replace(&mut tcp.state, lingering) {
            self.sockets.give(live);
        }
        self.tcp_flows -= 1;
        self.lingering += 1;
        self.push_event(id, Event::TcpClosed { flow: id });
        if self.lingering > MAX_LINGERING {
            self.retire(id);
        } else {
            self.set_deadline(id, Some((now + self.config.time_wait, "tcp time-wait")));
        }
    }

    /// Sends RST for whatever the flow is.
    pub(super) fn break_off(&mut self, id: FlowId, now: Instant) {
        self.revive(id, now);
        let wire_now = self.wire_time(now);
        let Some(tcp) = self.flows.get_mut(id).and_then(Flow::tcp_mut) else {
            return;
        };
        match &mut tcp.state {
            State::Live(live) => {
                live.socket_mut().abort();
                if live.emit(&mut self.interface, &mut self.queue, true, wire_now) {
                    self.counters.resets_sent += 1;
                }
            }
            State::Held(held) => {
                let segment = held.segment;
                self.send_reset(&segment);
            }
            State::Parked(_) | State::Lingering { .. } | State::Gone { .. } => {}
        }
    }

    /// The flow is over: says so, and keeps its id until the caller fetched that.
    pub(super) fn end(&mut self, id: FlowId, reset: bool) {
        self.release(id, reset);
        let event = if reset {
            Event::TcpReset { flow: id }
        } else {
            Event::TcpClosed { flow: id }
        };
        self.push_event(id, event);
    }

    /// The flow is over and the caller needs no word of it.
    pub(super) fn forget(&mut self, id: FlowId) {
        self.release(id, false);
        self.flows.remove(id);
    }

    /// Ends TIME-WAIT.
    pub(super) fn retire(&mut self, id: FlowId) {
        match self.tcp_mut(id) {
            Some(TcpFlow {
                state: State::Lingering {
                    delivered: false, ..
                },
                ..
            }) => {
                self.release(id, false);
            }
            _ => self.forget(id),
        }
    }

    /// Frees the five-tuple and the memory of a flow.
    fn release(&mut self, id: FlowId, reset: bool) {
        let Some(tcp) = self.tcp_mut(id) else { return };
        match std::mem::replace(&mut tcp.state, State::Gone { reset }) {
            State::Live(live) => {
                self.tcp_flows -= 1;
                self.sockets.give(live);
            }
            State::Held(_) | State::Parked(_) => self.tcp_flows -= 1,
            State::Lingering { .. } => self.lingering -= 1,
            State::Gone { .. } => return,
        }
        self.detach(id);
    }

    /// Frees the five-tuple of a flow, unless a newer flow has it.
    pub(super) fn detach(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get(id)
            && self.index.get(&flow.tuple) == Some(&id)
        {
            self.index.remove(&flow.tuple);
        }
    }
}

const MAX_LINGERING: usize = 16_384;
