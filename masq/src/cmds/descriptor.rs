//! `masq descriptor`: what others need to reach this Node.

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{DescriptorRequest, DescriptorResponse};

use super::{Command, Json};
use crate::client::ORDINARY;
use crate::session::Session;

/// Print the descriptor of the Node, for the `neighbors` of others.
#[derive(Debug, Args)]
pub(crate) struct Descriptor {
    #[command(flatten)]
    json: Json,
}

impl Command for Descriptor {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let answer: DescriptorResponse = session.request(&DescriptorRequest {}, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            let text = answer.node_descriptor_opt.as_deref();
            session.print(text.unwrap_or(
                "There is none yet: the Node's address is not known, or its mode takes no links.",
            ))?;
        }
        Ok(0)
    }
}
