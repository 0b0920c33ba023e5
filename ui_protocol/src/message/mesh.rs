//! The Node's place in the mesh: connection, descriptor, graph, exits.

use serde::{Deserialize, Serialize};

/// How far is the Node connected?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatusRequest {}

/// So far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatusResponse {
    /// The stage.
    pub stage: ConnectionStage,
}

/// The stage changed, up or down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionChange {
    /// The stage now.
    pub stage: ConnectionStage,
}

/// How far a Node is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConnectionStage {
    /// No neighbor.
    NotConnected,
    /// Neighbors, but no route of the wanted length.
    ConnectedToNeighbor,
    /// Flows can be carried.
    RouteFound,
}

/// What reaches this Node?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescriptorRequest {}

/// This.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescriptorResponse {
    /// The descriptor; absent while its address is not known, and in modes that take no links.
    pub node_descriptor_opt: Option<String>,
}

/// What does the Node know of the others?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborhoodGraphRequest {}

/// A graph in the DOT language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborhoodGraphResponse {
    /// The text, `digraph db { ... }`.
    pub graph: String,
}

/// Where flows shall leave the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitLocationRequest {
    /// Other countries will do when none of these can be had.
    pub fallback_routing: bool,
    /// The countries; any when empty.
    pub exit_locations: Vec<CountryGroup>,
    /// Only tell which countries there are.
    pub show_countries: bool,
}

/// Countries that are wanted equally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountryGroup {
    /// Of ISO 3166-1, two letters each.
    pub country_codes: Vec<String>,
    /// 1 is the most wanted.
    pub priority: usize,
}

/// Where flows will leave the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitLocationResponse {
    /// Other countries will do.
    pub fallback_routing: bool,
    /// What was chosen, without what is missing.
    pub exit_country_selection: Vec<CountryGroup>,
    /// The countries there are, when they were asked for.
    pub exit_countries: Option<Vec<String>>,
    /// Countries that were asked for and are not there.
    pub missing_countries: Vec<String>,
}

super::messages! {
    ConnectionStatusRequest: "connectionStatus", Conversation, Node;
    ConnectionStatusResponse: "connectionStatus", Conversation, Node;
    ConnectionChange: "connectionChange", Broadcast, Node;
    DescriptorRequest: "descriptor", Conversation, Node;
    DescriptorResponse: "descriptor", Conversation, Node;
    NeighborhoodGraphRequest: "neighborhoodGraph", Conversation, Node;
    NeighborhoodGraphResponse: "neighborhoodGraph", Conversation, Node;
    ExitLocationRequest: "exitLocation", Conversation, Node;
    ExitLocationResponse: "exitLocation", Conversation, Node;
}
