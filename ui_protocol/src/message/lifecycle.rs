//! Starting and ending the Node, and what concerns the conversation itself.

use serde::{Deserialize, Serialize};

/// Start the Node with what is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRequest {}

/// The Node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartResponse {
    /// Its process.
    pub new_process_id: u32,
    /// Where it listens for UIs.
    pub redirect_ui_port: u16,
}

/// End the Node; the answer is the same, empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown {}

/// The Node understands this, not the Daemon: connect there and say it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// Where the Node listens for UIs.
    pub port: u16,
    /// The opcode of what was asked.
    pub opcode: String,
    /// Its context.
    pub context_id: Option<u64>,
    /// Its payload, as JSON text.
    pub payload: String,
}

/// Nobody is there for a message that expects no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The opcode of the message.
    pub opcode: String,
}

/// The Node ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Crashed {
    /// Its process.
    pub process_id: u32,
    /// Why, as far as it is known.
    pub crash_reason: CrashReason,
}

/// Why a Node ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrashReason {
    /// The Daemon could not wait for it.
    ChildWaitFailure(String),
    /// Nothing is known.
    NoInformation,
    /// What it said last.
    Unrecognized(String),
    /// The Daemon itself is gone; said by UIs to themselves.
    DaemonCrashed,
}

/// A frame could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmarshalError {
    /// What is wrong with it.
    pub message: String,
    /// What came, shortened.
    pub bad_data: String,
}

/// Make a part of the Node panic; heeded only when the Node was started to take such orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Crash {
    /// Which part, in capitals.
    pub actor: String,
    /// What it shall say.
    pub panic_message: String,
}

/// A line of the Node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogBroadcast {
    /// The line.
    pub msg: String,
    /// How grave it is.
    pub log_level: LogLevel,
}

/// The levels that are told to UIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something may fail.
    Warn,
    /// Something happened.
    Info,
}

super::messages! {
    StartRequest: "start", Conversation, Daemon;
    StartResponse: "start", Conversation, Daemon;
    Shutdown: "shutdown", Conversation, Node;
    Redirect: "redirect", FireAndForget, Daemon;
    Undelivered: "undelivered", FireAndForget, Daemon;
    Crashed: "crashed", Broadcast, Daemon;
    UnmarshalError: "unmarshalError", FireAndForget, Both;
    Crash: "crash", FireAndForget, Node;
    LogBroadcast: "logBroadcast", Broadcast, Node;
}
