//! `masq set-password`: the first password of the database.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{ChangePasswordRequest, ChangePasswordResponse};

use super::Command;
use crate::client::SECRETS;
use crate::session::Session;

/// Set the password of the database, when it has none.
#[derive(Args)]
pub(crate) struct SetPassword {
    /// The password [asked for when left out, which keeps it from the list of processes]
    new_password: Option<String>,
}

impl Command for SetPassword {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let request = ChangePasswordRequest {
            old_password_opt: None,
            new_password: session.new_secret(self.new_password, "new password")?,
        };
        let ChangePasswordResponse {} = session.request(&request, SECRETS)?;
        session.print("The password is set.")?;
        Ok(0)
    }
}
