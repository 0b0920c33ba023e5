//! `masq set-configuration`: changes the Node while it runs.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{SetConfigurationRequest, SetConfigurationResponse};

use super::Command;
use crate::client::ORDINARY;
use crate::session::Session;

/// Change one value of the Node while it runs; it is kept for the next start.
#[derive(Debug, Args)]
#[group(id = "parameter", required = true, multiple = false)]
pub(crate) struct SetConfiguration {
    /// What is paid for a transaction, in gwei; more than 0
    #[arg(long, value_name = "GWEI", value_parser = clap::value_parser!(u64).range(1..))]
    gas_price: Option<u64>,

    /// How many Nodes a route has at least, 1 to 6
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u8).range(1..=6))]
    min_hops: Option<u8>,

    /// From which block on the chain is read: a number, or `none` or `latest` for the newest
    #[arg(long, value_name = "BLOCK", value_parser = start_block)]
    start_block: Option<String>,
}

impl Command for SetConfiguration {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let given = [
            ("gas-price", self.gas_price.map(|price| price.to_string())),
            ("min-hops", self.min_hops.map(|hops| hops.to_string())),
            ("start-block", self.start_block),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                let request = SetConfigurationRequest {
                    name: name.to_owned(),
                    value,
                };
                let SetConfigurationResponse {} = session.request(&request, ORDINARY)?;
                session.print(&format!("{name} is set."))?;
            }
        }
        Ok(0)
    }
}

/// Nodes know only `none`.
fn start_block(text: &str) -> Result<String, String> {
    match text {
        "none" | "latest" => Ok("none".to_owned()),
        number => match number.parse::<u64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err("give the number of a block, `none` or `latest`".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_block_has_two_names() {
        assert_eq!(start_block("latest"), Ok("none".to_owned()));
        assert_eq!(start_block("none"), Ok("none".to_owned()));
        assert_eq!(start_block("0012"), Ok("12".to_owned()));
        assert!(start_block("-1").is_err());
        assert!(start_block("newest").is_err());
    }
}
