//! `masq configuration`: what the Node runs with.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{ConfigurationRequest, ConfigurationResponse};

use super::{Command, Json};
use crate::client::SECRETS;
use crate::session::Session;

/// Print the configuration of the Node.
///
/// The private key and the past neighbors need the password; without it, or with a wrong one,
/// they are left out.
#[derive(Args)]
pub(crate) struct Configuration {
    /// The password of the database
    db_password: Option<String>,

    /// Ask for the password
    #[arg(long, conflicts_with = "db_password")]
    ask: bool,

    #[command(flatten)]
    json: Json,
}

impl Command for Configuration {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let db_password_opt = match self.db_password {
            None if self.ask => Some(session.secret(None, "password")?),
            given => given,
        };
        let answer: ConfigurationResponse =
            session.request(&ConfigurationRequest { db_password_opt }, SECRETS)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&page(&answer))?;
        }
        Ok(0)
    }
}

const UNKNOWN: &str = "[?]";

fn page(answer: &ConfigurationResponse) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(page, "{name:<33}{value}");
    };
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let or = |value: Option<u64>, none: &str| {
        value.map_or_else(|| none.to_owned(), |number| number.to_string())
    };
    row("NAME", "VALUE");
    row(
        "Blockchain service URL:",
        &known(&answer.blockchain_service_url_opt),
    );
    row("Chain:", &answer.chain_name);
    row("Clandestine port:", &answer.clandestine_port.to_string());
    row(
        "Consuming wallet address:",
        &known(&answer.consuming_wallet_address_opt),
    );
    row(
        "Consuming wallet private key:",
        &known(&answer.consuming_wallet_private_key_opt),
    );
    row("Current schema version:", &answer.current_schema_version);
    row(
        "Earning wallet address:",
        &known(&answer.earning_wallet_address_opt),
    );
    row("Gas price:", &answer.gas_price.to_string());
    row(
        "Max block count:",
        &or(answer.max_block_count, "[Unlimited]"),
    );
    row("Neighborhood mode:", &answer.neighborhood_mode);
    row(
        "Port mapping protocol:",
        &known(&answer.port_mapping_protocol),
    );
    row("Start block:", &or(answer.start_block, "[Latest]"));
    let mut past = answer.past_neighbors.iter();
    row(
        "Past neighbors:",
        past.next().map_or(UNKNOWN, String::as_str),
    );
    for neighbor in past {
        row("", neighbor);
    }
    let thresholds = &answer.payment_thresholds;
    row("Payment thresholds:", "");
    for (name, number, unit) in [
        ("Debt threshold", thresholds.debt_threshold_gwei, "gwei"),
        ("Maturity threshold", thresholds.maturity_threshold_sec, "s"),
        (
            "Payment grace period",
            thresholds.payment_grace_period_sec,
            "s",
        ),
        (
            "Permanent debt allowed",
            thresholds.permanent_debt_allowed_gwei,
            "gwei",
        ),
        ("Threshold interval", thresholds.threshold_interval_sec, "s"),
        ("Unban below", thresholds.unban_below_gwei, "gwei"),
    ] {
        row(&format!("  {name}:"), &format!("{number} {unit}"));
    }
    let rates = &answer.rate_pack;
    row("Rate pack:", "");
    for (name, number) in [
        ("Routing byte rate", rates.routing_byte_rate),
        ("Routing service rate", rates.routing_service_rate),
        ("Exit byte rate", rates.exit_byte_rate),
        ("Exit service rate", rates.exit_service_rate),
    ] {
        row(&format!("  {name}:"), &format!("{number} wei"));
    }
    let scans = &answer.scan_intervals;
    row("Scan intervals:", "");
    for (name, number) in [
        ("Pending payable", scans.pending_payable_sec),
        ("Payable", scans.payable_sec),
        ("Receivable", scans.receivable_sec),
    ] {
        row(&format!("  {name}:"), &format!("{number} s"));
    }
    let trimmed: Vec<&str> = page.lines().map(str::trim_end).collect();
    trimmed.join("\n")
}
