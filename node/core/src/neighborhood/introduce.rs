//! Introductions with consent (W-9.7 to W-9.9, W-9.14): no Node's address is told to a newcomer
//! before that Node has said that it wants to meet it.
//!
//! A proposal goes to neighbors, and from those that have no room to theirs, until one has. The
//! first are chosen by a keyed hash of where the newcomer comes from, and each address gets few
//! introductions, so that asking again from one place shows few addresses. Who is not a
//! neighbor of the introducer answers with a letter that only the newcomer opens.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::descriptor::Descriptor;
use crate::identity::{NodeId, OnionPublicKey};
use crate::random::SystemRandom;
use crate::record::{NodeRecord, Roles};

use super::action::Offence;
use super::greet::INTRODUCTIONS;
use super::letter::{self, LETTER_LENGTH};
use super::message::{MAX_HOPS, Message};
use super::own::is_global;
use super::peer::{Member, Peer, Standing};
use super::{Limits, Neighborhood, Now};

/// How long a seat is kept.
const SEAT: Duration = Duration::from_secs(10);

/// How long a proposal waits for its answer.
const PROPOSAL: Duration = Duration::from_secs(4);

/// A Node that has what it needs joins others only up to this many beyond enough, so that
/// there is room for those who have not.
const COMFORT: usize = 1;

/// A proposal with more hops left than this is passed on even by who has room, so that
/// newcomers do not all end up beside the one they know.
const SETTLING: u8 = 3;

/// Ways change after this time, in seconds: a dead end is not one for ever.
const EPOCH: u64 = 600;

/// Who is to be introduced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) id: NodeId,
    pub(super) roles: Roles,
    /// It has fewer neighbors than it needs.
    pub(super) needy: bool,
    pub(super) key: OnionPublicKey,
}

/// A place kept for a Node that was proposed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) id: NodeId,
    pub(super) by: NodeId,
    pub(super) until: Instant,
}

/// A neighbor was asked whether it, or somebody behind it, wants to meet a newcomer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    newcomer: NodeId,
    to: NodeId,
    /// Who asked this Node; nobody when it is the introducer.
    from: Option<NodeId>,
    until: Instant,
}

impl Newcomer {
    pub(super) fn of(record: &NodeRecord, limits: &Limits) -> Self {
        Newcomer {
            id: record.id(),
            roles: record.roles(),
            needy: record.neighbors().len() < limits.least,
            key: record.onion().key(),
        }
    }

    fn offers(&self) -> bool {
        self.roles.relay || self.roles.exit
    }

    /// The number of neighbors with which others still take it.
    fn limit(&self, limits: &Limits) -> usize {
        match self.needy {
            true => limits.most,
            false => limits.most.min(limits.enough + COMFORT),
        }
    }
}

impl Neighborhood {
    fn expire_introductions(&mut self, now: Now) {
        self.seats.retain(|seat| now.instant < seat.until);
        self.proposals
            .retain(|proposal| now.instant < proposal.until);
    }

    /// Whether this neighbor takes links and, as its record says, has room.
    fn has_room(&self, member: &Member, newcomer: &Newcomer) -> bool {
        let limits = &self.config.limits;
        let record = self.view.get(&member.id);
        member.accepts
            && record.is_some_and(|record| {
                !newcomer.offers() || record.neighbors().len() < newcomer.limit(limits)
            })
    }

