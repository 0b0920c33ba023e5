//! Neighbors that lie, in each field of a record and in each message, and what becomes of them.

use std::rc::Rc;

use super::actor::*;
use super::net;
use crate::config::{Chain, CountryCode};
use crate::identity::{Identity, NodeId, OnionPublicKey, Validity};
use crate::neighborhood::letter::LETTER_LENGTH;
use crate::neighborhood::message::Message;
use crate::neighborhood::*;
use crate::random::seeded::Seeded;
use crate::record::{EarningAddress, NodeRecord, Rates};

/// The place of each field in the bytes of a record, with what to change there.
const FIELDS: [(&str, usize); 13] = [
    ("onion key", 40),
    ("begin of validity", 70),
    ("end of validity", 78),
    ("signature of the onion key", 100),
    ("version", 151),
    ("roles", 152),
    ("country", 153),
    ("routing rate", 162),
    ("exit rate", 178),
    ("earning flag", 187),
    ("earning address", 190),
    ("neighbor", 220),
    ("signature", 250),
];

fn third(stage: &mut Scene, liar: &Actor, change: impl Fn(&mut Vec<u8>)) -> Actor {
    let other = actor(40);
    let version = stage.now().unix_ms;
    let record = other.record(version, &[liar.id()]);
    stage.say(liar, &Message::Announce(vec![(other.id(), version)]));
    assert!(stage.sent(liar).contains(&Message::Pull(vec![other.id()])));
    let mut changed = record.to_bytes();
    change(&mut changed);
    let message = Message::Records(vec![changed.into()]);
    stage.say_bytes(liar, &message.encode());
    other
}

#[test]
fn a_record_changed_in_any_field_bans_who_passes_it_on() {
    for (field, place) in FIELDS {
        let mut stage = Scene::new();
        let liar = actor(0);
        stage.befriend_with(&liar, &[actor(40).id()]);
        let other = third(&mut stage, &liar, |bytes| bytes[place] ^= 1);
        assert!(!stage.knows(&other.id()), "{field}");
        stage.say(&liar, &Message::Seek);
        let score = stage.offences();
        let banned = stage.is_banned(&liar);
        let forged = score == [Offence::Forged] && banned;
        // Some changes leave no record at all, which an honest Node cannot pass on either.
        let malformed = score.contains(&Offence::Malformed) && !banned;
        let newer = field == "version" && score.contains(&Offence::Older);
        assert!(forged || malformed || newer, "{field}: {score:?}");
    }
}

#[test]
fn a_record_under_another_id_is_forged() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend_with(&liar, &[actor(41).id()]);
    let version = stage.now().unix_ms;
    stage.say(&liar, &Message::Announce(vec![(actor(41).id(), version)]));
    let mut record = actor(40).record(version, &[liar.id()]).to_bytes();
    record[..32].copy_from_slice(actor(41).id().as_bytes());
    stage.say(&liar, &Message::Records(vec![record.into()]));
    assert!(stage.is_banned(&liar));
    assert!(!stage.knows(&actor(41).id()));
    assert!(!stage.core.own_record().neighbors().contains(&liar.id()) || stage.core.own.stale);
}

/// W-9.15.
#[test]
fn a_ban_doubles_and_ends() {
    let mut stage = Scene::new();
    let liar = actor(0);
    for minutes in [10, 20, 40, 80] {
        stage.befriend(&liar);
        stage.say_bytes(&liar, &vec![0; MAX_MESSAGE + 1]);
        assert!(stage.is_banned(&liar));
        assert_eq!(stage.offences(), [Offence::Oversized]);
        stage.wait_s(minutes * 60 - 5);
        assert!(!stage.core.may_link(&liar.id(), net::ip(3), stage.now()));
        stage.wait_s(10);
        assert!(stage.core.may_link(&liar.id(), net::ip(3), stage.now()));
        stage.wait_s(700);
        stage.actions.clear();
    }
}

/// W-9.15.
#[test]
fn three_bans_at_one_address_refuse_the_address() {
    let mut stage = Scene::new();
    for number in 0..3 {
        let mut liar = actor(number);
        liar.ip = net::ip(600);
        stage.befriend(&liar);
        stage.say_bytes(&liar, &vec![0; MAX_MESSAGE + 1]);
    }
    assert!(
        !stage
            .core
            .may_link(&actor(9).id(), net::ip(600), stage.now())
    );
    assert!(
        stage
            .core
            .may_link(&actor(9).id(), net::ip(601), stage.now())
    );
}

