//! What is wrong with what comes from outside: counted by kind, logged when a
//! kind first shows and then at most once a minute, with how often it did.
//!
//! [`Limiter`] decides and gets the time as an argument; [`Troubles`] reads the
//! clock and writes the log. What is logged names a code and a place in the
//! Node, never an address or a name.

use masq_core::failure::Code;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two log lines of one kind.
const QUIET: Duration = Duration::from_secs(60);

/// One sort of trouble. Both parts come from this program and never from a
/// peer, so there are few.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Kind {
    pub code: Code,
    /// What was dropped or refused, and where.
    pub what: &'static str,
}

/// Says which occurrences are worth a log line.
#[derive(Debug, Default)]
pub struct Limiter {
    kinds: HashMap<Kind, Seen>,
}

#[derive(Debug)]
struct Seen {
    spoke: Instant,
    untold: u64,
    total: u64,
}

/// How often a kind occurred: since its last line, and in all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tally {
    pub since: u64,
    pub total: u64,
}

impl Limiter {
    /// Notes `count` more of a kind; the line to log, if one is due.
    pub fn note(&mut self, kind: Kind, count: u64, now: Instant) -> Option<Tally> {
        if count == 0 {
            return None;
        }
        let Some(seen) = self.kinds.get_mut(&kind) else {
            let seen = Seen {
                spoke: now,
                untold: 0,
                total: count,
            };
            self.kinds.insert(kind, seen);
            return Some(Tally {
                since: count,
                total: count,
            });
        };
        seen.total = seen.total.saturating_add(count);
        seen.untold = seen.untold.saturating_add(count);
        if now.saturating_duration_since(seen.spoke) < QUIET {
            return None;
        }
        seen.spoke = now;
        Some(Tally {
            since: std::mem::take(&mut seen.untold),
            total: seen.total,
        })
    }

    pub fn total(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).map_or(0, |seen| seen.total)
    }
}

/// Counts trouble and logs it, not too often.
#[derive(Debug)]
pub struct Troubles {
    limiter: RefCell<Limiter>,
    clock: fn() -> Instant,
}

impl Troubles {
    pub fn new(clock: fn() -> Instant) -> Troubles {
        Troubles {
            limiter: RefCell::default(),
            clock,
        }
    }

    pub fn note(&self, code: Code, what: &'static str) {
        self.note_many(code, what, 1);
    }

    pub fn note_many(&self, code: Code, what: &'static str, count: u64) {
        let kind = Kind { code, what };
        let tally = self.limiter.borrow_mut().note(kind, count, (self.clock)());
        let Some(Tally { since, total }) = tally else {
            return;
        };
        let remedy = code.remedy();
        // A limit of ours that is reached concerns whoever runs the Node.
        if matches!(code, Code::TooManyFlows | Code::Overloaded) {
            tracing::warn!(event = "trouble", %code, what, since, total, remedy);
        } else {
            tracing::info!(event = "trouble", %code, what, since, total, remedy);
        }
    }

    /// How often it was noted.
    pub fn total(&self, code: Code, what: &'static str) -> u64 {
        self.limiter.borrow().total(Kind { code, what })
    }
}

/// What the stack dropped or refused between two of its counts.
pub fn of_stack(
    before: &masq_stack::Counters,
    after: &masq_stack::Counters,
) -> [(Code, &'static str, u64); 10] {
    let packet = Code::MalformedPacket;
    let full = Code::TooManyFlows;
    [
        (
            packet,
            "unreadable packet",
            after.malformed - before.malformed,
        ),
        (packet, "fragment", after.fragments - before.fragments),
        (
            packet,
            "packet with options",
            after.options - before.options,
        ),
        (
            packet,
            "packet of impossible addresses",
            after.martians - before.martians,
        ),
        (
            packet,
            "packet with a wrong checksum",
            after.checksums - before.checksums,
        ),
        (
            Code::Unsupported,
            "packet of another protocol",
            after.unsupported - before.unsupported,
        ),
        (full, "SYN refused", after.tcp_full - before.tcp_full),
        (
            full,
            "UDP flow evicted",
            after.udp_evicted - before.udp_evicted,
        ),
        (
            full,
            "datagram dropped",
            after.datagrams_dropped - before.datagrams_dropped,
        ),
        (
            full,
            "packet to an app dropped",
            after.transmit_full - before.transmit_full,
        ),
    ]
}

/// What the resolver of the apps dropped or refused between two of its counts.
pub fn of_names(
    before: &masq_core::names::Counters,
    after: &masq_core::names::Counters,
) -> [(Code, &'static str, u64); 3] {
    let query = Code::MalformedQuery;
    [
        (query, "query refused", after.refused - before.refused),
        (query, "query dropped", after.dropped - before.dropped),
        (
            Code::TooManyFlows,
            "no fake address is free",
            after.full - before.full,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        code: Code::MalformedPacket,
        what: "test",
    };

    #[expect(clippy::disallowed_methods, reason = "any instant is a start")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_first_of_a_kind_is_told_and_the_rest_once_a_minute() {
        let (mut limiter, start) = (Limiter::default(), start());
        let first = limiter.note(KIND, 1, start);
        assert_eq!(first, Some(Tally { since: 1, total: 1 }));
        for second in 1..60 {
            let told = limiter.note(KIND, 2, start + Duration::from_secs(second));
            assert_eq!(told, None, "{second}");
        }
        let told = limiter.note(KIND, 1, start + Duration::from_secs(60));
        let all = Tally {
            since: 119,
            total: 120,
        };
        assert_eq!(told, Some(all));
        assert_eq!(
            limiter.note(KIND, 1, start + Duration::from_secs(119)),
            None
        );
        assert_eq!(limiter.total(KIND), 121);
    }

    #[test]
    fn kinds_do_not_silence_each_other() {
        let (mut limiter, start) = (Limiter::default(), start());
        let other = Kind {
            what: "other",
            ..KIND
        };
        assert!(limiter.note(KIND, 5, start).is_some());
        assert!(limiter.note(other, 1, start).is_some());
        assert!(limiter.note(KIND, 1, start).is_none());
    }

    #[test]
    fn nothing_is_not_an_occurrence() {
        let (mut limiter, start) = (Limiter::default(), start());
        assert_eq!(limiter.note(KIND, 0, start), None);
        assert!(limiter.note(KIND, 1, start).is_some());
    }

    #[test]
    fn a_clock_that_jumps_back_tells_nothing_twice() {
        let (mut limiter, start) = (Limiter::default(), start());
        assert!(limiter.note(KIND, 1, start + QUIET).is_some());
        assert!(limiter.note(KIND, 1, start).is_none());
    }

    #[test]
    fn counts_of_the_stack_become_differences() {
        let before = masq_stack::Counters {
            malformed: 3,
            ..Default::default()
        };
        let after = masq_stack::Counters {
            malformed: 5,
            tcp_full: 1,
            ..Default::default()
        };
        let told: Vec<_> = of_stack(&before, &after)
            .into_iter()
            .filter(|(_, _, count)| *count > 0)
            .collect();
        let expected = [
            (Code::MalformedPacket, "unreadable packet", 2),
            (Code::TooManyFlows, "SYN refused", 1),
        ];
        assert_eq!(told, expected);
    }
}
