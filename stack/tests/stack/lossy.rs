//! Byte streams survive a channel that loses, doubles, delays and reorders packets, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use masq_stack::{Config, Event, FlowId, Recv, Stack};
use proptest::prelude::*;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, State};

use crate::support::{Host, cases, origin};

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn streams_match_over_a_bad_channel(case in case()) {
        World::new(case).run();
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn an_abort_ends_both_sides_and_leaves_a_true_beginning(case in case(), by_program in any::<bool>()) {
        let case = Case { loss: 0, jitter: 0, ..case };
        World::new(case).run_until_abort(by_program);
    }
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    address: &'static str,
    mtu: usize,
    up: usize,
    down: usize,
    loss: u64,
    doubling: u64,
    jitter: u64,
    /// How often, out of a hundred, a side pauses for seconds.
    pauses: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let address = prop_oneof![Just("93.184.216.34:443"), Just("[2001:db8::7]:443")];
    let mtu = prop_oneof![Just(1_280), Just(1_500), Just(9_000), Just(65_535)];
    let bytes = || prop_oneof![Just(0), 1..200_usize, 1_000..200_000_usize];
    let bad = (0..20_u64, 0..15_u64, 0..20_u64, 0..4_u64);
    (any::<u64>(), address, mtu, bytes(), bytes(), bad).prop_map(
        |(seed, address, mtu, up, down, (loss, doubling, jitter, pauses))| Case {
            seed,
            address,
            mtu,
            up,
            down,
            loss,
            doubling,
            jitter,
            pauses,
        },
    )
}

/// When it arrives, which it is, whether it goes to the stack, and its bytes.
type Flying = (Instant, u64, bool, Vec<u8>);

struct World {
    case: Case,
    random: u64,
    now: Instant,
    end: Instant,
    host: Host,
    stack: Stack,
    socket: SocketHandle,
    flow: Option<FlowId>,
    flying: BinaryHeap<Reverse<Flying>>,
    sequence: u64,
    up: Stream,
    down: Stream,
    host_pause: Instant,
    stack_pause: Instant,
    aborted: bool,
}

/// One direction: what is to be sent, and how far each end is.
#[derive(Default)]
struct Stream {
    data: Vec<u8>,
    sent: usize,
    finished: bool,
    received: Vec<u8>,
    complete: bool,
}

impl World {
    fn new(case: Case) -> World {
        let now = origin();
        let stack = Stack::new(
            Config {
                mtu: case.mtu,
                tcp_buffer: 64 << 10,
                park_after: Duration::from_millis(20),
                stall_timeout: Duration::from_secs(3_600),
                ..Config::default()
            },
            now,
        );
        let mut host = Host::new(now, case.mtu);
        let socket = host.connect(case.address.parse().unwrap(), 40_000, 50_000);
        let stream = |len: usize, salt: usize| Stream {
            data: (0..len).map(|n| (n * 31 / 7 + salt) as u8).collect(),
            ..Stream::default()
        };
        World {
            random: case.seed | 1,
            now,
            end: now + Duration::from_secs(1_200),
            host,
            stack,
            socket,
            flow: None,
            flying: BinaryHeap::new(),
            sequence: 0,
            up: stream(case.up, 1),
            down: stream(case.down, 2),
            host_pause: now,
            stack_pause: now,
            aborted: false,
            case,
        }
    }

    fn run(&mut self) {
        while !(self.up.complete && self.down.complete && self.stack.flows() == 0) {
            if self.now >= self.end {
                return self.judge_stuck();
            }
            self.step();
        }
        assert!(self.up.received == self.up.data, "the upload differs");
        assert!(self.down.received == self.down.data, "the download differs");
    }

    fn run_until_abort(&mut self, by_program: bool) {
        let half = |stream: &Stream| stream.received.len() >= stream.data.len() / 2;
        while self.flow.is_none() || !(half(&self.up) || half(&self.down)) {
            self.step();
        }
        if by_program {
            self.host.socket(self.socket).abort();
        } else if let Some(flow) = self.flow.take() {
            self.stack.tcp_abort(flow, self.now);
        }
        self.aborted = true;
        let end = self.now + Duration::from_secs(30);
        while self.now < end {
            self.step();
        }
        assert_eq!(self.stack.flows(), 0, "{:?}", self.stack);
        let state = self.host.socket(self.socket).state();
        assert!(matches!(state, State::Closed | State::TimeWait), "{state}");
        assert!(
            self.up.data.starts_with(&self.up.received),
            "the upload differs"
        );
        assert!(
            self.down.data.starts_with(&self.down.received),
            "the download differs"
        );
    }

    /// The host is smoltcp without the stack's remedies: duplicate acknowledgements can stop its
    /// retransmissions for good, and in LAST-ACK it never sees that our window has opened. That is no
    /// fault of ours as long as nothing of ours is missing.
    fn judge_stuck(&mut self) {
        let stopped = self.flying.is_empty() && self.host.poll_at(self.now).is_none();
        let deaf = self.host.socket(self.socket).state() == State::LastAck;
        let host_waits =
            (stopped || deaf) && self.down.received == self.down.data && !self.up.complete;
        assert!(
            host_waits,
            "stuck: {} of {} up, {} of {} down, {:?}, {:?}",
            self.up.received.len(),
            self.case.up,
            self.down.received.len(),
            self.case.down,
            self.host.socket(self.socket).state(),
            self.stack
        );
        assert!(
            self.up.data.starts_with(&self.up.received),
            "the upload differs"
        );
    }

