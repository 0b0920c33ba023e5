//! What `generate-wallets` and `recover-wallets` share: wallets that are there are not replaced
//! unless the person says so.

use anyhow::Result;
use masq_ui_protocol::Code;

use crate::client::Failure;
use crate::session::Session;

pub(super) const CONSUMING_PATH: &str = "m/44'/60'/0'/0/0";
pub(super) const EARNING_PATH: &str = "m/44'/60'/0'/0/1";

/// Tries without replacing; when wallets are in the way, asks and tries again.
pub(super) fn ask<A>(
    session: &mut Session,
    unasked: bool,
    mut attempt: impl FnMut(&mut Session, bool) -> Result<A, Failure>,
) -> Result<A> {
    match attempt(session, unasked) {
        Err(Failure::Refused(error)) if error.code == Code::CONFIGURATOR_WRITE && !unasked => {
            let question = format!(
                "{}\nReplace the wallets that are there? Without their keys or phrase their money is lost.",
                error.message
            );
            if session.confirm(&question)? {
                return Ok(attempt(session, true)?);
            }
            Err(anyhow::Error::new(Failure::Refused(error))
                .context("nothing was changed; --replace replaces wallets"))
        }
        other => Ok(other?),
    }
}
