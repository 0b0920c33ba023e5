use std::collections::HashSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::*;
use crate::directory::tests::{BOTH, EXIT, Mesh, RELAY, instant};
use crate::record::MAX_NEIGHBORS;

mod preferences;

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
            exclude: vec![nodes.id(3)],
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
fn excluded_nodes_never_are_on_the_route_and_avoided_ones_if_there_is_no_other() {
    let (nodes, directory) = full_mesh(7);
    let two = vec![nodes.id(2), nodes.id(5)];
    let draw = |request: &RouteRequest, seed| {
        choose(&directory, request, instant(), &mut rng(seed)).map(|route| ids(&route))
    };
    let excluding = RouteRequest {
        exclude: two.clone(),
        ..request(3)
    };
    let avoiding = RouteRequest {
        avoid: two.clone(),
        ..request(3)
    };
    for seed in 0..50 {
        for request in [&excluding, &avoiding] {
            let route = draw(request, seed).unwrap();
            assert!(two.iter().all(|id| !route.contains(id)));
        }
    }

    let hops = |hops, request: &RouteRequest| {
        let request = RouteRequest {
            hops,
            ..request.clone()
        };
        draw(&request, 1)
    };
    assert_eq!(
        hops(5, &excluding),
        Err(RouteError::NoPath { hops: 5, known: 7 })
    );
    assert_eq!(hops(6, &avoiding).unwrap().len(), 6);
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
#[ignore = "a measurement: cargo test --release -p masq-core measure_routes -- --ignored --nocapture"]
fn measure_routes() {
    for (count, degree) in [(200, 5), (200, 10), (1_024, 5), (1_024, 10), (20_000, 5)] {
        let (_, mut directory) = random_mesh(count, degree, 7);
        directory.prepare(1_500, &mut rng(1));
        for hops in [1, 3, 6] {
            let mut rng = rng(1);
            let request = RouteRequest {
                unix_time: Some(1_500),
                ..request(hops)
            };
            let (start, mut found) = (instant(), 0);
            for _ in 0..1_000 {
                found += usize::from(choose(&directory, &request, start, &mut rng).is_ok());
            }
            let each = start.elapsed() / 1_000;
            println!("{count} Nodes, degree {degree}, {hops} hops: {each:?}, {found} found");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Laws of every route, whatever the mesh looks like.
    #[test]
    fn every_route_keeps_the_rules(count in 2..12usize, degree in 1..6usize, hops in 1..=6u8, seed: u64) {
        let (nodes, mut directory) = random_mesh(count, degree, seed);
        directory.prepare(1_500, &mut rng(seed));
        directory.remove(&nodes.id(seed as usize % count));
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
    fn a_way_that_exists_is_found(count in 2..8usize, degree in 1..4usize, hops in 1..=5u8, guards: bool, seed: u64) {
        let (_, mut directory) = random_mesh(count, degree, seed);
        if guards {
            directory.prepare(1_500, &mut rng(seed));
        }
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
    route.iter().collect::<HashSet<_>>().len()
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
