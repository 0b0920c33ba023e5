use std::time::Duration;

use super::*;
use crate::config::CountryCode;
use crate::identity::{Identity, Validity};
use crate::random::SystemRandom;
use crate::record::{Content, MAX_JSON, Rates, RecordError, Roles};

#[test]
fn a_list_gives_its_records_and_names_its_bad_lines() {
    let nodes = Mesh::new(3);
    let mut changed = nodes.record(1, 1, BOTH, &[0]).to_json();
    changed = changed.replacen("\"version\":1", "\"version\":2", 1);
    let text = format!(
        "# a list\n{}\n\n{changed}\nnot json\n{}\n{}\n",
        nodes.record(0, 1, BOTH, &[1]).to_json(),
        "x".repeat(MAX_JSON + 1),
        nodes.record(2, 1, BOTH, &[]).to_json(),
    );
    let mut directory = Directory::new(nodes.id(0));

    let loaded = directory.load(&text).unwrap();

    assert_eq!(loaded.nodes, 2);
    let lines: Vec<usize> = loaded.refused.iter().map(|refused| refused.line).collect();
    assert_eq!(lines, [4, 5, 6]);
    assert!(matches!(
        loaded.refused[2].source,
        RecordError::TooLong { .. }
    ));
    assert!(loaded.refused[1].to_string().starts_with("line 5: "));
    assert_eq!(directory.len(), 2);
}

#[test]
fn a_list_without_any_record_is_refused() {
    let mut directory = Directory::new(NodeId::new([0; 32]));

    assert_eq!(directory.load("").unwrap(), Loaded::default());
    assert!(matches!(directory.load("junk\n"), Err(LoadError::Nothing(line)) if line.line == 1));
}

#[test]
fn only_a_newer_record_replaces_one() {
    let nodes = Mesh::new(2);
    let mut directory = Directory::new(nodes.id(1));

    assert_eq!(
        directory.insert(nodes.record(0, 5, BOTH, &[])),
        Insertion::Added
    );
    assert_eq!(
        directory.insert(nodes.record(0, 5, RELAY, &[])),
        Insertion::Old
    );
    assert_eq!(
        directory.insert(nodes.record(0, 4, RELAY, &[])),
        Insertion::Old
    );
    assert_eq!(
        directory.insert(nodes.record(0, 6, RELAY, &[])),
        Insertion::Replaced
    );
    assert_eq!(directory.record(&nodes.id(0)).unwrap().roles(), RELAY);
    assert_eq!(directory.len(), 1);
}

#[test]
fn neighbors_are_those_who_both_say_so() {
    let nodes = Mesh::new(3);
    let mut directory = Directory::new(NodeId::new([0; 32]));
    directory.insert(nodes.record(0, 1, BOTH, &[1, 2]));
    directory.insert(nodes.record(1, 1, BOTH, &[0]));
    directory.insert(nodes.record(2, 1, BOTH, &[1]));
    assert_eq!(adjacency(&directory), [vec![1], vec![0], vec![]]);

    directory.insert(nodes.record(2, 2, BOTH, &[0, 1]));
    assert_eq!(adjacency(&directory), [vec![1, 2], vec![0], vec![0]]);

    directory.insert(nodes.record(0, 2, BOTH, &[2]));
    assert_eq!(adjacency(&directory), [vec![2], vec![], vec![0]]);
}

#[test]
fn a_node_that_is_removed_leaves_nothing_behind() {
    let nodes = Mesh::new(4);
    let mut directory = Directory::new(NodeId::new([0; 32]));
    for (number, neighbors) in [(0, [1, 3]), (1, [0, 2]), (2, [1, 3]), (3, [0, 2])] {
        directory.insert(nodes.record(number, 1, BOTH, &neighbors));
    }

    assert!(directory.remove(&nodes.id(0)) && !directory.remove(&nodes.id(0)));

    // The last one took the place.
    assert_eq!(directory.place_of(&nodes.id(3)), Some(0));
    assert_eq!(adjacency(&directory), [vec![2], vec![2], vec![0, 1]]);
    assert_eq!(directory.record(&nodes.id(0)), None);
    directory.insert(nodes.record(0, 1, BOTH, &[1, 3]));
    assert_eq!(
        adjacency(&directory),
        [vec![2, 3], vec![2, 3], vec![0, 1], vec![0, 1]]
    );
    for number in [1, 0, 3, 2] {
        assert!(directory.remove(&nodes.id(number)));
    }
    assert!(directory.is_empty());
}

