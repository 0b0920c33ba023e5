//! `masq rules reload`, and the same for commands that have changed the file.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{RulesReloadRequest, RulesReloadResponse};

use crate::client::ORDINARY;
use crate::cmds::{Command, Json};
use crate::session::Session;

/// Have the Node take the rules as they are on disk now.
///
/// Lists are read again too, and what is expected is checked. When anything is wrong every reason is said
/// and the rules before stay in force. Connections go on, but for those that the new rules block.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0; 1 if the rules are wrong or the Node could not be asked.")]
pub(crate) struct Reload {
    #[command(flatten)]
    json: Json,
}

impl Command for Reload {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let answer = reload(session)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&words(&answer))?;
        }
        Ok(0)
    }
}

/// Asks the Node; an error when none runs or the rules are wrong.
pub(crate) fn reload(session: &mut Session) -> Result<RulesReloadResponse> {
    Ok(session.request(&RulesReloadRequest {}, ORDINARY)?)
}

/// What came of it, for a person.
pub(crate) fn words(answer: &RulesReloadResponse) -> String {
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
