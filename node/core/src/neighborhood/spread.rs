//! How records spread: what is new is announced by id and version to those it concerns, in
//! batches; they ask for what they lack (W-9.10 to W-9.12).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng as _;

use crate::identity::NodeId;

use super::action::Offence;
use super::message::{MAX_IDS, MAX_MESSAGE, Message};
use super::{Neighborhood, Now};

/// A version may lie this far in the future, in milliseconds.
pub(super) const FUTURE_MS: u64 = 3_600_000;

/// A version may lie this far in the past, in milliseconds.
pub(super) const PAST_MS: u64 = 36 * 3_600_000;

/// How long batches wait, when joining and otherwise.
const SOON: Duration = Duration::from_millis(150);
const LATER: Duration = Duration::from_secs(1);

/// How long a neighbor may take to give what it announced.
const ANSWER: Duration = Duration::from_secs(5);

/// A record that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) version: u64,
    pub(super) from: NodeId,
    until: Instant,
    /// Others that announced it.
    also: [Option<NodeId>; 2],
}

/// What was asked for, by id, and when the next answer is overdue at the latest.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) of: BTreeMap<NodeId, Wish>,
    pub(super) check_at: Option<Instant>,
}

impl Wishes {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

/// Why a version is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untimely {
    Future,
    Past,
}

pub(super) fn check_version(version: u64, now: Now) -> Result<(), Untimely> {
    if version > now.unix_ms.saturating_add(FUTURE_MS) {
        return Err(Untimely::Future);
    }
    if version < now.unix_ms.saturating_sub(PAST_MS) {
        return Err(Untimely::Past);
    }
    Ok(())
}

impl Neighborhood {
    pub(super) fn schedule_flush(&mut self, urgent: bool, now: Now) {
        let joining = self.members_up() < self.config.limits.least || !self.route_found;
        let wait = if urgent || joining { SOON } else { LATER };
        let jitter: f64 = self.random.random_range(0.75..1.25);
        let at = now.instant + wait.mul_f64(jitter);
        self.flush_at = Some(self.flush_at.map_or(at, |flush| flush.min(at)));
    }

    /// Tells everyone served what is new since the last time.
    pub(super) fn flush(&mut self, now: Now) {
        self.flush_at = None;
        self.settle(now);
        if self.renew_record(false, now) {
            self.settle(now);
        }
        let own_version = self.own.record.version();
        let served: Vec<_> = self
            .links
            .iter()
            .filter(|(_, peer)| peer.is_served())
            .map(|(id, peer)| (*id, peer.told < own_version && !self.own.stale))
            .collect();
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        news.dedup();
        for (id, outdated) in served {
            if outdated {
                self.tell_own(&id);
            }
            self.announce(&id, &news);
        }
        self.plan_is_stale = true;
    }

    /// Gives a peer the own record.
    pub(super) fn tell_own(&mut self, id: &NodeId) {
        let record = Bytes::from(self.own.record.to_bytes());
        let version = self.own.record.version();
        if let Some(peer) = self.links.get_mut(id) {
            peer.told = version;
        }
        self.send(id, &Message::Records(vec![record]));
    }

    fn announce(&mut self, id: &NodeId, news: &[NodeId]) {
        if news.is_empty() || self.is_client() {
            return;
        }
        let slot = self.slot(id);
        let mut list = Vec::new();
        for of in news {
            if of != id
                && let Some(version) = self.view.news_for(slot, of)
            {
                list.push((*of, version));
            }
        }
        self.send_announcements(id, list);
    }

    /// Tells a new neighbor or client everything that concerns it.
    pub(super) fn announce_all(&mut self, id: &NodeId, now: Now) {
        self.settle(now);
        if !self.is_client() {
            let list = self.view.digest(id);
            self.send_announcements(id, list);
        }
    }

    fn send_announcements(&mut self, id: &NodeId, list: Vec<(NodeId, u64)>) {
        if let Some(slot) = self.slot(id) {
            for (of, version) in &list {
                self.view.note_known(of, *version, slot);
            }
        }
        for part in list.chunks(MAX_IDS) {
            self.send(id, &Message::Announce(part.to_vec()));
        }
    }

