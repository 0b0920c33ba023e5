//! A hostile program and an arbitrary caller on both sides of the stack.
//!
//! The input is a script: packets of any bytes, segments near the numbers that the stack expects,
//! calls in any order, time. Laws: nothing panics, what comes out is well-formed and fits the MTU,
//! and once all flows are aborted nothing is held.

use std::time::{Duration, Instant};

use masq_stack::{Config, Event, FlowId, Refusal, Stack};

/// Plays a script against a small stack.
pub fn stack_packet(script: &[u8]) {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin of virtual time"
    )]
    let now = Instant::now();
    let config = Config {
        tcp_buffer: 64 << 10,
        max_tcp_flows: 3,
        max_udp_flows: 2,
        max_pending_datagrams: 8,
        transmit_queue: 0,
        park_after: Duration::from_millis(100),
        ..Config::default()
    };
    let mut player = Player {
        stack: Stack::new(config, now),
        now,
        script,
        sequence: 1_000,
        acknowledgment: 0,
        flows: Vec::new(),
    };
    while let Some(operation) = player.byte() {
        player.play(operation);
    }
    player.finish();
}

struct Player<'a> {
    stack: Stack,
    now: Instant,
    script: &'a [u8],
    /// What the stack expects next from the program, and what the program expects next of it.
    sequence: u32,
    acknowledgment: u32,
    flows: Vec<FlowId>,
}

impl Player<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.script.split_first()?;
        self.script = rest;
        Some(first)
    }

    fn number(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn play(&mut self, operation: u8) {
        match operation % 16 {
            0 => self.raw(),
            1..=4 => self.segment(operation >> 4),
            5 => self.open(),
            6 => self.datagram(),
            7 => self.echo(),
            8 => self.events(),
            9 => self.transmit(),
            10 => {
                let shift = self.number() % 18;
                self.now += Duration::from_millis(1 << shift);
                self.stack.handle_timeout(self.now);
                self.stack.poll_timeout();
            }
            _ => self.call(operation),
        }
    }

    fn raw(&mut self) {
        let length = usize::from(self.number()).min(self.script.len());
        let (packet, rest) = self.script.split_at(length);
        self.script = rest;
        self.stack.handle_packet(&mut packet.to_vec(), self.now);
    }

    /// A segment of a small set of five-tuples, with numbers close to the expected ones.
    fn segment(&mut self, variant: u8) {
        let (flags, payload) = (self.number(), self.number());
        let (ahead, acked) = (self.number() as i8, self.number() as i8);
        let window = u16::from(self.number()) << 8;
        let scale = if variant & 1 == 0 { 1 } else { 250 };
        let sequence = self
            .sequence
            .wrapping_add_signed(i32::from(ahead) * if variant & 2 == 0 { 0 } else { scale });
        let acknowledgment = self
            .acknowledgment
            .wrapping_add_signed(i32::from(acked) * if variant & 4 == 0 { 0 } else { scale });
        let length = usize::from(payload) * scale as usize;
        let six = variant & 8 != 0;
        let fields = (sequence, acknowledgment, flags, window);
        let mut packet = tcp(six, 40_000, fields, &[], length);
        self.stack.handle_packet(&mut packet, self.now);
        if variant & 2 == 0 {
            let flags = u32::from(flags & 1) + u32::from(flags >> 1 & 1);
            self.sequence = self.sequence.wrapping_add(length as u32 + flags);
        }
    }

    fn open(&mut self) {
        let (port, options) = (40_000 + u16::from(self.number() % 4), self.number());
        let scale = [3, 3, options % 16, 1];
        let size = [2, 4, options, options];
        let options: &[u8] = match options % 4 {
            0 => &[],
            1 => &scale,
            2 => &size,
            _ => &[4, 2, 1, 1],
        };
        let fields = (self.sequence, 0, 2, 8_192);
        let mut packet = tcp(self.number() & 1 == 1, port, fields, options, 0);
        self.stack.handle_packet(&mut packet, self.now);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn datagram(&mut self) {
        let length = usize::from(self.number()) * 16;
        let port = [53, 443, 9][usize::from(self.number()) % 3];
        let mut packet = ip(self.number() & 1 == 1, 17, 8 + length);
        let at = packet.len();
        packet.extend(50_000_u16.to_be_bytes());
        packet.extend(u16::to_be_bytes(port));
        packet.extend((8 + length as u16).to_be_bytes());
        packet.extend([0, 1]);
        packet.resize(at + 8 + length, 5);
        self.stack.handle_packet(&mut packet, self.now);
    }

    fn echo(&mut self) {
        let length = usize::from(self.number()) * 16;
        let six = self.number() & 1 == 1;
        let mut packet = ip(six, if six { 58 } else { 1 }, 8 + length);
        let at = packet.len();
        packet.extend([if six { 128 } else { 8 }, 0, 0, 0, 0, 1, 0, 2]);
        packet.resize(at + 8 + length, 5);
        self.stack.handle_packet(&mut packet, self.now);
    }

    fn events(&mut self) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::TcpSyn { flow, .. } | Event::UdpDatagram { flow, .. } => {
                    self.flows.push(flow);
                    if self.flows.len() > 16 {
                        self.flows.remove(0);
                    }
                }
                Event::EchoRequest(echo) => match self.number() % 3 {
                    0 => self.stack.echo_reply(&echo),
                    1 => {
                        let why = self.refusal();
                        self.stack.echo_unreachable(&echo, why, self.now);
                    }
                    _ => {}
                },
                Event::TcpEstablished { .. }
                | Event::TcpReadable { .. }
                | Event::TcpWritable { .. }
                | Event::TcpEnd { .. }
                | Event::TcpReset { .. }
                | Event::TcpClosed { .. }
                | Event::UdpExpired { .. } => {}
            }
        }
    }

    fn transmit(&mut self) {
        let mut budget = usize::from(self.number());
        while budget > 0
            && let Some(packet) = self.stack.poll_transmit(self.now)
        {
            let (flags, sequence, end) = check(packet);
            if flags & 0x10 != 0 && flags & 4 == 0 {
                self.acknowledgment = end;
                let _ = sequence;
            }
            self.stack.transmitted();
            budget -= 1;
        }
    }

    fn call(&mut self, operation: u8) {
        let pick = usize::from(self.number());
        let Some(&flow) = self.flows.get(pick % self.flows.len().max(1)) else {
            return;
        };
        let (amount, now) = (usize::from(pick as u8) << 6, self.now);
        match operation >> 4 {
            0..=2 => self.stack.tcp_accept(flow, now),
            3 | 4 => {
                let _ = self
                    .stack
                    .tcp_recv(flow, now, |data| (data.len().min(amount), ()));
            }
            5 | 6 => {
                let _ = self.stack.tcp_send(flow, &vec![3; amount], now);
            }
            7 => {
                let _ = self.stack.tcp_send_with(flow, now, |room| room.len());
            }
            8 => self.stack.tcp_finish(flow, now),
            9 => self.stack.tcp_abort(flow, now),
            10 | 11 => {
                let why = self.refusal();
                self.stack.tcp_refuse(flow, why, now);
            }
            12 | 13 => {
                let _ = self.stack.udp_send(flow, &vec![4; amount], now);
            }
            14 => {
                let why = self.refusal();
                self.stack.udp_refuse(flow, why, now);
            }
            _ => self.stack.udp_close(flow),
        }
    }

    fn refusal(&mut self) -> Refusal {
        match self.number() % 5 {
            0 => Refusal::Reset,
            1 => Refusal::HostUnreachable,
            2 => Refusal::NetUnreachable,
            3 => Refusal::PortUnreachable,
            _ => Refusal::AdminProhibited,
        }
    }

    /// After a day without anybody's doing, only flows that somebody still holds are there.
    fn finish(&mut self) {
        for _ in 0..4 {
            self.now += Duration::from_secs(21_600);
            self.stack.handle_timeout(self.now);
            while let Some(packet) = self.stack.poll_transmit(self.now) {
                check(packet);
                self.stack.transmitted();
            }
            while self.stack.poll_event().is_some() {}
        }
        assert!(self.stack.flows() <= 3, "{:?}", self.stack);
    }
}

