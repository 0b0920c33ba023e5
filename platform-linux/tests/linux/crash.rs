//! `kill -9` at any moment, where the user prefers traffic direct after a
//! failure: the machine's network is as before.
//!
//! The helper is killed at each step of its journal, before and after the
//! change is made, while it starts and while it undoes; Node and helper are
//! killed while they capture. Within a second no packet takes another way
//! than before; what the kernel does not take back by itself (rules that
//! point to an empty table, an empty control group) is gone after the next
//! start, and after a repair.

use std::time::Duration;

use crate::support::{Lab, State, obstacle, sh, state, until};

const STEPS: [&str; 9] = [
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

const UNDO_POINTS: [&str; 5] = [
    "undo-capture:before",
    "undo-capture:after",
    "undo-firewall:after",
    "undo-rest:before",
    "undo-rest:after",
];

/// Where packets go that capture would have led into the TUN.
fn ways() -> String {
    sh(
        "ip route get 9.9.9.9; ip route get 9.9.9.9 ipproto udp dport 53; ip route get 192.168.7.2;
        ip -6 route get 2606:4700::1; ip -6 route get 2606:4700::1 ipproto tcp dport 53",
    )
}

fn lab() -> Option<Lab> {
    if let Some(reason) = obstacle() {
        eprintln!("skipped: {reason}");
        return None;
    }
    let lab = Lab::new();
    sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    Some(lab)
}

/// What is left without effect: rules, group, setting.
fn effective(state: &State) -> (&str, &str, &str) {
    (&state.links, &state.routes, &state.firewall)
}

#[test]
fn a_helper_killed_while_it_starts_leaves_no_trace() {
    let Some(lab) = lab() else { return };
    let (before, ways_before) = (state(), ways());
    for (round, step) in STEPS
        .iter()
        .flat_map(|step| [(step, "before"), (step, "after")])
        .enumerate()
    {
        let halt = format!("{}:{}", step.0, step.1);
        let mut node = lab.node_that(Some(&halt), "direct");
        let mut line = node.line();
        if line.starts_with("tun ") {
            line = node.line();
        }
        assert!(
            line.starts_with("failed capture-helper-gone"),
            "{halt}: {line}"
        );
        node.child.wait().unwrap();
        let took = until("the network", || effective(&state()) == effective(&before));
        assert!(took < Duration::from_secs(1), "{halt}: {took:?}");
        assert_eq!(ways(), ways_before, "{halt}");
        let left = state();
        eprintln!(
            "{halt}: settled in {took:?}; left {} rules, {} groups, src_valid_mark {}",
            left.rules.lines().count() - before.rules.lines().count(),
            left.groups.len(),
            left.valid_mark.trim(),
        );
        if round % 2 == 0 {
            repair(&lab, &halt);
        } else {
            let mut next = lab.node_that(None, "direct");
            next.active();
            assert_eq!(next.ask("stop"), "stopped true");
        }
        assert_eq!(state(), before, "{halt}");
    }
}

#[test]
fn a_helper_killed_while_it_undoes_leaves_no_trace() {
    let Some(lab) = lab() else { return };
    let (before, ways_before) = (state(), ways());
    for halt in UNDO_POINTS {
        let mut node = lab.node_that(Some(halt), "direct");
        node.active();
        assert_eq!(node.ask("stop"), "stopped true");
        node.child.wait().unwrap();
        let took = until("the network", || effective(&state()) == effective(&before));
        assert!(took < Duration::from_secs(1), "{halt}: {took:?}");
        assert_eq!(ways(), ways_before, "{halt}");
        repair(&lab, halt);
        assert_eq!(state(), before, "{halt}");
    }
}

#[test]
fn a_killed_node_leaves_no_trace() {
    let Some(lab) = lab() else { return };
    let before = state();
    for _ in 0..5 {
        let mut node = lab.node_that(None, "direct");
        node.active();
        assert_ne!(state(), before);
        let helper = format!("/proc/{}/status", node.helper.unwrap());
        node.kill();
        let took = until("the helper's end", || {
            std::fs::read_to_string(&helper).map_or(true, |text| text.contains("State:\tZ"))
        });
        eprintln!("killed Node: all undone in {took:?}");
        assert_eq!(state(), before);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_killed_helper_leaves_no_trace() {
    let Some(lab) = lab() else { return };
    let (before, ways_before) = (state(), ways());
    let mut node = lab.node_that(None, "direct");
    node.active();
    node.kill_helper();
    let took = until("the network", || effective(&state()) == effective(&before));
    eprintln!("killed helper: effect gone in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(ways(), ways_before);
    node.child.wait().unwrap();
    repair(&lab, "killed helper");
    assert_eq!(state(), before);
}

#[test]
fn both_killed_leave_no_trace() {
    let Some(lab) = lab() else { return };
    let (before, ways_before) = (state(), ways());
    let mut node = lab.node_that(None, "direct");
    node.active();
    node.kill_helper();
    node.kill();
    let took = until("the network", || effective(&state()) == effective(&before));
    eprintln!("both killed: effect gone in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(ways(), ways_before);
    let mut next = lab.node_that(None, "direct");
    next.active();
    assert_eq!(next.ask("stop"), "stopped true");
    assert_eq!(state(), before);
}

#[test]
fn a_second_node_in_one_namespace_is_refused() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node_that(None, "direct");
    node.active();
    let mut second = lab.node_that(None, "direct");
    let line = second.line();
    assert!(line.starts_with("failed capture-busy"), "{line}");
    assert_eq!(node.ask("stop"), "stopped true");
}

#[test]
fn the_firewall_table_comes_back_when_somebody_ends_nft() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node_that(None, "direct");
    node.active();
    let helper = node.helper.unwrap();
    let nft = sh(&format!("cat /proc/{helper}/task/{helper}/children"));
    // One may have been a command that is over.
    sh(&format!("kill -9 {nft} || true"));
    let fresh = || {
        let now = sh(&format!("cat /proc/{helper}/task/{helper}/children"));
        now.trim() != nft.trim() && sh("nft list tables").contains("masq")
    };
    until("another table", fresh);
    assert_eq!(node.ask("stop"), "stopped true");
}

fn repair(lab: &Lab, why: &str) {
    for repair in masq_platform_linux::capture::repair(lab.journal.path()).unwrap() {
        for outcome in repair.outcome.unwrap() {
            assert!(
                matches!(outcome, masq_capture::journal::Outcome::Undone(_)),
                "{why}: {outcome:?}"
            );
        }
    }
}
