//! Counts of what happened since the start.

use serde::Serialize;

/// Counts since the start; they only go up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Messages received.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Own records signed.
    pub signed: u64,
    /// Signed records of others checked and found right.
    pub verified: u64,
    /// Records refused: forged, unreadable, from the future.
    pub refused: u64,
    /// Records that were known already.
    pub repeated: u64,
    /// Records dropped for want of room.
    pub crowded_out: u64,
    /// Links dialled.
    pub dials: u64,
    /// Of these, those that failed.
    pub dials_failed: u64,
    /// Requests to become a neighbor that were granted.
    pub admitted: u64,
    /// Requests that were not.
    pub passed: u64,
    /// Introductions given.
    pub introduced: u64,
    /// Offences of neighbors.
    pub offences: u64,
    /// Bans.
    pub bans: u64,
    /// Times the view was computed anew.
    pub settled: u64,
}
