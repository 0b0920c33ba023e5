//! Joining: from one descriptor to a place in the mesh.

use super::net::*;
use crate::neighborhood::*;
use std::time::Duration;

#[test]
fn two_nodes_become_neighbors() {
    let mut net = Net::new(1);
    let seed = net.join(&[]);
    let node = net.join(&[seed]);
    net.run_s(2);
    assert_eq!(net.neighbors(node), [seed]);
    assert_eq!(
        net.core(node).status(net.now(node)).stage,
        Stage::ConnectedToNeighbor
    );
    net.check_rest(1);
}

#[test]
fn from_one_descriptor_everyone_finds_three_to_ten_neighbors() {
    for (count, seed) in [(5, 1), (16, 2), (64, 3)] {
        let mut net = Net::new(seed);
        let first = net.join(&[]);
        for _ in 1..count {
            net.join(&[first]);
        }
        net.run_s(if count < 20 { 10 } else { 30 });
        for node in net.running() {
            let views = net.nodes[node].learned.len();
            let degree = net.neighbors(node).len();
            assert!((3..=10).contains(&degree), "{node} of {count}: {degree}");
            assert!(views >= count.min(10) - 1, "{node} knows {views}");
        }
        net.run_s(120);
        net.check_rest(3);
        let degrees: usize = net
            .running()
            .iter()
            .map(|node| net.neighbors(*node).len())
            .sum();
        eprintln!(
            "{count}: mean degree {:.1}, {} messages, {} bytes",
            degrees as f64 / count as f64,
            net.sent,
            net.sent_bytes
        );
    }
}

#[test]
fn an_idle_network_is_silent() {
    let mut net = Net::new(4);
    let first = net.join(&[]);
    for _ in 1..16 {
        net.join(&[first]);
    }
    net.run_s(900);
    net.check_rest(3);
    let before = net.sent;
    net.run_s(3_600);
    assert_eq!(net.sent, before, "messages in an idle hour");

    net.run_s(12 * 3_600);
    net.check_rest(3);
    let signed: u64 = net
        .running()
        .iter()
        .map(|node| net.core(*node).counters().signed)
        .sum();
    let sent = net.sent - before;
    assert!(sent > 16, "every record was signed anew");
    assert!(sent < signed * 60, "{sent} messages for {signed} records");
}

#[test]
fn a_seed_that_comes_up_later_is_found() {
    let mut net = Net::new(5);
    let seed = net.add(BOTH, true, &[]);
    let node = net.join(&[seed]);
    net.run_s(60);
    let status = net.core(node).status(net.now(node));
    assert_eq!(status.stage, Stage::NotConnected);
    assert!(matches!(
        status.neighbors[0].state,
        State::Failed | State::Dialling
    ));
    assert_eq!(status.neighbors[0].said, "no answer from its address");
    assert!(status.neighbors[0].remedy.contains("UDP port"));
    net.begin(seed);
    net.run_s(76);
    assert_eq!(net.neighbors(node), [seed]);
}

#[test]
fn it_is_tried_for_ever_and_ever_more_rarely() {
    let mut net = Net::new(6);
    let seed = net.add(BOTH, true, &[]);
    let node = net.join(&[seed]);
    net.run_s(24 * 3_600);
    let dials = net.core(node).counters().dials;
    assert!((1_000..1_500).contains(&dials), "{dials} dials in a day");
    net.begin(seed);
    net.run_s(80);
    assert_eq!(net.neighbors(node), [seed]);
}

/// W-9.6.
#[test]
fn a_full_node_passes_and_introduces() {
    let mut net = Net::new(7);
    let seed = net.join(&[]);
    for _ in 0..40 {
        net.join(&[seed]);
        net.run(Duration::from_millis(300));
    }
    net.run_s(120);
    assert_eq!(net.neighbors(seed).len(), 10);
    assert!(net.core(seed).counters().passed > 5);
    net.check_rest(3);
}