    pub(super) fn handle_announce(&mut self, peer: NodeId, list: &[(NodeId, u64)], now: Now) {
        let Some(slot) = self.slot(&peer) else {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        };
        let few = self.wishes.of.len() + list.len() < MAX_IDS;
        let wishes = self.wishes.of.values();
        let mut asked = match few {
            true => 0,
            false => wishes.filter(|wish| wish.from == peer).count(),
        };
        let mut pull = Vec::new();
        let mut future = false;
        for (id, version) in list {
            let mut known = self.view.note_known(id, *version, slot);
            if *id == self.own.id {
                known = Some(self.own.record.version());
            }
            if known.is_some_and(|known| known >= *version) || *id == peer {
                continue;
            }
            match check_version(*version, now) {
                Ok(()) => {}
                Err(Untimely::Future) => {
                    future = true;
                    continue;
                }
                Err(Untimely::Past) => continue,
            }
            if let Some(wish) = self.wishes.of.get_mut(id)
                && wish.version >= *version
            {
                let told = wish.from == peer || wish.also.contains(&Some(peer));
                if let Some(place) = wish.also.iter_mut().find(|place| place.is_none())
                    && !told
                {
                    *place = Some(peer);
                }
                continue;
            }
            let full = self.wishes.of.len() >= self.config.limits.wanted;
            if full || asked >= MAX_IDS {
                continue;
            }
            asked += 1;
            pull.push(*id);
            self.wish(*id, *version, peer, now);
        }
        if !pull.is_empty() {
            self.send(&peer, &Message::Pull(pull));
        }
        if future {
            self.offend(&peer, Offence::Future, now);
        }
    }

    fn wish(&mut self, id: NodeId, version: u64, from: NodeId, now: Now) {
        let until = now.instant + ANSWER;
        let wish = Wish {
            version,
            from,
            until,
            also: [None; 2],
        };
        self.wishes.of.insert(id, wish);
        self.wishes.check_at.get_or_insert(until);
    }

    /// Asks others for what was not given in time.
    pub(super) fn check_wishes(&mut self, now: Now) {
        let overdue = |wish: &Wish| wish.until <= now.instant;
        self.turn_to_others(overdue, now);
    }

    /// Asks others for what this peer was to give.
    pub(super) fn drop_wishes_of(&mut self, id: &NodeId, now: Now) {
        let gone = *id;
        self.turn_to_others(|wish| wish.from == gone, now);
    }

    fn turn_to_others(&mut self, given_up: impl Fn(&Wish) -> bool, now: Now) {
        let until = now.instant + ANSWER;
        let mut pulls: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        let links = &self.links;
        self.wishes.of.retain(|id, wish| {
            if !given_up(wish) {
                return true;
            }
            let mut others = wish.also.iter_mut();
            let next = others.find_map(|place| place.take().filter(|id| links.contains_key(id)));
            let Some(next) = next else {
                return false;
            };
            wish.from = next;
            wish.until = until;
            pulls.entry(next).or_default().push(*id);
            true
        });
        self.wishes.check_at = self.wishes.of.values().map(|wish| wish.until).min();
        for (peer, mut list) in pulls {
            list.truncate(MAX_IDS);
            self.send(&peer, &Message::Pull(list));
        }
    }

    pub(super) fn handle_pull(&mut self, peer: NodeId, list: &[NodeId], now: Now) {
        if !self.links.get(&peer).is_some_and(|peer| peer.is_served()) {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        let mut batch: Vec<Bytes> = Vec::new();
        let mut length = 0;
        let mut unknown = false;
        for id in list {
            let record = match *id == self.own.id {
                true => &self.own.record,
                false => match self.view.get(id).filter(|_| self.view.is_connected(id)) {
                    Some(record) => record,
                    None => {
                        unknown = true;
                        continue;
                    }
                },
            };
            let bytes = Bytes::from(record.to_bytes());
            let limits = &self.config.limits;
            let may_get = self
                .links
                .get_mut(&peer)
                .is_some_and(|peer| peer.conduct.may_get(bytes.len(), limits, now.instant));
            if !may_get {
                break;
            }
            if length + bytes.len() + 2 > MAX_MESSAGE - 3 {
                length = 0;
                let full = std::mem::take(&mut batch);
                self.send(&peer, &Message::Records(full));
            }
            length += bytes.len() + 2;
            batch.push(bytes);
        }
        if !batch.is_empty() {
            self.send(&peer, &Message::Records(batch));
        }
        if unknown {
            self.offend(&peer, Offence::Prying, now);
        }
    }
}
