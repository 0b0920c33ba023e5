//! What is preferred, and by how much.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::*;
use crate::config::CountryCode;
use crate::record::Rates;

#[test]
fn countries_are_taken_in_groups_and_never_left_without_fallback() {
    let nodes = Mesh::new(6);
    let mut directory = Directory::new(nodes.id(0));
    for (number, country) in [(1, "ZZ"), (2, "CZ"), (3, "CH"), (4, "CH"), (5, "SK")] {
        let others: Vec<usize> = (1..6).filter(|other| *other != number).collect();
        directory.insert(nodes.record_in(country, number, 1, BOTH, &others));
    }
    directory.set_links(&[nodes.id(1)]);
    let exits_in = |countries: &[&[&str]], fallback, exclude: &[usize]| {
        let code = |code: &&str| CountryCode::new(code).unwrap();
        let groups = countries
            .iter()
            .map(|group| group.iter().map(code).collect());
        let request = RouteRequest {
            countries: ExitCountries {
                groups: groups.collect(),
                fallback,
            },
            exclude: exclude.iter().map(|number| nodes.id(*number)).collect(),
            ..request(2)
        };
        let mut rng = rng(1);
        let mut exits: Vec<usize> = (0..60)
            .map(|_| choose(&directory, &request, instant(), &mut rng))
            .map(|route| Ok(directory_number(&nodes, &ids(&route?)[1])))
            .collect::<Result<_, RouteError>>()?;
        exits.sort_unstable();
        exits.dedup();
        Ok(exits)
    };

    assert_eq!(
        exits_in(&[&["CZ", "CH"], &["SK"]], false, &[]),
        Ok(vec![2, 3, 4])
    );
    assert_eq!(exits_in(&[&["SK"], &["CH", "CZ"]], false, &[]), Ok(vec![5]));
    assert_eq!(
        exits_in(&[&["SK"], &["CH", "CZ"]], true, &[5]),
        Ok(vec![2, 3, 4])
    );
    assert_eq!(exits_in(&[&["FR"]], true, &[2]), Ok(vec![3, 4, 5]));
    let error: RouteError = exits_in(&[&["FR", "DE"], &["US"]], false, &[]).unwrap_err();
    assert_eq!(error, RouteError::NoCountry("FR,DE|US".to_owned()));
    assert_eq!(error.code(), Code::NoExitInCountry);
    assert!(error.to_string().contains("FR,DE|US"));
}

#[test]
fn a_certain_exit_is_the_exit_wherever_it_is() {
    let (nodes, directory) = full_mesh(6);
    let mut request = RouteRequest {
        exit: Some(nodes.id(4)),
        countries: ExitCountries {
            groups: vec![vec![CountryCode::new("FR").unwrap()]],
            fallback: false,
        },
        ..request(3)
    };
    for seed in 0..20 {
        let route = ids(&choose(&directory, &request, instant(), &mut rng(seed)).unwrap());
        assert_eq!(route.iter().position(|id| *id == nodes.id(4)), Some(2));
    }

    request.exclude = vec![nodes.id(4)];
    let error = choose(&directory, &request, instant(), &mut rng(1)).unwrap_err();
    assert_eq!(
        error,
        RouteError::NoSuchExit {
            exit: nodes.id(4),
            hops: 3
        }
    );
    request.exclude.clear();
    request.avoid = vec![nodes.id(4)];
    assert!(choose(&directory, &request, instant(), &mut rng(1)).is_ok());
}

