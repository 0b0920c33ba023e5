//! Whatever a neighbor sends: no panic, no bound exceeded, nothing unverified believed.

use std::time::Duration;

use proptest::prelude::*;

use super::actor::*;
use super::net;
use crate::identity::NodeId;
use crate::neighborhood::message::{MAX_IDS, Message};
use crate::neighborhood::*;

/// What must hold at any time.
fn check(stage: &Scene) {
    let core = &stage.core;
    let limits = &core.config.limits;
    assert!(core.circle.len() <= limits.most);
    assert!(core.links.len() <= limits.most + limits.clients + limits.strangers);
    assert!(core.view.connected() <= limits.records);
    assert!(core.view.len() <= limits.records + limits.unconnected + MAX_IDS);
    assert!(core.wishes.len() <= limits.wanted);
    assert!(core.seats.len() <= limits.seats);
    assert!(core.proposals.len() <= limits.proposals);
    assert!(core.bans.len() <= limits.bans);
    assert!(core.origins.len() <= limits.origins);
    assert!(core.candidates.len() <= limits.seeds + limits.past + limits.introduced);
    assert!(core.news.len() <= 4 * (limits.records + limits.unconnected));
}

/// W-9.11.
#[test]
fn announcements_of_everything_fill_nothing_but_their_share() {
    let mut stage = Scene::new();
    let liars: Vec<_> = (0..8).map(actor).collect();
    for liar in &liars {
        stage.befriend(liar);
    }
    let mut number = 0_u64;
    for _ in 0..50 {
        for liar in &liars {
            let ids = (0..MAX_IDS).map(|_| {
                number += 1;
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&number.to_be_bytes());
                (NodeId::new(bytes), stage.now().unix_ms)
            });
            let message = Message::Announce(ids.collect());
            stage.say(liar, &message);
            check(&stage);
        }
        stage.wait(Duration::from_millis(300));
        stage.actions.clear();
    }
    stage.wait_s(30);
    check(&stage);
    assert_eq!(stage.core.wishes.len(), 0, "given up");
}

#[test]
fn crowds_of_invented_nodes_are_forgotten() {
    let mut stage = Scene::new();
    stage.core.config.limits.unconnected = 32;
    let mut config = net::config(1, net::BOTH, true);
    config.limits.unconnected = 32;
    let mut stage = Scene::with(config);
    let liar = actor(0);
    stage.befriend(&liar);
    let crowd: Vec<_> = (0..200).map(|number| actor(1_000 + number)).collect();
    for actor in &crowd {
        let version = stage.now().unix_ms;
        stage.say(&liar, &Message::Announce(vec![(actor.id(), version)]));
        let record = actor.record(
            version,
            &[crowd[0].id()].map(|id| {
                if id == actor.id() {
                    NodeId::new([1; 32])
                } else {
                    id
                }
            }),
        );
        stage.say(&liar, &Message::Records(vec![bytes(&record)]));
        check(&stage);
        assert!(stage.core.view.len() <= 2 + 32 + 1);
        stage.wait(Duration::from_millis(200));
    }
    assert!(
        stage.is_banned(&liar),
        "the crowd counts against who brought it"
    );
    stage.wait_s(70);
    assert_eq!(stage.core.view.len(), 0);
}

#[test]
fn many_addresses_that_knock_are_forgotten() {
    let mut stage = Scene::new();
    stage.core.config.limits.origins = 16;
    stage.core.config.limits.bans = 16;
    for number in 0..100 {
        let knocker = actor(number);
        stage.link(&knocker);
        stage.say(&knocker, &debut(&knocker.record(stage.now().unix_ms, &[])));
        stage.say_bytes(&knocker, &vec![0; MAX_MESSAGE + 1]);
        check(&stage);
        stage.wait_s(1);
    }
    assert_eq!(stage.core.bans.len(), 16);
}

/// W-9.7.
#[test]
fn seats_are_few_and_fewer_for_one_neighbor() {
    let mut stage = Scene::new();
    let (one, two) = (actor(0), actor(1));
    stage.befriend(&one);
    stage.befriend(&two);
    for number in 0..40_u8 {
        let propose = Message::Propose {
            id: NodeId::new([number + 10; 32]),
            roles: net::BOTH,
            needy: true,
            key: crate::identity::OnionPublicKey::new([3; 32]),
            hops: 6,
        };
        stage.say(&one, &propose);
        check(&stage);
    }
    let consents = |stage: &Scene, actor: &Actor| {
        let sent = stage.sent(actor);
        sent.iter()
            .filter(|message| matches!(message, Message::Consent { .. }))
            .count()
    };
    assert_eq!(consents(&stage, &one), 4);
    stage.wait_s(11);
    stage.actions.clear();
    let again = Message::Propose {
        id: NodeId::new([200; 32]),
        roles: net::BOTH,
        needy: true,
        key: crate::identity::OnionPublicKey::new([3; 32]),
        hops: 6,
    };
    stage.say(&one, &again);
    assert_eq!(consents(&stage, &one), 1, "seats are kept for ten seconds");
}

