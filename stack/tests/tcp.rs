//! The life of a TCP flow, step by step, between a smoltcp host and the stack.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod support;

use std::time::{Duration, Instant};

use masq_stack::{Config, Event, FlowError, FlowId, Recv, Refusal, Stack};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use support::{Host, exchange, origin};

#[test]
fn nothing_is_answered_before_the_flow_is_accepted() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.begin("93.184.216.34:443");
    assert_eq!(pair.host.socket(socket).state(), State::SynSent);
    pair.stack.tcp_accept(flow, pair.now);
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Established);
    assert_eq!(pair.events(), [Event::TcpEstablished { flow }]);
}

#[test]
fn bytes_cross_in_both_directions_over_both_families() {
    for address in ["93.184.216.34:443", "[2001:db8::7]:443"] {
        let mut pair = Pair::new();
        let (socket, flow) = pair.open(address);
        pair.host.socket(socket).send_slice(b"question").unwrap();
        pair.exchange();
        assert_eq!(pair.events(), [Event::TcpReadable { flow }]);
        assert_eq!(pair.receive(flow), b"question");
        assert_eq!(
            pair.stack.tcp_recv(flow, pair.now, |_| (0, ())),
            Ok(Recv::Empty)
        );
        assert_eq!(pair.stack.tcp_send(flow, b"answer", pair.now), Ok(6));
        pair.exchange();
        assert_eq!(pair.host_receive(socket), b"answer");
    }
}

#[test]
fn a_refused_flow_ends_at_once() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.begin("93.184.216.34:443");
    pair.stack.tcp_refuse(flow, Refusal::Reset, pair.now);
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Closed);
    assert_eq!(pair.stack.flows(), 0);
    assert_eq!(
        pair.stack.tcp_send(flow, b"late", pair.now),
        Err(FlowError::NoFlow)
    );
}

#[test]
fn the_program_ends_first_and_still_receives() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.host.socket(socket).send_slice(b"request").unwrap();
    pair.host.socket(socket).close();
    pair.exchange();
    assert_eq!(
        pair.events(),
        [Event::TcpReadable { flow }, Event::TcpEnd { flow }]
    );
    assert_eq!(pair.receive(flow), b"request");
    assert_eq!(
        pair.stack.tcp_recv(flow, pair.now, |_| (0, ())),
        Ok(Recv::Eof)
    );
    assert_eq!(pair.stack.tcp_send(flow, b"response", pair.now), Ok(8));
    pair.stack.tcp_finish(flow, pair.now);
    pair.exchange();
    assert_eq!(pair.host_receive(socket), b"response");
    assert_eq!(pair.events(), [Event::TcpClosed { flow }]);
    assert_eq!(pair.stack.flows(), 0);
}

#[test]
fn we_end_first_and_still_receive() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.stack.tcp_finish(flow, pair.now);
    pair.exchange();
    pair.host.socket(socket).send_slice(b"rest").unwrap();
    pair.host.socket(socket).close();
    pair.exchange();
    assert_eq!(
        pair.events(),
        [Event::TcpReadable { flow }, Event::TcpEnd { flow }]
    );
    assert_eq!(pair.receive(flow), b"rest");
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Closed);
    assert_eq!(pair.events(), [Event::TcpClosed { flow }]);
    assert_eq!(pair.stack.flows(), 1, "TIME-WAIT holds the five-tuple");
    pair.now += Duration::from_secs(3);
    pair.stack.handle_timeout(pair.now);
    assert_eq!(pair.stack.flows(), 0);
}

#[test]
fn a_program_that_resets_is_reported() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.host.socket(socket).abort();
    pair.exchange();
    assert_eq!(pair.events(), [Event::TcpReset { flow }]);
    assert_eq!(pair.stack.flows(), 0);
}

#[test]
fn an_aborted_flow_resets_the_program() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.stack.tcp_abort(flow, pair.now);
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Closed);
    assert_eq!(pair.stack.flows(), 0);
    assert_eq!(pair.stack.poll_event(), None);
}

pub struct Pair {
    host: Host,
    stack: Stack,
    now: Instant,
}

impl Pair {
    fn new() -> Pair {
        Pair::with(Config::default())
    }

    fn with(config: Config) -> Pair {
        let now = origin();
        Pair {
            host: Host::new(now, 65_535),
            stack: Stack::new(config, now),
            now,
        }
    }

    fn begin(&mut self, to: &str) -> (SocketHandle, FlowId) {
        let socket = self.host.connect(to.parse().unwrap(), 40_000, 1 << 20);
        self.exchange();
        let Some(Event::TcpSyn { flow, tuple }) = self.stack.poll_event() else {
            panic!("no SYN")
        };
        assert_eq!(tuple.destination, to.parse().unwrap());
        (socket, flow)
    }

    fn open(&mut self, to: &str) -> (SocketHandle, FlowId) {
        let (socket, flow) = self.begin(to);
        self.stack.tcp_accept(flow, self.now);
        self.exchange();
        assert_eq!(self.events(), [Event::TcpEstablished { flow }]);
        (socket, flow)
    }

    fn exchange(&mut self) {
        exchange(&mut self.host, &mut self.stack, self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.stack.poll_event()).collect()
    }

    fn receive(&mut self, flow: FlowId) -> Vec<u8> {
        match self
            .stack
            .tcp_recv(flow, self.now, |data| (data.len(), data.to_vec()))
        {
            Ok(Recv::Data(data)) => data,
            other => panic!("nothing to receive: {other:?}"),
        }
    }

    fn host_receive(&mut self, socket: SocketHandle) -> Vec<u8> {
        self.host
            .socket(socket)
            .recv(|data| (data.len(), data.to_vec()))
            .unwrap()
    }
}
