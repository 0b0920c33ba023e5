//! Datagrams, echo requests and what answers them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, SlicedPacket, TransportSlice};
use masq_stack::{Config, Event, FlowError, FlowId, Refusal, Stack};

use crate::support::Pair;

const V4: (&str, &str) = ("10.0.0.1:5000", "93.184.216.34:9999");
const V6: (&str, &str) = ("[fd00::1]:5000", "[2001:db8::7]:9999");

#[test]
fn datagrams_of_one_five_tuple_are_one_flow() {
    for (from, to) in [V4, V6] {
        let mut pair = Pair::new();
        let (flow, new, payload) = pair.datagram(from, to, b"one");
        assert!(new);
        assert_eq!(payload, &b"one"[..]);
        assert_eq!(
            pair.datagram(from, to, b"two"),
            (flow, false, Bytes::from_static(b"two"))
        );
        let other = SocketAddr::new(from.parse::<SocketAddr>().unwrap().ip(), 5001).to_string();
        assert!(pair.datagram(&other, to, b"three").1);
        assert_eq!(pair.stack.flows(), 2);
    }
}

#[test]
fn an_answer_comes_from_where_the_program_sent_to() {
    for (from, to) in [V4, V6] {
        let mut pair = Pair::new();
        let (flow, ..) = pair.datagram(from, to, b"question");
        pair.stack.udp_send(flow, b"answer", pair.now).unwrap();
        let packet = pair.packet();
        let sliced = SlicedPacket::from_ip(&packet).unwrap();
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            panic!("not UDP")
        };
        let ports = (udp.source_port(), udp.destination_port());
        assert_eq!((ports, udp.payload()), ((9999, 5000), &b"answer"[..]));
    }
}

#[test]
fn a_datagram_never_exceeds_a_packet() {
    let mut pair = Pair::new();
    let (four, ..) = pair.datagram(V4.0, V4.1, b"x");
    let (six, ..) = pair.datagram(V6.0, V6.1, b"x");
    let zeros = vec![0; 65_535];
    for (flow, most) in [(four, 65_507), (six, 65_487)] {
        let too_large = pair.stack.udp_send(flow, &zeros[..most + 1], pair.now);
        assert_eq!(too_large, Err(FlowError::TooLarge));
        pair.stack.udp_send(flow, &zeros[..most], pair.now).unwrap();
        assert_eq!(pair.packet().len(), 65_535);
    }
}

#[test]
fn idle_flows_expire_by_what_they_carry() {
    for (port, seconds) in [
        (53, 10),
        (123, 10),
        (3478, 10),
        (19302, 10),
        (443, 30),
        (9999, 300),
    ] {
        let mut pair = Pair::new();
        let to = format!("93.184.216.34:{port}");
        let (flow, ..) = pair.datagram(V4.0, &to, b"x");
        pair.now += Duration::from_secs(seconds - 1);
        pair.stack.handle_timeout(pair.now);
        assert_eq!(pair.datagram(V4.0, &to, b"still there").0, flow);
        pair.now += Duration::from_secs(seconds - 1);
        pair.stack.handle_timeout(pair.now);
        assert_eq!(pair.events(), []);
        let reason = pair.stack.poll_timeout().map(|(_, why)| why);
        assert_eq!(reason, Some("udp idle"));
        pair.now += Duration::from_secs(1);
        pair.stack.handle_timeout(pair.now);
        assert_eq!(pair.events(), [Event::UdpExpired { flow }]);
        assert_eq!(pair.stack.flows(), 0);
    }
}

#[test]
fn the_least_recently_used_flow_gives_way() {
    let mut pair = Pair::with(Config {
        max_udp_flows: 2,
        ..Config::default()
    });
    let flow =
        |pair: &mut Pair, port: u16| pair.datagram(&format!("10.0.0.1:{port}"), V4.1, b"x").0;
    let first = flow(&mut pair, 1);
    let second = flow(&mut pair, 2);
    assert_eq!(flow(&mut pair, 1), first);
    flow(&mut pair, 3);
    assert_eq!(pair.events(), [Event::UdpExpired { flow: second }]);
    assert_eq!(
        pair.stack.udp_send(second, b"late", pair.now),
        Err(FlowError::NoFlow)
    );
    assert_eq!(flow(&mut pair, 1), first);
}

