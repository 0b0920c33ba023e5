//! `masq connection-status`: how far the Node is connected.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{
    ConnectionStage, ConnectionStatusRequest, ConnectionStatusResponse,
};

use super::{Command, Json};
use crate::client::ORDINARY;
use crate::session::Session;

/// Say how far the Node is connected: not, to a neighbor, or with a route.
#[derive(Debug, Args)]
pub(crate) struct ConnectionStatus {
    #[command(flatten)]
    json: Json,
}

impl Command for ConnectionStatus {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let answer: ConnectionStatusResponse =
            session.request(&ConnectionStatusRequest {}, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(sentence(answer.stage))?;
        }
        Ok(0)
    }
}

/// A stage for a person.
pub(crate) fn sentence(stage: ConnectionStage) -> &'static str {
    match stage {
        ConnectionStage::NotConnected => "NotConnected: no Node is a neighbor yet.",
        ConnectionStage::ConnectedToNeighbor => {
            "ConnectedToNeighbor: there is a neighbor, but no route to an exit yet."
        }
        ConnectionStage::RouteFound => "RouteFound: traffic can be carried.",
    }
}