#[test]
fn clients_are_served_and_named_by_nobody() {
    let mut net = Net::new(8);
    let seed = net.join(&[]);
    for _ in 0..11 {
        net.join(&[seed]);
    }
    net.run_s(10);
    let mut clients = Vec::new();
    for _ in 0..30 {
        let client = net.add(NONE, false, &[seed]);
        net.begin(client);
        clients.push(client);
    }
    net.run_s(60);
    net.check_rest(3);
    for node in net.running() {
        let named = net.core(node).own_record().neighbors().to_vec();
        for client in &clients {
            assert!(!named.contains(&net.id(*client)));
            assert!(!net.nodes[node].learned.contains_key(&net.id(*client)));
        }
    }
    for client in clients {
        assert!(net.nodes[client].first_hops.len() >= 3);
        assert!(net.nodes[client].learned.len() >= 8);
    }
}

#[test]
fn clients_have_a_bound_of_their_own() {
    let mut net = Net::new(9);
    let seed = net.add(BOTH, true, &[]);
    net.nodes[seed].config.limits.clients = 4;
    net.begin(seed);
    let relay = net.join(&[seed]);
    net.run_s(2);
    for _ in 0..8 {
        let client = net.add(NONE, false, &[seed]);
        net.begin(client);
    }
    net.run_s(30);
    let status = net.core(seed).status(net.now(seed));
    let clients = status
        .neighbors
        .iter()
        .filter(|one| one.state == State::Client);
    assert_eq!(clients.count(), 4);
    assert!(net.neighbors(seed).contains(&relay));
}

#[test]
fn originate_only_nodes_are_named_dial_and_are_never_dialled() {
    let mut net = Net::new(10);
    let seed = net.join(&[]);
    for _ in 0..15 {
        net.join(&[seed]);
    }
    net.run_s(5);
    let mut silent = Vec::new();
    for _ in 0..6 {
        let node = net.add(BOTH, false, &[seed]);
        net.begin(node);
        silent.push(node);
    }
    net.run_s(60);
    net.check_rest(3);
    let ids: Vec<_> = silent.iter().map(|node| net.id(*node)).collect();
    for node in net.running() {
        assert!(
            ids.iter()
                .all(|id| !net.nodes[node].most_dials.contains(id))
        );
        let silent = net
            .neighbors(node)
            .iter()
            .filter(|node| silent.contains(node))
            .count();
        assert!(
            silent <= 6,
            "{node} has {silent} neighbors that take no links"
        );
    }
}

#[test]
fn nodes_of_another_chain_are_told_so() {
    let mut net = Net::new(11);
    let seed = net.join(&[]);
    let node = net.add(BOTH, true, &[seed]);
    net.begin(node);
    // The descriptor said dev; the Node there belongs elsewhere.
    let core = net.nodes[seed].core.as_mut().unwrap();
    core.config.chain = crate::config::Chain::BaseMainnet;
    net.run_s(2);
    let status = net.core(node).status(net.now(node));
    assert_eq!(status.neighbors[0].state, State::Passed);
    assert_eq!(status.neighbors[0].said, "it belongs to another chain");
    assert!(net.neighbors(node).is_empty());
}

#[test]
fn a_node_alone_with_a_full_clique_gets_a_place() {
    let mut net = Net::new(12);
    for node in 0..11 {
        let seeds: Vec<_> = (0..node).collect();
        let added = net.add(BOTH, true, &seeds);
        net.nodes[added].config.limits.least = 10;
        net.nodes[added].config.limits.enough = 10;
        net.begin(added);
    }
    net.run_s(30);
    for node in net.running() {
        assert_eq!(net.neighbors(node).len(), 10);
    }
    for node in 0..11 {
        let core = net.nodes[node].core.as_mut().unwrap();
        core.config.limits = Limits::default();
    }
    let late = net.join(&[0]);
    net.run_s(60);
    assert!(!net.neighbors(late).is_empty());
}

#[test]
fn at_most_four_neighbors_share_an_address() {
    let mut net = Net::new(13);
    let seed = net.join(&[]);
    for _ in 0..7 {
        let node = net.add(BOTH, false, &[seed]);
        net.nodes[node].ip = ip(77);
        net.begin(node);
    }
    net.run_s(30);
    assert_eq!(net.neighbors(seed).len(), 4);
}
