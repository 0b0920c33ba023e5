use super::*;

const NOW: u64 = 1_800_000_000;

#[test]
fn service_raises_and_failure_lowers_reliability() {
    let mut known = Reputations::default();
    for _ in 0..150 {
        known.note(id(1), true, NOW);
        known.note(id(2), false, NOW);
    }
    known.note(id(3), false, NOW);

    assert_eq!(known.of(&id(1)).unwrap().reliability, PERFECT);
    assert_eq!(known.of(&id(2)).unwrap().reliability, 0);
    let once = known.of(&id(3)).unwrap().reliability;
    assert!(once < UNKNOWN && once > UNKNOWN - 1_000, "{once}");
}

#[test]
fn the_slow_node_is_found_whatever_the_company() {
    let mut known = Reputations::default();
    let time = |number: usize| if number == 4 { 400 } else { 40 };
    for round in 0..400 {
        let path = [round % 7, (round * 3 + 1) % 7, (round * 5 + 2) % 7];
        let took = path.iter().map(|number| time(*number)).sum();
        let path = path.map(|number| id(number as u8));
        known.opened(&path, Duration::from_millis(took), NOW);
    }

    let latency = |number| known.of(&id(number)).unwrap().latency_us.unwrap();
    for number in [0, 1, 2, 3, 5, 6] {
        assert!(
            latency(4) > 3 * latency(number),
            "{number}: {} {}",
            latency(4),
            latency(number)
        );
    }
}

#[test]
fn what_is_old_fades() {
    let kept = Reputation {
        latency_us: Some(80_000),
        reliability: 1_000,
        seen_unix: NOW,
    };
    let after = |days: u64| {
        let now = NOW + days * 24 * 3_600;
        Reputations::restore(vec![(id(1), kept)], now)
            .of(&id(1))
            .unwrap()
    };

    assert_eq!(after(0), kept);
    assert_eq!(after(7).reliability, 5_000);
    assert_eq!(after(365).reliability, UNKNOWN);
    assert_eq!(after(365).latency_us, None);
    let wild = Reputation {
        reliability: u16::MAX,
        seen_unix: u64::MAX,
        ..kept
    };
    let restored = Reputations::restore(vec![(id(1), wild)], NOW);
    assert!(restored.of(&id(1)).unwrap().reliability <= PERFECT);
}

#[test]
fn changes_are_told_once_and_memory_is_bounded() {
    let mut known = Reputations::default();
    known.note(id(1), true, NOW);
    known.opened(&[id(1), id(2)], Duration::from_millis(100), NOW);

    let changes = known.take_changes();
    assert_eq!(
        changes.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [id(1), id(2)]
    );
    assert_eq!(known.take_changes(), []);
    for number in 0..2 * MAX_NODES as u32 {
        let mut bytes = [9; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        known.note(NodeId::new(bytes), true, NOW + u64::from(number));
    }
    assert!(known.known.len() <= MAX_NODES && known.take_changes().len() <= MAX_NODES);
    assert_eq!(known.of(&id(1)), None);
}

fn id(number: u8) -> NodeId {
    NodeId::new([number; 32])
}
