use std::collections::HashSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::*;

const NOW: u64 = 1_800_000_000;

#[test]
fn the_first_neighbors_become_guards_and_later_ones_do_not() {
    let mut guards = Guards::default();
    let mut rng = rng(1);

    assert_eq!(guards.choose(&[], NOW, &mut rng), []);
    assert_eq!(guards.choose(&ids(&[1]), NOW, &mut rng), ids(&[1]));
    assert_eq!(guards.choose(&ids(&[1, 2]), NOW, &mut rng), ids(&[1, 2]));
    let all = ids(&[5, 4, 3, 2, 1]);
    assert_eq!(guards.choose(&all, NOW + 1, &mut rng), ids(&[1, 2]));
    assert_eq!(guards.snapshot().len(), 2);
}

#[test]
fn a_guard_that_is_down_is_skipped_and_comes_back_to_its_place() {
    let mut guards = list(&[1, 2, 3, 4]);
    let mut rng = rng(1);

    assert_eq!(guards.choose(&ids(&[2, 3, 4]), NOW, &mut rng), ids(&[2, 3]));
    assert_eq!(guards.choose(&ids(&[3, 4]), NOW, &mut rng), ids(&[3]));
    assert_eq!(guards.choose(&ids(&[4, 9]), NOW, &mut rng), ids(&[4]));
    assert_eq!(guards.choose(&ids(&[9]), NOW, &mut rng), ids(&[9]));
    let all = ids(&[9, 4, 3, 2, 1]);
    assert_eq!(guards.choose(&all, NOW + DOWN - 1, &mut rng), ids(&[1, 2]));
}

#[test]
fn a_guard_down_for_long_or_past_its_time_is_given_up() {
    let mut guards = list(&[1, 2, 3]);
    let mut rng = rng(1);

    guards.choose(&ids(&[2, 3]), NOW, &mut rng);
    guards.choose(&ids(&[2, 3]), NOW + DOWN, &mut rng);
    assert_eq!(order(&guards), ids(&[2, 3]));
    let late = NOW + LIFETIME.end;
    assert_eq!(guards.choose(&ids(&[8]), late, &mut rng), ids(&[8]));
    assert_eq!(order(&guards), ids(&[8]));
}

#[test]
fn a_guard_through_which_nothing_opens_rests() {
    let mut guards = list(&[1, 2, 3]);
    let all = ids(&[1, 2, 3]);
    let mut rng = rng(1);

    for _ in 0..STREAK {
        assert_eq!(guards.choose(&all, NOW, &mut rng), ids(&[1, 2]));
        guards.failed(&id(1), NOW);
    }
    assert_eq!(guards.choose(&all, NOW, &mut rng), ids(&[2, 3]));
    assert_eq!(guards.choose(&all, NOW + REST, &mut rng), ids(&[1, 2]));
    guards.served(&id(1));
    guards.failed(&id(1), NOW);
    assert_eq!(guards.choose(&all, NOW, &mut rng), ids(&[1, 2]));
    // With nobody else up it is still better than nothing.
    for guard in [1, 2, 3] {
        (0..STREAK).for_each(|_| guards.failed(&id(guard), NOW));
    }
    assert_eq!(guards.choose(&all, NOW, &mut rng), ids(&[1, 2]));
}

#[test]
fn changes_are_told_once() {
    let mut guards = Guards::default();
    assert_eq!(guards.take_changes(), None);
    guards.choose(&ids(&[1, 2]), NOW, &mut rng(1));
    assert_eq!(guards.take_changes(), Some(guards.snapshot()));
    guards.choose(&ids(&[1, 2]), NOW + 5, &mut rng(1));
    assert_eq!(guards.take_changes(), None);
    guards.choose(&ids(&[2]), NOW + 6, &mut rng(1));
    assert!(guards.take_changes().is_some());
}

