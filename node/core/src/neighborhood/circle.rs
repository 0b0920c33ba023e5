//! The circle: the neighbors that this Node names in its record, from the first greeting until
//! the grace after a lost link is over.

use std::time::{Duration, Instant};

use crate::identity::NodeId;

use super::action::{Action, CloseReason, Offence, Report};
use super::peer::{Member, Peer, Standing};
use super::view::names;
use super::{Neighborhood, Now};

/// How long a lost link may come back before the record drops the neighbor.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long a neighbor may take to name this Node.
pub(super) const CONFIRMATION: Duration = Duration::from_secs(10);

impl Neighborhood {
    pub(super) fn member(&self, id: &NodeId) -> Option<&Member> {
        self.circle.iter().find(|member| member.id == *id)
    }

    fn member_mut(&mut self, id: &NodeId) -> Option<&mut Member> {
        self.circle.iter_mut().find(|member| member.id == *id)
    }

    pub(super) fn slot(&self, id: &NodeId) -> Option<u8> {
        self.member(id).map(|member| member.slot)
    }

    /// Neighbors whose link is up.
    pub(super) fn members_up(&self) -> usize {
        let up = |member: &&Member| member.lost.is_none();
        self.circle.iter().filter(up).count()
    }

    /// The peer of this link is a neighbor from now on.
    pub(super) fn enter_circle(&mut self, id: NodeId, accepts: bool, now: Now) {
        let way_out = self.is_apart() && !self.view.is_connected(&id);
        let Some(peer) = self.links.get_mut(&id) else {
            return;
        };
        peer.standing = Standing::Neighbor;
        let ip = peer.ip();
        let named = !self.is_client();
        let confirm_by = named.then_some(now.instant + CONFIRMATION);
        let slot = match self.member_mut(&id) {
            Some(member) => {
                member.lost = None;
                member.ip = ip;
                member.accepts = accepts;
                member.confirm_by = confirm_by;
                member.slot
            }
            None => {
                let free = |slot: &u8| self.circle.iter().all(|member| member.slot != *slot);
                let slot = (0..16).find(free).unwrap_or(u8::MAX);
                self.circle.push(Member {
                    id,
                    slot,
                    ip,
                    accepts,
                    since: now.instant,
                    lost: None,
                    confirm_by,
                });
                self.own.stale |= named;
                let neighbors = self.circle.len();
                self.report(Report::Joined {
                    peer: id,
                    neighbors,
                });
                slot
            }
        };
        if way_out {
            self.way_out_at = Some(now.instant);
        }
        self.view.clear_slot(slot);
        self.view.touch();
        self.seats.retain(|seat| seat.id != id);
        self.seek_tries = 0;
        self.plan_is_stale = true;
        self.remember(&id, now);
    }

    /// A neighbor is none any more: the record drops it.
    pub(super) fn leave_circle(&mut self, id: &NodeId, now: Now) {
        let Some(place) = self.circle.iter().position(|member| member.id == *id) else {
            return;
        };
        self.circle.remove(place);
        self.report(Report::Lost {
            peer: *id,
            neighbors: self.circle.len(),
        });
        self.view.touch();
        self.seek_tries = 0;
        self.plan_is_stale = true;
        if !self.is_client() {
            self.spoil_record(now);
        }
    }

    /// Closes a link from this side and forgets about it.
    pub(super) fn close(&mut self, id: &NodeId, reason: CloseReason, now: Now) {
        if self.links.remove(id).is_none() {
            return;
        }
        self.actions.push_back(Action::Close { peer: *id, reason });
        self.leave_circle(id, now);
        self.drop_wishes_of(id, now);
        self.plan_is_stale = true;
        self.tell_first_hops();
    }

    /// A peer broke a rule.
    pub(super) fn offend(&mut self, id: &NodeId, offence: Offence, now: Now) {
        self.offend_times(id, offence, 1, now);
    }

    pub(super) fn offend_times(&mut self, id: &NodeId, offence: Offence, times: u32, now: Now) {
        let Some(peer) = self.links.get_mut(id) else {
            return;
        };
        let times_f = times.min(1_000) as f32;
        let (score, first) = peer.conduct.offend(offence, times_f, now.instant);
        let ip = peer.ip();
        self.counters.offences += u64::from(times);
        if first {
            self.report(Report::Misbehaved { peer: *id, offence });
        }
        if score < super::conduct::LIMIT {
            return;
        }
        let limits = &self.config.limits;
        let time = self.bans.add(*id, limits.bans, now.instant);
        self.origins.note_ban(ip, limits.origins, now.instant);
        self.counters.bans += 1;
        self.report(Report::Banned { peer: *id, time });
        self.seats.retain(|seat| seat.id != *id && seat.by != *id);
        self.drop_candidate(id, now.instant + time);
        self.close(id, CloseReason::Banned, now);
        self.settle(now);
    }

