//! The rules per app and destination that are in force.
//!
//! The original has none of these.

use serde::{Deserialize, Serialize};

/// Read the rules and their lists again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesReloadRequest {}

/// They are in force. An error says each reason why they are not; those before stay then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesReloadResponse {
    /// Where they were read from.
    pub file: String,
    /// How many rules are in force.
    pub rules: u64,
    /// How many flows were ended, for they are blocked now.
    pub ended: u64,
    /// What is odd about the file, but no reason to refuse it.
    pub warnings: Vec<String>,
}

/// How often was each rule met?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesHitsRequest {}

/// So often, since the Node started. A rule that a reload leaves as it is keeps its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesHitsResponse {
    /// Where the rules were read from.
    pub file: String,
    /// Those in force, in their order.
    pub rules: Vec<RuleHits>,
    /// What is done where no rule decides.
    pub default_action: String,
    /// How many flows no rule decided about.
    pub default_hits: u64,
}

/// A rule and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleHits {
    /// Its name, or one made from what it says.
    pub id: String,
    /// What it is about.
    pub conditions: String,
    /// What it does.
    pub action: String,
    /// How many flows it decided about.
    pub hits: u64,
}

super::messages! {
    RulesReloadRequest: "rulesReload", Conversation, Node;
    RulesReloadResponse: "rulesReload", Conversation, Node;
    RulesHitsRequest: "rulesHits", Conversation, Node;
    RulesHitsResponse: "rulesHits", Conversation, Node;
}
