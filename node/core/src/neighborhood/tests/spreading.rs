//! How records spread, and that everyone ends with the truth.

use std::time::Duration;

use proptest::prelude::*;
use rand::Rng as _;

use super::net::*;

/// W-9.10.
#[test]
fn a_change_is_told_once_to_those_it_concerns() {
    let mut net = Net::new(40);
    let first = net.join(&[]);
    for _ in 1..12 {
        net.join(&[first]);
    }
    net.run_s(1_500);
    net.check_rest(3);
    let (messages, bytes) = (net.sent, net.sent_bytes);
    let now = net.now(3);
    let core = net.nodes[3].core.as_mut().unwrap();
    core.spoil_record(now);
    net.run_s(30);
    net.check_rest(3);
    let (messages, bytes) = (net.sent - messages, net.sent_bytes - bytes);
    // Each of the eleven others gets the record once, and hardly more than one announcement a link.
    let links: usize = net
        .running()
        .iter()
        .map(|node| net.neighbors(*node).len())
        .sum();
    assert!(
        messages <= 2 * 11 + links as u64,
        "{messages} messages over {links} ends"
    );
    assert!(bytes < 11 * 900 + 100 * links as u64, "{bytes} bytes");
}

/// W-9.3.
#[test]
fn views_end_at_the_radius() {
    let mut net = Net::new(41);
    for node in 0..8_usize {
        let seeds: Vec<_> = node.checked_sub(1).into_iter().collect();
        let added = net.add(BOTH, true, &seeds);
        // A chain: nobody wants more than the two beside it.
        net.nodes[added].config.limits.least = 1;
        net.nodes[added].config.limits.enough = 1;
        net.nodes[added].config.limits.most = 2;
        net.begin(added);
        net.run_s(3);
    }
    net.run_s(60);
    net.check_rest(1);
    assert_eq!(net.nodes[0].learned.len(), 3);
    assert_eq!(net.nodes[4].learned.len(), 6);
}

#[test]
fn the_view_has_a_bound_and_the_farthest_go() {
    let mut net = Net::new(42);
    let first = net.join(&[]);
    for _ in 1..30 {
        let node = net.add(BOTH, true, &[first]);
        net.nodes[node].config.limits.records = 12;
        net.begin(node);
    }
    net.run_s(120);
    for node in 1..30 {
        let learned = &net.nodes[node].learned;
        assert!(learned.len() <= 12);
        for hop in &net.nodes[node].first_hops {
            assert!(learned.contains_key(hop), "neighbors are never crowded out");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Nodes die, come back and lose links in any order: once it is quiet everyone has the truth.
    #[test]
    fn any_schedule_ends_in_the_truth(seed in any::<u64>(), steps in 5..40_usize) {
        let mut net = Net::new(seed);
        let first = net.join(&[]);
        for _ in 1..10 {
            net.join(&[first]);
        }
        for _ in 0..steps {
            let pause = net.random.random_range(10..4_000);
            net.run(Duration::from_millis(pause));
            let node = net.random.random_range(1..10);
            let running = net.nodes[node].core.is_some();
            match (net.random.random_range(0..6), running) {
                (0, true) => net.kill(node),
                (_, false) => net.restart(node),
                (1, true) => {
                    let noticed = net.random.random_range(0..3_000);
                    net.cut(node, |_| true, Duration::from_millis(noticed));
                }
                (2, true) => {
                    let with = net.random.random_range(0..10);
                    net.cut(node, |other| other == with, Duration::from_millis(50));
                }
                (3, true) => {
                    let millis = net.random.random_range(1..400);
                    net.latency = Duration::from_millis(millis);
                }
                _ => {}
            }
        }
        for node in 0..10 {
            if net.nodes[node].core.is_none() {
                net.restart(node);
            }
        }
        net.latency = Duration::from_millis(25);
        net.run_s(900);
        net.check_rest(3);
    }
}