/// Checks a packet of the stack; returns TCP flags, sequence number and its end.
fn check(packet: &[u8]) -> (u8, u32, u32) {
    assert!(packet.len() <= 65_535);
    let six = packet[0] >> 4 == 6;
    let (header, protocol, length) = if six {
        let length = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        (40, packet[6], length)
    } else {
        assert_eq!(sum(0, &packet[..20]), 0xffff, "IPv4 header checksum");
        (
            20,
            packet[9],
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
        )
    };
    assert_eq!(length, packet.len());
    let transport = &packet[header..];
    let addresses = if six { &packet[8..40] } else { &packet[12..20] };
    let pseudo = if protocol == 1 {
        0
    } else {
        u64::from(sum(u64::from(protocol) + transport.len() as u64, addresses))
    };
    assert_eq!(
        sum(pseudo, transport),
        0xffff,
        "checksum of protocol {protocol}"
    );
    if protocol != 6 {
        return (0, 0, 0);
    }
    let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| transport[at + n]));
    let flags = transport[13];
    let payload = transport.len() - usize::from(transport[12] >> 4) * 4;
    let control = u32::from(flags & 1) + u32::from(flags >> 1 & 1);
    (
        flags,
        word(4),
        word(4).wrapping_add(payload as u32 + control),
    )
}

fn sum(start: u64, bytes: &[u8]) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u64::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn ip(six: bool, protocol: u8, length: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(40 + length);
    if six {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((length as u16).to_be_bytes());
        packet.extend([protocol, 64]);
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    } else {
        packet.extend([0x45, 0]);
        packet.extend((20 + length as u16).to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend([10, 0, 0, 1, 93, 184, 216, 34]);
    }
    packet
}

fn tcp(
    six: bool,
    port: u16,
    fields: (u32, u32, u8, u16),
    options: &[u8],
    payload: usize,
) -> Vec<u8> {
    let (sequence, acknowledgment, flags, window) = fields;
    let header = 20 + options.len();
    let mut packet = ip(six, 6, header + payload);
    packet.extend(port.to_be_bytes());
    packet.extend(443_u16.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(acknowledgment.to_be_bytes());
    packet.extend([(header as u8 / 4) << 4, flags]);
    packet.extend(window.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(options);
    packet.resize(packet.len() + payload, 6);
    packet
}
