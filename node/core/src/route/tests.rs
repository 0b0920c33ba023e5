use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::*;
use crate::directory::tests::{BOTH, EXIT, Mesh, RELAY, instant};
use crate::record::MAX_NEIGHBORS;

#[test]
fn a_route_has_the_asked_length_and_ends_at_an_exit() {
    let (nodes, directory) = full_mesh(8);

    for hops in 1..=6 {
        let route = ids(&choose(&directory, &request(hops), instant(), &mut rng(1)).unwrap());
        assert_eq!(route.len(), usize::from(hops));
        assert_eq!(unique(&route), route.len());
        assert!(directory.links().contains(&route[0]));
        assert!(!route.contains(&nodes.id(0)));
    }
}

#[test]
fn the_keys_are_those_of_the_records() {
    let (_, directory) = full_mesh(4);
    for hop in choose(&directory, &request(3), instant(), &mut rng(1)).unwrap() {
        assert_eq!(directory.record(&hop.id).unwrap().onion().key(), hop.key);
    }
}

#[test]
fn only_relays_relay_and_only_exits_exit() {
    // us - 1 (exit only), us - 2 (relay only) - 3 (exit only), 1 - 3
    let nodes = Mesh::new(4);
    let mut directory = Directory::new(nodes.id(0));
    directory.insert(nodes.record(1, 1, EXIT, &[3]));
    directory.insert(nodes.record(2, 1, RELAY, &[3]));
    directory.insert(nodes.record(3, 1, EXIT, &[1, 2]));
    directory.set_links(&[nodes.id(1), nodes.id(2)]);

    for seed in 0..20 {
        let draw = |hops| choose(&directory, &request(hops), instant(), &mut rng(seed));
        assert_eq!(ids(&draw(2).unwrap()), [nodes.id(2), nodes.id(3)]);
        assert_eq!(ids(&draw(1).unwrap()), [nodes.id(1)]);
        assert!(matches!(
            draw(3),
            Err(RouteError::NoPath { hops: 3, known: 3 })
        ));
    }
}

#[test]
fn a_neighbor_is_the_exit_only_when_no_other_is() {
    let nodes = Mesh::new(4);
    let mut directory = Directory::new(nodes.id(0));
    directory.insert(nodes.record(1, 1, BOTH, &[2, 3]));
    directory.insert(nodes.record(2, 1, BOTH, &[1, 3]));
    directory.insert(nodes.record(3, 1, BOTH, &[1, 2]));
    directory.set_links(&[nodes.id(1), nodes.id(2)]);

    for seed in 0..20 {
        let draw = |request: &RouteRequest| {
            ids(&choose(&directory, request, instant(), &mut rng(seed)).unwrap())
        };
        assert_eq!(draw(&request(2))[1], nodes.id(3));
        let avoiding = RouteRequest {
            avoid: vec![nodes.id(3)],
            ..request(2)
        };
        assert_ne!(draw(&avoiding)[1], nodes.id(3));
    }
}

#[test]
fn a_down_link_is_no_beginning() {
    let (nodes, mut directory) = full_mesh(5);
    directory.set_links(&[nodes.id(3)]);
    for seed in 0..20 {
        assert_eq!(
            ids(&choose(&directory, &request(3), instant(), &mut rng(seed)).unwrap())[0],
            nodes.id(3)
        );
    }

    directory.set_links(&[]);
    let error = choose(&directory, &request(3), instant(), &mut rng(0)).unwrap_err();
    assert_eq!(error, RouteError::NoLink { up: 0, known: 5 });
}

#[test]
fn avoided_nodes_are_not_on_the_route() {
    let (nodes, directory) = full_mesh(7);
    let avoid = vec![nodes.id(2), nodes.id(5)];
    for seed in 0..50 {
        let request = RouteRequest {
            avoid: avoid.clone(),
            ..request(3)
        };
        let route = ids(&choose(&directory, &request, instant(), &mut rng(seed)).unwrap());
        assert!(avoid.iter().all(|id| !route.contains(id)));
    }
}

