//! `masq recover-wallets`: wallets that exist.

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message::{RecoverSeedSpec, RecoverWalletsRequest, RecoverWalletsResponse};

use super::{Command, language, replace};
use crate::client::SECRETS;
use crate::session::Session;

/// Take wallets that exist: from a phrase, or as a private key and an address.
///
/// The phrase is needed unless both --consuming-key and --earning-address are given.
#[derive(Args)]
pub(crate) struct RecoverWallets {
    /// The password of the database [asked for when left out]
    #[arg(long, value_name = "PASSWORD")]
    db_password: Option<String>,

    /// The phrase, in quotes [asked for when left out and needed]
    #[arg(long, value_name = "WORDS")]
    mnemonic_phrase: Option<String>,

    /// The extra word that is no part of the phrase [asked for when given without a value]
    #[arg(long, value_name = "WORD", num_args = 0..=1)]
    passphrase: Option<Option<String>>,

    /// The language of the phrase
    #[arg(long, default_value = "English", value_parser = language::parser())]
    language: String,

    /// The derivation path of the wallet that pays [default: m/44'/60'/0'/0/0]
    #[arg(long, value_name = "PATH", conflicts_with = "consuming_key")]
    consuming_path: Option<String>,

    /// The private key of the wallet that pays [asked for when given without a value]
    #[arg(long, value_name = "KEY", num_args = 0..=1)]
    consuming_key: Option<Option<String>>,

    /// The derivation path of the wallet that earns [default: m/44'/60'/0'/0/1]
    #[arg(long, value_name = "PATH", conflicts_with = "earning_address")]
    earning_path: Option<String>,

    /// The address of the wallet that earns
    #[arg(long, value_name = "ADDRESS")]
    earning_address: Option<String>,

    /// Replace wallets that are there, without asking
    #[arg(long)]
    replace: bool,
}

impl Command for RecoverWallets {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let unasked = self.replace;
        let mut request = self.request(session)?;
        let RecoverWalletsResponse {} = replace::ask(session, unasked, |session, replace| {
            request.replace_wallets = replace;
            session.request(&request, SECRETS)
        })?;
        session.print("The wallets are recovered.")?;
        Ok(0)
    }
}

impl RecoverWallets {
    fn request(self, session: &mut Session) -> Result<RecoverWalletsRequest> {
        let both = self.consuming_key.is_some() && self.earning_address.is_some();
        if both && (self.mnemonic_phrase.is_some() || self.passphrase.is_some()) {
            bail!("a phrase is of no use with both --consuming-key and --earning-address");
        }
        let db_password = session.secret(self.db_password, "password")?;
        let seed_spec_opt = if both {
            None
        } else {
            let phrase = session.secret(self.mnemonic_phrase, "phrase")?;
            let passphrase = match self.passphrase {
                Some(given) => Some(session.secret(given, "passphrase")?),
                None => None,
            };
            Some(RecoverSeedSpec {
                mnemonic_phrase: phrase.split_whitespace().map(str::to_owned).collect(),
                mnemonic_phrase_language_opt: Some(self.language),
                mnemonic_passphrase_opt: passphrase,
            })
        };
        let consuming_private_key_opt = match self.consuming_key {
            Some(given) => Some(session.secret(given, "private key of the consuming wallet")?),
            None => None,
        };
        let path = |given: Option<String>, explicit: bool, default: &str| match given {
            None if !explicit => Some(default.to_owned()),
            given => given,
        };
        Ok(RecoverWalletsRequest {
            db_password,
            seed_spec_opt,
            consuming_derivation_path_opt: path(
                self.consuming_path,
                consuming_private_key_opt.is_some(),
                replace::CONSUMING_PATH,
            ),
            consuming_private_key_opt,
            earning_derivation_path_opt: path(
                self.earning_path,
                self.earning_address.is_some(),
                replace::EARNING_PATH,
            ),
            earning_address_opt: self.earning_address,
            replace_wallets: false,
        })
    }
}
