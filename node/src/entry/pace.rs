//! How fast a flow is: its counters as they were a few seconds ago. Sans IO.
//!
//! Nothing is done for a packet; somebody looks at the counters every
//! [`EVERY`], and rates are taken over the time since the look before the last.

use std::time::{Duration, Instant};

/// Between two looks.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Over less than this nothing is a rate.
const LEAST: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    /// Sent and received.
    bytes: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    before: Sample,
    last: Sample,
}

impl Pace {
    pub(super) fn new(start: Instant) -> Self {
        let sample = Sample {
            at: start,
            bytes: (0, 0),
        };
        Self {
            before: sample,
            last: sample,
        }
    }

    pub(super) fn tick(&mut self, now: Instant, bytes: (u64, u64)) {
        self.before = std::mem::replace(&mut self.last, Sample { at: now, bytes });
    }

    /// Bytes a second, sent and received.
    pub(super) fn rates(&self, now: Instant, bytes: (u64, u64)) -> (u64, u64) {
        let time = now.saturating_duration_since(self.before.at).max(LEAST);
        let rate = |now: u64, before: u64| {
            let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            now.saturating_sub(before).saturating_mul(1_000) / milliseconds
        };
        (
            rate(bytes.0, self.before.bytes.0),
            rate(bytes.1, self.before.bytes.1),
        )
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut pace = Pace::new(start);
        // A young flow is not said to be faster than it can be.
        assert_eq!(pace.rates(at(10), (500, 2_000)), (500, 2_000));
        assert_eq!(pace.rates(at(2_000), (500, 2_000)), (250, 1_000));
        pace.tick(at(2_000), (500, 2_000));
        pace.tick(at(4_000), (500, 6_000));
        assert_eq!(pace.rates(at(5_000), (500, 8_000)), (0, 2_000));
        pace.tick(at(6_000), (500, 8_000));
        pace.tick(at(8_000), (500, 8_000));
        assert_eq!(pace.rates(at(9_000), (500, 8_000)), (0, 0));
    }
}
