//! `masq generate-wallets`: new wallets.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{
    GenerateSeedSpec, GenerateWalletsRequest, GenerateWalletsResponse,
};

use super::{Command, Json, language, replace};
use crate::client::SECRETS;
use crate::session::Session;

/// Make new wallets from a new phrase, which is shown this once.
#[derive(Args)]
pub(crate) struct GenerateWallets {
    /// The password of the database [asked for when left out]
    #[arg(long, value_name = "PASSWORD")]
    db_password: Option<String>,

    /// How many words the phrase has
    #[arg(long, value_name = "N", default_value = "12", value_parser = ["12", "15", "18", "21", "24"])]
    word_count: String,

    /// The language of the phrase
    #[arg(long, default_value = "English", value_parser = language::parser())]
    language: String,

    /// An extra word that is no part of the phrase [asked for when given without a value]
    #[arg(long, value_name = "WORD", num_args = 0..=1)]
    passphrase: Option<Option<String>>,

    /// The derivation path of the wallet that pays [default: m/44'/60'/0'/0/0]
    #[arg(long, value_name = "PATH")]
    consuming_path: Option<String>,

    /// The derivation path of the wallet that earns [default: m/44'/60'/0'/0/1]
    #[arg(long, value_name = "PATH")]
    earning_path: Option<String>,

    /// Replace wallets that are there, without asking
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    json: Json,
}

impl Command for GenerateWallets {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let db_password = session.secret(self.db_password, "password")?;
        let passphrase = match self.passphrase {
            Some(given) => Some(session.new_secret(given, "passphrase")?),
            None => None,
        };
        let seed = GenerateSeedSpec {
            mnemonic_phrase_size_opt: self.word_count.parse().ok(),
            mnemonic_phrase_language_opt: Some(self.language),
            mnemonic_passphrase_opt: passphrase,
        };
        let mut request = GenerateWalletsRequest {
            db_password,
            seed_spec_opt: Some(seed),
            consuming_derivation_path_opt: Some(
                self.consuming_path
                    .unwrap_or_else(|| replace::CONSUMING_PATH.to_owned()),
            ),
            earning_derivation_path_opt: Some(
                self.earning_path
                    .unwrap_or_else(|| replace::EARNING_PATH.to_owned()),
            ),
            replace_wallets: self.replace,
        };
        let answer: GenerateWalletsResponse =
            replace::ask(session, self.replace, |session, replace| {
                request.replace_wallets = replace;
                session.request(&request, SECRETS)
            })?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&page(&answer))?;
        }
        Ok(0)
    }
}

fn page(answer: &GenerateWalletsResponse) -> String {
    let phrase = answer
        .mnemonic_phrase_opt
        .as_ref()
        .map_or_else(String::new, |words| {
            format!(
                "Write down this phrase; it is not kept and cannot be shown again:\n\n  {}\n\n",
                words.join(" ")
            )
        });
    format!(
        "{phrase}\
        Consuming wallet address:      {}\n\
        Consuming wallet private key:  {}\n\
        Earning wallet address:        {}\n\
        Earning wallet private key:    {}",
        answer.consuming_wallet_address,
        answer.consuming_wallet_private_key,
        answer.earning_wallet_address,
        answer.earning_wallet_private_key
    )
}
