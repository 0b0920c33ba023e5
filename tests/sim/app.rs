//! A machine whose apps are captured: a smoltcp host on the other side of the
//! TUN, pumped in virtual time.

use masq_node::app::{Apps, Arrival};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::{
    HardwareAddress, IpAddress, IpCidr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;
use tokio::time::sleep;

const STEP: Duration = Duration::from_micros(200);
const BUFFER: usize = 128 * 1024;

#[derive(Default)]
struct Queues {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Device for Queues {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: WireInstant) -> Option<(Incoming, Outgoing<'_>)> {
        let packet = self.incoming.pop_front()?;
        Some((Incoming(packet), Outgoing(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: WireInstant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 65_535;
        capabilities
    }
}

struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut packet = vec![0; length];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

struct Host {
    device: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
    /// UDP datagrams that came: to which port, and what they say.
    datagrams: VecDeque<(u16, Vec<u8>)>,
    start: Instant,
}

/// The host; clones are the same one.
#[derive(Clone)]
pub(crate) struct Machine(Rc<RefCell<Host>>);

impl Machine {
    /// Begins to carry packets between the host and `apps`.
    pub(crate) fn start(apps: Rc<Apps>, arrive: impl Fn(Arrival) + 'static) -> Machine {
        let start = apps.now();
        let mut device = Queues::default();
        let mut interface = Interface::new(
            Config::new(HardwareAddress::Ip),
            &mut device,
            WireInstant::ZERO,
        );
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(IpAddress::v4(10, 111, 0, 1), 24);
            addresses.push(address).unwrap();
        });
        interface
            .routes_mut()
            .add_default_ipv4_route([10, 111, 0, 2].into())
            .unwrap();
        let machine = Machine(Rc::new(RefCell::new(Host {
            device,
            interface,
            sockets: SocketSet::new(vec![]),
            next_port: 20_000,
            datagrams: VecDeque::new(),
            start,
        })));
        let pumped = machine.clone();
        spawn_local(async move {
            let mut arrivals = Vec::new();
            loop {
                pumped.pump(&apps, &mut arrivals);
                arrivals.drain(..).for_each(&arrive);
                sleep(STEP).await;
            }
        });
        machine
    }

    fn pump(&self, apps: &Rc<Apps>, arrivals: &mut Vec<Arrival>) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let now = apps.now();
        let elapsed = now.duration_since(state.start).as_micros();
        let wire_now = WireInstant::from_micros(i64::try_from(elapsed).unwrap());
        state
            .interface
            .poll(wire_now, &mut state.device, &mut state.sockets);
        while let Some(mut packet) = state.device.outgoing.pop_front() {
            apps.with(|stack| stack.handle_packet(&mut packet, now));
        }
        apps.with(|stack| stack.handle_timeout(now));
        apps.dispatch(arrivals);
        apps.with(|stack| {
            while let Some(packet) = stack.poll_transmit(now) {
                match datagram(packet) {
                    Some(datagram) => state.datagrams.push_back(datagram),
                    None => state.device.incoming.push_back(packet.to_vec()),
                }
                stack.transmitted();
            }
        });
        apps.dispatch(arrivals);
    }

    pub(crate) fn connect(&self, to: SocketAddr) -> Connection {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        state.next_port += 1;
        socket
            .connect(state.interface.context(), to, state.next_port)
            .unwrap();
        Connection {
            machine: self.clone(),
            handle: state.sockets.add(socket),
        }
    }
}

impl Machine {
    /// A UDP port that talks with one destination.
    pub(crate) fn udp(&self, to: SocketAddr) -> Exchange {
        let mut state = self.0.borrow_mut();
        state.next_port += 1;
        Exchange {
            machine: self.clone(),
            port: state.next_port,
            to,
        }
    }
}

pub(crate) struct Exchange {
    machine: Machine,
    port: u16,
    to: SocketAddr,
}

impl Exchange {
    pub(crate) fn send(&self, payload: &[u8]) {
        let IpAddr::V4(to) = self.to.ip() else {
            unreachable!("the simulation's UDP is IPv4")
        };
        let from = Ipv4Addr::new(10, 111, 0, 1);
        let udp = UdpRepr {
            src_port: self.port,
            dst_port: self.to.port(),
        };
        let ip = Ipv4Repr {
            src_addr: from,
            dst_addr: to,
            next_header: IpProtocol::Udp,
            payload_len: udp.header_len() + payload.len(),
            hop_limit: 64,
        };
        let checksums = ChecksumCapabilities::default();
        let mut packet = vec![0; ip.buffer_len() + ip.payload_len];
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet), &checksums);
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut packet[ip.buffer_len()..]),
            &from.into(),
            &to.into(),
            payload.len(),
            |room| room.copy_from_slice(payload),
            &checksums,
        );
        let mut state = self.machine.0.borrow_mut();
        state.device.outgoing.push_back(packet);
    }

    pub(crate) async fn recv(&self) -> Vec<u8> {
        loop {
            let found = {
                let datagrams = &mut self.machine.0.borrow_mut().datagrams;
                let place = datagrams.iter().position(|(port, _)| *port == self.port);
                place.and_then(|place| datagrams.remove(place))
            };
            match found {
                Some((_, payload)) => return payload,
                None => sleep(STEP).await,
            }
        }
    }
}

/// What an IPv4 packet carries, if that is UDP.
fn datagram(packet: &[u8]) -> Option<(u16, Vec<u8>)> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    if ip.next_header() != IpProtocol::Udp {
        return None;
    }
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    Some((udp.dst_port(), udp.payload().to_vec()))
}

pub(crate) struct Connection {
    machine: Machine,
    handle: SocketHandle,
}

/// How a connection ended before what was waited for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Reset;

impl Connection {
    fn with<R>(&self, f: impl FnOnce(&mut Socket<'static>) -> R) -> R {
        let mut state = self.machine.0.borrow_mut();
        f(state.sockets.get_mut(self.handle))
    }

    pub(crate) async fn send(&self, mut data: &[u8]) -> Result<(), Reset> {
        while !data.is_empty() {
            let sent = self.with(|socket| match socket.state() {
                State::SynSent | State::SynReceived => Ok(0),
                _ => socket.send_slice(data).map_err(|_| Reset),
            })?;
            data = &data[sent..];
            sleep(STEP).await;
        }
        Ok(())
    }

    pub(crate) fn finish(&self) {
        self.with(Socket::close);
    }

    pub(crate) fn abort(&self) {
        self.with(Socket::abort);
    }

    /// Some bytes; none at the end of the stream.
    pub(crate) async fn recv(&self) -> Result<Vec<u8>, Reset> {
        loop {
            let received = self.with(|socket| {
                if socket.can_recv() {
                    return Some(Ok(socket.recv(|data| (data.len(), data.to_vec())).unwrap()));
                }
                match socket.state() {
                    State::Closed => Some(Err(Reset)),
                    State::CloseWait | State::LastAck | State::Closing | State::TimeWait => {
                        Some(Ok(Vec::new()))
                    }
                    _ => None,
                }
            });
            match received {
                Some(result) => return result,
                None => sleep(STEP).await,
            }
        }
    }

    pub(crate) async fn recv_all(&self) -> Result<Vec<u8>, Reset> {
        let mut all = Vec::new();
        loop {
            let some = self.recv().await?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&some);
        }
    }
}