/// W-9.4.
#[test]
fn a_debut_about_somebody_else_is_refused() {
    let mut stage = Scene::new();
    let (liar, other) = (actor(0), actor(1));
    stage.link(&liar);
    let record = other.record(stage.now().unix_ms, &[]);
    stage.say(&liar, &debut(&record));
    assert_eq!(stage.offences(), [Offence::WrongGreeting]);
    assert!(!stage.knows(&other.id()) && !stage.is_neighbor(&liar));
    stage.say(&liar, &debut(&liar.record(stage.now().unix_ms, &[])));
    assert!(stage.is_banned(&liar), "a second Debut on one link");
}

/// W-9.4, W-9.6: what a Debut may be wrong in, and what is answered.
#[test]
fn a_debut_is_held_to_its_record_and_its_address() {
    let own = net::identity(1).id();
    let hour = 3_600_000;
    let swiss = CountryCode::new("CH").unwrap();
    let french = CountryCode::new("FR").unwrap();
    type Case = (
        &'static str,
        Option<Refusal>,
        Box<dyn Fn(&Actor, u64) -> (Message, Actor)>,
    );
    let plain = |version: u64| {
        move |liar: &Actor, now: u64| {
            let record = liar.record(now.wrapping_add(version), &[own]);
            (debut(&record), liar.clone())
        }
    };
    let at = |country: CountryCode| {
        move |liar: &Actor, now: u64| {
            let mut content = liar.content(now, &[]);
            content.country = country;
            let record = NodeRecord::sign(&liar.identity, content).unwrap();
            let mut there = liar.clone();
            there.ip = net::ip(777);
            (debut(&record), there)
        }
    };
    let cases: Vec<Case> = vec![
        ("honest", None, Box::new(plain(0))),
        ("an hour ahead", None, Box::new(plain(hour))),
        (
            "beyond an hour",
            Some(Refusal::Clock),
            Box::new(plain(hour + 1_000)),
        ),
        (
            "36 hours old",
            None,
            Box::new(plain((36 * hour).wrapping_neg())),
        ),
        (
            "older",
            Some(Refusal::Clock),
            Box::new(plain((36 * hour + 1_000).wrapping_neg())),
        ),
        ("its country", None, Box::new(at(swiss))),
        ("no country", None, Box::new(at(net::zz()))),
        (
            "another country",
            Some(Refusal::Country),
            Box::new(at(french)),
        ),
        (
            "another chain",
            Some(Refusal::Chain),
            Box::new(|liar, now| {
                let mut message = debut(&liar.record(now, &[]));
                if let Message::Debut { chain, .. } = &mut message {
                    *chain = Chain::BaseMainnet;
                }
                (message, liar.clone())
            }),
        ),
        (
            "takes links at no port",
            Some(Refusal::Record),
            Box::new(|liar, now| {
                let mut message = debut(&liar.record(now, &[]));
                if let Message::Debut { ports, .. } = &mut message {
                    ports.clear();
                }
                (message, liar.clone())
            }),
        ),
        (
            "onion key of the past",
            Some(Refusal::Record),
            Box::new(|_, now| {
                let validity = Validity::new(1, now / 1_000 - 1).unwrap();
                let identity = Identity::generate(validity, &mut Seeded::new(99));
                let liar = Actor {
                    identity: Rc::new(identity),
                    ip: net::ip(3),
                };
                (debut(&liar.record(now, &[])), liar)
            }),
        ),
    ];
    for (name, refusal, case) in cases {
        let mut stage = Scene::new();
        let (message, liar) = case(&actor(0), stage.now().unix_ms);
        stage.link(&liar);
        stage.say(&liar, &message);
        assert_eq!(stage.refusal(&liar), refusal, "{name}");
        let taken = stage.core.own_record().neighbors().contains(&liar.id());
        assert_eq!(taken, refusal.is_none(), "{name}");
    }
}

