//! Measures the stack alone, on one thread: throughput up and down, new connections per second, memory
//! per idle flow. The program's side is written by hand and costs next to nothing, so the figures are the
//! stack's.
//!
//! `cargo run --release -p masq-stack --example measure [-- BUFFER_BYTES]`
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "the result")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use etherparse::{PacketBuilder, TcpHeaderSlice, TcpOptionElement};
use masq_stack::{Config, Event, FlowId, Recv, Stack};

fn main() {
    let buffer = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let config = || {
        let mut config = Config::default();
        config.tcp_buffer = buffer.unwrap_or(config.tcp_buffer);
        config
    };
    let only = std::env::args().nth(2);
    let runs = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if runs("idle") {
        idle(config());
    }
    if !runs("speed") {
        return;
    }
    for _ in 0..3 {
        println!("upload        {:8.2} Gbit/s", upload(config()));
        println!("download      {:8.2} Gbit/s", download(config()));
    }
    println!("connections   {:8.0} 1/s", connections(config()));
}

/// One connection as its program sees it.
struct Client {
    source: SocketAddr,
    destination: SocketAddr,
    sequence: u32,
    acknowledgment: u32,
    /// The stack has acknowledged up to here and lets us send up to there.
    acknowledged: u32,
    allowed: u32,
    shift: u8,
    scratch: Vec<u8>,
}

const SCALE: u8 = 8;
const WINDOW: u16 = 16_384;
const SEGMENT: usize = 65_535 - 40;
const VOLUME: usize = 4 << 30;

impl Client {
    fn new(number: u32) -> Client {
        let host = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + 1 + number / 50_000);
        let port = u16::try_from(10_000 + number % 50_000).expect("below 60,000");
        Client {
            source: SocketAddr::from((host, port)),
            destination: SocketAddr::from((Ipv4Addr::new(93, 184, 216, 34), 443)),
            sequence: 1_000,
            acknowledgment: 0,
            acknowledged: 0,
            allowed: 0,
            shift: 0,
            scratch: Vec::with_capacity(1 << 16),
        }
    }

    fn open(&mut self, stack: &mut Stack, now: Instant) -> FlowId {
        self.send(stack, now, "S", &[]);
        self.sequence += 1;
        let Some(Event::TcpSyn { flow, .. }) = stack.poll_event() else {
            panic!("no SYN")
        };
        stack.tcp_accept(flow, now);
        self.drain(stack, now);
        self.send(stack, now, "A", &[]);
        while stack.poll_event().is_some() {}
        flow
    }

    fn send(&mut self, stack: &mut Stack, now: Instant, flags: &str, payload: &[u8]) {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (self.source, self.destination) else {
            return;
        };
        let mut tcp = etherparse::TcpHeader::new(from.port(), to.port(), self.sequence, WINDOW);
        (tcp.syn, tcp.ack) = (flags.contains('S'), flags.contains('A'));
        (tcp.fin, tcp.rst) = (flags.contains('F'), flags.contains('R'));
        tcp.acknowledgment_number = self.acknowledgment;
        if tcp.syn {
            let options = [
                TcpOptionElement::MaximumSegmentSize(SEGMENT as u16),
                TcpOptionElement::WindowScale(SCALE),
            ];
            tcp.set_options(&options).expect("they fit");
        }
        let ip = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
        self.scratch.clear();
        if payload.len() > 1_000 {
            // The builder would checksum it, which the stack does not look at.
            ip.tcp_header(tcp)
                .write(&mut self.scratch, &[])
                .expect("a vector");
            self.scratch.extend_from_slice(payload);
            let length = self.scratch.len() as u16;
            self.scratch[2..4].copy_from_slice(&length.to_be_bytes());
        } else {
            ip.tcp_header(tcp)
                .write(&mut self.scratch, payload)
                .expect("a vector");
        }
        stack.handle_packet(&mut self.scratch, now);
        self.sequence = self.sequence.wrapping_add(payload.len() as u32);
    }

    /// Takes all packets the stack has; returns the payload bytes.
    fn drain(&mut self, stack: &mut Stack, now: Instant) -> usize {
        let mut received = 0;
        while let Some(packet) = stack.poll_transmit(now) {
            let tcp = TcpHeaderSlice::from_slice(&packet[20..]).expect("TCP");
            let payload = packet.len() - 20 - tcp.slice().len();
            received += payload;
            let flags = u32::from(tcp.syn()) + u32::from(tcp.fin());
            self.acknowledgment = tcp.sequence_number().wrapping_add(payload as u32 + flags);
            self.acknowledged = tcp.acknowledgment_number();
            if let Some(TcpOptionElement::WindowScale(shift)) = tcp
                .options_iterator()
                .flatten()
                .find(|option| matches!(option, TcpOptionElement::WindowScale(_)))
            {
                self.shift = shift;
            }
            let shift = if tcp.syn() { 0 } else { self.shift };
            self.allowed = self
                .acknowledged
                .wrapping_add(u32::from(tcp.window_size()) << shift);
            stack.transmitted();
        }
        received
    }
}

