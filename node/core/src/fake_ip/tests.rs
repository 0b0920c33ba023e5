use super::*;
use proptest::prelude::*;

#[test]
fn one_name_has_one_pair_in_any_case() {
    let (mut map, now) = map(8);

    let first = map.assign(&name("Example.org"), now).unwrap();
    let again = map.assign(&name("example.ORG"), now).unwrap();

    assert_eq!(first, again);
    assert_eq!(map.len(), 1);
    assert_eq!(map.name_of(first.v4.into()), Some(&name("example.org")));
    assert_eq!(map.name_of(first.v6.into()), Some(&name("example.org")));
}

#[test]
fn both_addresses_lie_in_their_ranges_and_clear_of_the_tun() {
    let (mut map, now) = map(8);

    let pair = map.assign(&name("example.org"), now).unwrap();

    assert_eq!(pair.v4, Ipv4Addr::new(198, 18, 1, 0));
    assert_eq!(
        pair.v6,
        "fd6d:6173:71::c612:100".parse::<Ipv6Addr>().unwrap()
    );
    assert!(is_fake(pair.v4.into()) && is_fake(pair.v6.into()));
}

#[test]
fn the_ranges_end_where_they_should() {
    for (text, fake) in [
        ("198.17.255.255", false),
        ("198.18.0.0", true),
        ("198.19.255.255", true),
        ("198.20.0.0", false),
        ("::ffff:198.18.0.1", true),
        ("fd6d:6173:71::1", true),
        ("fd6d:6173:71:1::1", false),
    ] {
        assert_eq!(is_fake(text.parse().unwrap()), fake, "{text}");
    }
    assert_eq!(offset_of("198.18.0.255".parse().unwrap()), None);
    assert_eq!(offset_of("198.19.255.255".parse().unwrap()), None);
    assert_eq!(offset_of("198.19.255.254".parse().unwrap()), Some(POOL - 1));
    assert_eq!(
        offset_of("fd6d:6173:71:0:1::c612:100".parse().unwrap()),
        None
    );
}

#[test]
fn the_name_unused_for_longest_makes_room() {
    let (mut map, now) = map(2);
    let a = map.assign(&name("a.example"), now).unwrap();
    let b = map.assign(&name("b.example"), now).unwrap();
    map.assign(&name("a.example"), now).unwrap();

    map.assign(&name("c.example"), now + KEEP).unwrap();

    assert_eq!(map.name_of(a.v4.into()), Some(&name("a.example")));
    assert_eq!(map.name_of(b.v4.into()), None);
}

#[test]
fn a_fresh_answer_is_not_taken_back() {
    let (mut map, now) = map(1);
    map.assign(&name("a.example"), now).unwrap();

    let early = map.assign(&name("b.example"), now + KEEP - Duration::from_secs(1));

    assert_eq!(early, Err(Full(1)));
    assert!(map.assign(&name("b.example"), now + KEEP).is_ok());
}

#[test]
fn an_address_that_a_flow_holds_is_not_taken_back() {
    let (mut map, now) = map(1);
    let a = map.assign(&name("a.example"), now).unwrap();
    assert_eq!(map.pin(a.v6.into(), now), Some(name("a.example")));
    map.pin(a.v4.into(), now).unwrap();
    let later = now + KEEP * 10;
    map.unpin(a.v4.into(), later);

    assert_eq!(map.assign(&name("b.example"), later + KEEP), Err(Full(1)));
    map.unpin(a.v4.into(), later);
    map.unpin(a.v4.into(), later);
    assert_eq!(map.assign(&name("b.example"), later), Err(Full(1)));
    assert!(map.assign(&name("b.example"), later + KEEP).is_ok());
    assert_eq!(map.pin(a.v4.into(), later), None);
}

#[test]
fn an_address_rests_until_all_others_had_their_turn() {
    let (mut map, mut now) = map(1);
    let first = map.assign(&name("n0.example"), now).unwrap();
    for turn in 1..POOL {
        now += KEEP;
        let pair = map.assign(&name(&format!("n{turn}.example")), now).unwrap();
        assert_ne!(pair, first, "turn {turn}");
    }

    let reused = map.assign(&name("last.example"), now + KEEP).unwrap();

    assert_eq!(reused, first);
}

#[test]
fn a_snapshot_gives_every_name_its_addresses_back() {
    let (mut map, now) = map(100);
    let pairs: Vec<_> = (0..50)
        .map(|number| {
            map.assign(&name(&format!("n{number}.example")), now)
                .unwrap()
        })
        .collect();
    map.pin(pairs[3].v4.into(), now);

    let (mut second, now) = self::map(100);
    let restored = second.restore(&map.snapshot(), now);

    assert_eq!(
        restored,
        Restored {
            names: 50,
            refused: 0
        }
    );
    for (number, pair) in pairs.iter().enumerate() {
        assert_eq!(
            second.name_of(pair.v6.into()),
            Some(&name(&format!("n{number}.example")))
        );
    }
    let new = second.assign(&name("new.example"), now).unwrap();
    assert!(!pairs.contains(&new));
    assert_eq!(u32::from(new.v4), u32::from(pairs[49].v4) + 1);
}

