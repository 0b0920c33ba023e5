//! What this Node knows of the others: their records, and which links are up.
//!
//! The static list of a file fills it until gossip does. Two Nodes count as
//! neighbors when both records say so, so that no Node draws routes to itself
//! by claiming links that the other side does not confirm; our own links are
//! what the shell says is up. Failures are remembered for a while: a Node that
//! took part in one is chosen less until it has been quiet or has served well.

use std::collections::HashMap;
use std::time::Instant;

use crate::identity::NodeId;
use crate::record::{MAX_JSON, NodeRecord, RecordError};

/// The most Nodes that are remembered.
pub const MAX_NODES: usize = 20_000;

/// The longest nodes file that is read, in bytes.
pub const MAX_FILE: usize = 64 << 20;

/// After this many seconds half of a penalty is forgotten.
const HALF_LIFE: f32 = 30.0;
/// How strongly one fresh failure counts against a Node that has none.
const SEVERITY: f32 = 50.0;

/// The Nodes of the mesh, as far as they are known.
#[derive(Debug)]
pub struct Directory {
    own: NodeId,
    pub(crate) nodes: Vec<Node>,
    index: HashMap<NodeId, u32>,
    links: Vec<NodeId>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) record: NodeRecord,
    /// Nodes that name this one as it names them.
    pub(crate) adjacent: Vec<u32>,
    failures: f32,
    failed_at: Option<Instant>,
}

/// What came of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// The Node was unknown.
    Added,
    /// The record is newer than the known one.
    Replaced,
    /// The known record is the same or newer.
    Old,
    /// There is no room for another Node.
    Full,
}

/// What came of a nodes file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Records taken.
    pub nodes: usize,
    /// Lines left out.
    pub refused: Vec<RefusedLine>,
}

/// A line of a nodes file that holds no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct RefusedLine {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub source: RecordError,
}

/// Why a nodes file is of no use at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is longer than any list.
    #[error("the list has {0} bytes; at most {MAX_FILE} are read")]
    TooLong(usize),
    /// No line holds a record; the first reason is given.
    #[error("no line of the list is a Node record (make one with MASQNode --print-record)")]
    Nothing(#[source] RefusedLine),
}

impl Directory {
    /// An empty directory of the Node `own`, which no route leads through.
    pub fn new(own: NodeId) -> Directory {
        Directory {
            own,
            nodes: Vec::new(),
            index: HashMap::new(),
            links: Vec::new(),
        }
    }

    /// Takes the records of a nodes file: one of JSON a line, empty lines and lines with `#` aside.
    pub fn load(&mut self, text: &str) -> Result<Loaded, LoadError> {
        if text.len() > MAX_FILE {
            return Err(LoadError::TooLong(text.len()));
        }
        let mut loaded = Loaded::default();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match read_record(text) {
                Ok(record) => {
                    self.insert(record);
                    loaded.nodes += 1;
                }
                Err(source) => loaded.refused.push(RefusedLine { line, source }),
            }
        }
        match loaded.refused.first() {
            Some(first) if loaded.nodes == 0 => Err(LoadError::Nothing(first.clone())),
            _ => Ok(loaded),
        }
    }

    /// Takes a record, unless a newer one of the same Node is known.
    pub fn insert(&mut self, record: NodeRecord) -> Insertion {
        let id = record.id();
        if let Some(&place) = self.index.get(&id) {
            if record.version() <= self.nodes[place as usize].record.version() {
                return Insertion::Old;
            }
            self.disconnect(place);
            self.nodes[place as usize].record = record;
            self.connect(place);
            return Insertion::Replaced;
        }
        let Ok(place) = u32::try_from(self.nodes.len()) else {
            return Insertion::Full;
        };
        if self.nodes.len() >= MAX_NODES {
            return Insertion::Full;
        }
        self.nodes.push(Node {
            record,
            adjacent: Vec::new(),
            failures: 0.0,
            failed_at: None,
        });
        self.index.insert(id, place);
        self.connect(place);
        Insertion::Added
    }

    /// Says which neighbors have a link with us that is up; the others have none.
    pub fn set_links(&mut self, up: &[NodeId]) {
        self.links = up.to_vec();
        self.links.sort_unstable();
        self.links.dedup();
    }

    /// The neighbors whose link is up, in ascending order.
    pub fn links(&self) -> &[NodeId] {
        &self.links
    }

    /// The record of a Node.
    pub fn record(&self, id: &NodeId) -> Option<&NodeRecord> {
        let place = *self.index.get(id)?;
        Some(&self.nodes[place as usize].record)
    }

    /// How many Nodes are known.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no Node is known.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Remembers that a circuit through this Node failed.
    pub fn penalize(&mut self, id: NodeId, now: Instant) {
        if let Some(node) = self.node_mut(&id) {
            node.failures = node.failures_at(now) + 1.0;
            node.failed_at = Some(now);
        }
    }

    /// Forgets the failures of a Node: a circuit through it works.
    pub fn forgive(&mut self, id: NodeId) {
        if let Some(node) = self.node_mut(&id) {
            node.failures = 0.0;
            node.failed_at = None;
        }
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    pub(crate) fn place_of(&self, id: &NodeId) -> Option<u32> {
        self.index.get(id).copied()
    }

    fn node_mut(&mut self, id: &NodeId) -> Option<&mut Node> {
        let place = *self.index.get(id)?;
        self.nodes.get_mut(place as usize)
    }

    fn connect(&mut self, place: u32) {
        let node = &self.nodes[place as usize].record;
        let id = node.id();
        let mutual: Vec<u32> = node
            .neighbors()
            .iter()
            .filter_map(|neighbor| self.index.get(neighbor).copied())
            .filter(|other| {
                let theirs = self.nodes[*other as usize].record.neighbors();
                *other != place && theirs.binary_search(&id).is_ok()
            })
            .collect();
        for other in &mutual {
            self.nodes[*other as usize].adjacent.push(place);
        }
        self.nodes[place as usize].adjacent = mutual;
    }

    fn disconnect(&mut self, place: u32) {
        for other in std::mem::take(&mut self.nodes[place as usize].adjacent) {
            self.nodes[other as usize]
                .adjacent
                .retain(|adjacent| *adjacent != place);
        }
    }
}

impl Node {
    /// How willingly the Node is chosen: 1 without failures, near 0 after fresh ones.
    pub(crate) fn weight(&self, now: Instant) -> f32 {
        if self.failed_at.is_none() {
            return 1.0;
        }
        1.0 / (1.0 + SEVERITY * self.failures_at(now))
    }

    fn failures_at(&self, now: Instant) -> f32 {
        let Some(at) = self.failed_at else { return 0.0 };
        let age = now.saturating_duration_since(at).as_secs_f32();
        self.failures * (-age / HALF_LIFE).exp2()
    }
}

fn read_record(text: &str) -> Result<NodeRecord, RecordError> {
    if text.len() > MAX_JSON {
        return Err(RecordError::TooLong { length: text.len() });
    }
    NodeRecord::from_json(text)
}

#[cfg(test)]
pub(crate) mod tests;
