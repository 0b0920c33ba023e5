//! Isolation groups: flows of one group leave the mesh at one exit for a time,
//! flows of another at another one, if there is one. Circuits are shared by no
//! flows at all, so there is nothing else to keep apart.

use super::course::Terms;
use masq_core::config::ExitCountries;
use masq_core::identity::NodeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a group stays with an exit.
const SHARED_FOR: Duration = Duration::from_secs(600);
/// Groups that are remembered; the one whose time is up first gives way.
const GROUPS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Groups(RefCell<HashMap<Rc<str>, Shared>>);

#[derive(Debug)]
struct Shared {
    exit: NodeId,
    /// The exit was drawn for these.
    countries: Rc<ExitCountries>,
    until: Instant,
}

impl Groups {
    /// The exit that the group's flows on these terms share now.
    pub(super) fn exit_of(&self, group: &str, terms: &Terms, now: Instant) -> Option<NodeId> {
        let groups = self.0.borrow();
        let shared = groups.get(group)?;
        (shared.until > now && shared.countries == terms.countries).then_some(shared.exit)
    }

    /// The exits that a new one shall differ from.
    pub(super) fn exits_of_others(&self, group: &str, now: Instant) -> Vec<NodeId> {
        let groups = self.0.borrow();
        let others = groups.iter();
        let others = others.filter(|(name, shared)| &***name != group && shared.until > now);
        others.map(|(_, shared)| shared.exit).collect()
    }

    pub(super) fn share(&self, group: &Rc<str>, terms: &Terms, exit: NodeId, now: Instant) {
        let mut groups = self.0.borrow_mut();
        if groups.len() >= GROUPS && !groups.contains_key(group) {
            let oldest = groups.iter().min_by_key(|(_, shared)| shared.until);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                groups.remove(&oldest);
            }
        }
        let shared = Shared {
            exit,
            countries: terms.countries.clone(),
            until: now + SHARED_FOR,
        };
        groups.insert(group.clone(), shared);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn a_group_stays_with_its_exit_for_a_time_and_others_keep_away_from_it() {
        let node = || NodeId::new([7; 32]);
        let terms = Terms {
            hops: 3,
            countries: Rc::default(),
            group: None,
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let groups = Groups::default();
        let (bank, exit) = (Rc::from("bank"), node());
        assert_eq!(groups.exit_of(&bank, &terms, start), None);
        groups.share(&bank, &terms, exit, start);
        assert_eq!(groups.exit_of(&bank, &terms, at(599)), Some(exit));
        assert_eq!(groups.exit_of(&bank, &terms, at(600)), None);
        assert_eq!(groups.exits_of_others("other", at(1)), [exit]);
        assert_eq!(groups.exits_of_others("bank", at(1)), []);
        for number in 0..GROUPS * 2 {
            groups.share(&Rc::from(format!("{number}")), &terms, exit, at(2));
        }
        assert_eq!(groups.0.borrow().len(), GROUPS);
    }
}
