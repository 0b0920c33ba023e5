//! Echo requests, and the rate limit of ICMP errors.

use std::time::Instant;

use crate::emit;
use crate::event::{Echo, Refusal};
use crate::stack::Stack;

/// A token bucket that holds one second's worth.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, now: Instant) -> Bucket {
        Bucket {
            per_second: per_second.into(),
            tokens: per_second.into(),
            filled: now,
        }
    }

    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.per_second);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

impl Stack {
    /// Answers an echo request as if its destination had.
    pub fn echo_reply(&mut self, echo: &Echo) {
        emit::echo_reply(&mut self.queue, echo);
    }

    /// Answers an echo request with an ICMP error.
    pub fn echo_unreachable(&mut self, echo: &Echo, why: Refusal, now: Instant) {
        let quote = emit::quote_of_echo(echo);
        self.icmp_error(now, |queue| {
            emit::unreachable(queue, &quote, echo.destination, echo.source, why)
        });
    }

    pub(crate) fn icmp_error(
        &mut self,
        now: Instant,
        emit: impl FnOnce(&mut crate::device::TransmitQueue) -> bool,
    ) {
        if !self.icmp_bucket.take(now) {
            self.counters.icmp_limited += 1;
        } else if emit(&mut self.queue) {
            self.counters.icmp_sent += 1;
        }
    }
}
