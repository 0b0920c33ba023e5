//! What becomes of this machine's traffic, and how to let it go for a while.
//!
//! The original has none of these.

use serde::{Deserialize, Serialize};

/// What becomes of this machine's traffic?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRequest {}

/// This.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureResponse {
    /// How far it is.
    pub state: CaptureState,
    /// When a pause ends by itself, seconds since 1970.
    pub resumes_unix_opt: Option<u64>,
}

/// How far the capture of this machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureState {
    /// This Node captures nothing.
    Off,
    /// Traffic comes to the Node.
    On,
    /// It comes, and the Node refuses it: it has no way into the mesh.
    Reconnecting,
    /// It goes past the Node, as the user wants.
    Paused,
    /// It is about to be one or the other.
    Changing,
}

/// Let traffic go past the Node; `capture` tells when it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseRequest {
    /// For how long; until it is resumed if absent.
    pub seconds_opt: Option<u64>,
}

/// It will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseResponse {}

/// Capture again; `capture` tells when that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeRequest {}

/// It will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeResponse {}

/// Lead what a process connects to from here on past the Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitRequest {
    /// Its number. Once it is admitted it is in a control group `masq-direct-...`.
    pub pid: u32,
}

/// It was passed on to who does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitResponse {}

/// Whether apps reach the networks around this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalNetworkRequest {
    /// Whether they do from now on, until the Node ends.
    pub allowed: bool,
}

/// It was passed on to who does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalNetworkResponse {}

super::messages! {
    CaptureRequest: "capture", Conversation, Node;
    CaptureResponse: "capture", Conversation, Node;
    PauseRequest: "pause", Conversation, Node;
    PauseResponse: "pause", Conversation, Node;
    ResumeRequest: "resume", Conversation, Node;
    ResumeResponse: "resume", Conversation, Node;
    AdmitRequest: "admit", Conversation, Node;
    AdmitResponse: "admit", Conversation, Node;
    LocalNetworkRequest: "localNetwork", Conversation, Node;
    LocalNetworkResponse: "localNetwork", Conversation, Node;
}