#[test]
fn a_damaged_snapshot_costs_only_its_damaged_lines() {
    let (mut map, now) = map(3);
    let text = "masq-fake-ip 1 7\n1 a.example\nx b.example\n1 c.example\n2 a.example\n\
                999999 d.example\n3 e f\n4\n5 g.example\n6 h.example\n7 i.example";

    let restored = map.restore(text, now);

    assert_eq!(
        restored,
        Restored {
            names: 3,
            refused: 7
        }
    );
    assert_eq!(map.len(), 3);
    let (mut map, now) = self::map(3);
    assert_eq!(
        map.restore("something else\n1 a.example", now),
        Restored {
            names: 0,
            refused: 2
        }
    );
    assert_eq!(map.restore("", now).names, 0);
}

#[test]
fn changes_move_only_with_new_names() {
    let (mut map, now) = map(3);
    map.assign(&name("a.example"), now).unwrap();
    let before = map.changes();
    map.assign(&name("a.example"), now).unwrap();
    assert_eq!(map.changes(), before);
    map.assign(&name("b.example"), now).unwrap();
    assert_ne!(map.changes(), before);
}

#[test]
#[ignore = "a measurement: cargo test --release -p masq-core measure_fake_ips -- --ignored --nocapture"]
fn measure_fake_ips() {
    let names: Vec<HostName> = (0..MAX_NAMES)
        .map(|number| name(&format!("host-{number}.example.org")))
        .collect();
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    };
    let (mut map, start) = map(MAX_NAMES);
    let before = resident();
    for name in &names {
        // A name of its own for each entry, as a query gives it.
        map.assign(&HostName::parse(name.as_str()).unwrap(), start)
            .unwrap();
    }
    let (grown, filled) = (resident() - before, start.elapsed());
    let again = instant();
    for name in &names {
        std::hint::black_box(map.assign(name, start).unwrap());
    }
    let found = again.elapsed();
    let count = names.len() as u32;
    println!(
        "{} bytes a name, {} MB in all",
        grown / names.len(),
        grown >> 20
    );
    println!(
        "new: {:?}, known: {:?} a name",
        filled / count,
        found / count
    );
    let snapshot = map.snapshot();
    println!("snapshot: {} bytes", snapshot.len());
}

#[derive(Debug, Clone)]
enum Step {
    Assign(u8),
    Pin(u8),
    Unpin(u8),
    Wait(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40u8).prop_map(Step::Assign),
        2 => (0..40u8).prop_map(Step::Pin),
        2 => (0..40u8).prop_map(Step::Unpin),
        2 => (0..90u8).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Laws: an address answered within KEEP or held leads to its name; no two names share one.
    #[test]
    fn an_address_in_use_never_changes_its_name(steps in prop::collection::vec(step(), 1..200)) {
        let (mut map, mut now) = map(8);
        let mut model: HashMap<u8, (FakePair, Instant, u32)> = HashMap::new();
        for step in steps {
            match step {
                Step::Assign(number) => {
                    if let Ok(pair) = map.assign(&name(&format!("n{number}.example")), now) {
                        let pins = model.get(&number).map_or(0, |known| known.2);
                        model.insert(number, (pair, now, pins));
                    }
                }
                Step::Pin(number) => {
                    if let Some(known) = model.get_mut(&number)
                        && let Some(found) = map.pin(known.0.v4.into(), now)
                        && found == name(&format!("n{number}.example"))
                    {
                        known.1 = now;
                        known.2 += 1;
                    }
                }
                Step::Unpin(number) => {
                    if let Some(known) = model.get_mut(&number) && known.2 > 0 {
                        map.unpin(known.0.v6.into(), now);
                        known.1 = now;
                        known.2 -= 1;
                    }
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds.into()),
                Step::Restart => {
                    let text = map.snapshot();
                    map = FakeIps::new(8, 0, now);
                    prop_assert_eq!(map.restore(&text, now).refused, 0);
                    for known in model.values_mut() {
                        known.2 = 0;
                    }
                }
            }
            for (number, (pair, used, pins)) in &model {
                if *pins > 0 || now - *used < KEEP {
                    prop_assert_eq!(map.name_of(pair.v4.into()), Some(&name(&format!("n{number}.example"))));
                }
            }
            prop_assert!(map.len() <= 8);
            prop_assert_eq!(map.by_name.len(), map.by_offset.len());
        }
    }

    #[test]
    fn no_snapshot_breaks_the_map(text in "(masq-fake-ip 1 [0-9]{1,6}\n)?([0-9]{0,7} [a-c.]{0,6}\n){0,20}\\PC{0,40}") {
        let (mut map, now) = map(4);
        map.restore(&text, now);
        prop_assert!(map.len() <= 4);
        let mut second = FakeIps::new(4, 0, now);
        prop_assert_eq!(second.restore(&map.snapshot(), now).names, map.len());
    }
}

fn map(capacity: usize) -> (FakeIps, Instant) {
    let now = instant();
    (FakeIps::new(capacity, 0, now), now)
}

fn instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}
