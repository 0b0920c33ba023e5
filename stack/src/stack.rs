//! The stack itself: its tables, and the way of a packet, a deadline and an event through them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

use bytes::BytesMut;
use smoltcp::iface::Interface;
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::HardwareAddress;

use crate::config::Config;
use crate::counters::Counters;
use crate::device::{Link, TransmitQueue};
use crate::emit;
use crate::event::{Echo, Event};
use crate::flow::{FiveTuple, Flow, Kind};
use crate::icmp::Bucket;
use crate::packet::{Content, Dropped, parse};
use crate::slab::{FlowId, Slab};
use crate::tcp::SocketPool;
use crate::timers::Timers;
use crate::udp::Recency;

/// The userspace end of a TUN.
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) interface: Interface,
    pub(crate) queue: TransmitQueue,
    pub(crate) flows: Slab<Flow>,
    pub(crate) index: HashMap<FiveTuple, FlowId>,
    pub(crate) timers: Timers,
    pub(crate) events: VecDeque<Event>,
    pub(crate) pending_datagrams: usize,
    /// Flows to be polled for packets, each at most once.
    pub(crate) ready: VecDeque<FlowId>,
    pub(crate) sockets: SocketPool,
    /// Where the socket of a revived flow sends what the peer has long seen.
    pub(crate) scratch: TransmitQueue,
    pub(crate) tcp_flows: usize,
    pub(crate) lingering: usize,
    pub(crate) recency: Recency,
    pub(crate) payloads: BytesMut,
    pub(crate) icmp_bucket: Bucket,
    pub(crate) counters: Counters,
    origin: Instant,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("flows", &self.flows.len())
            .field("ready", &self.ready.len())
            .field("events", &self.events.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Makes an empty stack; `now` is the origin of its time.
    pub fn new(config: Config, now: Instant) -> Stack {
        let mut config = config;
        config.mtu = config.mtu.clamp(SMALLEST_MTU, LARGEST_MTU);
        let mut queue = TransmitQueue::new(config.transmit_queue, config.mtu);
        queue.checksums = config.transmit_checksums;
        let mut settings = smoltcp::iface::Config::new(HardwareAddress::Ip);
        settings.random_seed = config.random_seed;
        let mut link = Link {
            received: None,
            queue: &mut queue,
            track: None,
            urgent: false,
        };
        let mut interface = Interface::new(settings, &mut link, WireInstant::ZERO);
        interface.set_any_ip(true);
        Stack {
            interface,
            queue,
            flows: Slab::new(),
            index: HashMap::new(),
            timers: Timers::default(),
            events: VecDeque::new(),
            pending_datagrams: 0,
            ready: VecDeque::new(),
            sockets: SocketPool::new(&config),
            scratch: TransmitQueue::new(0, SMALLEST_MTU),
            tcp_flows: 0,
            lingering: 0,
            recency: Recency::default(),
            payloads: BytesMut::new(),
            icmp_bucket: Bucket::new(config.icmp_per_second, now),
            counters: Counters::default(),
            origin: now,
            config,
        }
    }

    /// Takes in one IP packet from the TUN. The packet is scratch space afterwards.
    pub fn handle_packet(&mut self, packet: &mut [u8], now: Instant) {
        self.counters.packets_in += 1;
        let parsed = match parse(packet, self.config.verify_checksums) {
            Ok(parsed) => parsed,
            Err(why) => return self.count_dropped(why),
        };
        let packet = &mut packet[..parsed.end];
        match parsed.content {
            Content::Tcp(segment) => self.handle_segment(packet, parsed.transport, &segment, now),
            Content::Udp {
                source,
                destination,
                payload,
            } => {
                self.handle_udp(packet, FiveTuple::udp(source, destination), payload, now);
            }
            Content::EchoRequest {
                identifier,
                sequence,
                payload,
            } => {
                if self.pending_datagrams >= self.config.max_pending_datagrams {
                    self.counters.datagrams_dropped += 1;
                    return;
                }
                self.pending_datagrams += 1;
                let payload = self.copy_payload(&packet[payload]);
                let (source, destination) = (parsed.source, parsed.destination);
                let echo = Echo {
                    source,
                    destination,
                    identifier,
                    sequence,
                    payload,
                };
                self.events.push_back(Event::EchoRequest(echo));
            }
            Content::Unreachable {
                source,
                destination,
            } => {
                self.handle_udp_unreachable(FiveTuple::udp(destination, source));
            }
            Content::Other => {
                self.counters.unsupported += 1;
                let packet = &*packet;
                self.icmp_error(now, |queue| {
                    emit::protocol_unreachable(queue, packet, parsed.destination, parsed.source)
                });
            }
            Content::Ignored => {}
        }
    }

    /// The next packet for the TUN. It stays the next one until [`Stack::transmitted`].
    ///
    /// Flows are polled when the queue has run empty, in turn, until it is full.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        if self.queue.is_empty() {
            self.poll_ready(now);
        }
        self.counters.transmit_full = self.queue.dropped;
        self.queue.front()
    }

    /// The packet of [`Stack::poll_transmit`] was written.
    pub fn transmitted(&mut self) {
        if !self.queue.is_empty() {
            self.counters.packets_out += 1;
            self.queue.pop();
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(event) = self.events.pop_front() {
            match &event {
                Event::UdpDatagram { flow, .. } => {
                    self.pending_datagrams -= 1;
                    if self.flows.get(*flow).is_none() {
                        continue;
                    }
                }
                Event::EchoRequest(_) => self.pending_datagrams -= 1,
                Event::UdpExpired { .. } => {}
                Event::TcpSyn { flow, .. }
                | Event::TcpEstablished { flow }
                | Event::TcpReadable { flow }
                | Event::TcpWritable { flow }
                | Event::TcpEnd { flow }
                | Event::TcpReset { flow }
                | Event::TcpClosed { flow } => {
                    if !self.delivers(*flow, &event) {
                        continue;
                    }
                }
            }
            return Some(event);
        }
        None
    }

    /// When [`Stack::handle_timeout`] must be called at the latest, and why.
    pub fn poll_timeout(&mut self) -> Option<(Instant, &'static str)> {
        self.timers
            .next_in(&mut self.flows)
            .map(|(_, at, why)| (at, why))
    }

    /// Acts on all deadlines that have come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop_in(now, &mut self.flows) {
            match self.flows.get(id).map(|flow| &flow.kind) {
                Some(Kind::Tcp(_)) => self.tcp_deadline(id, now),
                Some(Kind::Udp(_)) => self.udp_deadline(id),
                None => {}
            }
        }
        if self.timers.len() > 4 * self.flows.len() + 1024 {
            let flows = &self.flows;
            self.timers
                .compact(|id| flows.get(id).map(|flow| &flow.deadline));
        }
    }

    /// What was dropped, refused and sent since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Flows held, TCP and UDP.
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    pub(crate) fn wire_time(&self, now: Instant) -> WireInstant {
        let elapsed = now.saturating_duration_since(self.origin);
        // smoltcp uses its time zero to say "at once".
        WireInstant::from_micros(1 + i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX - 1))
    }

    pub(crate) fn local_time(&self, at: WireInstant) -> Instant {
        self.origin + std::time::Duration::from_micros(at.total_micros().max(0).unsigned_abs())
    }

    fn count_dropped(&mut self, why: Dropped) {
        match why {
            Dropped::Malformed => self.counters.malformed += 1,
            Dropped::Fragment => self.counters.fragments += 1,
            Dropped::Options => self.counters.options += 1,
            Dropped::Martian => self.counters.martians += 1,
            Dropped::Checksum => self.counters.checksums += 1,
        }
    }
}

const SMALLEST_MTU: usize = 1_280;
const LARGEST_MTU: usize = 65_535;
