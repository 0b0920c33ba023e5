//! Nodes that ask for introductions more than they should, and what they are shown.

use std::net::SocketAddr;

use super::actor::*;
use super::net;
use crate::config::Chain;
use crate::descriptor::Descriptor;
use crate::neighborhood::message::Message;
use crate::neighborhood::*;

/// W-9.8.
#[test]
fn introductions_lead_neither_home_nor_into_the_local_network() {
    for ip in [
        net::ip(1),
        "192.168.1.1".parse().unwrap(),
        "127.0.0.1".parse().unwrap(),
    ] {
        let mut config = net::config(1, net::BOTH, true);
        let seed = actor(0);
        config.seeds = vec![Descriptor::new(Chain::Dev, seed.id(), seed.ip, vec![4_000]).unwrap()];
        let mut stage = Scene::with(config);
        let now = stage.now();
        stage.core.handle_timeout(now);
        let remote = SocketAddr::new(seed.ip, 4_000);
        stage.core.handle_link_up(seed.id(), remote, true, now);
        let dials = stage.core.counters().dials;
        let introduction = |ip| Message::Introduction {
            id: actor(1).id(),
            ip,
            ports: vec![4_000],
        };
        stage.say(&seed, &introduction(ip));
        stage.wait_s(1);
        assert_eq!(stage.core.counters().dials, dials, "{ip}");
        stage.say(&seed, &introduction(net::ip(66)));
        assert_eq!(
            stage.core.counters().dials,
            dials + 1,
            "an honest one is followed"
        );
    }
}

/// W-9.7.
#[test]
fn asking_again_from_one_place_shows_few_addresses() {
    let mut stage = Scene::new();
    let hosts: Vec<_> = (0..9).map(actor).collect();
    for host in &hosts {
        stage.befriend(host);
    }
    let mut told = std::collections::BTreeSet::new();
    for number in 0..40 {
        let mut nosy = actor(100 + number);
        nosy.ip = net::ip(640);
        stage.link(&nosy);
        stage.say(&nosy, &debut(&nosy.record(stage.now().unix_ms, &[])));
        for host in &hosts {
            let asked = stage
                .sent(host)
                .iter()
                .any(|message| matches!(message, Message::Propose { id, .. } if *id == nosy.id()));
            if asked {
                stage.say(host, &Message::Consent { id: nosy.id() });
            }
        }
        let introduced = stage.sent(&nosy).into_iter().filter_map(|message| {
            let Message::Introduction { id, .. } = message else {
                return None;
            };
            Some(id)
        });
        told.extend(introduced);
        let now = stage.now();
        stage.core.handle_link_down(nosy.id(), "gone", now);
        stage.wait_s(1);
        stage.actions.clear();
    }
    assert!((1..=3).contains(&told.len()), "{} addresses", told.len());
}

/// W-9.9: each Seek asks for introductions of others, and few.
#[test]
fn a_neighbor_that_seeks_is_proposed_to_others() {
    let mut stage = Scene::new();
    let hosts: Vec<_> = (0..5).map(actor).collect();
    for host in &hosts {
        stage.befriend(host);
    }
    stage.say(&hosts[0], &Message::Seek);
    let proposed = |host: &&Actor| {
        let sent = stage.sent(host);
        let of_seeker = |message: &Message| matches!(message, Message::Propose { id, .. } if *id == hosts[0].id());
        sent.iter().any(of_seeker)
    };
    assert_eq!(hosts.iter().filter(proposed).count(), 2);
    assert!(!proposed(&&hosts[0]));
}

/// W-9.13.
#[test]
fn a_neighbor_is_remembered_at_the_ports_it_tells() {
    let mut stage = Scene::new();
    let peer = actor(0);
    stage.befriend(&peer);
    stage.say(
        &peer,
        &Message::Contact {
            ports: vec![7_000, 8_000],
        },
    );
    let descriptor = Descriptor::new(Chain::Dev, peer.id(), peer.ip, vec![7_000, 8_000]);
    let descriptor = descriptor.unwrap();
    let remembered =
        |action: &Action| matches!(action, Action::Remember(past) if past.descriptor == descriptor);
    assert!(stage.actions.iter().any(remembered));
}
