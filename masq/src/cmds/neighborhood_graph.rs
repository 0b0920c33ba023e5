//! `masq neighborhood-graph`: what the Node knows of the others.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{NeighborhoodGraphRequest, NeighborhoodGraphResponse};

use super::{Command, Json};
use crate::client::ORDINARY;
use crate::session::Session;

/// Print the graph of the Nodes that this one knows, in the DOT language of Graphviz.
#[derive(Debug, Args)]
pub(crate) struct NeighborhoodGraph {
    #[command(flatten)]
    json: Json,
}

impl Command for NeighborhoodGraph {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let answer: NeighborhoodGraphResponse =
            session.request(&NeighborhoodGraphRequest {}, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&format!("Graph of the neighborhood:\n{}", answer.graph))?;
        }
        Ok(0)
    }
}
