//! `masq rules reload`, and the same for commands that have changed the file.

use anyhow::Result;
use masq_ui_protocol::message::{RulesReloadRequest, RulesReloadResponse};

use crate::client::{Failure, ORDINARY};
use crate::session::Session;

pub(super) fn reload(session: &mut Session, json: bool) -> Result<u8> {
    let answer: RulesReloadResponse = session.request(&RulesReloadRequest {}, ORDINARY)?;
    if json {
        session.print_json(&answer)?;
    } else {
        session.print(&words(&answer))?;
    }
    Ok(0)
}

/// What a running Node makes of a changed file.
pub(super) enum Taken {
    By(RulesReloadResponse),
    /// No Node is there to take it.
    Nobody,
    /// It stands in the file only.
    Not(Failure),
}

/// Has the Node take a file that was changed, if one runs.
pub(super) fn take(session: &mut Session) -> Taken {
    match session.request(&RulesReloadRequest {}, ORDINARY) {
        Ok(answer) => Taken::By(answer),
        Err(failure) if failure.is_no_node() => Taken::Nobody,
        Err(failure) => Taken::Not(failure),
    }
}

/// What came of it, for a person.
pub(super) fn words(answer: &RulesReloadResponse) -> String {
    let mut words = format!("{} rules of {} are in force", answer.rules, answer.file);
    match answer.ended {
        0 => {}
        1 => words.push_str("; 1 connection was ended"),
        ended => words.push_str(&format!("; {ended} connections were ended")),
    }
    for warning in &answer.warnings {
        words.push_str(&format!("\nwarning: {warning}"));
    }
    words
}
