//! `masq change-password`: another password for the database.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{ChangePasswordRequest, ChangePasswordResponse};

use super::Command;
use crate::client::SECRETS;
use crate::session::Session;

/// Change the password of the database; what it protects stays.
#[derive(Args)]
pub(crate) struct ChangePassword {
    /// The password that holds [asked for when left out]
    old_password: Option<String>,

    /// The one that shall hold [asked for when left out]
    new_password: Option<String>,
}

impl Command for ChangePassword {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let old = session.secret(self.old_password, "old password")?;
        let request = ChangePasswordRequest {
            old_password_opt: Some(old),
            new_password: session.new_secret(self.new_password, "new password")?,
        };
        let ChangePasswordResponse {} = session.request(&request, SECRETS)?;
        session.print("The password is changed.")?;
        Ok(0)
    }
}
