//! The flows that are there now, by number. One thread owns it; a packet does
//! not touch it.

use super::record::{Flow, Look};
use crate::app::Closer;
use masq_core::failure::Code;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Live(RefCell<BTreeMap<u64, Known>>);

#[derive(Debug)]
struct Known {
    flow: Rc<Flow>,
    /// None where a flow ends soon by itself.
    closer: Option<Closer>,
}

impl Live {
    pub(super) fn insert(&self, flow: Rc<Flow>, closer: Option<Closer>) {
        let id = flow.id();
        self.0.borrow_mut().insert(id, Known { flow, closer });
    }

    pub(super) fn remove(&self, id: u64) {
        self.0.borrow_mut().remove(&id);
    }

    /// How many there are, and the newest of them, newest first.
    pub(super) fn newest(&self, at_most: usize, now: Instant) -> (usize, Vec<Look>) {
        let live = self.0.borrow();
        let newest = live.values().rev().take(at_most);
        (
            live.len(),
            newest.map(|known| known.flow.look(now)).collect(),
        )
    }

    pub(super) fn look(&self, id: u64, now: Instant) -> Option<Look> {
        Some(self.0.borrow().get(&id)?.flow.look(now))
    }

    /// Whether there is such a flow, which can be and now is ended.
    pub(super) fn close(&self, id: u64, why: Code) -> bool {
        let live = self.0.borrow();
        let Some(Known {
            flow,
            closer: Some(closer),
        }) = live.get(&id)
        else {
            return false;
        };
        flow.close(why);
        closer.close();
        true
    }

    /// The numbers of the flows that are so.
    pub(super) fn which(&self, is: impl Fn(&Flow) -> bool) -> Vec<u64> {
        let live = self.0.borrow();
        let found = live.iter().filter(|(_, known)| is(&known.flow));
        found.map(|(id, _)| *id).collect()
    }

    pub(super) fn tick(&self, now: Instant) {
        self.0
            .borrow()
            .values()
            .for_each(|known| known.flow.tick(now));
    }
}
