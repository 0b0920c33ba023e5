//! The program's side of the TUN in tests: a smoltcp host of its own, and a channel that may be bad.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use masq_stack::{Config as StackConfig, Event, FlowId, Recv, Stack};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv6Address};

pub(crate) struct Host {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) wire: Wire,
    start: Instant,
}

#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) to_host: VecDeque<Vec<u8>>,
    pub(crate) from_host: VecDeque<Vec<u8>>,
    pub(crate) mtu: usize,
}

impl Host {
    pub(crate) fn new(now: Instant, mtu: usize) -> Host {
        let mut wire = Wire {
            mtu,
            ..Wire::default()
        };
        let mut interface = Interface::new(
            Config::new(HardwareAddress::Ip),
            &mut wire,
            WireInstant::ZERO,
        );
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24))
                .unwrap();
            addresses
                .push(IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1), 64))
                .unwrap();
        });
        interface
            .routes_mut()
            .add_default_ipv4_route(Ipv4Address::new(10, 0, 0, 2))
            .unwrap();
        interface
            .routes_mut()
            .add_default_ipv6_route(Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2))
            .unwrap();
        Host {
            interface,
            sockets: SocketSet::new(Vec::new()),
            wire,
            start: now,
        }
    }

    pub(crate) fn connect(&mut self, to: SocketAddr, port: u16, buffer: usize) -> SocketHandle {
        let ring = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(ring(), ring());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.connect(self.interface.context(), to, port).unwrap();
        self.sockets.add(socket)
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        self.interface
            .poll(self.wire_time(now), &mut self.wire, &mut self.sockets);
    }

    pub(crate) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        let wire_now = self.wire_time(now);
        let at = self.interface.poll_at(wire_now, &self.sockets)?;
        let at = u64::try_from(at.total_micros()).unwrap_or(0);
        Some((self.start + Duration::from_micros(at)).max(now + Duration::from_millis(1)))
    }

    fn wire_time(&self, now: Instant) -> WireInstant {
        WireInstant::from_micros((now - self.start).as_micros() as i64)
    }
}

/// Carries packets both ways until neither side has any more to send at this moment.
pub(crate) fn exchange(host: &mut Host, stack: &mut Stack, now: Instant) {
    loop {
        host.poll(now);
        let mut moved = false;
        while let Some(mut packet) = host.wire.from_host.pop_front() {
            stack.handle_packet(&mut packet, now);
            moved = true;
        }
        while let Some(packet) = stack.poll_transmit(now) {
            host.wire.to_host.push_back(packet.to_vec());
            stack.transmitted();
            moved = true;
        }
        if !moved {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: WireInstant) -> Option<(Received, Sent<'_>)> {
        let packet = self.to_host.pop_front()?;
        Some((Received(packet), Sent(&mut self.from_host)))
    }

    fn transmit(&mut self, _: WireInstant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.from_host))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

pub(crate) struct Received(Vec<u8>);
pub(crate) struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

/// A host and the stack on a perfect wire.
pub(crate) struct Pair {
    pub(crate) host: Host,
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    /// Events that a helper fetched while it waited for another.
    pub(crate) early: Vec<Event>,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::with(StackConfig::default())
    }

    pub(crate) fn with(config: StackConfig) -> Pair {
        let now = origin();
        Pair {
            host: Host::new(now, 65_535),
            stack: Stack::new(config, now),
            now,
            early: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, to: &str, port: u16) -> (SocketHandle, FlowId) {
        let socket = self.host.connect(to.parse().unwrap(), port, 1 << 20);
        self.exchange();
        let Some(Event::TcpSyn { flow, tuple }) = self.stack.poll_event() else {
            panic!("no SYN")
        };
        assert_eq!(tuple.destination, to.parse().unwrap());
        (socket, flow)
    }

    pub(crate) fn open(&mut self, to: &str) -> (SocketHandle, FlowId) {
        self.open_from(to, 40_000)
    }

    pub(crate) fn open_from(&mut self, to: &str, port: u16) -> (SocketHandle, FlowId) {
        let (socket, flow) = self.begin(to, port);
        self.stack.tcp_accept(flow, self.now);
        self.exchange();
        assert_eq!(self.events(), [Event::TcpEstablished { flow }]);
        (socket, flow)
    }

    pub(crate) fn exchange(&mut self) {
        exchange(&mut self.host, &mut self.stack, self.now);
    }

    /// Lets time pass in small steps, with both sides acting on their deadlines.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + Duration::from_millis(50)).min(end);
            self.stack.handle_timeout(self.now);
            self.exchange();
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        let early = std::mem::take(&mut self.early);
        early
            .into_iter()
            .chain(std::iter::from_fn(|| self.stack.poll_event()))
            .collect()
    }

    pub(crate) fn receive(&mut self, flow: FlowId) -> Vec<u8> {
        match self
            .stack
            .tcp_recv(flow, self.now, |data| (data.len(), data.to_vec()))
        {
            Ok(Recv::Data(data)) => data,
            other => panic!("nothing to receive: {other:?}"),
        }
    }

    pub(crate) fn host_receive(&mut self, socket: SocketHandle) -> Vec<u8> {
        self.host
            .socket(socket)
            .recv(|data| (data.len(), data.to_vec()))
            .unwrap()
    }
}

/// The same cases in every run; another seed and more cases from the environment, to search:
/// `STACK_SEED=7 PROPTEST_CASES=5000 cargo nextest run -p masq-stack lossy`.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let from_environment = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: from_environment("PROPTEST_CASES").map_or(usual, |cases: u64| cases as u32),
        rng_seed: RngSeed::Fixed(from_environment("STACK_SEED").unwrap_or(1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
