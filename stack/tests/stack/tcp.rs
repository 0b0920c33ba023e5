//! The life of a TCP flow, step by step, between a smoltcp host and the stack.

use std::time::Duration;

use masq_stack::{Config, Event, FlowError, Recv, Refusal};
use smoltcp::socket::tcp::State;

use crate::support::Pair;

#[test]
fn nothing_is_answered_before_the_flow_is_accepted() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.begin("93.184.216.34:443", 40_000);
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
    let (socket, flow) = pair.begin("93.184.216.34:443", 40_000);
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

#[test]
fn a_quiet_flow_gives_its_buffers_back_and_goes_on_later() {
    for address in ["93.184.216.34:443", "[2001:db8::7]:443"] {
        let mut pair = Pair::new();
        let (socket, flow) = pair.open(address);
        for round in 0..3 {
            pair.host.socket(socket).send_slice(b"question").unwrap();
            pair.exchange();
            assert_eq!(pair.receive(flow), b"question");
            assert_eq!(pair.stack.tcp_send(flow, b"answer", pair.now), Ok(6));
            pair.exchange();
            assert_eq!(pair.host_receive(socket), b"answer");
            pair.events();
            pair.pass(Duration::from_secs(2));
            assert_eq!(pair.stack.counters().parked, round + 1);
            assert_eq!(
                pair.stack.poll_timeout(),
                None,
                "an idle flow has no deadline"
            );
        }
        assert_eq!(pair.stack.tcp_send(flow, b"from parked", pair.now), Ok(11));
        pair.exchange();
        assert_eq!(pair.host_receive(socket), b"from parked");
        pair.pass(Duration::from_secs(2));
        pair.stack.tcp_finish(flow, pair.now);
        pair.exchange();
        assert_eq!(pair.host.socket(socket).state(), State::CloseWait);
        pair.host.socket(socket).close();
        pair.exchange();
        assert_eq!(
            pair.events(),
            [Event::TcpEnd { flow }, Event::TcpClosed { flow }]
        );
    }
}

#[test]
fn a_parked_flow_is_reset_by_either_side() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:443");
    pair.pass(Duration::from_secs(2));
    pair.stack.tcp_abort(flow, pair.now);
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Closed);

    let (socket, flow) = pair.open_from("93.184.216.34:443", 40_001);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.stack.counters().parked, 2);
    pair.host.socket(socket).abort();
    pair.exchange();
    assert_eq!(pair.events(), [Event::TcpReset { flow }]);
    assert_eq!(pair.stack.flows(), 0);
}

#[test]
fn what_is_sent_before_the_handshake_ends_waits_for_it() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.begin("93.184.216.34:443", 40_000);
    pair.stack.tcp_accept(flow, pair.now);
    assert_eq!(pair.stack.tcp_send(flow, b"early", pair.now), Ok(0));
    pair.stack.tcp_finish(flow, pair.now);
    pair.exchange();
    assert_eq!(pair.events(), [Event::TcpEstablished { flow }]);
    assert_eq!(pair.host.socket(socket).state(), State::CloseWait);
}

#[test]
fn a_five_tuple_can_be_used_again_after_the_flow_ended() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.stack.tcp_finish(flow, pair.now);
    pair.exchange();
    pair.host.socket(socket).close();
    pair.exchange();
    assert_eq!(pair.host.socket(socket).state(), State::Closed);
    let (_, again) = {
        pair.events();
        pair.open("93.184.216.34:80")
    };
    assert_ne!(flow, again);
}

#[test]
fn a_five_tuple_used_again_still_reports_the_end_of_the_first_flow() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    pair.stack.tcp_finish(flow, pair.now);
    pair.exchange();
    pair.host.socket(socket).close();
    pair.exchange();
    pair.host
        .connect("93.184.216.34:80".parse().unwrap(), 40_000, 1 << 16);
    pair.exchange();
    let events = pair.events();
    assert_eq!(
        events[..2],
        [Event::TcpEnd { flow }, Event::TcpClosed { flow }]
    );
    assert!(matches!(events[2], Event::TcpSyn { .. }));
}

