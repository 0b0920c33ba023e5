//! `masq shutdown`: ends the Node.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message;

use super::Command;
use crate::client::{Failure, Place};
use crate::session::Session;

const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// End the Node, and wait until it has ended. The Daemon stays.
#[derive(Debug, Args)]
pub(crate) struct Shutdown {}

impl Command for Shutdown {
    fn execute(self, session: &mut Session) -> Result<u8> {
        match session.request::<_, message::Shutdown>(&message::Shutdown {}, LIMIT) {
            Ok(message::Shutdown {}) => ended(session)?,
            // Some Nodes end before they answer.
            Err(Failure::Gone(Place::Node)) => (),
            Err(failure) => return Err(failure.into()),
        }
        session.print("The Node was told to end, and has ended.")?;
        Ok(0)
    }
}

/// Waits for the Node to close the link.
fn ended(session: &mut Session) -> Result<()> {
    let mut left = LIMIT;
    while session.is_up(Place::Node) {
        if left.is_zero() {
            bail!(
                "the Node was told to end, but has not within {} s",
                LIMIT.as_secs()
            );
        }
        session.wait(PAUSE)?;
        left = left.saturating_sub(PAUSE);
    }
    Ok(())
}