#[test]
fn a_refused_flow_is_answered_with_an_error_that_quotes_it() {
    for ((from, to), code) in [(V4, 13), (V6, 1)] {
        let mut pair = Pair::new();
        let (flow, ..) = pair.datagram(from, to, b"x");
        pair.stack
            .udp_refuse(flow, Refusal::AdminProhibited, pair.now);
        let packet = pair.packet();
        let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let kind = if header == 20 { 3 } else { 1 };
        assert_eq!(packet[header..header + 2], [kind, code]);
        let quote = &packet[2 * header + 8..];
        assert_eq!(
            quote[..4],
            [5000_u16.to_be_bytes(), 9999_u16.to_be_bytes()].concat()
        );
        assert_eq!(pair.stack.flows(), 0);
    }
}

#[test]
fn errors_are_limited_and_counted() {
    let mut pair = Pair::with(Config {
        icmp_per_second: 2,
        ..Config::default()
    });
    for port in 1..=5_u16 {
        let (flow, ..) = pair.datagram(&format!("10.0.0.1:{port}"), V4.1, b"x");
        pair.stack
            .udp_refuse(flow, Refusal::HostUnreachable, pair.now);
    }
    assert_eq!(
        (
            pair.stack.counters().icmp_sent,
            pair.stack.counters().icmp_limited
        ),
        (2, 3)
    );
    pair.now += Duration::from_secs(1);
    let (flow, ..) = pair.datagram(V4.0, V4.1, b"x");
    pair.stack
        .udp_refuse(flow, Refusal::HostUnreachable, pair.now);
    assert_eq!(pair.stack.counters().icmp_sent, 3);
}

#[test]
fn a_program_that_closed_its_port_ends_the_flow() {
    let mut pair = Pair::new();
    let (flow, ..) = pair.datagram(V4.0, V4.1, b"x");
    pair.stack.udp_send(flow, b"answer", pair.now).unwrap();
    let answer = pair.packet();
    let mut error = Vec::new();
    let kind = Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port);
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [93, 184, 216, 34], 64).icmpv4(kind);
    builder.write(&mut error, &answer[..28]).unwrap();
    pair.stack.handle_packet(&mut error, pair.now);
    assert_eq!(pair.events(), [Event::UdpExpired { flow }]);
}

#[test]
fn a_zero_checksum_is_fine_over_ipv4_only() {
    let config = Config {
        verify_checksums: true,
        ..Config::default()
    };
    let mut pair = Pair::with(config.clone());
    let mut packet = udp(V4.0, V4.1, b"x");
    packet[26..28].fill(0);
    pair.stack.handle_packet(&mut packet, pair.now);
    assert_eq!(pair.events().len(), 1);
    let mut packet = udp(V4.0, V4.1, b"x");
    packet[27] ^= 1;
    pair.stack.handle_packet(&mut packet, pair.now);
    let mut packet = udp(V6.0, V6.1, b"x");
    packet[46..48].fill(0);
    pair.stack.handle_packet(&mut packet, pair.now);
    assert_eq!(pair.events(), []);
    assert_eq!(pair.stack.counters().checksums, 2);
}

#[test]
fn what_cannot_be_carried_is_counted_and_dropped() {
    let mut pair = Pair::new();
    let give = |stack: &mut Stack, mut packet: Vec<u8>| stack.handle_packet(&mut packet, pair.now);
    let mut fragment = udp(V4.0, V4.1, b"x");
    fragment[6] = 0x20;
    give(&mut pair.stack, fragment);
    give(&mut pair.stack, udp(V4.0, "224.0.0.251:5353", b"x"));
    give(&mut pair.stack, udp(V4.0, "255.255.255.255:67", b"x"));
    give(&mut pair.stack, udp("0.0.0.0:68", "10.0.0.2:67", b"x"));
    give(&mut pair.stack, udp(V4.0, V4.1, b"x")[..24].to_vec());
    give(&mut pair.stack, Vec::new());
    let counters = pair.stack.counters();
    let counts = (counters.fragments, counters.martians, counters.malformed);
    assert_eq!(counts, (1, 3, 2));
    assert_eq!(pair.events(), []);
    assert!(pair.stack.poll_transmit(pair.now).is_none());
}

#[test]
fn an_unknown_protocol_is_refused() {
    let mut pair = Pair::new();
    let mut packet = udp(V4.0, V4.1, b"x");
    packet[9] = 132;
    pair.stack.handle_packet(&mut packet, pair.now);
    assert_eq!(pair.packet()[20..22], [3, 2]);
    assert_eq!(pair.stack.counters().unsupported, 1);
}

