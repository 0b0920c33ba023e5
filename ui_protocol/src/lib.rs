//! MASQNode-UIv2: what user interfaces say to the Daemon and the Node, and what they hear.
//!
//! Each text frame of a WebSocket on localhost is one JSON object, a [`Frame`]: an opcode, a
//! context id when an answer is expected, and a payload or an error. The payloads are the types of
//! [`message`]; their opcodes, fields and codes are those of the original, so that a UI written
//! for either works with both. Reading and writing sockets is not done here.

#![forbid(unsafe_code)]

pub mod code;
pub mod frame;
pub mod message;

#[cfg(test)]
mod reference;

pub use code::Code;
pub use frame::{Body, Frame, FrameError, UiError};
pub use message::{Kind, Message};

/// The WebSocket sub-protocol that both sides must name.
pub const PROTOCOL: &str = "MASQNode-UIv2";

/// The port that the Daemon listens on unless it is told another.
pub const DEFAULT_PORT: u16 = 5333;

/// The longest frame that is read, in bytes. A setup with every parameter is a few thousand.
pub const MAX_FRAME: usize = 1 << 20;
