//! What is queued comes back, whatever was queued and whenever it was written.

use crate::support::{LIMIT, assert_whole, file, guard, id, neighbor, neighbors, reputation};
use masq_node::database::{Change, PastNeighbor, Setting, Store, VERSION};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn a_restarted_node_remembers_all() {
    let folder = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(folder.path()).unwrap();
    assert!(loaded.neighbors.is_empty() && loaded.identity.is_none());
    let first = PastNeighbor {
        guard: true,
        ..neighbor(1, 10)
    };
    store.queue(Change::Neighbor(neighbor(2, 20)));
    store.queue(Change::Neighbor(first.clone()));
    store.queue(Change::Neighbor(neighbor(3, 30)));
    store.queue(Change::Neighbor(neighbor(4, u64::MAX)));
    store.queue(Change::ForgetNeighbor(id(4)));
    store.queue(Change::Guards(vec![guard(9), guard(2), guard(5)]));
    store.queue(Change::Reputation(vec![
        reputation(7, 70),
        reputation(8, 80),
    ]));
    drop(store);

    let (_store, loaded) = Store::open(folder.path()).unwrap();

    assert_eq!(loaded.neighbors, [first, neighbor(3, 30), neighbor(2, 20)]);
    assert_eq!(loaded.guards, [guard(9), guard(2), guard(5)]);
    assert_eq!(loaded.reputation, [reputation(7, 70), reputation(8, 80)]);
    assert_whole(folder.path());
}

#[test]
fn a_change_is_written_without_being_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    store.queue(Change::Neighbor(neighbor(1, 10)));
    let reader = rusqlite::Connection::open(file(folder.path())).unwrap();
    let start = Instant::now();
    loop {
        let count: u32 = reader
            .query_row("SELECT count(*) FROM neighbor", [], |row| row.get(0))
            .unwrap();
        if count == 1 {
            break;
        }
        assert!(start.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("written after {:?}", start.elapsed());
}

#[test]
fn a_flush_writes_at_once_and_none_is_needed_when_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    store.flush(Duration::ZERO).unwrap();
    for round in 0..50 {
        store.queue(Change::Neighbor(neighbor(1, round)));
        store.flush(LIMIT).unwrap();
        let reader = rusqlite::Connection::open(file(folder.path())).unwrap();
        let seen: u64 = reader
            .query_row("SELECT last_seen_unix FROM neighbor", [], |row| {
                row.get::<_, i64>(0).map(|seen| seen as u64)
            })
            .unwrap();
        assert_eq!(seen, round);
    }
}

#[test]
fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    for number in 0..1_000u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let unknown = masq_core::identity::NodeId::new(bytes);
        let descriptor = format!("masq://dev:{unknown}@192.0.2.1:4000")
            .parse()
            .unwrap();
        store.queue(Change::Neighbor(PastNeighbor {
            descriptor,
            last_seen_unix: u64::from(number),
            guard: number == 0,
        }));
    }
    drop(store);

    let kept = neighbors(folder.path());

    assert_eq!(kept.len(), 256);
    assert_eq!(kept[0].last_seen_unix, 0, "a guard stays");
    assert_eq!(kept[1].last_seen_unix, 999);
    assert_eq!(kept[255].last_seen_unix, 745);
}

#[test]
fn a_row_that_cannot_be_read_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path()).unwrap();
    store.queue(Change::Neighbor(neighbor(1, 10)));
    store.queue(Change::Neighbor(neighbor(2, 20)));
    drop(store);
    rusqlite::Connection::open(file(folder.path()))
        .unwrap()
        .execute(
            "UPDATE neighbor SET descriptor = 'nonsense' WHERE last_seen_unix = 20",
            [],
        )
        .unwrap();

    assert_eq!(neighbors(folder.path()), [neighbor(1, 10)]);
}

