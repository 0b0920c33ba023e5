//! What is so in the network, and whether the Nodes know it.

use std::collections::BTreeSet;

use super::{NONE, Net};
use crate::identity::NodeId;

impl Net {
    /// Neighbors by the records of both, whose link is up.
    pub(in crate::neighborhood::tests) fn neighbors(&self, node: usize) -> Vec<usize> {
        let id = self.id(node);
        self.core(node)
            .own_record()
            .neighbors()
            .iter()
            .filter_map(|other| self.node_of(other))
            .filter(|other| {
                let core = self.nodes[*other].core.as_ref();
                core.is_some_and(|core| core.own_record().neighbors().contains(&id))
            })
            .collect()
    }

    pub(in crate::neighborhood::tests) fn running(&self) -> Vec<usize> {
        let running = |node: &usize| self.nodes[*node].core.is_some();
        (0..self.nodes.len()).filter(running).collect()
    }

    /// What must hold at every rest: degrees, mutual links, views that agree with the truth.
    pub(in crate::neighborhood::tests) fn check_rest(&self, least: usize) {
        for node in self.running() {
            let host = &self.nodes[node];
            let client = host.config.roles == NONE;
            let own = self.core(node).own_record();
            let limits = &host.config.limits;
            let degree = if client {
                host.first_hops.len()
            } else {
                own.neighbors().len()
            };
            assert!(degree <= limits.most, "{node} has {degree} neighbors");
            assert!(degree >= least, "{node} has {degree} neighbors");
            if !client {
                assert_eq!(self.neighbors(node).len(), degree, "{node}: mutual");
                assert_eq!(host.first_hops.len(), degree, "{node}: links up");
            }
            let expected = self.reachable(node);
            let got: BTreeSet<_> = host.learned.keys().copied().collect();
            assert_eq!(got, expected, "the view of {node}");
            for (id, record) in &host.learned {
                let owner = self.node_of(id).unwrap();
                assert_eq!(
                    record.version(),
                    self.core(owner).own_record().version(),
                    "{node} has an old record of {owner}"
                );
            }
        }
    }

    /// The ids within the radius, by the records as their owners have them.
    pub(in crate::neighborhood::tests) fn reachable(&self, node: usize) -> BTreeSet<NodeId> {
        let mut reached = BTreeSet::new();
        let mut ring: Vec<usize> = self.nodes[node]
            .first_hops
            .iter()
            .filter_map(|id| self.node_of(id))
            .collect();
        for _ in 0..self.nodes[node].config.radius {
            let mut next = Vec::new();
            for one in ring {
                if one != node && reached.insert(self.id(one)) {
                    next.extend(self.neighbors(one));
                }
            }
            ring = next;
        }
        reached
    }
}
