//! UDP flows: datagrams by five-tuple with idle time-outs; the least recently used gives way when full.
//!
//! Datagrams are read and written here, smoltcp has no part in them: it would need a socket and a buffer
//! for each flow.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::Config;
use crate::emit;
use crate::event::{Event, FlowError, Refusal};
use crate::flow::{FiveTuple, Flow, Kind, Protocol};
use crate::slab::FlowId;
use crate::stack::Stack;
use crate::timers::Deadline;

#[derive(Debug)]
pub(crate) struct UdpFlow {
    last_used: Instant,
    idle: Duration,
    older: Option<FlowId>,
    newer: Option<FlowId>,
}

/// Ends of the list of UDP flows in order of use.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    oldest: Option<FlowId>,
    newest: Option<FlowId>,
    pub(crate) len: usize,
}

fn idle_timeout(config: &Config, port: u16) -> Duration {
    match port {
        53 | 123 | 3478 | 5349 | 19302 => config.udp_short,
        443 => config.udp_quic,
        _ => config.udp_long,
    }
}

impl Stack {
    pub(crate) fn handle_udp(
        &mut self,
        packet: &[u8],
        tuple: FiveTuple,
        payload: Range<usize>,
        now: Instant,
    ) {
        if self.pending_datagrams >= self.config.max_pending_datagrams {
            self.counters.datagrams_dropped += 1;
            return;
        }
        let (flow, new) = match self.index.get(&tuple) {
            Some(&flow) => (flow, false),
            None => (self.open_udp(tuple, now), true),
        };
        self.touch_udp(flow, now);
        let payload = self.copy_payload(&packet[payload]);
        self.pending_datagrams += 1;
        self.events.push_back(Event::UdpDatagram {
            flow,
            tuple,
            new,
            payload,
        });
    }

    /// The local kernel says that the program closed its port.
    pub(crate) fn handle_udp_unreachable(&mut self, tuple: FiveTuple) {
        if let Some(&flow) = self.index.get(&tuple) {
            self.remove_udp(flow);
            self.events.push_back(Event::UdpExpired { flow });
        }
    }

    /// Sends a datagram to the program, from the address that the program sent to.
    pub fn udp_send(
        &mut self,
        flow: FlowId,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), FlowError> {
        let tuple = self.udp_tuple(flow)?;
        let headers = if tuple.source.is_ipv4() {
            20 + 8
        } else {
            40 + 8
        };
        if payload.len() + headers > self.config.mtu {
            return Err(FlowError::TooLarge);
        }
        if !emit::datagram(&mut self.queue, tuple.destination, tuple.source, payload) {
            return Err(FlowError::QueueFull);
        }
        self.touch_udp(flow, now);
        Ok(())
    }

    /// Ends a flow with an ICMP error to the program.
    pub fn udp_refuse(&mut self, flow: FlowId, why: Refusal, now: Instant) {
        let Ok(tuple) = self.udp_tuple(flow) else {
            return;
        };
        self.remove_udp(flow);
        let quote = emit::quote_of_datagram(tuple.source, tuple.destination, &[]);
        self.icmp_error(now, |queue| {
            emit::unreachable(
                queue,
                &quote,
                tuple.destination.ip(),
                tuple.source.ip(),
                why,
            )
        });
    }

    /// Forgets a flow; a later datagram of the same five-tuple begins a new one.
    pub fn udp_close(&mut self, flow: FlowId) {
        if self.udp_tuple(flow).is_ok() {
            self.remove_udp(flow);
        }
    }

    pub(crate) fn udp_deadline(&mut self, flow: FlowId) {
        self.remove_udp(flow);
        self.events.push_back(Event::UdpExpired { flow });
    }

    fn udp_tuple(&self, flow: FlowId) -> Result<FiveTuple, FlowError> {
        match self.flows.get(flow) {
            Some(Flow {
                tuple,
                kind: Kind::Udp(_),
                ..
            }) => Ok(*tuple),
            Some(Flow {
                kind: Kind::Tcp(_), ..
            })
            | None => Err(FlowError::NoFlow),
        }
    }

    fn udp_mut(&mut self, flow: FlowId) -> Option<&mut UdpFlow> {
        match &mut self.flows.get_mut(flow)?.kind {
            Kind::Udp(udp) => Some(udp),
            Kind::Tcp(_) => None,
        }
    }

    fn open_udp(&mut self, tuple: FiveTuple, now: Instant) -> FlowId {
        while self.recency.len >= self.config.max_udp_flows.max(1) {
            let Some(oldest) = self.recency.oldest else {
                break;
            };
            self.remove_udp(oldest);
            self.counters.udp_evicted += 1;
            self.events.push_back(Event::UdpExpired { flow: oldest });
        }
        let idle = idle_timeout(&self.config, tuple.destination.port());
        let udp = UdpFlow {
            last_used: now,
            idle,
            older: None,
            newer: None,
        };
        let flow = self.flows.insert(Flow {
            tuple,
            deadline: Deadline::default(),
            kind: Kind::Udp(udp),
        });
        self.index.insert(tuple, flow);
        self.link_newest(flow);
        flow
    }

    fn touch_udp(&mut self, flow: FlowId, now: Instant) {
        let Some(udp) = self.udp_mut(flow) else {
            return;
        };
        udp.last_used = now;
        let due = now + udp.idle;
        if let Some(entry) = self.flows.get_mut(flow) {
            self.timers
                .set(flow, &mut entry.deadline, Some((due, "udp idle")));
        }
        if self.recency.newest != Some(flow) {
            self.unlink(flow);
            self.link_newest(flow);
        }
    }

    fn remove_udp(&mut self, flow: FlowId) {
        self.unlink(flow);
        if let Some(removed) = self.flows.remove(flow) {
            self.index.remove(&removed.tuple);
        }
    }

    fn link_newest(&mut self, flow: FlowId) {
        let previous = self.recency.newest.replace(flow);
        if let Some(previous) = previous.and_then(|id| self.udp_mut(id)) {
            previous.newer = Some(flow);
        }
        if let Some(udp) = self.udp_mut(flow) {
            (udp.older, udp.newer) = (previous, None);
        }
        self.recency.oldest.get_or_insert(flow);
        self.recency.len += 1;
    }

    fn unlink(&mut self, flow: FlowId) {
        let Some(udp) = self.udp_mut(flow) else {
            return;
        };
        let (older, newer) = (udp.older.take(), udp.newer.take());
        match older.and_then(|id| self.udp_mut(id)) {
            Some(neighbor) => neighbor.newer = newer,
            None => self.recency.oldest = newer,
        }
        match newer.and_then(|id| self.udp_mut(id)) {
            Some(neighbor) => neighbor.older = older,
            None => self.recency.newest = older,
        }
        self.recency.len -= 1;
    }

    /// Payloads share blocks of memory, so a datagram costs no allocation of its own.
    pub(crate) fn copy_payload(&mut self, payload: &[u8]) -> Bytes {
        if self.payloads.capacity() < payload.len() {
            self.payloads.reserve(payload.len().max(PAYLOAD_BLOCK));
        }
        self.payloads.extend_from_slice(payload);
        self.payloads.split().freeze()
    }
}

impl FiveTuple {
    pub(crate) fn udp(
        source: std::net::SocketAddr,
        destination: std::net::SocketAddr,
    ) -> FiveTuple {
        FiveTuple {
            protocol: Protocol::Udp,
            source,
            destination,
        }
    }
}

const PAYLOAD_BLOCK: usize = 64 * 1024;
