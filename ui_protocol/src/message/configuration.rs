//! Setup values that a Node will be started with, and the configuration of one that runs.

use serde::{Deserialize, Serialize};

/// Change values, or ask for all of them with none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupRequest {
    /// What to change.
    pub values: Vec<SetupRequestValue>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupRequestValue {
    /// The parameter.
    pub name: String,
    /// Its value; absent or null puts it back to what the other sources say.
    pub value: Option<String>,
}

/// All values. The same goes to every other UI as a broadcast when one changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupResponse {
    /// The Node runs, so nothing was changed.
    pub running: bool,
    /// Every value with where it comes from.
    pub values: Vec<SetupResponseValue>,
    /// Parameters that are wrong, and why.
    pub errors: Vec<(String, String)>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupResponseValue {
    /// The parameter.
    pub name: String,
    /// Its value; secrets as a fixed number of asterisks.
    pub value: String,
    /// Where it comes from.
    pub status: SetupStatus,
}

/// Where a setup value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetupStatus {
    /// Nobody said anything else.
    Default,
    /// From the database, the file or the environment.
    Configured,
    /// From a UI.
    Set,
    /// It has none and needs none.
    Blank,
    /// It has none and needs one.
    Required,
}

/// The configuration of the Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationRequest {
    /// Without it secrets are left out.
    pub db_password_opt: Option<String>,
}

/// The configuration of the Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationResponse {
    /// Where the chain is asked.
    pub blockchain_service_url_opt: Option<String>,
    /// The chain.
    pub chain_name: String,
    /// The port of the links.
    pub clandestine_port: u16,
    /// The version of the database.
    pub current_schema_version: String,
    /// Who earns.
    pub earning_wallet_address_opt: Option<String>,
    /// In gwei.
    pub gas_price: u64,
    /// How many blocks are asked for at once; any number when absent.
    pub max_block_count: Option<u64>,
    /// The mode.
    pub neighborhood_mode: String,
    /// How the router was asked for a port.
    pub port_mapping_protocol: Option<String>,
    /// From where the chain is read; the newest block when absent.
    pub start_block: Option<u64>,
    /// Who pays, with the password only.
    pub consuming_wallet_private_key_opt: Option<String>,
    /// Who pays.
    pub consuming_wallet_address_opt: Option<String>,
    /// Descriptors, with the password only.
    pub past_neighbors: Vec<String>,
    /// When debts are paid.
    pub payment_thresholds: PaymentThresholds,
    /// What this Node asks for.
    pub rate_pack: RatePack,
    /// How often the chain is looked at.
    pub scan_intervals: ScanIntervals,
}

/// When debts are paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentThresholds {
    /// Above it a mature debt is paid, in gwei.
    pub debt_threshold_gwei: u64,
    /// From this age on a debt is mature, in seconds.
    pub maturity_threshold_sec: u64,
    /// How much longer a debtor has, in seconds.
    pub payment_grace_period_sec: u64,
    /// Below it a debt is never paid, in gwei.
    pub permanent_debt_allowed_gwei: u64,
    /// How long the threshold falls, in seconds.
    pub threshold_interval_sec: u64,
    /// Below it a debtor is served again, in gwei.
    pub unban_below_gwei: u64,
}

/// What a Node asks for, in wei.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatePack {
    /// For a byte passed on.
    pub routing_byte_rate: u64,
    /// For a package passed on.
    pub routing_service_rate: u64,
    /// For a byte at the exit.
    pub exit_byte_rate: u64,
    /// For a package at the exit.
    pub exit_service_rate: u64,
}

/// How often the chain is looked at, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanIntervals {
    /// For receipts.
    pub pending_payable_sec: u64,
    /// For debts.
    pub payable_sec: u64,
    /// For payments.
    pub receivable_sec: u64,
}

/// Change the Node while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetConfigurationRequest {
    /// `gas-price`, `min-hops` or `start-block`.
    pub name: String,
    /// The value.
    pub value: String,
}

/// It is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetConfigurationResponse {}

super::messages! {
    SetupRequest: "setup", Conversation, Daemon;
    SetupResponse: "setup", Conversation, Daemon;
    ConfigurationRequest: "configuration", Conversation, Node;
    ConfigurationResponse: "configuration", Conversation, Node;
    SetConfigurationRequest: "setConfiguration", Conversation, Node;
    SetConfigurationResponse: "setConfiguration", Conversation, Node;
}
