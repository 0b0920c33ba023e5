//! `masq shutdown`: ends the Node.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message::{self, SetupRequest, SetupResponse};

use super::{Command, blocked, setup};
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
            // Some Nodes end before they answer.
            Ok(message::Shutdown {}) | Err(Failure::Gone(Place::Node)) => ended(session)?,
            Err(failure) => return without_node(session, failure),
        }
        session.print("The Node was told to end, and has ended.")?;
        Ok(0)
    }
}

/// A Node that has ended by itself may have left traffic refused: that ends too.
fn without_node(session: &mut Session, failure: Failure) -> Result<u8> {
    let Some(why) = blocked::sentence() else {
        return Err(failure.into());
    };
    if blocked::lift() {
        session.print("The Node has ended before; traffic goes its usual way again.")?;
        return Ok(0);
    }
    session.print(&why)?;
    bail!("only root can change the firewall: run `sudo masq shutdown` or `sudo masq repair`")
}

/// Waits for the Node to close the link, and for the Daemon to know.
fn ended(session: &mut Session) -> Result<()> {
    let mut left = LIMIT;
    while session.is_up(Place::Node) || runs(session)? {
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

/// What the Daemon says. Where a Node was asked without one, its end is known already.
fn runs(session: &mut Session) -> Result<bool> {
    let question = SetupRequest { values: Vec::new() };
    match session.request::<_, SetupResponse>(&question, setup::LIMIT) {
        Ok(answer) => Ok(answer.running),
        Err(Failure::Refused(_) | Failure::Gone(Place::Daemon) | Failure::Nobody { .. }) => {
            Ok(false)
        }
        Err(failure) => Err(failure.into()),
    }
}
