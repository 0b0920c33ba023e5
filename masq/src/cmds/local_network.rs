//! `masq local-network`: whether apps reach printers, routers and file servers past the mesh.

use anyhow::Result;
use clap::{Args, ValueEnum};
use masq_ui_protocol::message::{LocalNetworkRequest, LocalNetworkResponse};

use super::Command;
use crate::client::ORDINARY;
use crate::session::Session;

/// Let apps reach the networks around this machine, or refuse it, until the Node ends.
///
/// The parameter `local-network` says how a Node begins.
#[derive(Debug, Args)]
pub(crate) struct LocalNetwork {
    #[arg(value_enum)]
    wish: Wish,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
enum Wish {
    /// Printers, routers and file servers are reached past the mesh
    Allow,
    /// They are refused at once
    Block,
}

impl Command for LocalNetwork {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let allowed = self.wish == Wish::Allow;
        let LocalNetworkResponse {} =
            session.request(&LocalNetworkRequest { allowed }, ORDINARY)?;
        session.print(if allowed {
            "Local networks are reached past the mesh."
        } else {
            "Local networks are refused."
        })?;
        Ok(0)
    }
}
