//! Nothing that a program or a caller does makes the stack panic or send a broken packet.

use masq_stack::{Config, Stack};
use proptest::prelude::*;

use crate::packets::stack_packet;
use crate::support::{Host, cases, origin};

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_script_of_packets_and_calls_is_survived(
        script in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        stack_packet(&script);
    }

    #[test]
    fn any_script_on_an_open_flow_is_survived(
        script in prop::collection::vec(any::<u8>(), 0..600),
        six in any::<bool>(),
    ) {
        let mut opened = vec![5, 0, 1, u8::from(six), 8, 11, 0, 9, 9, 1 | (u8::from(six) << 7), 0x10, 0, 0, 0, 200];
        opened.extend(script);
        stack_packet(&opened);
    }

    #[test]
    fn any_bytes_are_survived(packet in prop::collection::vec(any::<u8>(), 0..200), first in any::<bool>()) {
        let now = origin();
        let mut packet = packet;
        if let Some(byte) = packet.first_mut() {
            *byte = if first { 0x45 } else { 0x60 };
        }
        let mut stack = Stack::new(Config { verify_checksums: first, ..Config::default() }, now);
        stack.handle_packet(&mut packet, now);
        while stack.poll_event().is_some() {}
    }

    #[test]
    fn any_change_to_a_genuine_packet_is_survived(
        changes in prop::collection::vec((0_usize..80, any::<u8>()), 1..4),
        cut in 0_usize..200,
        six in any::<bool>(),
    ) {
        let now = origin();
        let mut host = Host::new(now, 1_500);
        let mut stack = Stack::new(Config::default(), now);
        let to = if six { "[2001:db8::7]:443" } else { "93.184.216.34:443" };
        host.connect(to.parse().unwrap(), 40_000, 65_535);
        host.poll(now);
        let mut packet = host.wire.from_host.pop_front().unwrap();
        let length = packet.len();
        for (at, value) in changes {
            packet[at % length] = value;
        }
        packet.truncate(length.saturating_sub(cut / 4).max(1));
        stack.handle_packet(&mut packet, now);
        while let Some(event) = stack.poll_event() {
            if let masq_stack::Event::TcpSyn { flow, .. } = event {
                stack.tcp_accept(flow, now);
            }
        }
        while stack.poll_transmit(now).is_some() {
            stack.transmitted();
        }
    }
}

#[test]
fn the_corpus_is_survived() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/stack_packet");
    for entry in std::fs::read_dir(corpus).unwrap() {
        stack_packet(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}