#[test]
fn countries_are_taken_in_their_order_and_never_left() {
    let nodes = Mesh::new(5);
    let all = [1, 2, 3, 4];
    let mut directory = Directory::new(nodes.id(0));
    for (number, country) in [(1, "ZZ"), (2, "CZ"), (3, "CH"), (4, "CH")] {
        let others: Vec<usize> = all
            .iter()
            .copied()
            .filter(|other| *other != number)
            .collect();
        directory.insert(nodes.record_in(country, number, 1, BOTH, &others));
    }
    directory.set_links(&[nodes.id(1)]);
    let exit_in = |countries: &[&str], avoid: Vec<NodeId>| {
        let exit_countries = countries
            .iter()
            .map(|code| CountryCode::new(code).unwrap())
            .collect();
        let request = RouteRequest {
            exit_countries,
            avoid,
            ..request(2)
        };
        choose(&directory, &request, instant(), &mut rng(1)).map(|route| ids(&route)[1])
    };

    assert_eq!(exit_in(&["CZ", "CH"], vec![]), Ok(nodes.id(2)));
    assert_ne!(exit_in(&["CZ", "CH"], vec![nodes.id(2)]), Ok(nodes.id(1)));
    assert_eq!(
        exit_in(&["FR", "DE"], vec![]),
        Err(RouteError::NoCountry("FR, DE".to_owned()))
    );
}

#[test]
fn nodes_without_a_valid_key_are_left_out() {
    let (_, directory) = full_mesh(5);
    let at = |time| {
        let request = RouteRequest {
            unix_time: Some(time),
            ..request(2)
        };
        choose(&directory, &request, instant(), &mut rng(1)).is_ok()
    };

    assert!(at(1_500));
    assert!(!at(2_500));
}

#[test]
fn a_wrong_number_of_hops_is_refused() {
    let (_, directory) = full_mesh(8);
    for hops in [0, 7, 255] {
        assert_eq!(
            choose(&directory, &request(hops), instant(), &mut rng(1)).unwrap_err(),
            RouteError::Hops(hops)
        );
    }
}

#[test]
fn every_exit_has_its_share() {
    let (nodes, mut directory) = full_mesh(12);
    directory.set_links(&[nodes.id(1), nodes.id(2)]);
    let exits = exits(&directory, 4_000);

    assert_eq!(exits.len(), 9);
    for (id, count) in exits {
        assert!((330..=560).contains(&count), "{id:?} {count}");
    }
}

#[test]
fn a_node_that_failed_is_rarely_chosen_until_time_has_passed() {
    let (nodes, mut directory) = full_mesh(6);
    directory.set_links(&[nodes.id(1)]);
    let now = instant();
    directory.penalize(nodes.id(4), now);
    let share = |later: u64| {
        let now = now + Duration::from_secs(later);
        let mut rng = rng(3);
        (0..1_000)
            .filter(|_| {
                ids(&choose(&directory, &request(2), now, &mut rng).unwrap())[1] == nodes.id(4)
            })
            .count()
    };

    assert!(share(0) < 30);
    assert!(share(600) > 180);
}

#[test]
fn drawing_is_quick() {
    let (_, directory) = random_mesh(100, 20, 7);
    let mut rng = rng(1);
    let start = instant();
    for _ in 0..200 {
        choose(&directory, &request(3), start, &mut rng).unwrap();
    }
    let each = start.elapsed() / 200;
    assert!(each < Duration::from_millis(2), "{each:?} a route");
}

