//! Whatever is killed, nothing leaks: what is not excepted is refused at once
//! until the user stops the capture, starts it again or repairs.
//!
//! Each claim is a count on the wire that was not zero before.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use masq_capture::states::State;
use masq_platform_linux::{capture_state, lockdown};

use crate::support::{FakeNode, Lab, MACHINE, obstacle, sh, state, until};

const STEPS: [&str; 10] = [
    "guard",
    "control-group",
    "interface-v4",
    "interface-v6",
    "reverse-path",
    "exceptions-v4",
    "exceptions-v6",
    "firewall",
    "capture-v4",
    "capture-v6",
];

const OUTSIDE: [&str; 3] = ["9.9.9.9:443", "9.9.9.9:53", "[2620:fe::fe]:443"];

pub(crate) fn lab() -> Option<Lab> {
    if let Some(reason) = obstacle() {
        eprintln!("skipped: {reason}");
        return None;
    }
    let lab = Lab::new();
    sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    lab.world_sh(
        "nft 'add table inet seen { chain in { type filter hook prerouting priority 0; \
         ip daddr 9.9.9.9 counter; ip6 daddr 2620:fe::fe counter; \
         udp dport 5353 counter; }; }'",
    );
    try_all();
    assert!(seen(&lab) >= 6, "the wire is looked at");
    Some(lab)
}

/// Packets of the probes that came to the world since the last look.
pub(crate) fn seen(lab: &Lab) -> u64 {
    let sum = counted(lab);
    lab.world_sh(
        "nft 'flush chain inet seen in; \
         add rule inet seen in ip daddr 9.9.9.9 counter; \
         add rule inet seen in ip6 daddr 2620:fe::fe counter; \
         add rule inet seen in udp dport 5353 counter'",
    );
    sum
}

/// The same, and they stay counted: to be asked again and again.
pub(crate) fn counted(lab: &Lab) -> u64 {
    let listed = lab.world_sh("nft list table inet seen");
    let packets = listed.lines().filter_map(|line| {
        let (_, rest) = line.split_once("counter packets ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    });
    packets.sum()
}

/// One attempt of each kind; how long the longest of them took.
fn try_all() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test's own clock")]
    let now = Instant::now;
    let mut longest = Duration::ZERO;
    for to in OUTSIDE {
        let start = now();
        let local = if to.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let _ = UdpSocket::bind(local).unwrap().send_to(b"x", to);
        let _ = TcpStream::connect_timeout(&to.parse().unwrap(), Duration::from_millis(300));
        longest = longest.max(now() - start);
    }
    longest
}

/// Nothing leaves; and once all that was killed has ended, it is said at once.
fn is_refused(lab: &Lab, when: &str) {
    until("quick refusals", || try_all() < Duration::from_millis(250));
    assert_eq!(seen(lab), 0, "{when}");
}

fn is_direct(lab: &Lab, when: &str) {
    try_all();
    assert!(seen(lab) >= 6, "{when}");
}

fn gone(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| text.contains("State:\tZ"))
}

fn guard_of(node: &FakeNode) -> u32 {
    let helper = node.helper.unwrap();
    let children = sh(&format!("cat /proc/{helper}/task/{helper}/children"));
    let guard = children.split_ascii_whitespace().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"masq-capture-guard")
    });
    guard.unwrap().parse().unwrap()
}