#[test]
fn rates_and_earning_address_are_whatever_their_owner_signs() {
    let mut stage = Scene::new();
    let dear = actor(0);
    stage.link(&dear);
    let mut content = dear.content(stage.now().unix_ms, &[]);
    content.rates.exit_byte = crate::record::MAX_RATE;
    content.earning = Some(EarningAddress([1; 20]));
    let record = NodeRecord::sign(&dear.identity, content.clone()).unwrap();
    stage.say(&dear, &debut(&record));
    assert!(stage.core.own_record().neighbors().contains(&dear.id()));
    content.rates = Rates {
        exit_byte: crate::record::MAX_RATE + 1,
        ..Rates::default()
    };
    assert!(NodeRecord::sign(&dear.identity, content).is_err());
}

/// W-9.5.
#[test]
fn who_never_names_this_node_is_dropped() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.link(&liar);
    stage.say(&liar, &debut(&liar.record(stage.now().unix_ms, &[])));
    assert!(!stage.is_neighbor(&liar), "no circuit begins there yet");
    stage.wait_s(11);
    assert!(stage.actions.contains(&Action::Close {
        peer: liar.id(),
        reason: CloseReason::LeftUs,
    }));
    stage.wait_s(5);
    assert!(stage.core.own_record().neighbors().is_empty());
}

/// W-9.3.
#[test]
fn links_that_the_other_end_does_not_confirm_do_not_count() {
    let mut stage = Scene::new();
    let liar = actor(0);
    let victim = actor(40);
    stage.befriend_with(&liar, &[victim.id()]);
    let version = stage.now().unix_ms;
    stage.say(&liar, &Message::Announce(vec![(victim.id(), version)]));
    let record = victim.record(version, &[actor(50).id()]);
    stage.say(&liar, &Message::Records(vec![bytes(&record)]));
    stage.wait_s(2);
    let learned =
        |action: &Action| matches!(action, Action::Learned(record) if record.id() == victim.id());
    assert!(
        !stage.actions.iter().any(learned),
        "claimed by one end only"
    );
    stage.wait_s(70);
    assert!(!stage.knows(&victim.id()), "forgotten after a minute");
    assert_eq!(stage.offences(), [Offence::Useless]);
}

/// W-9.12.
#[test]
fn records_that_nobody_asked_for_are_not_looked_at() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend(&liar);
    let verified = stage.core.counters().verified;
    for number in 0..5 {
        assert!(!stage.is_banned(&liar));
        let record = actor(40 + number).record(stage.now().unix_ms, &[liar.id()]);
        stage.say(&liar, &Message::Records(vec![bytes(&record)]));
    }
    assert_eq!(stage.core.counters().verified, verified);
    assert!(stage.is_banned(&liar));
}

/// W-9.3.
#[test]
fn a_replayed_record_is_dropped_before_its_signature_is_checked() {
    let mut stage = Scene::new();
    let peer = actor(0);
    stage.befriend(&peer);
    let old = peer.record(stage.now().unix_ms - 5_000, &[stage.own()]);
    let (verified, repeated) = (
        stage.core.counters().verified,
        stage.core.counters().repeated,
    );
    for _ in 0..50 {
        stage.say(&peer, &Message::Records(vec![bytes(&old)]));
    }
    assert_eq!(stage.core.counters().verified, verified);
    assert_eq!(stage.core.counters().repeated, repeated + 50);
    assert!(stage.core.view.version(&peer.id()).unwrap() > old.version());
}

/// W-9.15.
#[test]
fn an_older_record_than_announced_counts_against_the_announcer() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend_with(&liar, &[actor(40).id()]);
    let version = stage.now().unix_ms;
    stage.say(
        &liar,
        &Message::Announce(vec![(actor(40).id(), version + 9)]),
    );
    let record = actor(40).record(version, &[liar.id()]);
    stage.say(&liar, &Message::Records(vec![bytes(&record)]));
    assert_eq!(stage.offences(), [Offence::Older]);
}

/// W-9.3.
#[test]
fn versions_from_the_future_are_not_asked_for() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend(&liar);
    let future = stage.now().unix_ms + 3_600_001;
    stage.say(&liar, &Message::Announce(vec![(actor(40).id(), future)]));
    assert_eq!(stage.offences(), [Offence::Future]);
    assert!(stage.sent(&liar).is_empty());
    let past = stage.now().unix_ms - 36 * 3_600_000 - 1;
    stage.say(&liar, &Message::Announce(vec![(actor(41).id(), past)]));
    assert!(stage.sent(&liar).is_empty(), "too old to believe");
}