fn upload(config: Config) -> f64 {
    let start = Instant::now();
    let mut stack = Stack::new(config, start);
    let mut client = Client::new(0);
    let flow = client.open(&mut stack, start);
    let payload = vec![7; SEGMENT];
    let mut sink = vec![0; 64 << 10];
    let (mut sent, mut received) = (0, 0);
    while received < VOLUME {
        let now = Instant::now();
        while client.allowed.wrapping_sub(client.sequence) >= SEGMENT as u32 && sent < VOLUME {
            client.send(&mut stack, now, "A", &payload);
            sent += SEGMENT;
        }
        while stack.poll_event().is_some() {}
        while let Ok(Recv::Data(taken)) = stack.tcp_recv(flow, now, |data| {
            let take = data.len().min(sink.len());
            sink[..take].copy_from_slice(&data[..take]);
            (take, take)
        }) {
            received += taken;
        }
        client.drain(&mut stack, now);
        // Windows that are neither full nor worth an update are left to the next segment.
        if client.allowed.wrapping_sub(client.sequence) < SEGMENT as u32
            && received + SEGMENT > sent
        {
            client.send(&mut stack, now, "A", &payload[..1]);
            sent += 1;
        }
    }
    gigabits(received, start)
}

fn download(config: Config) -> f64 {
    let start = Instant::now();
    let mut stack = Stack::new(config, start);
    let mut client = Client::new(0);
    let flow = client.open(&mut stack, start);
    let payload = vec![7; 64 << 10];
    let mut received = 0;
    while received < VOLUME {
        let now = Instant::now();
        while stack.poll_event().is_some() {}
        while stack
            .tcp_send(flow, &payload, now)
            .is_ok_and(|taken| taken == payload.len())
        {}
        received += client.drain(&mut stack, now);
        client.send(&mut stack, now, "A", &[]);
    }
    gigabits(received, start)
}

fn connections(config: Config) -> f64 {
    let start = Instant::now();
    let mut stack = Stack::new(config, start);
    let count = 50_000;
    for number in 0..count {
        let now = Instant::now();
        stack.handle_timeout(now);
        let mut client = Client::new(number);
        let flow = client.open(&mut stack, now);
        converse(&mut stack, &mut client, flow, now);
        client.send(&mut stack, now, "FA", &[]);
        client.sequence += 1;
        stack.tcp_finish(flow, now);
        client.drain(&mut stack, now);
        client.send(&mut stack, now, "A", &[]);
        while stack.poll_event().is_some() {}
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn idle(config: Config) {
    let start = Instant::now();
    let mut stack = Stack::new(config, start);
    let count = 10_000;
    let before = resident();
    for number in 0..count {
        let mut client = Client::new(number);
        let flow = client.open(&mut stack, start);
        converse(&mut stack, &mut client, flow, start);
    }
    report("idle flow, just now", before, count, &stack);
    for second in 1..=30 {
        let now = start + std::time::Duration::from_secs(second);
        stack.handle_timeout(now);
        while stack.poll_transmit(now).is_some() {
            stack.transmitted();
        }
    }
    report("idle flow, after 30 s", before, count, &stack);
}

fn report(what: &str, before: usize, count: u32, stack: &Stack) {
    let each = (resident().saturating_sub(before)) as f64 / f64::from(count);
    let parked = stack.counters().parked;
    println!(
        "{what:22} {each:8.0} bytes ({} flows, {parked} parked)",
        stack.flows()
    );
}

fn converse(stack: &mut Stack, client: &mut Client, flow: FlowId, now: Instant) {
    client.send(stack, now, "A", &[1; 100]);
    let taken = stack.tcp_recv(flow, now, |data| (data.len(), data.len()));
    assert_eq!(taken, Ok(Recv::Data(100)));
    assert_eq!(stack.tcp_send(flow, &[2; 100], now), Ok(100));
    assert_eq!(client.drain(stack, now), 100);
    client.send(stack, now, "A", &[]);
    client.drain(stack, now);
    while stack.poll_event().is_some() {}
}

fn gigabits(bytes: usize, start: Instant) -> f64 {
    bytes as f64 * 8e-9 / start.elapsed().as_secs_f64()
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = text
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse().ok())
        .expect("statm");
    pages * 4096
}
