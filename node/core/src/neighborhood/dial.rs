//! Whom to dial and when: configured Nodes, past neighbors, Nodes met by introduction. Every one
//! is tried again for ever, ever more rarely, until there are enough neighbors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::descriptor::Descriptor;
use crate::identity::NodeId;

use super::action::{Action, DialFailure, Report};
use super::message::Refusal;
use super::{Neighborhood, Now, PastNeighbor};

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait while there are neighbors, though not enough.
const LONGEST_CALM_WAIT: Duration = Duration::from_secs(600);
const PASSED_WAIT: Duration = Duration::from_secs(3);

/// A dial that the shell has not answered by then has failed.
const DIALLING: Duration = Duration::from_secs(20);

/// An introduced Node is tried as often.
const INTRODUCED_TRIES: u32 = 2;

/// A past neighbor that was not seen for this time is forgotten.
const PAST_LIFE: u64 = 30 * 24 * 3_600;

/// Where a candidate is known from, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Introduced,
    Guard,
    Seed,
    Past,
}

/// What was met at a candidate, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Failed(DialFailure),
    Passed(Refusal),
    Silent,
    Lost(String),
    Welcome,
}

#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) descriptor: Descriptor,
    pub(super) source: Source,
    /// Configured; never forgotten.
    pub(super) seed: bool,
    /// Configured, or introduced by such a Node: it is in the mesh that this Node was told of.
    pub(super) anchor: bool,
    pub(super) last_seen_unix: u64,
    pub(super) remembered: bool,
    pub(super) failures: u32,
    pub(super) next_at: Instant,
    pub(super) since: Instant,
    /// The address being dialled, and until when.
    pub(super) dialling: Option<(SocketAddr, Instant)>,
    port: usize,
    pub(super) said: Said,
}

pub(super) type Candidates = BTreeMap<NodeId, Candidate>;

impl Candidate {
    pub(super) fn new(descriptor: Descriptor, source: Source, now: Now) -> Self {
        Candidate {
            descriptor,
            source,
            seed: source == Source::Seed,
            anchor: source == Source::Seed,
            last_seen_unix: 0,
            remembered: false,
            failures: 0,
            next_at: now.instant,
            since: now.instant,
            dialling: None,
            port: 0,
            said: Said::Nothing,
        }
    }

    fn address(&self) -> SocketAddr {
        let ports = self.descriptor.ports();
        let port = ports.get(self.port % ports.len().max(1)).copied();
        SocketAddr::new(self.descriptor.ip(), port.unwrap_or(0))
    }
}

impl Neighborhood {
    /// Takes the configured Nodes and the past ones, as many as the limits allow.
    pub(super) fn load_candidates(&mut self, now: Now) {
        let limits = self.config.limits.clone();
        let (chain, own) = (self.config.chain, self.own.id);
        let mut past = std::mem::take(&mut self.config.past);
        past.sort_by_key(|past| (!past.guard, std::cmp::Reverse(past.last_seen_unix)));
        let fits = |descriptor: &Descriptor| descriptor.chain() == chain && descriptor.id() != own;
        past.retain(|past| fits(&past.descriptor));
        for past in past.into_iter().take(limits.past) {
            let source = if past.guard {
                Source::Guard
            } else {
                Source::Past
            };
            let id = past.descriptor.id();
            let mut candidate = Candidate::new(past.descriptor, source, now);
            candidate.last_seen_unix = past.last_seen_unix;
            candidate.remembered = true;
            self.candidates.insert(id, candidate);
        }
        let seeds = std::mem::take(&mut self.config.seeds);
        for seed in seeds
            .into_iter()
            .filter(|seed| fits(seed))
            .take(limits.seeds)
        {
            let id = seed.id();
            let fresh = Candidate::new(seed, Source::Seed, now);
            match self.candidates.get_mut(&id) {
                Some(known) => {
                    known.seed = true;
                    known.anchor = true;
                    known.source = known.source.min(Source::Seed);
                    known.descriptor = fresh.descriptor;
                }
                None => {
                    self.candidates.insert(id, fresh);
                }
            }
        }
        self.dial_at = Some(now.instant);
    }

    pub(super) fn add_introduced(&mut self, by: &NodeId, descriptor: Descriptor, now: Now) {
        let id = descriptor.id();
        let anchor = self.candidates.get(by).is_some_and(|by| by.seed);
        if let Some(known) = self.candidates.get_mut(&id) {
            known.anchor |= anchor;
            if known.dialling.is_none() {
                known.descriptor = descriptor;
                known.next_at = now.instant;
                known.source = Source::Introduced;
            }
        } else {
            let introduced = |candidate: &&Candidate| candidate.source == Source::Introduced;
            let count = self.candidates.values().filter(introduced).count();
            if count >= self.config.limits.introduced {
                return;
            }
            let mut candidate = Candidate::new(descriptor, Source::Introduced, now);
            candidate.anchor = anchor;
            self.candidates.insert(id, candidate);
        }
        self.plan_is_stale = true;
    }

