//! Why a message got no answer, in the words that a person reads.

use std::time::Duration;

use masq_ui_protocol::{Code, UiError};
use thiserror::Error;

use super::machine::Place;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// The other side says no.
    #[error("{0}")]
    Refused(UiError),
    #[error(
        "nothing answers on 127.0.0.1:{port}: {reason}\n  \
        The Daemon is probably not running. Start it with `sudo MASQNode --initialization`, \
        or name its port with --ui-port."
    )]
    Nobody { port: u16, reason: String },
    #[error(
        "the Daemon names a Node on 127.0.0.1:{port}, but nothing answers there: {reason}\n  \
        It is probably starting or ending; try again."
    )]
    NoNode { port: u16, reason: String },
    #[error(
        "127.0.0.1:{port} does not let us in: {reason}\n  \
        Only root and the user whom the Daemon was started for may give orders."
    )]
    NotAdmitted { port: u16, reason: String },
    #[error(
        "what answers on 127.0.0.1:{port} is no Daemon: {reason}\n  \
        Name the Daemon's port with --ui-port."
    )]
    Foreign { port: u16, reason: String },
    #[error("the {} ended the connection", match .0 { Place::Daemon => "Daemon", Place::Node => "Node" })]
    Gone(Place),
    #[error("no answer to {opcode} within {} s (Code {})", .limit.as_secs(), Code::TIMEOUT)]
    Silent { opcode: String, limit: Duration },
    #[error("given up")]
    Interrupted,
}

impl Failure {
    /// Whether the reason is that no Node runs, or no Daemon either.
    pub(crate) fn is_no_node(&self) -> bool {
        match self {
            Failure::Nobody { .. } | Failure::NoNode { .. } => true,
            Failure::Refused(error) => error.code == Code::NODE_NOT_RUNNING,
            Failure::NotAdmitted { .. }
            | Failure::Foreign { .. }
            | Failure::Gone(_)
            | Failure::Silent { .. }
            | Failure::Interrupted => false,
        }
    }
}