#[test]
fn records_are_given_out_within_a_share() {
    let mut stage = Scene::new();
    stage.core.config.limits.served = (5_000, 100);
    let peer = actor(0);
    stage.befriend(&peer);
    stage.actions.clear();
    let own = stage.own();
    for _ in 0..100 {
        stage.say(&peer, &Message::Pull(vec![own]));
    }
    assert!(stage.sent(&peer).len() < 20);
}

#[derive(Clone, Debug)]
enum Step {
    Bytes(usize, Vec<u8>),
    Sample(usize, usize),
    Changed(usize, usize, prop::sample::Index, u8),
    Link(usize),
    Down(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    let sample = 0..13_usize;
    prop_oneof![
        1 => (who.clone(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(who, bytes)| Step::Bytes(who, bytes)),
        4 => (who.clone(), sample.clone()).prop_map(|(who, sample)| Step::Sample(who, sample)),
        4 => (who.clone(), sample, any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(who, sample, place, byte)| Step::Changed(who, sample, place, byte)),
        1 => who.clone().prop_map(Step::Link),
        1 => who.prop_map(Step::Down),
        1 => (0..20_000_u16).prop_map(Step::Wait),
    ]
}

/// Messages that mean something to the core: of real actors, with real records.
fn sample(stage: &Scene, who: &Actor, number: usize) -> Message {
    let version = stage.now().unix_ms + number as u64;
    let own = stage.own();
    let third = [actor(3), actor(2)]
        .into_iter()
        .find(|third| third.id() != who.id());
    let other = third.unwrap();
    let record = bytes(&who.record(version, &[own, other.id()]));
    match number {
        0 => debut(&who.record(version, &[])),
        1 => Message::Welcome {
            observed: net::ip(1),
            ports: vec![4_000],
            record,
        },
        2 => Message::Pass {
            reason: Refusal::Full,
            observed: net::ip(1),
        },
        3 => Message::Propose {
            id: other.id(),
            roles: net::BOTH,
            needy: false,
            key: other.identity.onion_secrets()[0].public(),
            hops: 3,
        },
        4 => Message::Consent { id: other.id() },
        5 => Message::Introduction {
            id: other.id(),
            ip: other.ip,
            ports: vec![4_000],
        },
        6 => Message::Seek,
        7 => Message::Announce(vec![(other.id(), version)]),
        8 => Message::Pull(vec![own]),
        9 => Message::Records(vec![record]),
        10 => Message::Records(vec![bytes(&other.record(version, &[who.id()]))]),
        11 => Message::Contact { ports: vec![4_000] },
        _ => Message::Letter {
            id: own,
            sealed: [7; letter::LETTER_LENGTH],
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_neighbors_say_breaks_a_bound(steps in prop::collection::vec(step(), 1..80)) {
        let mut stage = Scene::new();
        let actors: Vec<_> = (0..4).map(actor).collect();
        for actor in &actors[..2] {
            stage.befriend(actor);
        }
        for step in steps {
            match step {
                Step::Bytes(who, bytes) => stage.say_bytes(&actors[who], &bytes),
                Step::Sample(who, number) => {
                    let message = sample(&stage, &actors[who], number);
                    stage.say(&actors[who], &message);
                }
                Step::Changed(who, number, place, byte) => {
                    let message = sample(&stage, &actors[who], number);
                    let mut bytes = message.encode().to_vec();
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                    stage.say_bytes(&actors[who], &bytes);
                }
                Step::Link(who) => stage.link(&actors[who]),
                Step::Down(who) => {
                    let now = stage.now();
                    stage.core.handle_link_down(actors[who].id(), "cut", now);
                }
                Step::Wait(time) => stage.wait(Duration::from_millis(u64::from(time))),
            }
            check(&stage);
            // Whatever was learned is a record that its owner signed.
            for action in stage.actions.drain(..) {
                if let Action::Learned(record) = action {
                    let read = NodeRecord::from_bytes(&record.to_bytes());
                    prop_assert_eq!(read.as_ref(), Ok(&*record));
                    prop_assert!(actors.iter().any(|actor| actor.id() == record.id()));
                }
            }
        }
    }
}