#[test]
fn a_list_that_nobody_would_have_written_is_put_right() {
    let mut written = list(&[1, 1, 2]).snapshot();
    written[1].expires_unix = u64::MAX;
    written[2].down_since_unix = Some(u64::MAX);
    written.extend(list(&[2; 40]).snapshot());
    let mut guards = Guards::restore(written, NOW);

    guards.choose(&ids(&[1]), NOW, &mut rng(1));
    for guard in guards.snapshot() {
        assert!(guard.expires_unix <= NOW + LIFETIME.end);
        assert!(guard.down_since_unix.unwrap_or(0) <= NOW);
    }
    assert_eq!(order(&guards), ids(&[1, 2]));
}

/// The reason of it all: how many neighbors ever are first in half a year.
#[test]
fn few_neighbors_ever_are_first() {
    let mut rng = rng(7);
    let mut guards = Guards::default();
    let (mut first, mut without) = (HashSet::new(), HashSet::new());
    // Forty neighbors, of which any five are up at a time.
    for hour in 0..24 * 180 {
        let up: Vec<NodeId> = (0..5).map(|_| id(rng.random_range(0..40))).collect();
        let stable: Vec<NodeId> = (40..45).map(id).chain(up).collect();
        let in_use = guards.choose(&stable, NOW + hour * 3_600, &mut rng);
        first.extend(in_use);
        without.insert(stable[rng.random_range(0..stable.len())]);
    }

    assert_eq!(without.len(), 45);
    assert!(first.len() <= 12, "{}", first.len());
}

proptest! {
    /// Whoever is up when, the rules hold, and a restart changes nothing.
    #[test]
    fn the_rules_hold(
        steps in prop::collection::vec((0..u32::MAX, 0..20 * DAY, any::<bool>()), 1..40),
        seed: u64,
    ) {
        let mut rng = rng(seed);
        let mut guards = Guards::default();
        let mut now = NOW;
        for (mask, later, restart) in steps {
            now += later;
            let up: Vec<NodeId> = (0..24).filter(|bit| mask & (1 << bit) != 0).map(id).collect();
            let before = taken(&guards);
            let in_use = guards.choose(&up, now, &mut rng);

            prop_assert!(in_use.len() <= IN_USE);
            prop_assert_eq!(in_use.is_empty(), up.is_empty());
            prop_assert!(in_use.iter().all(|id| up.contains(id)));
            let list = order(&guards);
            prop_assert!(list.len() <= MAX_GUARDS);
            prop_assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
            // The order of those who stay never changes.
            let after = taken(&guards);
            let stayed: Vec<_> = before.iter().filter(|one| after.contains(one)).collect();
            let still: Vec<_> = after.iter().filter(|one| before.contains(one)).collect();
            prop_assert_eq!(stayed, still);
            for guard in guards.snapshot() {
                prop_assert!(guard.expires_unix > now && guard.expires_unix < now + LIFETIME.end);
            }
            // Nobody is taken while one of the first three is up.
            let primary_up = list.iter().take(PRIMARY).filter(|id| up.contains(id)).count();
            let new = after.iter().skip(PRIMARY).filter(|one| !before.contains(one)).count();
            prop_assert!(primary_up == 0 || new == 0);
            if restart {
                guards = Guards::restore(guards.snapshot(), now);
                prop_assert_eq!(guards.choose(&up, now, &mut rng), in_use);
            }
        }
    }
}

fn list(numbers: &[u8]) -> Guards {
    let guards = numbers.iter().map(|number| Guard {
        id: id(*number),
        added_unix: NOW - DAY,
        expires_unix: NOW + LIFETIME.start,
        down_since_unix: None,
    });
    Guards {
        list: guards.collect(),
        ..Guards::default()
    }
}

fn order(guards: &Guards) -> Vec<NodeId> {
    guards.list.iter().map(|guard| guard.id).collect()
}

fn taken(guards: &Guards) -> Vec<(NodeId, u64)> {
    let list = guards.list.iter();
    list.map(|guard| (guard.id, guard.added_unix)).collect()
}

fn ids(numbers: &[u8]) -> Vec<NodeId> {
    numbers.iter().copied().map(id).collect()
}

fn id(number: u8) -> NodeId {
    NodeId::new([number; 32])
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