#[test]
fn a_flow_beyond_the_limit_is_reset() {
    let mut pair = Pair::with(Config {
        max_tcp_flows: 1,
        ..Config::default()
    });
    pair.open("93.184.216.34:80");
    let second = pair
        .host
        .connect("93.184.216.34:80".parse().unwrap(), 40_001, 1 << 16);
    pair.exchange();
    assert_eq!(pair.host.socket(second).state(), State::Closed);
    assert_eq!(pair.events(), []);
    assert_eq!(pair.stack.counters().tcp_full, 1);
}

#[test]
fn a_syn_that_nobody_decides_about_is_reset_in_the_end() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.begin("93.184.216.34:80", 40_000);
    pair.pass(Duration::from_secs(59));
    assert_eq!(pair.stack.poll_event(), None);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.events(), [Event::TcpReset { flow }]);
    assert_eq!(pair.host.socket(socket).state(), State::Closed);
}

#[test]
fn a_program_that_stops_answering_is_given_up() {
    let mut pair = Pair::new();
    let (_, flow) = pair.open("93.184.216.34:80");
    assert_eq!(pair.stack.tcp_send(flow, b"anyone?", pair.now), Ok(7));
    for _ in 0..130 {
        pair.now += Duration::from_secs(1);
        pair.stack.handle_timeout(pair.now);
        while pair.stack.poll_transmit(pair.now).is_some() {
            pair.stack.transmitted();
        }
    }
    assert_eq!(pair.events(), [Event::TcpReset { flow }]);
    assert_eq!(pair.stack.flows(), 0);
}

#[test]
fn a_reader_that_pauses_for_long_loses_nothing() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    let data: Vec<u8> = (0..4_000_000_u32).map(|n| (n * 7 / 3) as u8).collect();
    let mut sent = 0;
    for _ in 0..150 {
        sent += pair.stack.tcp_send(flow, &data[sent..], pair.now).unwrap();
        pair.pass(Duration::from_secs(1));
    }
    assert!(sent < data.len(), "back-pressure reaches the sender");
    assert!(!pair.events().contains(&Event::TcpReset { flow }));
    let mut received = Vec::new();
    while received.len() < data.len() {
        sent += pair.stack.tcp_send(flow, &data[sent..], pair.now).unwrap();
        pair.pass(Duration::from_millis(10));
        while pair.host.socket(socket).can_recv() {
            received.extend(pair.host_receive(socket));
        }
    }
    assert!(received == data);
}

#[test]
fn a_writer_is_told_when_there_is_room() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    let taken = pair
        .stack
        .tcp_send(flow, &vec![1; 8 << 20], pair.now)
        .unwrap();
    assert_eq!(taken + pair.stack.tcp_send_capacity(flow), (512 << 10) - 1);
    pair.exchange();
    assert_eq!(pair.events(), [Event::TcpWritable { flow }]);
    assert!(pair.host.socket(socket).recv_queue() > 0);
}

#[test]
fn a_closed_window_holds_the_sender_and_reading_releases_it() {
    let mut pair = Pair::new();
    let (socket, flow) = pair.open("93.184.216.34:80");
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut sent = 0;
    for _ in 0..5 {
        sent += pair.host.socket(socket).send_slice(&data[sent..]).unwrap();
        pair.exchange();
    }
    assert!(sent < data.len());
    let mut received = Vec::new();
    while received.len() < data.len() {
        sent += pair.host.socket(socket).send_slice(&data[sent..]).unwrap();
        while let Ok(Recv::Data(part)) = pair
            .stack
            .tcp_recv(flow, pair.now, |data| (data.len(), data.to_vec()))
        {
            received.extend(part);
        }
        pair.exchange();
    }
    assert!(received == data);
}
