//! Debts, earnings and the scans of the chain.

use serde::{Deserialize, Serialize};

/// What is owed and what was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinancialsRequest {
    /// The four totals.
    pub stats_required: bool,
    /// The largest records; not together with `custom_queries_opt`.
    pub top_records_opt: Option<TopRecords>,
    /// Records within ranges.
    pub custom_queries_opt: Option<CustomQueries>,
}

/// The largest records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopRecords {
    /// How many of each kind.
    pub count: u16,
    /// What is large.
    pub ordered_by: Order,
}

/// What a record is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// How long ago it began.
    Age,
    /// How much it is.
    Balance,
}

/// Records within ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomQueries {
    /// What this Node owes.
    pub payable_opt: Option<Range<u64>>,
    /// What others owe to it; below zero when they paid too much.
    pub receivable_opt: Option<Range<i64>>,
}

/// Both ends belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range<T> {
    /// In seconds.
    pub min_age_s: u64,
    /// In seconds.
    pub max_age_s: u64,
    /// In gwei.
    pub min_amount_gwei: T,
    /// In gwei.
    pub max_amount_gwei: T,
}

/// What is owed and what was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinancialsResponse {
    /// When they were asked for.
    pub stats_opt: Option<FinancialTotals>,
    /// When records were asked for.
    pub query_results_opt: Option<QueryResults>,
}

/// In gwei.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinancialTotals {
    /// What this Node owes.
    pub total_unpaid_and_pending_payable_gwei: u64,
    /// What it paid since its start.
    pub total_paid_payable_gwei: u64,
    /// What others owe to it.
    pub total_unpaid_receivable_gwei: i64,
    /// What it was paid since its start.
    pub total_paid_receivable_gwei: u64,
}

/// Records; null when there is none of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryResults {
    /// What this Node owes.
    pub payable_opt: Option<Vec<Payable>>,
    /// What others owe to it.
    pub receivable_opt: Option<Vec<Receivable>>,
}

/// A debt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payable {
    /// To whom.
    pub wallet: String,
    /// For how long, in seconds.
    pub age_s: u64,
    /// How much.
    pub balance_gwei: u64,
    /// The transaction that is under way.
    pub pending_payable_hash_opt: Option<String>,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receivable {
    /// Against whom.
    pub wallet: String,
    /// For how long, in seconds.
    pub age_s: u64,
    /// How much.
    pub balance_gwei: i64,
}

/// Look at the chain now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanRequest {
    /// For what.
    pub scan_type: ScanType,
}

/// The scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanType {
    /// Debts to be paid.
    Payables,
    /// Payments of others.
    Receivables,
    /// Receipts of own payments.
    PendingPayables,
}

/// It is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanResponse {}

super::messages! {
    FinancialsRequest: "financials", Conversation, Node;
    FinancialsResponse: "financials", Conversation, Node;
    ScanRequest: "scan", Conversation, Node;
    ScanResponse: "scan", Conversation, Node;
}
