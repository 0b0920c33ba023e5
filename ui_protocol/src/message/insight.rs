//! What goes on in the Node, and why: live flows, the way of one flow, what is wrong.
//!
//! The original has none of these.

use serde::{Deserialize, Serialize};

/// Which flows of this machine's programs are there?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsRequest {}

/// These.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsResponse {
    /// How many there are.
    pub total: u64,
    /// The newest, newest first; 256 at most.
    pub connections: Vec<Connection>,
}

/// A live flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its number since the Node started.
    pub id: u64,
    /// What it is.
    pub protocol: FlowProtocol,
    /// Whose it is; absent while nobody could tell.
    pub app_opt: Option<ConnectionApp>,
    /// Whether it comes from outside of this system: a container, another machine.
    #[serde(default)]
    pub forwarded: bool,
    /// The app's end, address and port.
    pub source: String,
    /// The other end as the app sees it; it may be a fake address.
    pub destination: String,
    /// The name of the destination, as far as it is known.
    pub name_opt: Option<String>,
    /// What decided about its way: a rule, or `mesh`, `direct` or `local`.
    pub rule: String,
    /// The Nodes on its way, nearest first, by the first characters of their ids.
    pub hops: Vec<String>,
    /// The country of the last of them.
    pub exit_country_opt: Option<String>,
    /// How many times it went on by another way.
    pub resumed: u32,
    /// When it began, seconds since 1970.
    pub start_unix: u64,
    /// For how long it is there.
    pub age_ms: u64,
    /// Bytes from the app.
    pub sent: u64,
    /// Bytes to the app.
    pub received: u64,
    /// Bytes a second from the app, over the last seconds.
    pub sent_rate: u64,
    /// Bytes a second to the app, over the last seconds.
    pub received_rate: u64,
}

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowProtocol {
    /// A TCP connection.
    Tcp,
    /// Datagrams between two ports.
    Udp,
    /// A question to the DNS that is not answered by the Node itself.
    Dns,
}

/// The process that a flow belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionApp {
    /// Its number.
    pub pid: u32,
    /// The user that it runs as.
    pub uid: u32,
    /// Its name, as the system lists it.
    pub name: String,
    /// Its program.
    pub path_opt: Option<String>,
    /// What the program runs, where it is an interpreter.
    #[serde(default)]
    pub script_opt: Option<String>,
    /// The name of the user.
    #[serde(default)]
    pub user_opt: Option<String>,
    /// Its systemd unit.
    #[serde(default)]
    pub unit_opt: Option<String>,
    /// The container that it runs in, by name or number.
    #[serde(default)]
    pub container_opt: Option<String>,
}

/// End this flow now: the app gets a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseConnectionRequest {
    /// Its number in `connections`.
    pub id: u64,
}

/// It was ended, or there is no such flow that can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseConnectionResponse {
    /// Whether it was ended.
    pub closed: bool,
}

/// Why does this flow go where it goes, or where would one go? Either a flow or a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyRequest {
    /// A flow of `connections`.
    pub id_opt: Option<u64>,
    /// A name or an address that nobody has to connect to for this.
    pub destination_opt: Option<String>,
    /// The port there; 443 if absent.
    pub port_opt: Option<u16>,
    /// The protocol; TCP if absent.
    pub protocol_opt: Option<FlowProtocol>,
    /// The name of the app.
    pub app_opt: Option<String>,
}

/// Step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyResponse {
    /// Whether a way is there.
    pub carried: bool,
    /// What was, or would be, decided, in this order.
    pub steps: Vec<WhyStep>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyStep {
    /// What it is about.
    pub topic: WhyTopic,
    /// For a person.
    pub text: String,
}

/// What decisions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhyTopic {
    /// Which process it is.
    Owner,
    /// What the name became.
    Dns,
    /// Which rule applies.
    Rule,
    /// How it leaves this machine.
    Way,
    /// Over which Nodes.
    Circuit,
    /// Where it leaves the mesh.
    Exit,
}

/// What is wrong?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRequest {}

/// This; nothing when all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResponse {
    /// The gravest first.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name, which does not change.
    pub code: String,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What a person can do.
    pub remedy: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Flows are not carried.
    Error,
    /// Something does not work, or soon will not.
    Warning,
    /// Worth knowing.
    Info,
}

super::messages! {
    ConnectionsRequest: "connections", Conversation, Node;
    ConnectionsResponse: "connections", Conversation, Node;
    CloseConnectionRequest: "closeConnection", Conversation, Node;
    CloseConnectionResponse: "closeConnection", Conversation, Node;
    WhyRequest: "why", Conversation, Node;
    WhyResponse: "why", Conversation, Node;
    HealthRequest: "health", Conversation, Node;
    HealthResponse: "health", Conversation, Node;
}
