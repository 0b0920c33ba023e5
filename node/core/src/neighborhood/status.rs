//! How the joining goes, for a person: the stage, and of each Node tried what it said and what to
//! do about it.

use std::net::SocketAddr;

use serde::{Serialize, Serializer};

use crate::identity::NodeId;

/// How far this Node is in the mesh; it goes down as well as up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// No neighbor.
    #[default]
    NotConnected,
    /// At least one neighbor.
    ConnectedToNeighbor,
    /// A route of the wanted length to an exit.
    RouteFound,
}

/// What is known of the joining.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How far it is.
    pub stage: Stage,
    /// Neighbors, clients, and Nodes that were tried or are to be tried.
    pub neighbors: Vec<NeighborStatus>,
    /// Records in the view.
    pub records: usize,
    /// This Node's descriptor, when its address is known and it takes links.
    pub own: Option<String>,
}

/// What is known of one Node that is or may become a neighbor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeighborStatus {
    /// Who.
    #[serde(serialize_with = "as_text")]
    pub id: NodeId,
    /// Where, when known.
    pub address: Option<SocketAddr>,
    /// What it is to this Node.
    pub state: State,
    /// For how many seconds.
    pub since_s: u64,
    /// What it said last, or what was met on the way to it.
    pub said: String,
    /// What a person can do; empty when there is nothing to do.
    pub remedy: String,
}

/// What another Node is to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Both name each other, and the link is up.
    Neighbor,
    /// It uses this Node and offers nothing.
    Client,
    /// It was asked to become a neighbor.
    Asked,
    /// A link is being opened.
    Dialling,
    /// Its link was lost a moment ago.
    Lost,
    /// It said that it has no room, or why else not.
    Passed,
    /// It could not be reached.
    Failed,
    /// It has not been tried yet, or need not be.
    Known,
    /// It broke the rules.
    Banned,
}

fn as_text<S: Serializer>(id: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