#[test]
fn failures_fade_and_are_forgiven() {
    let nodes = Mesh::new(1);
    let mut directory = Directory::new(NodeId::new([0; 32]));
    directory.insert(nodes.record(0, 1, BOTH, &[]));
    let now = instant();
    let weight = |directory: &Directory, seconds| {
        directory.nodes[0].trust(now + Duration::from_secs(seconds))
    };

    directory.penalize(nodes.id(0), now);
    let once = weight(&directory, 0);
    directory.penalize(nodes.id(0), now);
    let twice = weight(&directory, 0);

    assert!(once < 0.02 && twice < once);
    assert!((weight(&directory, 30) - once).abs() < 1e-6);
    assert!(weight(&directory, 600) > 0.99);
    directory.forgive(nodes.id(0));
    assert!((weight(&directory, 0) - 1.0).abs() < f32::EPSILON);
    directory.penalize(NodeId::new([9; 32]), now);
}

pub(crate) const BOTH: Roles = Roles {
    relay: true,
    exit: true,
};
pub(crate) const RELAY: Roles = Roles {
    relay: true,
    exit: false,
};
pub(crate) const EXIT: Roles = Roles {
    relay: false,
    exit: true,
};

/// Identities of some Nodes, to sign records with.
pub(crate) struct Mesh(Vec<Identity>);

impl Mesh {
    pub(crate) fn new(count: usize) -> Mesh {
        let validity = Validity::new(1_000, 2_000).unwrap();
        Mesh(
            (0..count)
                .map(|_| Identity::generate(validity, &mut SystemRandom))
                .collect(),
        )
    }

    pub(crate) fn id(&self, number: usize) -> NodeId {
        self.0[number].id()
    }

    pub(crate) fn number(&self, id: &NodeId) -> Option<usize> {
        self.0.iter().position(|identity| identity.id() == *id)
    }

    pub(crate) fn record(
        &self,
        number: usize,
        version: u64,
        roles: Roles,
        neighbors: &[usize],
    ) -> NodeRecord {
        self.record_in("ZZ", number, version, roles, neighbors)
    }

    pub(crate) fn record_in(
        &self,
        country: &str,
        number: usize,
        version: u64,
        roles: Roles,
        neighbors: &[usize],
    ) -> NodeRecord {
        let country = CountryCode::new(country).unwrap();
        let content = self.content(version, roles, neighbors);
        let content = Content { country, ..content };
        NodeRecord::sign(&self.0[number], content).unwrap()
    }

    pub(crate) fn record_for(
        &self,
        rates: Rates,
        number: usize,
        version: u64,
        roles: Roles,
        neighbors: &[usize],
    ) -> NodeRecord {
        let content = self.content(version, roles, neighbors);
        NodeRecord::sign(&self.0[number], Content { rates, ..content }).unwrap()
    }

    fn content(&self, version: u64, roles: Roles, neighbors: &[usize]) -> Content {
        let neighbors = neighbors.iter().map(|neighbor| self.id(*neighbor));
        Content {
            version,
            roles,
            accepts: true,
            country: CountryCode::new("ZZ").unwrap(),
            rates: Rates::default(),
            earning: None,
            neighbors: neighbors.collect(),
        }
    }
}

pub(crate) fn instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn adjacency(directory: &Directory) -> Vec<Vec<u32>> {
    let sorted = |node: &Node| {
        let mut adjacent = node.adjacent.clone();
        adjacent.sort_unstable();
        adjacent
    };
    directory.nodes.iter().map(sorted).collect()
}
