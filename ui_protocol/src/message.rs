//! The messages: one type for what is asked, one for what is answered, both with one opcode.
//!
//! Field names on the wire are those of the types in camelCase. A field whose name ends in `Opt`,
//! and every other optional one, may be null or absent. Fields that are not known are ignored, so
//! that newer UIs may send more.

use serde::Serialize;
use serde::de::DeserializeOwned;

mod accounts;
mod capture;
mod configuration;
mod insight;
mod lifecycle;
mod mesh;
mod money;
mod rules;

pub use accounts::*;
pub use capture::*;
pub use configuration::*;
pub use insight::*;
pub use lifecycle::*;
pub use mesh::*;
pub use money::*;
pub use rules::*;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Asked with a context id, answered once with the same.
    Conversation,
    /// Sent without expecting an answer.
    FireAndForget,
    /// Sent to every UI.
    Broadcast,
}

/// Who understands a request, or says a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The Daemon.
    Daemon,
    /// The Node; the Daemon redirects there.
    Node,
    /// Both.
    Both,
}

/// What a frame carries.
pub trait Message: Serialize + DeserializeOwned {
    /// Its opcode.
    const OPCODE: &'static str;
    /// How it travels.
    const KIND: Kind;
    /// Who understands or says it.
    const BY: By;
}

macro_rules! messages {
    ($($name:ident: $opcode:literal, $kind:ident, $by:ident;)*) => {
        $(impl $crate::message::Message for $name {
            const OPCODE: &'static str = $opcode;
            const KIND: $crate::message::Kind = $crate::message::Kind::$kind;
            const BY: $crate::message::By = $crate::message::By::$by;
        })*
    };
}
use messages;
