//! `masq start`: starts the Node.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message::{
    ConfigurationRequest, ConfigurationResponse, ConnectionStage, ConnectionStatusRequest,
    ConnectionStatusResponse, StartRequest, StartResponse,
};

use super::{Command, Json, connection_status};
use crate::client::{ORDINARY, SECRETS};
use crate::session::Session;

const LIMIT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);

/// The mode in which no route is looked for: traffic goes out from here at once.
const ZERO_HOP: &str = "zero-hop";

/// Start the Node with what is set up.
///
/// Fails with all the reasons when a value that is needed is missing or wrong; see `masq setup`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Wait until the Node has a route, so that traffic can be carried
    #[arg(long)]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "wait")]
    timeout: u64,

    #[command(flatten)]
    json: Json,
}

impl Command for Start {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let started: StartResponse = session.request(&StartRequest {}, LIMIT)?;
        if self.json.json {
            session.print_json(&started)?;
        } else {
            session.print(&format!(
                "The Node runs: process {}, port {} for user interfaces.",
                started.new_process_id, started.redirect_ui_port
            ))?;
        }
        if self.wait {
            self.route(session)?;
        }
        Ok(0)
    }
}

impl Start {
    fn route(&self, session: &mut Session) -> Result<()> {
        let question = ConfigurationRequest {
            db_password_opt: None,
        };
        let node: ConfigurationResponse = session.request(&question, SECRETS)?;
        if node.neighborhood_mode == ZERO_HOP {
            return Ok(());
        }
        let mut left = Duration::from_secs(self.timeout);
        let mut shown = None;
        loop {
            let answer: ConnectionStatusResponse =
                session.request(&ConnectionStatusRequest {}, ORDINARY)?;
            if shown != Some(answer.stage) && !self.json.json {
                session.print(connection_status::sentence(answer.stage))?;
                shown = Some(answer.stage);
            }
            if answer.stage == ConnectionStage::RouteFound {
                return Ok(());
            }
            if left.is_zero() {
                bail!(
                    "the Node runs, but has no route after {} s; `masq status` tells more",
                    self.timeout
                );
            }
            let pause = PAUSE.min(left);
            session.wait(pause)?;
            left -= pause;
        }
    }
}