    fn step(&mut self) {
        while let Some(Reverse((at, ..))) = self.flying.peek()
            && *at <= self.now
        {
            let Reverse((_, _, up, mut packet)) = self.flying.pop().unwrap();
            if up {
                self.stack.handle_packet(&mut packet, self.now);
            } else {
                self.host.wire.to_host.push_back(packet);
            }
        }
        self.stack.handle_timeout(self.now);
        self.host.poll(self.now);
        self.act_as_program();
        self.act_as_caller();
        self.host.poll(self.now);
        while let Some(packet) = self.host.wire.from_host.pop_front() {
            self.launch(true, packet);
        }
        while let Some(packet) = self.stack.poll_transmit(self.now) {
            let packet = packet.to_vec();
            self.stack.transmitted();
            self.launch(false, packet);
        }
        let next = [
            self.flying.peek().map(|Reverse((at, ..))| *at),
            self.host.poll_at(self.now),
            self.stack.poll_timeout().map(|(at, _)| at),
            Some(self.host_pause).filter(|&at| at > self.now),
            Some(self.stack_pause).filter(|&at| at > self.now),
        ];
        let next = next.into_iter().flatten().min();
        self.now = next
            .unwrap_or(self.end)
            .max(self.now + Duration::from_micros(100));
    }

    fn act_as_program(&mut self) {
        if self.now < self.host_pause {
            return;
        }
        let (chunk, window) = (
            1 + self.below(20_000) as usize,
            1 + self.below(30_000) as usize,
        );
        let socket = self.host.socket(self.socket);
        if socket.can_send() && !self.up.finished {
            let rest = &self.up.data[self.up.sent..];
            self.up.sent += socket.send_slice(&rest[..rest.len().min(chunk)]).unwrap();
        }
        if socket.may_send() && self.up.sent == self.up.data.len() && !self.up.finished {
            socket.close();
            self.up.finished = true;
        }
        let mut buffer = vec![0; window];
        match socket.recv_slice(&mut buffer) {
            Ok(len) => self.down.received.extend(&buffer[..len]),
            Err(RecvError::Finished) => self.down.complete = true,
            // After its TIME-WAIT the host forgets how the flow ended.
            Err(RecvError::InvalidState) => {
                self.down.complete |= socket.state() == State::Closed && self.up.finished;
            }
        }
        self.host_pause = self.pause();
    }

    fn act_as_caller(&mut self) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::TcpSyn { flow, .. } => {
                    self.stack.tcp_accept(flow, self.now);
                    self.flow = Some(flow);
                }
                // All was received before, else it would not be closed.
                Event::TcpClosed { .. } => self.up.complete = true,
                Event::TcpReset { .. } if self.aborted => self.flow = None,
                Event::TcpReset { .. } => {
                    assert!(self.up.complete && self.down.finished, "reset too early");
                }
                Event::TcpEstablished { .. }
                | Event::TcpReadable { .. }
                | Event::TcpWritable { .. }
                | Event::TcpEnd { .. } => {}
                Event::UdpDatagram { .. } | Event::UdpExpired { .. } | Event::EchoRequest(_) => {
                    panic!("{event:?}")
                }
            }
        }
        let Some(flow) = self.flow else { return };
        if self.now < self.stack_pause {
            return;
        }
        let (chunk, window) = (
            1 + self.below(20_000) as usize,
            1 + self.below(30_000) as usize,
        );
        let received = self.stack.tcp_recv(flow, self.now, |data| {
            let taken = data.len().min(window);
            (taken, data[..taken].to_vec())
        });
        match received {
            Ok(Recv::Data(data)) => self.up.received.extend(data),
            Ok(Recv::Eof) => self.up.complete = true,
            Ok(Recv::Empty) | Err(_) => {}
        }
        if !self.down.finished {
            let rest = &self.down.data[self.down.sent..];
            let offered = &rest[..rest.len().min(chunk)];
            self.down.sent += self.stack.tcp_send(flow, offered, self.now).unwrap();
            if self.down.sent == self.down.data.len() {
                self.stack.tcp_finish(flow, self.now);
                self.down.finished = true;
            }
        }
        self.stack_pause = self.pause();
    }

    fn launch(&mut self, up: bool, packet: Vec<u8>) {
        if self.below(100) < self.case.loss {
            return;
        }
        let copies = if self.below(100) < self.case.doubling {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = Duration::from_micros(50 + self.below(1 + 1_000 * self.case.jitter));
            self.sequence += 1;
            self.flying.push(Reverse((
                self.now + delay,
                self.sequence,
                up,
                packet.clone(),
            )));
        }
    }

    /// When a side acts next: at once, or after a pause in which the flow may be parked.
    fn pause(&mut self) -> Instant {
        if self.below(100) < self.case.pauses {
            self.now + Duration::from_millis(self.below(3_000))
        } else {
            self.now + Duration::from_micros(200)
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit.max(1)
    }
}
