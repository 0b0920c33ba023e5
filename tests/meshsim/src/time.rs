//! Virtual time: microseconds since the simulation began. Nothing here reads a clock.

use std::time::Duration;

/// Microseconds since the simulation began.
pub type Micros = u64;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One minute.
pub const MINUTE: Micros = 60 * SECOND;
/// One hour.
pub const HOUR: Micros = 60 * MINUTE;

/// Seconds as microseconds.
pub fn seconds(seconds: f64) -> Micros {
    u64::try_from(Duration::from_secs_f64(seconds.max(0.0)).as_micros()).unwrap_or(Micros::MAX)
}

/// Microseconds as seconds.
pub fn as_seconds(time: Micros) -> f64 {
    Duration::from_micros(time).as_secs_f64()
}