    /// Keeps what reaches a neighbor, for this life and the next.
    pub(super) fn remember(&mut self, id: &NodeId, now: Now) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let accepts = self.member(id).is_some_and(|member| member.accepts);
        // The address of a link that we opened is one that works; otherwise its word must do.
        let mut ports = link.ports.clone();
        if link.dialled && !ports.contains(&link.remote.port()) {
            ports.insert(0, link.remote.port());
            ports.truncate(crate::descriptor::MAX_PORTS);
        }
        let chain = self.config.chain;
        let Some(descriptor) = Descriptor::new(chain, *id, link.ip(), ports)
            .ok()
            .filter(|_| accepts)
        else {
            return;
        };
        let unix = now.unix();
        let candidate = self
            .candidates
            .entry(*id)
            .or_insert_with(|| Candidate::new(descriptor.clone(), Source::Past, now));
        let told = candidate.remembered
            && candidate.descriptor == descriptor
            && unix.saturating_sub(candidate.last_seen_unix) < REMEMBERED_SECONDS;
        candidate.descriptor = descriptor.clone();
        candidate.last_seen_unix = unix;
        candidate.remembered = true;
        if candidate.source == Source::Introduced {
            candidate.source = Source::Past;
        }
        if !told {
            let guard = candidate.source == Source::Guard;
            self.actions.push_back(Action::Remember(PastNeighbor {
                descriptor,
                last_seen_unix: unix,
                guard,
            }));
            self.limit_past(now);
        }
    }

    fn limit_past(&mut self, now: Now) {
        let past = |(id, candidate): &(&NodeId, &Candidate)| {
            candidate.remembered && self.member(id).is_none()
        };
        let count = self
            .candidates
            .values()
            .filter(|candidate| candidate.remembered);
        let excess = count.count().saturating_sub(self.config.limits.past);
        let mut old: Vec<_> = self
            .candidates
            .iter()
            .filter(past)
            .map(|(id, candidate)| {
                let guard = candidate.source == Source::Guard;
                (guard, candidate.last_seen_unix, *id)
            })
            .collect();
        old.sort_unstable();
        let forgotten = |(place, (_, seen, _)): &(usize, (bool, u64, NodeId))| {
            *place < excess || seen.saturating_add(PAST_LIFE) < now.unix()
        };
        let ids: Vec<_> = old.into_iter().enumerate().filter(forgotten).collect();
        for (_, (_, _, id)) in ids {
            match self.candidates.get_mut(&id) {
                Some(candidate) if candidate.seed => candidate.remembered = false,
                Some(_) | None => {
                    self.candidates.remove(&id);
                }
            }
            self.actions.push_back(Action::Forget(id));
        }
    }

    /// A banned Node is not dialled; one that only misled us is forgotten.
    pub(super) fn drop_candidate(&mut self, id: &NodeId, until: Instant) {
        match self.candidates.get_mut(id) {
            Some(candidate) if candidate.seed => candidate.next_at = until,
            Some(candidate) => {
                let remembered = candidate.remembered;
                self.candidates.remove(id);
                if remembered {
                    self.actions.push_back(Action::Forget(*id));
                }
            }
            None => {}
        }
    }

    pub(super) fn note_joined(&mut self, id: &NodeId) {
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.failures = 0;
            candidate.dialling = None;
            candidate.said = Said::Welcome;
        }
        self.plan_is_stale = true;
    }

    pub(super) fn note_passed(&mut self, id: &NodeId, reason: Refusal, now: Now) {
        let wait = match reason {
            Refusal::Full | Refusal::Busy => PASSED_WAIT,
            Refusal::Address
            | Refusal::Chain
            | Refusal::Clock
            | Refusal::Record
            | Refusal::Country => LONGEST_WAIT,
        };
        self.put_off(id, Said::Passed(reason), wait, now);
    }

    pub(super) fn note_silence(&mut self, id: &NodeId, now: Now) {
        self.put_off(id, Said::Silent, FIRST_WAIT, now);
    }

    /// The link of an unanswered greeting was lost.
    pub(super) fn note_unanswered(&mut self, id: &NodeId, reason: &str, now: Now) {
        let reason = reason.chars().take(120).collect();
        self.put_off(id, Said::Lost(reason), FIRST_WAIT, now);
    }

    /// A neighbor's link was lost: whoever opened it opens it again, at once.
    pub(super) fn note_lost(&mut self, id: &NodeId, dialled: bool, reason: &str, now: Now) {
        let wait = match dialled {
            true => FIRST_WAIT.mul_f64(self.random.random_range(0.25..1.0)),
            false => Duration::from_millis(self.random.random_range(700..1_100)),
        };
        let unix = now.unix();
        if let Some(candidate) = self.candidates.get_mut(id) {
            candidate.next_at = now.instant + wait;
            candidate.failures = 0;
            candidate.since = now.instant;
            candidate.said = Said::Lost(reason.chars().take(120).collect());
            candidate.last_seen_unix = unix;
        }
        self.plan_is_stale = true;
    }

    pub(super) fn note_dial_failed(
        &mut self,
        id: &NodeId,
        address: SocketAddr,
        reason: DialFailure,
        now: Now,
    ) {
        let Some(candidate) = self.candidates.get_mut(id) else {
            return;
        };
        if candidate.dialling.take().is_none() {
            return;
        }
        candidate.port = candidate.port.wrapping_add(1);
        self.counters.dials_failed += 1;
        let wait = self.put_off(id, Said::Failed(reason), FIRST_WAIT, now);
        self.report(Report::Unreached {
            peer: *id,
            address,
            reason,
            again_in: wait,
        });
    }

    /// Counts a failure; the next try comes after twice the time, with jitter.
    fn put_off(&mut self, id: &NodeId, said: Said, first: Duration, now: Now) -> Duration {
        self.plan_is_stale = true;
        let longest = match self.members_up() < self.config.limits.least {
            true => LONGEST_WAIT,
            false => LONGEST_CALM_WAIT,
        };
        let jitter: f64 = self.random.random_range(0.75..1.25);
        let Some(candidate) = self.candidates.get_mut(id) else {
            return Duration::ZERO;
        };
        candidate.dialling = None;
        let wait = first.saturating_mul(1 << candidate.failures.min(16));
        let wait = wait.min(longest).mul_f64(jitter);
        candidate.failures = candidate.failures.saturating_add(1);
        candidate.next_at = now.instant + wait;
        candidate.since = now.instant;
        candidate.said = said;
        let tried = candidate.failures >= INTRODUCED_TRIES;
        if candidate.source == Source::Introduced && tried {
            match (candidate.seed, candidate.remembered) {
                (true, _) => candidate.source = Source::Seed,
                (_, true) => candidate.source = Source::Past,
                (false, false) => {
                    self.candidates.remove(id);
                }
            }
        }
        wait
    }

    /// Every place that is tried rarely is tried soon: neighbors have become too few.
    pub(super) fn hurry(&mut self, now: Now) {
        for candidate in self.candidates.values_mut() {
            let latest = now.instant + LONGEST_WAIT;
            candidate.next_at = candidate.next_at.min(latest);
        }
    }

    /// Dials whoever is due, and plans the next time.
    pub(super) fn plan_dials(&mut self, now: Now) {
        self.plan_is_stale = false;
        self.dial_at = None;
        self.plan_seek(now);
        let limits = &self.config.limits;
        let (up, dials, enough) = (self.members_up(), limits.dials, limits.enough);
        let asked = self
            .links
            .values()
            .filter(|link| link.asked && link.deadline().is_some());
        let pending = asked.count();
        let mut dialling = 0;
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        let mut note = |at: Instant| next = Some(next.map_or(at, |next: Instant| next.min(at)));
        for (id, candidate) in &self.candidates {
            if let Some((_, until)) = candidate.dialling {
                dialling += 1;
                note(until);
                continue;
            }
            if self.links.contains_key(id) || self.bans.until(id, now.instant).is_some() {
                continue;
            }
            let lost = self.member(id).is_some();
            if !lost && up >= enough {
                continue;
            }
            match candidate.next_at <= now.instant {
                true => due.push((!lost, candidate.source, candidate.next_at, *id)),
                false => note(candidate.next_at),
            }
        }
        let wish = enough.saturating_sub(up);
        let free = dials.saturating_sub(dialling);
        let room = wish.saturating_sub(pending + dialling).min(free);
        due.sort_unstable();
        let lost = due.iter().filter(|(new, ..)| !new).count();
        let ids: Vec<_> = due
            .into_iter()
            .map(|(.., id)| id)
            .take(room.max(lost))
            .collect();
        for id in ids {
            let until = self.dial(&id, now);
            next = Some(next.map_or(until, |next| next.min(until)));
        }
        if up >= enough {
            next = self.plan_healing(next, now);
        } else {
            self.heal_at = None;
        }
        self.dial_at = next;
    }

    pub(super) fn dial(&mut self, id: &NodeId, now: Now) -> Instant {
        let until = now.instant + DIALLING;
        if let Some(candidate) = self.candidates.get_mut(id) {
            let address = candidate.address();
            candidate.dialling = Some((address, until));
            candidate.since = now.instant;
            self.counters.dials += 1;
            self.actions.push_back(Action::Dial { peer: *id, address });
        }
        until
    }

    /// Counts dials that the shell never answered as failed.
    pub(super) fn expire_dials(&mut self, now: Now) {
        let overdue: Vec<_> = self
            .candidates
            .iter()
            .filter_map(|(id, candidate)| {
                let (address, until) = candidate.dialling?;
                (until <= now.instant).then_some((*id, address))
            })
            .collect();
        for (id, address) in overdue {
            self.note_dial_failed(&id, address, DialFailure::TimedOut, now);
        }
    }
}

/// A past neighbor's time is told anew after as many seconds.
const REMEMBERED_SECONDS: u64 = 3_600;
