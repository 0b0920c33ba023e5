//! What the Daemon knows of the Node: how far it is, and how one can end.

use std::time::Instant;

use masq_ui_protocol::Frame;

/// News of the Node, from the launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// The process is there.
    Started { pid: u32 },
    /// There is no process, and why.
    NotStarted(String),
    /// The Node says why it cannot start; it will end.
    Reason { name: String, reason: String },
    /// The Node listens for UIs.
    Ready { port: u16 },
    /// The process is gone.
    Ended {
        how: Ending,
        /// What it wrote to its error output last.
        last_lines: Vec<String>,
    },
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself; 0 is an end that somebody asked for.
    Code(i32),
    Signal(i32),
    /// Nobody could wait for it.
    Unknown(String),
}

/// How far the Node is.
#[derive(Debug)]
pub(super) enum Phase<C> {
    Idle,
    Starting(Starting<C>),
    Running {
        pid: u32,
        port: u16,
    },
    /// It was not ready in time and has to go.
    Ending {
        /// Whom to tell; None when that is done.
        starting: Option<Starting<C>>,
        pid: u32,
        deadline: Instant,
    },
}

/// A start that is not answered yet.
#[derive(Debug)]
pub(super) struct Starting<C> {
    pub(super) asker: C,
    pub(super) context: u64,
    pub(super) pid: Option<u32>,
    pub(super) reasons: Vec<(String, String)>,
    pub(super) deadline: Instant,
}

/// The last crash, for UIs that come to hear of it.
#[derive(Debug)]
pub(super) struct LastCrash {
    pub(super) frame: Frame,
    pub(super) at: Instant,
}
