//! How parts of a mesh find each other: who looks beyond what it sees, and who lets it in.
//!
//! A part grows where the Node whose descriptor somebody was given had no place. Only the first of
//! its Nodes knows anybody outside, so that one goes on asking, and whoever has no place for it
//! introduces it. What it finds then may be lost again, so it looks at what it has, not at what it
//! once had. Nobody parts with a neighbor because a stranger says that it lives in a part.

use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::dial::Source;
use super::{Neighborhood, Now};

/// With enough neighbors, one Node that has left the view is tried at these intervals, so that
/// two halves of a mesh find each other again.
const FIRST_HEALING: Duration = Duration::from_secs(30);
const LONGEST_HEALING: Duration = Duration::from_secs(1_800);

/// For this time after a way out of a part of the mesh was found, further ones are taken.
const BRIDGING: Duration = Duration::from_secs(30);

impl Neighborhood {
    /// With enough neighbors: now and then one that is not in the view is tried, while there is
    /// room for it, or when this may be a part of the mesh.
    pub(super) fn plan_healing(&mut self, next: Option<Instant>, now: Now) -> Option<Instant> {
        let room = self.circle.len() <= self.config.limits.enough + 1;
        if !room && !self.takes_ways_out(now) {
            self.heal_at = None;
            return next;
        }
        let outside: Vec<_> = self
            .candidates
            .iter()
            .filter(|(id, candidate)| {
                candidate.dialling.is_none()
                    && !self.view.is_connected(id)
                    && !self.links.contains_key(id)
                    && self.bans.until(id, now.instant).is_none()
            })
            .map(|(id, candidate)| {
                let introduced = candidate.source == Source::Introduced;
                (!introduced, candidate.since, *id)
            })
            .collect();
        let Some((.., id)) = outside.into_iter().min() else {
            self.heal_at = None;
            return next;
        };
        if self.heal_at.is_some_and(|at| at <= now.instant) {
            self.heal_at = None;
            self.heal_tries = self.heal_tries.saturating_add(1);
            self.dial(&id, now);
        }
        let random = &mut self.random;
        let wait = (FIRST_HEALING * (1 << self.heal_tries.min(8))).min(LONGEST_HEALING);
        let at = *self
            .heal_at
            .get_or_insert_with(|| now.instant + wait.mul_f64(random.random_range(0.75..1.25)));
        Some(next.map_or(at, |next| next.min(at)))
    }

    /// Whether this Node may live in a part of the mesh that does not know the rest: it sees none
    /// of those that it was told of, or all that links lead to is within its radius.
    pub(super) fn is_apart(&self) -> bool {
        self.members_up() >= self.config.limits.enough && (self.view.is_whole() || self.is_adrift())
    }

    fn is_adrift(&self) -> bool {
        let mut anchors = self.candidates.iter().filter(|(_, known)| known.anchor);
        let sees = |id| self.view.is_connected(id) || self.member(id).is_some();
        anchors.clone().next().is_some() && !anchors.any(|(id, _)| sees(id))
    }

    /// One link alone is a weak bridge between parts of the mesh, so what else is found at the
    /// same time is joined, too.
    fn takes_ways_out(&self, now: Now) -> bool {
        let lately = |at: Instant| now.instant.saturating_duration_since(at) < BRIDGING;
        self.way_out_at.is_some_and(lately) || self.is_apart()
    }

    /// Whether a link with this Node may join parts of the mesh.
    pub(super) fn is_way_out(&self, id: &NodeId, now: Now) -> bool {
        !self.view.is_connected(id) && self.takes_ways_out(now)
    }

    /// Whoever has the neighbors it needs and asks a Node that does not see it may live in a part
    /// of the mesh that lost the rest: a link with it joins more than two Nodes.
    pub(super) fn seeks_a_way_out(&self, record: &NodeRecord) -> bool {
        let served = record.neighbors().len() >= self.config.limits.least;
        served && !self.view.is_connected(&record.id())
    }
}