#[test]
#[ignore = "a measurement: cargo test --release -p masq-core measure_routes -- --ignored --nocapture"]
fn measure_routes() {
    for (count, degree) in [(100, 10), (1_000, 10), (10_000, 10)] {
        let (_, directory) = random_mesh(count, degree, 7);
        for hops in [1, 3, 6] {
            let mut rng = rng(1);
            let start = instant();
            for _ in 0..1_000 {
                std::hint::black_box(choose(&directory, &request(hops), start, &mut rng).is_ok());
            }
            println!(
                "{count} nodes, degree {degree}, {hops} hops: {:?}",
                start.elapsed() / 1_000
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Laws of every route, whatever the mesh looks like.
    #[test]
    fn every_route_keeps_the_rules(count in 2..12usize, degree in 1..6usize, hops in 1..=6u8, seed: u64) {
        let (_, directory) = random_mesh(count, degree, seed);
        let Ok(route) = choose(&directory, &request(hops), instant(), &mut rng(seed)) else {
            return Ok(());
        };
        let route = ids(&route);
        prop_assert_eq!(route.len(), usize::from(hops));
        prop_assert_eq!(unique(&route), route.len());
        prop_assert!(directory.links().contains(&route[0]));
        for pair in route.windows(2) {
            let [left, right] = [0, 1].map(|at| directory.record(&pair[at]).unwrap());
            prop_assert!(left.neighbors().contains(&right.id()));
            prop_assert!(right.neighbors().contains(&left.id()));
            prop_assert!(left.roles().relay);
        }
        prop_assert!(directory.record(route.last().unwrap()).unwrap().roles().exit);
    }

    /// Law: where a way exists, one is found.
    #[test]
    fn a_way_that_exists_is_found(count in 2..8usize, degree in 1..4usize, hops in 1..=5u8, seed: u64) {
        let (_, directory) = random_mesh(count, degree, seed);
        let found = choose(&directory, &request(hops), instant(), &mut rng(seed)).is_ok();
        let exists = directory.links().iter().any(|first| walk(&directory, &[*first], hops.into()));
        prop_assert_eq!(found, exists);
    }
}

/// The plainest search that there is.
fn walk(directory: &Directory, path: &[NodeId], hops: usize) -> bool {
    let last = path.last().unwrap();
    let Some(record) = directory.record(last) else {
        return false;
    };
    if path.len() == hops {
        return record.roles().exit;
    }
    record.roles().relay
        && record.neighbors().iter().any(|next| {
            let mutual = directory
                .record(next)
                .is_some_and(|next| next.neighbors().contains(last));
            mutual && !path.contains(next) && walk(directory, &[path, &[*next]].concat(), hops)
        })
}

fn request(hops: u8) -> RouteRequest {
    RouteRequest {
        hops,
        ..RouteRequest::default()
    }
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn ids(route: &[Hop]) -> Vec<NodeId> {
    route.iter().map(|hop| hop.id).collect()
}

fn unique(route: &[NodeId]) -> usize {
    route.iter().collect::<std::collections::HashSet<_>>().len()
}

fn exits(directory: &Directory, draws: usize) -> HashMap<NodeId, usize> {
    let mut rng = rng(5);
    let mut counts = HashMap::new();
    for _ in 0..draws {
        let route = ids(&choose(directory, &request(3), instant(), &mut rng).unwrap());
        *counts.entry(route[2]).or_default() += 1;
    }
    counts
}

/// Everybody is everybody's neighbor; number 0 is us and has a link with all.
fn full_mesh(count: usize) -> (Mesh, Directory) {
    let nodes = Mesh::new(count);
    let mut directory = Directory::new(nodes.id(0));
    for number in 0..count {
        let others: Vec<usize> = (0..count).filter(|other| *other != number).collect();
        directory.insert(nodes.record(number, 1, BOTH, &others));
    }
    let links: Vec<NodeId> = (1..count).map(|number| nodes.id(number)).collect();
    directory.set_links(&links);
    (nodes, directory)
}

/// Links at random, some of them claimed by one side only; roles at random.
fn random_mesh(count: usize, degree: usize, seed: u64) -> (Mesh, Directory) {
    let mut rng = rng(seed);
    let nodes = Mesh::new(count);
    let mut links = vec![Vec::new(); count];
    for number in 0..count {
        for _ in 0..degree.div_ceil(2) {
            let other = rng.random_range(0..count);
            if other != number
                && links[number].len() < MAX_NEIGHBORS
                && links[other].len() < MAX_NEIGHBORS
            {
                links[number].push(other);
                if rng.random_ratio(9, 10) {
                    links[other].push(number);
                }
            }
        }
    }
    let mut directory = Directory::new(NodeId::new([0; 32]));
    for (number, neighbors) in links.iter().enumerate() {
        let roles = [BOTH, RELAY, EXIT, BOTH][rng.random_range(0..4)];
        directory.insert(nodes.record(number, 1, roles, neighbors));
    }
    let up: Vec<NodeId> = (0..count.min(5)).map(|number| nodes.id(number)).collect();
    directory.set_links(&up);
    (nodes, directory)
}