#[test]
fn messages_out_of_place_are_offences() {
    let id = NodeId::new([9; 32]);
    let propose = Message::Propose {
        id,
        roles: net::BOTH,
        needy: true,
        key: OnionPublicKey::new([1; 32]),
        hops: 6,
    };
    let introduction = Message::Introduction {
        id,
        ip: net::ip(5),
        ports: vec![4_000],
    };
    let letter = Message::Letter {
        id,
        sealed: [0; LETTER_LENGTH],
    };
    let welcome = |actor: &Actor, now: u64| Message::Welcome {
        observed: net::ip(1),
        ports: vec![4_000],
        record: bytes(&actor.record(now, &[])),
    };
    let pass = Message::Pass {
        reason: Refusal::Full,
        observed: net::ip(1),
    };
    // From a stranger everything but a Debut, from a neighbor what it was not asked for.
    let liar = actor(0);
    let at = net::UNIX_MS;
    let from_stranger = [
        welcome(&liar, at),
        pass.clone(),
        propose,
        Message::Consent { id },
        introduction.clone(),
        Message::Seek,
        Message::Announce(vec![(id, at)]),
        Message::Pull(vec![id]),
        Message::Records(vec![bytes(&actor(1).record(at, &[]))]),
        Message::Contact { ports: vec![4_000] },
        letter.clone(),
    ];
    for message in from_stranger {
        let mut stage = Scene::new();
        stage.link(&liar);
        stage.say(&liar, &message);
        assert_eq!(stage.offences(), [Offence::Unsolicited], "{message:?}");
        assert!(stage.core.own_record().neighbors().is_empty());
        assert_eq!(stage.core.counters().dials, 0);
    }
    for message in [pass, Message::Consent { id }, introduction, letter] {
        let mut stage = Scene::new();
        stage.befriend(&liar);
        stage.say(&liar, &message);
        assert_eq!(stage.offences(), [Offence::Unsolicited], "{message:?}");
        assert_eq!(stage.core.counters().dials, 0);
    }
}

/// W-9.10.
#[test]
fn clients_do_not_announce() {
    let mut stage = Scene::new();
    let client = actor(0);
    stage.link(&client);
    let mut content = client.content(stage.now().unix_ms, &[]);
    content.roles = CLIENT;
    content.accepts = false;
    let record = NodeRecord::sign(&client.identity, content).unwrap();
    stage.say(&client, &debut(&record));
    assert!(matches!(stage.sent(&client)[0], Message::Welcome { .. }));
    let version = stage.now().unix_ms;
    stage.say(&client, &Message::Announce(vec![(actor(1).id(), version)]));
    assert_eq!(stage.offences(), [Offence::Unsolicited]);
}

/// W-9.11.
#[test]
fn a_question_for_what_was_not_announced_is_not_answered() {
    let mut stage = Scene::new();
    let peer = actor(0);
    stage.befriend(&peer);
    stage.say(&peer, &Message::Pull(vec![actor(30).id()]));
    assert_eq!(stage.offences(), [Offence::Prying]);
    assert!(stage.sent(&peer).is_empty());
    stage.say(&peer, &Message::Pull(vec![stage.own()]));
    assert_eq!(
        stage.sent(&peer),
        [Message::Records(vec![bytes(stage.core.own_record())])]
    );
}

/// W-9.15.
#[test]
fn a_flood_ends_in_a_ban() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend(&liar);
    let seek = Message::Seek.encode();
    for _ in 0..1_000 {
        stage.say_bytes(&liar, &seek);
    }
    assert!(stage.is_banned(&liar));
    assert!(stage.offences().contains(&Offence::Flood));
}

/// W-9.15.
#[test]
fn malformed_messages_end_in_a_ban() {
    let mut stage = Scene::new();
    let liar = actor(0);
    stage.befriend(&liar);
    stage.say_bytes(&liar, &[99]);
    assert_eq!(stage.offences(), [Offence::Malformed]);
    assert!(!stage.is_banned(&liar));
    stage.say_bytes(&liar, &[7, 7]);
    assert!(stage.is_banned(&liar));
}

#[test]
fn scores_are_forgotten_with_time() {
    let mut stage = Scene::new();
    let clumsy = actor(0);
    stage.befriend(&clumsy);
    for hour in 0..10 {
        stage.wait_s(3_600);
        stage.say_bytes(&clumsy, &[99]);
        assert!(!stage.core.links.is_empty(), "hour {hour}");
    }
}
