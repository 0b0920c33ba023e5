//! The only place that reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the shell's clock")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn unix_seconds() -> u64 {
    unix().as_secs()
}

pub fn unix_milliseconds() -> u64 {
    u64::try_from(unix().as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the shell's clock")]
fn unix() -> std::time::Duration {
    // A clock before 1970 makes every set-up expired, which is said there.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
