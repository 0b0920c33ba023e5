//! However the Node's processes end, the machine's network is as it was before, within a second,
//! where the user prefers that (`on-failure = direct`).

use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Host, Lab, Node, NodePlan, process, require, wait};
use nix::sys::signal::{Signal, kill};

use crate::support::LIMIT;

const WITHIN: Duration = Duration::from_secs(1);

/// What may be left when nobody is left to undo it: routing rules that lead to an empty table.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Nothing,
    IdleRules,
}

fn ends_clean(left: Left, end: impl Fn(&mut Node)) {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let host = lab.host("originator").unwrap();
    let before = state(&host);
    assert!(reaches_the_origin(&host));

    let mut plan = NodePlan::zero_hop(&host).unwrap();
    plan.set("on-failure", "direct");
    plan.make_identity().unwrap();
    let mut node = plan.start().unwrap();
    node.await_ready(LIMIT).unwrap();
    assert_ne!(state(&host), before);
    assert!(reaches_the_origin(&host));

    end(&mut node);
    let mut last = String::new();
    let undone = wait::until("the machine's old state", WITHIN, || {
        last = state(&host);
        if left == Left::IdleRules {
            last = without_our_rules(&last);
        }
        last == before
    });
    assert!(undone.is_ok(), "before:\n{before}\nafter:\n{last}");
    assert!(reaches_the_origin(&host));
    if left == Left::IdleRules {
        repair(&host);
        assert_eq!(state(&host), before);
    }
    wait::until("the end of every process", LIMIT, || {
        node.process_ids().is_empty()
    })
    .unwrap();

    node.restart().unwrap();
    node.await_ready(LIMIT).unwrap();
    assert!(reaches_the_origin(&host));
}

#[test]
fn after_a_clean_end() {
    ends_clean(Left::Nothing, |node| node.stop().unwrap());
}

#[test]
fn after_the_node_is_killed() {
    ends_clean(Left::Nothing, |node| {
        node.process().signal(Signal::SIGKILL).unwrap()
    });
}

#[test]
fn after_the_helper_is_killed() {
    ends_clean(Left::Nothing, |node| {
        kill(node.helper().unwrap(), Signal::SIGKILL).unwrap()
    });
}

#[test]
fn after_node_and_helper_are_killed() {
    ends_clean(Left::Nothing, |node| {
        let helper = node.helper().unwrap();
        node.process().signal(Signal::SIGKILL).unwrap();
        kill(helper, Signal::SIGKILL).unwrap();
    });
}

#[test]
fn after_every_process_is_killed() {
    ends_clean(Left::IdleRules, |node| {
        for pid in node.process_ids() {
            kill(pid, Signal::SIGKILL).unwrap();
        }
    });
}

/// All that a capture changes: links, addresses, rules, routes, firewall.
fn state(host: &Host) -> String {
    let script = "ip -o link | grep -v eth0; ip -o -4 addr; ip -o -6 addr | grep -v fe80; ip -4 rule; ip -6 rule; \
                  ip -4 route show table all; ip -6 route show table all | grep -v fe80; nft list ruleset";
    let output = host.run(LIMIT, "bash", &["-c", script]).unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The capture's own routing rules have the priorities 5000 to 5199.
fn without_our_rules(state: &str) -> String {
    let ours = |line: &&str| {
        let priority = line
            .split(':')
            .next()
            .and_then(|word| word.parse::<u32>().ok());
        !priority.is_some_and(|priority| (5000..5200).contains(&priority))
    };
    state
        .lines()
        .filter(ours)
        .fold(String::new(), |text, line| text + line + "\n")
}

fn repair(host: &Host) {
    let journal = host
        .folder()
        .unwrap()
        .join("journal")
        .to_string_lossy()
        .into_owned();
    let masq = process::binary("masq")
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let output = host
        .run(LIMIT, &masq, &["repair", "--journal-directory", &journal])
        .unwrap();
    process::text(&output).unwrap();
}

fn reaches_the_origin(host: &Host) -> bool {
    let output = host
        .run(LIMIT, "curl", &["-sS", "http://www.example.test/"])
        .unwrap();
    process::text(&output).is_ok_and(|page| page.contains("this is the origin"))
}