    /// Computes the view anew, and what follows from it for neighbors.
    pub(super) fn settle(&mut self, now: Now) {
        if !self.view.is_dirty() {
            return;
        }
        self.counters.settled += 1;
        let own = (!self.is_client()).then_some(self.own.id);
        let circle: Vec<_> = self.circle.iter().map(|member| member.id).collect();
        let settled = self
            .view
            .settle(circle.into_iter(), own.as_ref(), now.instant);
        self.counters.crowded_out += settled.crowded_out;
        self.forget_at = settled.forget_at;
        self.news.extend(settled.news);
        let forgotten = settled.forgotten.into_iter().map(Action::Forgotten);
        self.actions.extend(forgotten);
        let learned = settled.learned.into_iter().map(Action::Learned);
        self.actions.extend(learned);
        if !self.news.is_empty() {
            self.schedule_flush(false, now);
        }
        for (slot, times) in settled.useless {
            let member = self.circle.iter().find(|member| member.slot == slot);
            if let Some(id) = member.map(|member| member.id) {
                self.offend_times(&id, Offence::Useless, times, now);
            }
        }
        self.check_confirmations(now);
        self.tell_first_hops();
        self.plan_is_stale = true;
    }

    /// Neighbors that no longer name this Node have some seconds to do so; those that offer
    /// nothing any more have to come again as clients.
    fn check_confirmations(&mut self, now: Now) {
        if self.is_client() {
            return;
        }
        let own = self.own.id;
        let mut changed = Vec::new();
        for member in &mut self.circle {
            let Some(record) = self.view.get(&member.id) else {
                continue;
            };
            if !record.roles().relay && !record.roles().exit {
                changed.push(member.id);
            } else if names(record, &own) {
                member.confirm_by = None;
            } else if member.confirm_by.is_none() {
                member.confirm_by = Some(now.instant + CONFIRMATION);
            }
        }
        for id in changed {
            self.close(&id, CloseReason::NotNeighbors, now);
        }
    }

    /// Tells the shell which Nodes circuits may begin at, if that changed.
    pub(super) fn tell_first_hops(&mut self) {
        let own = (!self.is_client()).then_some(self.own.id);
        let mutual = |id: &NodeId| {
            let record = self.view.get(id);
            record.is_some_and(|record| own.is_none_or(|own| names(record, &own)))
        };
        let mut hops: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.lost.is_none() && mutual(&member.id))
            .map(|member| member.id)
            .collect();
        hops.sort_unstable();
        if hops != self.first_hops {
            self.first_hops.clone_from(&hops);
            self.actions.push_back(Action::Neighbors(hops));
        }
    }

    /// Ends what has lasted too long: graces, confirmations, strangers.
    pub(super) fn expire_links(&mut self, now: Now) {
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        let lost: Vec<_> = self
            .circle
            .iter()
            .filter(|member| over(member.lost.map(|at| at + GRACE)))
            .map(|member| member.id)
            .collect();
        for id in lost {
            self.heal_tries = 0;
            self.leave_circle(&id, now);
        }
        let unconfirmed: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.lost.is_none() && over(member.confirm_by))
            .map(|member| member.id)
            .collect();
        for id in unconfirmed {
            self.close(&id, CloseReason::LeftUs, now);
        }
        let strangers: Vec<_> = self
            .links
            .iter()
            .filter(|(_, peer)| over(peer.deadline()))
            .map(|(id, peer)| (*id, peer.standing, peer.asked))
            .collect();
        for (id, standing, asked) in strangers {
            let silent = matches!(standing, Standing::Stranger { .. });
            if silent && asked {
                self.note_silence(&id, now);
            }
            let reason = match silent {
                true => CloseReason::Silent,
                false => CloseReason::NotNeighbors,
            };
            self.close(&id, reason, now);
        }
    }

    /// When the next of these is over.
    pub(super) fn links_deadline(&self) -> Option<Instant> {
        let members = self.circle.iter().filter_map(|member| {
            let grace = member.lost.map(|at| at + GRACE);
            grace.or(member.confirm_by)
        });
        let links = self.links.values().filter_map(Peer::deadline);
        members.chain(links).min()
    }
}
