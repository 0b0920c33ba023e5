//! `masq wallet-addresses`: which wallets the Node has.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{WalletAddressesRequest, WalletAddressesResponse};

use super::{Command, Json};
use crate::client::SECRETS;
use crate::session::Session;

/// Print the addresses of the wallet that pays and of the one that earns.
#[derive(Args)]
pub(crate) struct WalletAddresses {
    /// The password of the database [asked for when left out]
    db_password: Option<String>,

    #[command(flatten)]
    json: Json,
}

impl Command for WalletAddresses {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let request = WalletAddressesRequest {
            db_password: session.secret(self.db_password, "password")?,
        };
        let answer: WalletAddressesResponse = session.request(&request, SECRETS)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&format!(
                "Consuming wallet address: {}\nEarning wallet address:   {}",
                answer.consuming_wallet_address, answer.earning_wallet_address
            ))?;
        }
        Ok(0)
    }
}
