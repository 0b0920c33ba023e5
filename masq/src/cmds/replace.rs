//! What `generate-wallets` and `recover-wallets` share: wallets that are there are not replaced
//! unless the person says so.

use anyhow::Result;
use masq_ui_protocol::{Code, UiError};

use crate::client::Failure;
use crate::session::Session;

pub(super) const CONSUMING_PATH: &str = "m/44'/60'/0'/0/0";
pub(super) const EARNING_PATH: &str = "m/44'/60'/0'/0/1";

/// In a refusal that a person may overrule.
const FIELD: &str = "replaceWallets";

/// Tries without replacing; when wallets are in the way, asks and tries again.
pub(super) fn ask<A>(
    session: &mut Session,
    unasked: bool,
    mut attempt: impl FnMut(&mut Session, bool) -> Result<A, Failure>,
) -> Result<A> {
    let refusal = match attempt(session, unasked) {
        Err(Failure::Refused(error)) if !unasked && in_the_way(&error) => error,
        other => return Ok(other?),
    };
    let question = format!("{}\nReplace the wallets that are there?", refusal.message);
    if session.confirm(&question)? {
        return Ok(attempt(session, true)?);
    }
    Err(anyhow::Error::new(Failure::Refused(refusal)).context("nothing was changed"))
}

/// The code is also that of a database that cannot be written.
fn in_the_way(error: &UiError) -> bool {
    error.code == Code::CONFIGURATOR_WRITE && error.message.contains(FIELD)
}