    /// Looks for up to `count` Nodes that want to meet the newcomer.
    pub(super) fn introduce(
        &mut self,
        newcomer: Newcomer,
        its_neighbors: &[NodeId],
        count: usize,
        now: Now,
    ) {
        self.expire_introductions(now);
        let Some(ip) = self.links.get(&newcomer.id).map(Peer::ip) else {
            return;
        };
        let place = self.place_of(ip, now);
        let is_host = |member: &Member| {
            let link = self.links.get(&member.id);
            self.has_room(member, &newcomer)
                && !its_neighbors.contains(&member.id)
                && (!is_global(ip) || is_global(member.ip))
                && link.is_some_and(|link| !link.ports.is_empty())
        };
        let mut ways: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.lost.is_none() && member.id != newcomer.id)
            .filter(|member| !self.is_asked(&newcomer.id, &member.id))
            .map(|member| {
                (
                    !is_host(member),
                    self.order_of(&place, &member.id),
                    member.id,
                )
            })
            .collect();
        ways.sort_unstable();
        // One of them nearby, the others wherever the way leads.
        for (number, (no_host, _, to)) in ways.into_iter().take(count).enumerate() {
            let hops = match number == 0 && !no_host {
                true => MAX_HOPS,
                false => MAX_HOPS - 1,
            };
            self.propose(newcomer, to, None, hops, now);
        }
    }

    fn is_asked(&self, newcomer: &NodeId, to: &NodeId) -> bool {
        let asked = |proposal: &Proposal| proposal.newcomer == *newcomer && proposal.to == *to;
        self.proposals.iter().any(asked)
    }

    fn propose(
        &mut self,
        newcomer: Newcomer,
        to: NodeId,
        from: Option<NodeId>,
        hops: u8,
        now: Now,
    ) {
        if self.proposals.len() >= self.config.limits.proposals {
            return;
        }
        let Newcomer {
            id,
            roles,
            needy,
            key,
        } = newcomer;
        self.proposals.push(Proposal {
            newcomer: id,
            to,
            from,
            until: now.instant + PROPOSAL,
        });
        let proposal = Message::Propose {
            id,
            roles,
            needy,
            key,
            hops,
        };
        self.send(&to, &proposal);
    }

    /// What stands for the network of an address, for a while.
    fn place_of(&self, ip: IpAddr, now: Now) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&(now.unix() / EPOCH).to_be_bytes());
        match ip {
            IpAddr::V4(ip) if is_global(IpAddr::V4(ip)) => hasher.update(&ip.octets()[..2]),
            IpAddr::V4(ip) => hasher.update(&ip.octets()),
            IpAddr::V6(ip) if is_global(IpAddr::V6(ip)) => hasher.update(&ip.octets()[..4]),
            IpAddr::V6(ip) => hasher.update(&ip.octets()),
        };
        *hasher.finalize().as_bytes()
    }

    /// Where a neighbor stands in the order for newcomers of this place.
    fn order_of(&self, place: &[u8; 32], host: &NodeId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(place).update(host.as_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(super) fn handle_propose(&mut self, peer: NodeId, newcomer: Newcomer, hops: u8, now: Now) {
        if self.slot(&peer).is_none() || self.is_client() {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        let id = newcomer.id;
        let proposals = self
            .links
            .get_mut(&peer)
            .is_some_and(|link| link.conduct.may_propose(now.instant));
        if !proposals || self.bans.until(&id, now.instant).is_some() {
            return;
        }
        self.expire_introductions(now);
        let settles = hops == MAX_HOPS || hops <= SETTLING;
        if settles && self.would_meet(&peer, &newcomer) {
            let answer = match hops == MAX_HOPS {
                true => Some(Message::Consent { id }),
                false => self.write_letter(&newcomer),
            };
            let Some(answer) = answer else {
                return;
            };
            if newcomer.offers() {
                self.seats.push(Seat {
                    id,
                    by: peer,
                    until: now.instant + SEAT,
                });
            }
            self.send(&peer, &answer);
            return;
        }
        if let Some(hops) = hops.checked_sub(1) {
            self.pass_proposal_on(peer, newcomer, hops, now);
        }
    }

    fn would_meet(&self, peer: &NodeId, newcomer: &Newcomer) -> bool {
        let limits = &self.config.limits;
        let id = newcomer.id;
        let known = id == self.own.id
            || self.links.contains_key(&id)
            || self.member(&id).is_some()
            || self.seats.iter().any(|seat| seat.id == id);
        if known || self.contact_ports().is_empty() {
            return false;
        }
        if !newcomer.offers() {
            let client = |link: &&Peer| link.standing == Standing::Client;
            return self.links.values().filter(client).count() < limits.clients;
        }
        let by_peer = self.seats.iter().filter(|seat| seat.by == *peer).count();
        self.circle.len() + self.seats.len() < newcomer.limit(limits)
            && self.seats.len() < limits.seats
            && by_peer < limits.seats_per_neighbor
    }

    fn write_letter(&self, newcomer: &Newcomer) -> Option<Message> {
        let own = self.own_descriptor()?;
        let (id, key) = (newcomer.id, newcomer.key);
        let sealed = letter::seal(&own, &id, &key, &mut SystemRandom)?;
        Some(Message::Letter { id, sealed })
    }

    fn pass_proposal_on(&mut self, peer: NodeId, newcomer: Newcomer, hops: u8, now: Now) {
        let id = newcomer.id;
        let mut ways: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.lost.is_none() && member.id != peer && member.id != id)
            .filter(|member| !self.is_asked(&id, &member.id))
            .map(|member| (self.has_room(member, &newcomer), member.id))
            .collect();
        // Far out any way will do; near the end one to somebody with room, if there is one.
        if hops <= SETTLING && ways.iter().any(|(room, _)| *room) {
            ways.retain(|(room, _)| *room);
        }
        if !ways.is_empty() {
            let (_, to) = ways[self.random.random_range(0..ways.len())];
            self.propose(newcomer, to, Some(peer), hops, now);
        }
    }

    /// The proposal that this peer answers, if there is one.
    fn answered(&mut self, peer: &NodeId, id: &NodeId) -> Option<Proposal> {
        let asked = |proposal: &Proposal| proposal.newcomer == *id && proposal.to == *peer;
        let place = self.proposals.iter().position(asked)?;
        Some(self.proposals.swap_remove(place))
    }

    pub(super) fn handle_consent(&mut self, peer: NodeId, id: NodeId, now: Now) {
        let answered = self.answered(&peer, &id);
        if answered.is_none_or(|proposal| proposal.from.is_some()) {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        let Some(host) = self.links.get(&peer) else {
            return;
        };
        let (ip, ports) = (host.ip(), host.ports.clone());
        if !ports.is_empty() && self.may_be_introduced(&id, now) {
            self.send(
                &id,
                &Message::Introduction {
                    id: peer,
                    ip,
                    ports,
                },
            );
        }
    }

    fn may_be_introduced(&mut self, newcomer: &NodeId, now: Now) -> bool {
        let Some(origin) = self.links.get(newcomer).map(Peer::ip) else {
            return false;
        };
        let origins = self.config.limits.origins;
        let may = self.origins.may_be_introduced(origin, origins, now.instant);
        self.counters.introduced += u64::from(may);
        may
    }

    pub(super) fn handle_letter(
        &mut self,
        peer: NodeId,
        id: NodeId,
        sealed: &[u8; LETTER_LENGTH],
        now: Now,
    ) {
        if id == self.own.id {
            if !self.count_introduction(&peer, now) {
                return;
            }
            match letter::open(sealed, &self.identity, self.config.chain) {
                Some(descriptor) => self.meet(peer, descriptor, now),
                None => self.offend(&peer, Offence::Useless, now),
            }
            return;
        }
        let Some(proposal) = self.answered(&peer, &id) else {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        };
        let sealed = *sealed;
        match proposal.from {
            Some(from) => self.send(&from, &Message::Letter { id, sealed }),
            None if self.may_be_introduced(&id, now) => {
                self.send(&id, &Message::Letter { id, sealed });
            }
            None => {}
        }
    }

    pub(super) fn handle_introduction(
        &mut self,
        peer: NodeId,
        id: NodeId,
        ip: IpAddr,
        ports: Vec<u16>,
        now: Now,
    ) {
        if !self.count_introduction(&peer, now) {
            return;
        }
        match Descriptor::new(self.config.chain, id, ip, ports) {
            Ok(descriptor) => self.meet(peer, descriptor, now),
            Err(_) => self.offend(&peer, Offence::Useless, now),
        }
    }

    /// Introductions follow a greeting or a Seek, a few each time.
    fn count_introduction(&mut self, peer: &NodeId, now: Now) -> bool {
        let left = self
            .links
            .get(peer)
            .and_then(|link| link.may_introduce.checked_sub(1));
        match (left, self.links.get_mut(peer)) {
            (Some(left), Some(link)) => {
                link.may_introduce = left;
                true
            }
            _ => {
                self.offend(peer, Offence::Unsolicited, now);
                false
            }
        }
    }

    fn meet(&mut self, peer: NodeId, host: Descriptor, now: Now) {
        // Nobody on the Internet sends this Node into its own house.
        let global = self
            .links
            .get(&peer)
            .is_some_and(|link| is_global(link.ip()));
        let own = self.own_descriptor();
        let own_place = own.is_some_and(|own| {
            own.ip() == host.ip() && own.ports().iter().any(|port| host.ports().contains(port))
        });
        if (global && !is_global(host.ip())) || own_place {
            self.offend(&peer, Offence::Useless, now);
            return;
        }
        let id = host.id();
        let known = id == self.own.id || self.links.contains_key(&id);
        if known || self.member(&id).is_some() || self.bans.until(&id, now.instant).is_some() {
            return;
        }
        // With enough neighbors only a way out of a part of the mesh is worth another link.
        let way_out = self.is_way_out(&id, now);
        if way_out {
            self.heal_at = Some(now.instant);
        }
        if way_out || self.members_up() < self.config.limits.enough {
            self.add_introduced(&peer, host, now);
        }
    }

    pub(super) fn handle_seek(&mut self, peer: NodeId, now: Now) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        if !link.is_served() || self.is_client() {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        let client = link.client.clone();
        if let Some(record) = client.or_else(|| self.view.get(&peer).cloned()) {
            let newcomer = Newcomer::of(&record, &self.config.limits);
            self.introduce(newcomer, record.neighbors(), SOUGHT, now);
        }
    }

    /// Whether somebody in the view takes links, has room, and is no neighbor yet.
    fn knows_hosts(&self) -> bool {
        let limits = &self.config.limits;
        let most = match self.members_up() < limits.least {
            true => limits.most,
            false => limits.most.min(limits.enough + COMFORT),
        };
        let client = self.is_client();
        self.view.any_connected(|record| {
            let room = client || record.neighbors().len() < most;
            record.accepts() && room && self.member(&record.id()).is_none()
        })
    }

    /// Plans to ask for more neighbors, when there are too few and somebody may know more.
    pub(super) fn plan_seek(&mut self, now: Now) {
        let up = self.members_up();
        let limits = &self.config.limits;
        let wanted =
            up > 0 && up < limits.enough && !self.first_hops.is_empty() && self.knows_hosts();
        if !wanted {
            self.seek_at = None;
            return;
        }
        if self.seek_at.is_some() {
            return;
        }
        let (first, longest) = match up < limits.least {
            true => (Duration::from_millis(1_500), Duration::from_secs(30)),
            false => (Duration::from_secs(15), Duration::from_secs(600)),
        };
        let wait = (first * (1 << self.seek_tries.min(16))).min(longest);
        let jitter: f64 = self.random.random_range(0.75..1.25);
        self.seek_at = Some(now.instant + wait.mul_f64(jitter));
    }

    /// Asks one neighbor for more.
    pub(super) fn seek(&mut self, now: Now) {
        self.seek_at = None;
        self.seek_tries = self.seek_tries.saturating_add(1);
        if !self.first_hops.is_empty() {
            let id = self.first_hops[self.random.random_range(0..self.first_hops.len())];
            if let Some(link) = self.links.get_mut(&id) {
                link.may_introduce = INTRODUCTIONS.max(link.may_introduce);
            }
            self.send(&id, &Message::Seek);
        }
        self.plan_seek(now);
    }
}

/// The most introductions for one [`Message::Seek`].
const SOUGHT: usize = 2;