/// One fixture for each version that was ever written; they stay as they are.
#[test]
fn a_database_of_every_earlier_version_is_brought_up_to_date() {
    let fixtures = [
        include_str!("fixtures/1.sql"),
        include_str!("fixtures/2.sql"),
        include_str!("fixtures/3.sql"),
        include_str!("fixtures/4.sql"),
    ];
    assert_eq!(
        fixtures.len() as u32,
        VERSION,
        "add a fixture for the new version"
    );
    for fixture in fixtures {
        let folder = tempfile::tempdir().unwrap();
        rusqlite::Connection::open(file(folder.path()))
            .unwrap()
            .execute_batch(fixture)
            .unwrap();

        let (store, mut loaded) = Store::open(folder.path()).unwrap();

        let identity = loaded.identity.take().unwrap();
        assert_eq!(
            identity.id().to_string(),
            "du2dKmfyVqso0HrUcSYeK4lhsObmybGgE2Fzlnh83m0"
        );
        assert_eq!(loaded.neighbors, [neighbor(1, 10), neighbor(2, 5)]);
        store.queue(Change::Guards(vec![guard(1)]));
        store.queue(Change::Reputation(vec![reputation(1, 1)]));
        store.flush(LIMIT).unwrap();
        let kept = fixture
            .contains("INTO setting")
            .then(|| "polygon-amoy".to_owned());
        assert_eq!(store.setting(Setting::ChainName).unwrap(), kept);
        assert_eq!(store.has_password().unwrap(), kept.is_some());
        let gas = Some("3");
        store.save_settings(&[(Setting::GasPrice, gas)]).unwrap();
        assert_eq!(store.setting(Setting::GasPrice).unwrap().as_deref(), gas);
        drop(store);
        assert_whole(folder.path());
        assert_eq!(Store::open(folder.path()).unwrap().1.guards, [guard(1)]);
    }
}

#[test]
fn a_port_is_kept_and_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(folder.path()).unwrap();
    assert_eq!(loaded.port, None);
    store.save_port(4_747).unwrap();
    store.save_port(9_998).unwrap();
    assert!(store.save_port(80).is_err());
    drop(store);
    assert_eq!(Store::open(folder.path()).unwrap().1.port, Some(9_998));
}

fn changes() -> impl Strategy<Value = Option<Change>> {
    let few = 1u8..6;
    prop_oneof![
        3 => (few.clone(), 0..100u64).prop_map(|(n, t)| Some(Change::Neighbor(neighbor(n, t)))),
        1 => few.clone().prop_map(|n| Some(Change::ForgetNeighbor(id(n)))),
        1 => proptest::collection::btree_set(few.clone(), 0..4)
            .prop_map(|set| Some(Change::Guards(set.into_iter().map(guard).collect()))),
        2 => (few, 0..100u64).prop_map(|(n, t)| Some(Change::Reputation(vec![reputation(n, t)]))),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// None in the list stands for a flush.
    #[test]
    fn the_last_word_on_each_node_counts(list in proptest::collection::vec(changes(), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        let (mut past, mut served, mut guards) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for change in list {
            match change.clone() {
                Some(Change::Neighbor(one)) => drop(past.insert(one.descriptor.id(), one)),
                Some(Change::ForgetNeighbor(id)) => drop(past.remove(&id)),
                Some(Change::Guards(list)) => guards = list,
                Some(Change::Reputation(list)) => served.extend(list),
                None => store.flush(LIMIT).unwrap(),
            }
            if let Some(change) = change {
                store.queue(change);
            }
        }
        drop(store);

        let (_store, loaded) = Store::open(folder.path()).unwrap();
        let found: BTreeMap<_, _> = loaded
            .neighbors
            .into_iter()
            .map(|one| (one.descriptor.id(), one))
            .collect();
        prop_assert_eq!(found, past);
        prop_assert_eq!(loaded.guards, guards);
        prop_assert_eq!(loaded.reputation.into_iter().collect::<BTreeMap<_, _>>(), served);
    }
}
