//! `masq financials`: what is owed, and what was paid.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Args, ValueEnum};
use masq_ui_protocol::message::{
    CustomQueries, FinancialTotals, FinancialsRequest, FinancialsResponse, Order, Payable,
    QueryResults, Range, Receivable, TopRecords,
};

use super::{Command, Json};
use crate::client::ORDINARY;
use crate::page::table;
use crate::session::Session;

mod amount;
mod range;

use amount::Unit;

/// Print what the Node owes and is owed, in MASQ.
///
/// Without options the four totals are printed.
#[derive(Debug, Args)]
#[group(id = "queries", multiple = true)]
pub(crate) struct Financials {
    /// The largest N records of each kind
    #[arg(
        short, long, value_name = "N", conflicts_with_all = ["payable", "receivable"],
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    top: Option<u16>,

    /// What makes a record large [default: balance]
    #[arg(short, long, value_enum, requires = "top")]
    ordered: Option<Ordered>,

    /// Debts within ranges: age in seconds, then MASQ; `0-86400|0.5-2`, or `0-86400|0.5-` without upper end
    #[arg(short, long, value_name = "AGES|AMOUNTS", value_parser = range::payable)]
    payable: Option<Range<u64>>,

    /// Claims within ranges; amounts may be below zero: `0-86400|-2-1.5`
    #[arg(short, long, value_name = "AGES|AMOUNTS", value_parser = range::receivable)]
    receivable: Option<Range<i64>>,

    /// Leave out the totals
    #[arg(short, long)]
    no_stats: bool,

    /// Print gwei rather than MASQ
    #[arg(short, long)]
    gwei: bool,

    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ordered {
    Balance,
    Age,
}

impl Command for Financials {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let queries = self.top.is_some() || self.payable.is_some() || self.receivable.is_some();
        if self.no_stats && !queries {
            anyhow::bail!(
                "--no-stats leaves nothing to print; add --top, --payable or --receivable"
            );
        }
        let answer: FinancialsResponse = session.request(&self.request(), ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            let unit = if self.gwei { Unit::Gwei } else { Unit::Masq };
            session.print(&self.page(&answer, unit))?;
        }
        Ok(0)
    }
}

impl Financials {
    fn request(&self) -> FinancialsRequest {
        let ordered_by = match self.ordered {
            Some(Ordered::Age) => Order::Age,
            Some(Ordered::Balance) | None => Order::Balance,
        };
        let custom = CustomQueries {
            payable_opt: self.payable.clone(),
            receivable_opt: self.receivable.clone(),
        };
        let some = custom.payable_opt.is_some() || custom.receivable_opt.is_some();
        FinancialsRequest {
            stats_required: !self.no_stats,
            top_records_opt: self.top.map(|count| TopRecords { count, ordered_by }),
            custom_queries_opt: some.then_some(custom),
        }
    }

    fn page(&self, answer: &FinancialsResponse, unit: Unit) -> String {
        let mut page = String::new();
        if let Some(totals) = &answer.stats_opt {
            page.push_str(&totals_page(totals, unit));
        }
        if let Some(results) = &answer.query_results_opt {
            let by = match self.ordered {
                Some(Ordered::Age) => "age",
                Some(Ordered::Balance) | None => "balance",
            };
            let title = |kind: &str| match self.top {
                Some(count) => format!("{kind}, the first {count} by {by}"),
                None => format!("{kind} within the ranges"),
            };
            let QueryResults {
                payable_opt,
                receivable_opt,
            } = results;
            if self.top.is_some() || self.payable.is_some() {
                let rows = payables(payable_opt.as_deref().unwrap_or_default(), unit);
                let balance = format!("BALANCE [{unit}]");
                let headings = ["#", "WALLET", "AGE [s]", &balance, "PENDING TRANSACTION"];
                section(&mut page, &title("Payables"), &headings, &rows);
            }
            if self.top.is_some() || self.receivable.is_some() {
                let rows = receivables(receivable_opt.as_deref().unwrap_or_default(), unit);
                let balance = format!("BALANCE [{unit}]");
                let headings = ["#", "WALLET", "AGE [s]", &balance];
                section(&mut page, &title("Receivables"), &headings, &rows);
            }
        }
        page
    }
}

fn totals_page(totals: &FinancialTotals, unit: Unit) -> String {
    let rows = [
        (
            "Unpaid and pending payable:",
            i128::from(totals.total_unpaid_and_pending_payable_gwei),
        ),
        ("Paid payable:", i128::from(totals.total_paid_payable_gwei)),
        (
            "Unpaid receivable:",
            i128::from(totals.total_unpaid_receivable_gwei),
        ),
        (
            "Paid receivable:",
            i128::from(totals.total_paid_receivable_gwei),
        ),
    ];
    let mut page = format!("Totals [{unit}]; what was paid counts from the start of the Node\n");
    for (name, gwei) in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(page, "{name:<29}{}", unit.show(gwei));
    }
    page
}

fn payables(records: &[Payable], unit: Unit) -> Vec<Vec<String>> {
    let row = |(index, record): (usize, &Payable)| {
        vec![
            (index + 1).to_string(),
            record.wallet.clone(),
            record.age_s.to_string(),
            unit.show(i128::from(record.balance_gwei)),
            record
                .pending_payable_hash_opt
                .clone()
                .unwrap_or_else(|| "none".to_owned()),
        ]
    };
    records.iter().enumerate().map(row).collect()
}

fn receivables(records: &[Receivable], unit: Unit) -> Vec<Vec<String>> {
    let row = |(index, record): (usize, &Receivable)| {
        vec![
            (index + 1).to_string(),
            record.wallet.clone(),
            record.age_s.to_string(),
            unit.show(i128::from(record.balance_gwei)),
        ]
    };
    records.iter().enumerate().map(row).collect()
}

fn section(page: &mut String, title: &str, headings: &[&str], rows: &[Vec<String>]) {
    if !page.is_empty() {
        page.push('\n');
    }
    page.push_str(title);
    page.push('\n');
    if rows.is_empty() {
        page.push_str("No records found.\n");
    } else {
        page.push_str(&table(headings, &[0, 2, 3], rows));
    }
}