#[test]
fn an_exit_that_did_not_resolve_a_name_is_avoided_for_that_name_for_a_while() {
    let (nodes, mut directory) = full_mesh(6);
    directory.set_links(&[nodes.id(1)]);
    let name = |text: &str| HostName::parse(text).unwrap();
    let now = instant();
    for number in [2, 3] {
        directory.note_unresolved(&name("broken.example"), nodes.id(number), now);
    }
    let exits = |directory: &Directory, host: &str, exclude: &[usize], now| {
        let request = RouteRequest {
            host: Some(name(host)),
            exclude: exclude.iter().map(|number| nodes.id(*number)).collect(),
            ..request(3)
        };
        let mut rng = rng(1);
        let mut exits: Vec<usize> = (0..60)
            .map(|_| ids(&choose(directory, &request, now, &mut rng).unwrap())[2])
            .map(|id| directory_number(&nodes, &id))
            .collect();
        exits.sort_unstable();
        exits.dedup();
        exits
    };

    assert_eq!(exits(&directory, "broken.example", &[], now), [4, 5]);
    assert_eq!(exits(&directory, "other.example", &[], now), [2, 3, 4, 5]);
    // Better one that failed than none.
    assert_eq!(exits(&directory, "broken.example", &[4, 5], now), [2, 3]);
    let later = now + crate::directory::AVOIDED;
    assert_eq!(
        exits(&directory, "broken.example", &[], later),
        [2, 3, 4, 5]
    );
    directory.note_resolved(&name("broken.example"), &nodes.id(3));
    assert_eq!(exits(&directory, "broken.example", &[], now), [3, 4, 5]);
    for number in 0..2 * crate::directory::MAX_NAMES {
        directory.note_unresolved(&name(&format!("n{number}.example")), nodes.id(4), now);
    }
    directory.forgive(nodes.id(4));
    assert_eq!(exits(&directory, "broken.example", &[], now), [2, 3, 4, 5]);
}

#[test]
fn an_exit_that_cannot_resolve_several_names_is_avoided_for_all() {
    let (nodes, mut directory) = full_mesh(6);
    directory.set_links(&[nodes.id(1)]);
    let now = instant();
    let draws = |directory: &Directory| {
        let mut rng = rng(1);
        let exits =
            (0..300).map(|_| ids(&choose(directory, &request(3), now, &mut rng).unwrap())[2]);
        exits.filter(|exit| *exit == nodes.id(2)).count()
    };
    for number in 0..2 {
        let name = HostName::parse(&format!("n{number}.example")).unwrap();
        directory.note_unresolved(&name, nodes.id(2), now);
    }
    assert!(draws(&directory) > 40);
    let name = HostName::parse("n2.example").unwrap();
    directory.note_unresolved(&name, nodes.id(2), now);
    assert!(draws(&directory) < 20);
}

#[test]
fn routes_begin_at_a_guard_unless_that_is_impossible() {
    let (nodes, mut directory) = full_mesh(9);
    directory.prepare(1_500, &mut rng(1));
    let guards = directory.guards().to_vec();
    assert_eq!(guards.len(), 2);
    let first = |directory: &Directory, request: &RouteRequest, seed| {
        ids(&choose(directory, request, instant(), &mut rng(seed)).unwrap())[0]
    };

    let firsts: HashSet<NodeId> = (0..60)
        .map(|seed| first(&directory, &request(3), seed))
        .collect();
    assert_eq!(firsts, guards.iter().copied().collect());
    // A guard that is to be avoided is still better than no guard.
    let avoiding = RouteRequest {
        avoid: guards.clone(),
        ..request(3)
    };
    let excluding = RouteRequest {
        exclude: guards.clone(),
        ..request(3)
    };
    for seed in 0..20 {
        assert!(guards.contains(&first(&directory, &avoiding, seed)));
        assert!(!guards.contains(&first(&directory, &excluding, seed)));
    }
    // With one hop the first Node is the exit.
    let exits: HashSet<NodeId> = (0..200)
        .map(|seed| first(&directory, &request(1), seed))
        .collect();
    assert_eq!(exits.len(), 8);

    let kept = directory.take_guard_changes().unwrap();
    let mut again = Directory::new(nodes.id(0));
    (1..9).for_each(|number| {
        again.insert(directory.record(&nodes.id(number)).unwrap().clone());
    });
    again.restore(kept, Vec::new(), 1_600);
    again.set_links(directory.links());
    again.prepare(1_600, &mut rng(9));
    assert_eq!(again.guards(), guards);
}

