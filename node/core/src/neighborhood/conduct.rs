//! How others behave: a score that decays, shares of messages and bytes, bans that double, and
//! what each address of newcomers has had.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::identity::NodeId;

use super::Limits;
use super::action::Offence;

/// At this score a Node is banned.
pub const LIMIT: f32 = 100.0;

/// After this time half of a score is forgotten.
pub const HALF_LIFE: Duration = Duration::from_secs(600);

/// The first ban; each one after it is twice as long, until [`LONGEST_BAN`].
pub const FIRST_BAN: Duration = Duration::from_secs(600);

/// The longest ban.
pub const LONGEST_BAN: Duration = Duration::from_secs(24 * 3_600);

/// Bans of Nodes at one address that make the address itself refused.
const BANS_OF_ADDRESS: u32 = 3;

/// Tokens that come back with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f32,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(burst: u32, now: Instant) -> Self {
        Bucket {
            tokens: burst as f32,
            at: now,
        }
    }

    /// Whether there are as many tokens.
    pub(super) fn has(&mut self, cost: f32, burst: f32, per_second: f32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f32();
        self.tokens = (self.tokens + passed * per_second).min(burst);
        self.at = self.at.max(now);
        self.tokens >= cost
    }

    /// Takes `cost` tokens if there are as many.
    pub(super) fn take(&mut self, cost: f32, burst: f32, per_second: f32, now: Instant) -> bool {
        let enough = self.has(cost, burst, per_second, now);
        if enough {
            self.tokens -= cost;
        }
        enough
    }

    /// How long until there is one token.
    pub(super) fn wait(&self, per_second: f32) -> Duration {
        Duration::from_secs_f32(((1.0 - self.tokens) / per_second).clamp(0.01, 60.0))
    }
}

/// How one neighbor behaves, as long as its link is up.
#[derive(Clone, Debug)]
pub(super) struct Conduct {
    score: f32,
    scored_at: Instant,
    reported: u16,
    messages: Bucket,
    bytes: Bucket,
    signatures: Bucket,
    served: Bucket,
    proposals: Bucket,
}

/// Proposals of one neighbor: at once, and then a second.
const PROPOSALS: (u32, u32) = (40, 2);

impl Conduct {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Conduct {
            score: 0.0,
            scored_at: now,
            reported: 0,
            messages: Bucket::full(limits.messages.0, now),
            bytes: Bucket::full(limits.bytes.0, now),
            signatures: Bucket::full(limits.signatures.0, now),
            served: Bucket::full(limits.served.0, now),
            proposals: Bucket::full(PROPOSALS.0, now),
        }
    }

    /// Whether its share has room for one more message.
    pub(super) fn may_speak(&mut self, bytes: usize, limits: &Limits, now: Instant) -> bool {
        let message = take(&mut self.messages, 1.0, limits.messages, now);
        message && take(&mut self.bytes, bytes as f32, limits.bytes, now)
    }

    /// Whether one more signature of what it brings is checked.
    pub(super) fn may_verify(&mut self, limits: &Limits, now: Instant) -> bool {
        take(&mut self.signatures, 1.0, limits.signatures, now)
    }

    /// Whether one more newcomer of its is looked at.
    pub(super) fn may_propose(&mut self, now: Instant) -> bool {
        take(&mut self.proposals, 1.0, PROPOSALS, now)
    }

    /// Whether it is given as many bytes.
    pub(super) fn may_get(&mut self, bytes: usize, limits: &Limits, now: Instant) -> bool {
        take(&mut self.served, bytes as f32, limits.served, now)
    }

    /// Counts an offence; the new score, and whether the log has not had this one yet.
    pub(super) fn offend(&mut self, offence: Offence, times: f32, now: Instant) -> (f32, bool) {
        let passed = now.saturating_duration_since(self.scored_at).as_secs_f32();
        self.score *= (-passed / HALF_LIFE.as_secs_f32()).exp2();
        self.score += offence.weight() * times;
        self.scored_at = now;
        let mark = 1_u16 << (offence as u16);
        let first = self.reported & mark == 0;
        self.reported |= mark;
        (self.score, first)
    }
}

