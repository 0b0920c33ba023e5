//! What the Node knows of the mesh, as text in the DOT language. Pure.

use masq_core::config::CountryCode;
use masq_core::identity::NodeId;
use masq_core::record::{NodeRecord, Roles};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Nodes in one graph; more would be neither drawn nor read.
const MOST: usize = 2_000;

/// One Node of the graph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    pub id: NodeId,
    pub roles: Roles,
    pub country: CountryCode,
    /// Those that it names.
    pub neighbors: Vec<NodeId>,
}

impl From<&NodeRecord> for Place {
    fn from(record: &NodeRecord) -> Self {
        Place {
            id: record.id(),
            roles: record.roles(),
            country: record.country(),
            neighbors: record.neighbors().to_vec(),
        }
    }
}

/// Draws the Node itself and those it knows. An arrow leads from each to those
/// that it names, so that a link which both sides speak of has two.
pub fn dot(own: Place, others: impl Iterator<Item = Place>) -> String {
    let own_id = own.id;
    let mut places: BTreeMap<NodeId, Place> = BTreeMap::new();
    let mut left_out = 0;
    for place in others.filter(|place| place.id != own_id) {
        if places.len() + 1 < MOST {
            places.insert(place.id, place);
        } else {
            left_out += 1;
        }
    }
    places.insert(own_id, own);
    let mut text = String::from("digraph db {\n");
    // Writing to a string does not fail.
    if left_out > 0 {
        let _ = writeln!(text, "  // {left_out} more Nodes are known and left out");
    }
    for (id, place) in &places {
        let style = if *id == own_id { ", style=filled" } else { "" };
        let _ = writeln!(
            text,
            "  \"{id}\" [label=\"{}\\n{}\\n{}\"{style}];",
            id.short(),
            roles(place.roles),
            place.country
        );
    }
    for (id, place) in &places {
        for neighbor in &place.neighbors {
            if places.contains_key(neighbor) {
                let _ = writeln!(text, "  \"{id}\" -> \"{neighbor}\";");
            }
        }
    }
    text.push_str("}\n");
    text
}

fn roles(roles: Roles) -> &'static str {
    match (roles.relay, roles.exit) {
        (true, true) => "relay, exit",
        (true, false) => "relay",
        (false, true) => "exit",
        (false, false) => "client",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::new(bytes)
    }

    fn place(number: u16, neighbors: &[u16]) -> Place {
        Place {
            id: id(number),
            roles: Roles {
                relay: true,
                exit: number.is_multiple_of(2),
            },
            country: CountryCode::assigned("CZ").unwrap(),
            neighbors: neighbors.iter().copied().map(id).collect(),
        }
    }

    #[test]
    fn nodes_and_links_are_drawn() {
        let text = dot(
            place(1, &[2]),
            [place(2, &[1, 3]), place(3, &[2, 9])].into_iter(),
        );
        let (one, two, three) = (id(1), id(2), id(3));
        let expected = format!(
            "digraph db {{\n  \"{one}\" [label=\"{}\\nrelay\\nCZ\", style=filled];\n  \
             \"{two}\" [label=\"{}\\nrelay, exit\\nCZ\"];\n  \
             \"{three}\" [label=\"{}\\nrelay\\nCZ\"];\n  \
             \"{one}\" -> \"{two}\";\n  \"{two}\" -> \"{one}\";\n  \
             \"{two}\" -> \"{three}\";\n  \"{three}\" -> \"{two}\";\n}}\n",
            one.short(),
            two.short(),
            three.short()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_node_alone_is_a_graph() {
        let text = dot(place(1, &[]), std::iter::empty());
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_large_mesh_is_cut_and_says_so() {
        let text = dot(place(0, &[]), (1..3_000).map(|number| place(number, &[])));
        assert!(text.contains("1000 more Nodes"), "{}", &text[..100]);
        assert_eq!(text.lines().count(), MOST + 3);
    }
}