#[test]
fn an_echo_request_is_answered_as_the_caller_says() {
    for (from, to) in [V4, V6] {
        let mut pair = Pair::new();
        for reached in [true, false] {
            let mut packet = ping(from, to);
            pair.stack.handle_packet(&mut packet, pair.now);
            let events = pair.events();
            let [Event::EchoRequest(echo)] = &events[..] else {
                panic!("{events:?}")
            };
            assert_eq!((echo.identifier, echo.sequence), (7, 9));
            if reached {
                pair.stack.echo_reply(echo);
            } else {
                pair.stack
                    .echo_unreachable(echo, Refusal::HostUnreachable, pair.now);
            }
            let answer = pair.packet();
            let header = if answer[0] >> 4 == 4 { 20 } else { 40 };
            let kind = match (header, reached) {
                (20, true) => 0,
                (20, false) => 3,
                (_, true) => 129,
                (_, false) => 1,
            };
            assert_eq!(answer[header], kind);
            assert!(answer.ends_with(b"abcdefgh"));
        }
    }
}

#[test]
fn datagrams_that_nobody_fetches_do_not_pile_up() {
    let mut pair = Pair::with(Config {
        max_pending_datagrams: 10,
        ..Config::default()
    });
    for _ in 0..25 {
        pair.stack
            .handle_packet(&mut udp(V4.0, V4.1, b"x"), pair.now);
    }
    assert_eq!(pair.events().len(), 10);
    assert_eq!(pair.stack.counters().datagrams_dropped, 15);
}

#[test]
fn a_full_transmit_queue_is_an_error_not_a_loss_of_order() {
    let mut pair = Pair::with(Config {
        transmit_queue: 0,
        ..Config::default()
    });
    let (flow, ..) = pair.datagram(V4.0, V4.1, b"x");
    let large = vec![0; 60_000];
    let taken = (0..10)
        .take_while(|_| pair.stack.udp_send(flow, &large, pair.now).is_ok())
        .count();
    assert!((1..10).contains(&taken));
    assert_eq!(
        pair.stack.udp_send(flow, &large, pair.now),
        Err(FlowError::QueueFull)
    );
    for _ in 0..taken {
        pair.packet();
    }
    pair.stack.udp_send(flow, &large, pair.now).unwrap();
}

impl Pair {
    fn datagram(&mut self, from: &str, to: &str, payload: &[u8]) -> (FlowId, bool, Bytes) {
        self.stack
            .handle_packet(&mut udp(from, to, payload), self.now);
        while let Some(event) = self.stack.poll_event() {
            let Event::UdpDatagram {
                flow,
                tuple,
                new,
                payload,
            } = event
            else {
                self.early.push(event);
                continue;
            };
            assert_eq!(tuple.source, from.parse().unwrap());
            assert_eq!(tuple.destination, to.parse().unwrap());
            return (flow, new, payload);
        }
        panic!("no datagram");
    }

    fn packet(&mut self) -> Vec<u8> {
        let packet = self
            .stack
            .poll_transmit(self.now)
            .expect("a packet")
            .to_vec();
        self.stack.transmitted();
        packet
    }
}

fn builder(from: &str, to: &str) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => PacketBuilder::ipv4(a.octets(), b.octets(), 64),
        (IpAddr::V6(a), IpAddr::V6(b)) => PacketBuilder::ipv6(a.octets(), b.octets(), 64),
        _ => panic!("mixed families"),
    }
}

fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (source, destination): (SocketAddr, SocketAddr) =
        (from.parse().unwrap(), to.parse().unwrap());
    let mut packet = Vec::new();
    let builder = builder(from, to).udp(source.port(), destination.port());
    builder.write(&mut packet, payload).unwrap();
    packet
}

fn ping(from: &str, to: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = etherparse::IcmpEchoHeader { id: 7, seq: 9 };
    let builder = builder(from, to);
    if to.starts_with('[') {
        builder
            .icmpv6(Icmpv6Type::EchoRequest(header))
            .write(&mut packet, b"abcdefgh")
            .unwrap();
    } else {
        builder
            .icmpv4(Icmpv4Type::EchoRequest(header))
            .write(&mut packet, b"abcdefgh")
            .unwrap();
    }
    packet
}
