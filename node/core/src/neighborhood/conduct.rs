//! How a neighbor behaves: a score that decays, and its share of messages.

use std::time::Instant;

/// At this score a Node is banned.
pub const LIMIT: f32 = 100.0;
