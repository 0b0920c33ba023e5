//! One queue of deadlines for all flows.
//!
//! A flow keeps its own deadline; the heap holds at most one useful entry of it. A deadline that moves
//! later stays where it is queued and is put back when that entry comes up; one that moves earlier is
//! queued again and its older entry is discarded when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::slab::{FlowId, Slab};

/// A flow's deadline and its reason, and when the queue will next look at it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Deadline {
    due: Option<(Instant, &'static str)>,
    queued: Option<Instant>,
}

impl AsMut<Deadline> for Deadline {
    fn as_mut(&mut self) -> &mut Deadline {
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    flow: FlowId,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Timers {
    pub(crate) fn set(
        &mut self,
        flow: FlowId,
        deadline: &mut Deadline,
        due: Option<(Instant, &'static str)>,
    ) {
        deadline.due = due;
        let Some((at, _)) = due else { return };
        if deadline.queued.is_some_and(|queued| queued <= at) {
            return;
        }
        deadline.queued = Some(at);
        self.heap.push(Reverse(Entry { at, flow }));
    }

    /// The earliest deadline of all.
    pub(crate) fn next_in<T: AsMut<Deadline>>(
        &mut self,
        flows: &mut Slab<T>,
    ) -> Option<(FlowId, Instant, &'static str)> {
        loop {
            let Reverse(entry) = *self.heap.peek()?;
            let deadline = flows.get_mut(entry.flow).map(AsMut::as_mut);
            match deadline.filter(|deadline| deadline.queued == Some(entry.at)) {
                Some(Deadline {
                    due: Some((due, why)),
                    ..
                }) if *due <= entry.at => {
                    return Some((entry.flow, *due, why));
                }
                Some(deadline) => {
                    self.heap.pop();
                    deadline.queued = None;
                    let due = deadline.due;
                    self.set(entry.flow, deadline, due);
                }
                None => {
                    self.heap.pop();
                }
            }
        }
    }

    /// Takes the earliest deadline if it has come.
    pub(crate) fn pop_in<T: AsMut<Deadline>>(
        &mut self,
        now: Instant,
        flows: &mut Slab<T>,
    ) -> Option<FlowId> {
        let (flow, ..) = self.next_in(flows).filter(|(_, at, _)| *at <= now)?;
        self.heap.pop();
        if let Some(deadline) = flows.get_mut(flow) {
            *deadline.as_mut() = Deadline::default();
        }
        Some(flow)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops entries whose flow is gone or has a newer one, once they outnumber the flows.
    pub(crate) fn compact<'a>(
        &mut self,
        mut deadline_of: impl FnMut(FlowId) -> Option<&'a Deadline>,
    ) {
        self.heap.retain(|Reverse(entry)| {
            deadline_of(entry.flow).is_some_and(|deadline| deadline.queued == Some(entry.at))
        });
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of time")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_that_moved_later_fires_once_and_late() {
        let mut fixture = Fixture::new();
        fixture.set(1, "early");
        fixture.set(3, "late");
        assert_eq!(fixture.timers.len(), 1);
        assert!(!fixture.fires(2));
        assert_eq!(fixture.next(), Some((3, "late")));
        assert!(fixture.fires(3));
        assert_eq!(fixture.next(), None);
    }

    #[test]
    fn a_deadline_that_moved_earlier_fires_once_and_early() {
        let mut fixture = Fixture::new();
        fixture.set(5, "late");
        fixture.set(1, "early");
        assert_eq!(fixture.next(), Some((1, "early")));
        assert!(fixture.fires(1));
        assert!(!fixture.fires(9));
        assert_eq!(fixture.timers.len(), 0);
    }

    #[test]
    fn entries_of_flows_that_are_gone_are_dropped() {
        let mut fixture = Fixture::new();
        fixture.set(5, "gone");
        fixture.timers.compact(|_| None);
        assert_eq!(fixture.timers.len(), 0);
    }

    struct Fixture {
        timers: Timers,
        flows: Slab<Deadline>,
        flow: FlowId,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Fixture {
            let mut flows = Slab::new();
            let flow = flows.insert(Deadline::default());
            Fixture {
                timers: Timers::default(),
                flows,
                flow,
                start: Instant::now(),
            }
        }

        fn set(&mut self, seconds: u64, why: &'static str) {
            let at = self.start + Duration::from_secs(seconds);
            let deadline = self.flows.get_mut(self.flow).expect("it is there");
            self.timers.set(self.flow, deadline, Some((at, why)));
        }

        fn next(&mut self) -> Option<(u64, &'static str)> {
            let (flow, start) = (self.flow, self.start);
            let next = self.timers.next_in(&mut self.flows);
            next.filter(|(id, ..)| *id == flow)
                .map(|(_, at, why)| ((at - start).as_secs(), why))
        }

        fn fires(&mut self, seconds: u64) -> bool {
            let now = self.start + Duration::from_secs(seconds);
            self.timers.pop_in(now, &mut self.flows).is_some()
        }
    }
}
