//! The few neighbors at which routes begin.
//!
//! Plain data so far: an ordered list that outlives the process.

use crate::identity::NodeId;

/// A neighbor at which routes may begin. The order of the list is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Whose link it is.
    pub id: NodeId,
    /// When it was taken, unix seconds.
    pub added_unix: u64,
    /// When it is given up, unix seconds.
    pub expires_unix: u64,
    /// Since when it has no link that is up, unix seconds.
    pub down_since_unix: Option<u64>,
}