fn repair(lab: &Lab, when: &str) {
    for repair in masq_platform_linux::capture::repair(lab.journal.path()).unwrap() {
        for outcome in repair.outcome.unwrap() {
            assert!(
                matches!(outcome, masq_capture::journal::Outcome::Undone(_)),
                "{when}: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_helper_killed_at_any_step_of_its_start_leaves_traffic_refused() {
    let Some(lab) = lab() else { return };
    let before = state();
    let points = STEPS
        .iter()
        .flat_map(|step| [(step, "before"), (step, "after")])
        // Nothing was done yet, and nothing was leaking before.
        .skip(1);
    for (round, (step, moment)) in points.enumerate() {
        let halt = format!("{step}:{moment}");
        let mut node = lab.node(Some(&halt));
        let mut line = node.line();
        if line.starts_with("tun ") {
            line = node.line();
        }
        assert!(
            line.starts_with("failed capture-helper-gone"),
            "{halt}: {line}"
        );
        node.child.wait().unwrap();
        is_refused(&lab, &halt);
        if round % 2 == 0 {
            until("the guard", || {
                capture_state::read().is_none_or(|one| one.helper.is_none())
            });
            repair(&lab, &halt);
            is_direct(&lab, &halt);
        } else {
            // From the end of one to the start of the next there is no gap.
            let mut next = lab.node(None);
            next.active();
            assert_eq!(seen(&lab), 0, "{halt}");
            assert_eq!(next.ask("stop"), "stopped true");
        }
        assert_eq!(state(), before, "{halt}");
    }
}

#[test]
fn whoever_of_the_three_is_killed_traffic_is_refused() {
    let Some(lab) = lab() else { return };
    let before = state();
    for victims in 1..8_u8 {
        let when = format!("victims {victims:03b}: guard, helper, Node");
        let mut node = lab.node(None);
        node.active();
        let (helper, guard) = (node.helper.unwrap(), guard_of(&node));
        let told = capture_state::read().unwrap();
        assert_eq!((told.state, told.helper), (State::On, Some(helper)));
        if victims & 4 != 0 {
            sh(&format!("kill -9 {guard}"));
        }
        if victims & 2 != 0 {
            sh(&format!("kill -9 {helper}"));
        }
        if victims & 1 != 0 {
            node.kill();
        }
        if victims == 4 {
            // The guard alone is missed by nobody.
            assert_eq!(node.ask("stop"), "stopped true");
            assert_eq!(state(), before, "{when}");
            continue;
        }
        is_refused(&lab, &when);
        until("the helper's end", || gone(helper));
        let _ = node.child.wait();
        is_refused(&lab, &when);
        let told = capture_state::read().unwrap();
        assert!(
            told.is_blocked() && told.state == State::Error,
            "{when}: {told:?}"
        );
        until("an idle journal", || gone(guard));
        if victims % 2 == 0 {
            repair(&lab, &when);
        } else {
            let mut next = lab.node(None);
            next.active();
            assert_eq!(seen(&lab), 0, "{when}");
            assert_eq!(next.ask("stop"), "stopped true");
        }
        assert_eq!(capture_state::read(), None, "{when}");
        assert_eq!(state(), before, "{when}");
        is_direct(&lab, &when);
    }
}

#[test]
fn a_start_that_fails_leaves_the_machine_as_it_was_found() {
    let Some(lab) = lab() else { return };
    sh("ip route add unreachable 9.9.9.8 table 28017");
    let before = state();
    let refused = |found: &str| {
        let mut node = lab.node(None);
        let line = node.line();
        assert!(line.starts_with("failed capture-busy"), "{found}: {line}");
        node.child.wait().unwrap();
    };
    refused("open");
    until("the end of the helper", || state() == before);
    is_direct(&lab, "a failed start");
    sh("ip route flush table 28017");
    let mut node = lab.node(None);
    node.active();
    node.kill();
    until("the end of the helper", || gone(node.helper.unwrap()));
    sh("ip route add unreachable 9.9.9.8 table 28017");
    refused("refusing");
    is_refused(&lab, "a failed start after a crash");
    repair(&lab, "the end");
    assert_eq!(state(), before);
}

#[test]
fn a_session_from_outside_survives_a_crash_and_a_repair() {
    let Some(lab) = lab() else { return };
    let early = TcpListener::bind((MACHINE, 7000)).unwrap();
    let mut clients = vec![lab.connect_from_world(7000)];
    let mut peers = vec![early.accept().unwrap().0];
    let mut node = lab.node(None);
    node.active();
    let late = TcpListener::bind((MACHINE, 7001)).unwrap();
    clients.push(lab.connect_from_world(7001));
    peers.push(late.accept().unwrap().0);
    let say = |peers: &mut Vec<TcpStream>, when: &str| {
        for peer in peers {
            peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            peer.write_all(b"hi").unwrap();
            let mut heard = [0; 2];
            peer.read_exact(&mut heard)
                .unwrap_or_else(|error| panic!("{when}: {error}"));
        }
    };
    say(&mut peers, "on");
    node.kill_helper();
    node.kill();
    is_refused(&lab, "killed");
    say(&mut peers, "killed");
    // And a new one.
    clients.push(lab.connect_from_world(7000));
    peers.push(early.accept().unwrap().0);
    say(&mut peers, "refusing");
    until("the guard", || {
        capture_state::read().is_some_and(|one| one.helper.is_none())
    });
    repair(&lab, "a session");
    say(&mut peers, "repaired");
    for client in &mut clients {
        let _ = client.kill();
        let _ = client.wait();
    }
}

#[test]
fn a_firewall_manager_that_flushes_everything_opens_nothing() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node(None);
    node.active();
    for flush in [
        "nft flush ruleset",
        "nft delete table inet masq_guard",
        "nft flush table inet masq_guard",
        "nft flush chain inet masq_guard outgoing",
    ] {
        sh(flush);
        let took = until("the table", || {
            sh("nft list ruleset").contains("reject with icmpx admin-prohibited")
                && sh("nft list ruleset").contains("ct direction reply")
        });
        eprintln!("{flush}: back after {took:?}");
        assert_eq!(seen(&lab), 0, "{flush}");
    }
    node.kill();
    until("the end of the helper", || gone(node.helper.unwrap()));
    is_refused(&lab, "after flushes and a crash");
    repair(&lab, "the end");
}

#[test]
fn paused_traffic_is_direct_and_what_was_captured_ends_at_once() {
    let Some(lab) = lab() else { return };
    let before = state();
    let mut node = lab.node(None);
    node.active();
    let captured = UdpSocket::bind("0.0.0.0:0").unwrap();
    captured.connect("9.9.9.9:443").unwrap();
    captured.send(b"x").unwrap();
    assert_eq!(seen(&lab), 0);
    assert_eq!(node.ask("suspend"), "Some(Suspended)");
    assert_eq!(capture_state::read().unwrap().state, State::Paused);
    is_direct(&lab, "paused");
    // Its source is the TUN's address, which nobody could answer.
    assert!(captured.send(b"x").is_err());
    assert_eq!(seen(&lab), 0);
    assert_eq!(node.ask("resume"), "Some(Active)");
    try_all();
    assert_eq!(seen(&lab), 0, "resumed");
    // The end of a Node is no end of a pause that the user wanted.
    assert_eq!(node.ask("suspend"), "Some(Suspended)");
    node.kill();
    until("the end of the helper", || gone(node.helper.unwrap()));
    is_refused(&lab, "killed while paused");
    repair(&lab, "the end");
    assert_eq!(state(), before);
}

#[test]
fn a_pause_ends_in_time_when_all_three_are_gone() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node(None);
    node.active();
    assert_eq!(node.ask("suspend 2"), "Some(Suspended)");
    is_direct(&lab, "paused");
    let (guard, helper) = (guard_of(&node), node.helper.unwrap());
    sh(&format!("kill -STOP {guard} {helper}"));
    node.kill();
    sh(&format!("kill -9 {guard} {helper}"));
    until("the end of all", || gone(guard) && gone(helper));
    until("the end of the pause", || {
        capture_state::read().is_some_and(|state| state.state == State::Error)
    });
    is_refused(&lab, "behind the pause's end");
    repair(&lab, "after the repair");
}

#[test]
fn lockdown_refuses_when_off_and_while_paused() {
    let Some(lab) = lab() else { return };
    let before = state();
    let directory = lab.journal.path();
    lockdown::keep(directory, Some(&lockdown::Lockdown::default())).unwrap();
    let mut node = lab.node_that(None, "direct");
    node.active();
    assert_eq!(node.ask("suspend"), "Some(Suspended)");
    is_refused(&lab, "paused");
    assert_eq!(node.ask("resume"), "Some(Active)");
    assert_eq!(node.ask("stop"), "stopped true");
    is_refused(&lab, "off");
    let told = capture_state::read().unwrap();
    assert_eq!((told.state, told.is_blocked()), (State::Off, true));
    lockdown::keep(directory, None).unwrap();
    repair(&lab, "the end");
    assert_eq!(state(), before);
    is_direct(&lab, "lockdown taken back");
}

#[test]
fn the_local_network_is_a_switch() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node(None);
    node.active();
    lab.world_sh("nft 'add rule inet seen in ip daddr 192.168.7.2 counter'");
    let beside = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let local = socket.send_to(b"x", "192.168.7.2:5353").is_ok();
        let multicast = socket.send_to(b"x", "224.0.0.251:5353").is_ok();
        (local, multicast)
    };
    assert_eq!(beside(), (true, true));
    assert!(seen(&lab) >= 2);
    assert_eq!(
        node.ask("local block"),
        "Some(Done { id: 4, refused: None })"
    );
    assert_eq!(beside(), (false, false));
    assert_eq!(seen(&lab), 0);
    assert_eq!(
        node.ask("local allow"),
        "Some(Done { id: 4, refused: None })"
    );
    assert_eq!(beside(), (true, true));
    assert_eq!(node.ask("stop"), "stopped true");
}
