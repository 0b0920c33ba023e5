//! One queue of deadlines for all flows.
//!
//! A flow keeps its own deadline; the heap holds at most one useful entry of it. A deadline that moves
//! later stays where it is queued and is put back when that entry comes up; one that moves earlier is
//! queued again and its older entry is discarded when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::slab::FlowId;

/// A flow's deadline, and when the queue will next look at it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) due: Option<Instant>,
    queued: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    flow: FlowId,
    why: &'static str,
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
        deadline.due = due.map(|(at, _)| at);
        let Some((at, why)) = due else { return };
        if deadline.queued.is_some_and(|queued| queued <= at) {
            return;
        }
        deadline.queued = Some(at);
        self.heap.push(Reverse(Entry { at, flow, why }));
    }

    pub(crate) fn next(&self) -> Option<(Instant, &'static str)> {
        self.heap.peek().map(|Reverse(entry)| (entry.at, entry.why))
    }

    /// Takes the next entry that is due; [`Timers::fires`] says whether it still means something.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(FlowId, Instant, &'static str)> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        Some((entry.flow, entry.at, entry.why))
    }

    /// Whether the flow's deadline has really come; queues it again if it moved later.
    pub(crate) fn fires(
        &mut self,
        (flow, at, why): (FlowId, Instant, &'static str),
        deadline: &mut Deadline,
        now: Instant,
    ) -> bool {
        if deadline.queued != Some(at) {
            return false;
        }
        deadline.queued = None;
        match deadline.due {
            None => false,
            Some(due) if due <= now => {
                deadline.due = None;
                true
            }
            Some(due) => {
                self.set(flow, deadline, Some((due, why)));
                false
            }
        }
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
    use crate::slab::Slab;

    #[test]
    fn a_deadline_that_moved_later_fires_once_and_late() {
        let (mut timers, id, start) = (Timers::default(), Slab::new().insert(()), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadline = Deadline::default();
        timers.set(id, &mut deadline, Some((at(1), "test")));
        timers.set(id, &mut deadline, Some((at(3), "test")));
        assert_eq!(timers.len(), 1);
        let entry = timers.pop(at(2)).expect("the first entry is due");
        assert!(!timers.fires(entry, &mut deadline, at(2)));
        assert_eq!(timers.next(), Some((at(3), "test")));
        let entry = timers.pop(at(3)).expect("the second entry is due");
        assert!(timers.fires(entry, &mut deadline, at(3)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_that_moved_earlier_fires_once_and_early() {
        let (mut timers, id, start) = (Timers::default(), Slab::new().insert(()), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadline = Deadline::default();
        timers.set(id, &mut deadline, Some((at(5), "test")));
        timers.set(id, &mut deadline, Some((at(1), "test")));
        let entry = timers.pop(at(1)).expect("the early entry is due");
        assert!(timers.fires(entry, &mut deadline, at(1)));
        let entry = timers.pop(at(9)).expect("the late entry is still there");
        assert!(!timers.fires(entry, &mut deadline, at(9)));
    }
}