#[test]
fn a_free_node_does_not_draw_everything_and_a_dear_one_is_left_alone() {
    let nodes = Mesh::new(14);
    let mut directory = Directory::new(nodes.id(0));
    for number in 1..14 {
        let others: Vec<usize> = (1..14).filter(|other| *other != number).collect();
        let rates = match number {
            2 => Rates::default(),
            3 => rates(100_000_000),
            _ => rates(1_000),
        };
        directory.insert(nodes.record_for(rates, number, 1, BOTH, &others));
    }
    directory.set_links(&[nodes.id(1)]);
    let exits = exits(&directory, 6_000);
    let share = |number| exits.get(&nodes.id(number)).copied().unwrap_or(0);
    let ordinary = (4..14).map(share).sum::<usize>() as f32 / 10.0;

    let free = share(2) as f32 / ordinary;
    assert!(
        (1.5..3.5).contains(&free) && free < crate::directory::MOST,
        "{free}"
    );
    assert!((share(3) as f32) < ordinary / 10.0, "{}", share(3));
    assert!((4..14).all(|number| share(number) > 200));
}

#[test]
fn the_slow_and_the_unreliable_are_drawn_less() {
    let (nodes, mut directory) = full_mesh(12);
    directory.set_links(&[nodes.id(1)]);
    let now = instant();
    for round in 0..300 {
        for number in 2..12 {
            let path = [nodes.id(1), nodes.id(number)];
            let took = if number == 5 { 1_000 } else { 50 };
            directory.opened(&path, Duration::from_millis(took));
            if number == 7 && round % 2 == 0 {
                directory.penalize(nodes.id(7), now);
            } else {
                directory.forgive(nodes.id(number));
            }
        }
    }
    let mut counts = HashMap::<NodeId, usize>::new();
    let mut rng = rng(2);
    for _ in 0..4_000 {
        let route = choose(&directory, &request(2), now, &mut rng).unwrap();
        *counts.entry(ids(&route)[1]).or_default() += 1;
    }
    let share = |number| counts.get(&nodes.id(number)).copied().unwrap_or(0);

    assert!(share(5) < share(4) / 4, "{} {}", share(5), share(4));
    assert!(share(7) < share(4) / 2, "{} {}", share(7), share(4));
    let kept = directory.take_reputation_changes();
    assert_eq!(kept.len(), 11);
    assert!(directory.take_reputation_changes().is_empty());
}

#[test]
fn a_highest_price_is_kept() {
    let nodes = Mesh::new(9);
    let mut directory = Directory::new(nodes.id(0));
    for number in 1..9 {
        let others: Vec<usize> = (1..9).filter(|other| *other != number).collect();
        directory.insert(nodes.record_for(rates(number as u64), number, 1, BOTH, &others));
    }
    directory.set_links(&[nodes.id(1), nodes.id(8)]);
    let cost = |route: &[NodeId]| {
        let each = route.iter().map(|id| directory_number(&nodes, id) as u128);
        each.sum::<u128>() * 1_000_000
    };
    let mut request = request(3);
    for millions in [6, 7, 9, 12, 20] {
        request.highest_price = Some(millions * 1_000_000);
        for seed in 0..40 {
            let route = ids(&choose(&directory, &request, instant(), &mut rng(seed)).unwrap());
            assert!(cost(&route) <= millions * 1_000_000, "{route:?}");
        }
    }
    request.highest_price = Some(5_000_000);
    let error = choose(&directory, &request, instant(), &mut rng(1)).unwrap_err();
    assert_eq!(error, RouteError::TooDear(5_000_000));
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

fn rates(each_byte: u64) -> Rates {
    Rates {
        routing_byte: each_byte,
        exit_byte: each_byte,
        ..Rates::default()
    }
}

fn directory_number(nodes: &Mesh, id: &NodeId) -> usize {
    nodes.number(id).unwrap()
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