/// Who is refused, and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Bans {
    of: BTreeMap<NodeId, Ban>,
}

#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Instant,
    strikes: u32,
}

impl Bans {
    pub(super) fn add(&mut self, id: NodeId, capacity: usize, now: Instant) -> Duration {
        if !self.of.contains_key(&id) && self.of.len() >= capacity.max(1) {
            let soonest = self.of.iter().min_by_key(|(_, ban)| ban.until);
            if let Some(id) = soonest.map(|(id, _)| *id) {
                self.of.remove(&id);
            }
        }
        let strikes = match self.of.get(&id) {
            Some(ban) if now < ban.until + LONGEST_BAN => ban.strikes + 1,
            Some(_) | None => 0,
        };
        let time = (FIRST_BAN * (1 << strikes.min(8))).min(LONGEST_BAN);
        let until = now + time;
        self.of.insert(id, Ban { until, strikes });
        time
    }

    pub(super) fn until(&self, id: &NodeId, now: Instant) -> Option<Instant> {
        let ban = self.of.get(id)?;
        (now < ban.until).then_some(ban.until)
    }

    pub(super) fn running(&self, now: Instant) -> impl Iterator<Item = (&NodeId, Instant)> {
        let running = move |(_, ban): &(&NodeId, &Ban)| now < ban.until;
        self.of
            .iter()
            .filter(running)
            .map(|(id, ban)| (id, ban.until))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

/// What newcomers of each address have had. An IPv6 address stands for its /64.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    of: BTreeMap<IpAddr, Origin>,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    debuts: Bucket,
    introductions: Bucket,
    bans: u32,
    banned_until: Option<Instant>,
}

const DEBUTS: (u32, u32) = (20, 1);
const INTRODUCTIONS: u32 = 8;
const INTRODUCTIONS_PER_SECOND: f32 = 1.0 / 15.0;

impl Origins {
    fn at(&mut self, ip: IpAddr, capacity: usize, now: Instant) -> &mut Origin {
        let ip = prefix(ip);
        if !self.of.contains_key(&ip) && self.of.len() >= capacity.max(1) {
            let quiet = |(_, origin): &(&IpAddr, &Origin)| {
                (
                    origin.banned_until,
                    origin.debuts.at.max(origin.introductions.at),
                )
            };
            if let Some(ip) = self.of.iter().min_by_key(quiet).map(|(ip, _)| *ip) {
                self.of.remove(&ip);
            }
        }
        self.of.entry(ip).or_insert_with(|| Origin {
            debuts: Bucket::full(DEBUTS.0, now),
            introductions: Bucket::full(INTRODUCTIONS, now),
            bans: 0,
            banned_until: None,
        })
    }

    pub(super) fn may_debut(&mut self, ip: IpAddr, capacity: usize, now: Instant) -> bool {
        take(&mut self.at(ip, capacity, now).debuts, 1.0, DEBUTS, now)
    }

    pub(super) fn may_be_introduced(&mut self, ip: IpAddr, capacity: usize, now: Instant) -> bool {
        self.at(ip, capacity, now).introductions.take(
            1.0,
            INTRODUCTIONS as f32,
            INTRODUCTIONS_PER_SECOND,
            now,
        )
    }

    pub(super) fn note_ban(&mut self, ip: IpAddr, capacity: usize, now: Instant) {
        let origin = self.at(ip, capacity, now);
        origin.bans += 1;
        if origin.bans >= BANS_OF_ADDRESS {
            origin.bans = 0;
            origin.banned_until = Some(now + FIRST_BAN);
        }
    }

    pub(super) fn is_banned(&self, ip: IpAddr, now: Instant) -> bool {
        let origin = self.of.get(&prefix(ip));
        origin.is_some_and(|origin| origin.banned_until.is_some_and(|until| now < until))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

fn take(bucket: &mut Bucket, cost: f32, (burst, rate): (u32, u32), now: Instant) -> bool {
    bucket.take(cost, burst as f32, rate as f32, now)
}

fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}
