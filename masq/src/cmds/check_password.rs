//! `masq check-password`: is this the password of the database?

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{CheckPasswordRequest, CheckPasswordResponse};

use super::{Command, Json};
use crate::client::SECRETS;
use crate::session::Session;

/// Check the password of the database.
///
/// Without a password it is checked that none has been set.
#[derive(Args)]
#[command(after_help = "Exit status: 0 if it is correct, 1 if not or if it could not be checked.")]
pub(crate) struct CheckPassword {
    /// The password
    db_password: Option<String>,

    /// Ask for the password
    #[arg(long, conflicts_with = "db_password")]
    ask: bool,

    #[command(flatten)]
    json: Json,
}

impl Command for CheckPassword {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let db_password_opt = match self.db_password {
            None if self.ask => Some(session.secret(None, "password")?),
            given => given,
        };
        let none = db_password_opt.is_none();
        let answer: CheckPasswordResponse =
            session.request(&CheckPasswordRequest { db_password_opt }, SECRETS)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(match (answer.matches, none) {
                (true, true) => "No password has been set.",
                (false, true) => "A password has been set.",
                (true, false) => "The password is correct.",
                (false, false) => "The password is incorrect.",
            })?;
        }
        Ok(u8::from(!answer.matches))
    }
}
