//! Introductions with consent (W-9.7 to W-9.9): no Node's address is told to a newcomer before
//! that Node has said that it wants to meet it.
//!
//! Whom a newcomer meets is a keyed hash of where it comes from, and each address gets few
//! introductions, so that asking again from one place shows few addresses.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::descriptor::Descriptor;
use crate::identity::NodeId;
use crate::record::Roles;

use super::action::Offence;
use super::greet::INTRODUCTIONS;
use super::message::Message;
use super::own::is_global;
use super::peer::Standing;
use super::{Neighborhood, Now};

/// How long a seat is kept, and a proposal waits for its answer.
const SEAT: Duration = Duration::from_secs(60);

/// Places that are left to those who come by themselves.
const FREE_PLACES: usize = 2;

/// A place kept for a Node that was proposed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) id: NodeId,
    pub(super) by: NodeId,
    pub(super) until: Instant,
}

/// A neighbor was asked whether it wants to meet a newcomer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    newcomer: NodeId,
    to: NodeId,
    until: Instant,
    answered: bool,
}

impl Neighborhood {
    fn expire_introductions(&mut self, now: Now) {
        self.seats.retain(|seat| now.instant < seat.until);
        self.proposals
            .retain(|proposal| now.instant < proposal.until);
    }

    /// Asks up to `count` neighbors whether they want to meet the newcomer.
    pub(super) fn introduce(
        &mut self,
        newcomer: NodeId,
        roles: Roles,
        its_neighbors: &[NodeId],
        count: usize,
        now: Now,
    ) {
        self.expire_introductions(now);
        let Some(ip) = self.links.get(&newcomer).map(|link| link.ip()) else {
            return;
        };
        let limits = &self.config.limits;
        let offers = roles.relay || roles.exit;
        let mut hosts: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.accepts && member.lost.is_none() && member.id != newcomer)
            .filter(|member| !its_neighbors.contains(&member.id))
            .filter(|member| !is_global(ip) || is_global(member.ip))
            .filter(|member| {
                let link = self.links.get(&member.id);
                let record = self.view.get(&member.id);
                link.is_some_and(|link| !link.ports.is_empty())
                    && record.is_some_and(|record| {
                        !offers || record.neighbors().len() + FREE_PLACES < limits.most
                    })
            })
            .filter(|member| {
                let asked =
                    |proposal: &Proposal| proposal.newcomer == newcomer && proposal.to == member.id;
                !self.proposals.iter().any(asked)
            })
            .map(|member| member.id)
            .collect();
        hosts.sort_by_cached_key(|id| self.order_of(ip, id));
        for to in hosts.into_iter().take(count) {
            if self.proposals.len() >= self.config.limits.proposals {
                return;
            }
            let until = now.instant + SEAT;
            self.proposals.push(Proposal {
                newcomer,
                to,
                until,
                answered: false,
            });
            let id = newcomer;
            self.send(&to, &Message::Propose { id, roles });
        }
    }

    /// Where a host stands in the order for newcomers of this place.
    fn order_of(&self, ip: IpAddr, host: &NodeId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        match ip {
            IpAddr::V4(ip) if is_global(IpAddr::V4(ip)) => hasher.update(&ip.octets()[..2]),
            IpAddr::V4(ip) => hasher.update(&ip.octets()),
            IpAddr::V6(ip) if is_global(IpAddr::V6(ip)) => hasher.update(&ip.octets()[..4]),
            IpAddr::V6(ip) => hasher.update(&ip.octets()),
        };
        *hasher.update(host.as_bytes()).finalize().as_bytes()
    }

    pub(super) fn handle_propose(&mut self, peer: NodeId, id: NodeId, roles: Roles, now: Now) {
        if self.slot(&peer).is_none() {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        self.expire_introductions(now);
        let limits = &self.config.limits;
        let from_peer = self.seats.iter().filter(|seat| seat.by == peer).count();
        let known = id == self.own.id
            || self.links.contains_key(&id)
            || self.member(&id).is_some()
            || self.seats.iter().any(|seat| seat.id == id)
            || self.bans.until(&id, now.instant).is_some();
        if known || self.is_client() || !self.config.accepts || self.contact_ports().is_empty() {
            return;
        }
        if roles.relay || roles.exit {
            let taken = self.circle.len() + self.seats.len();
            let full = taken + FREE_PLACES >= limits.most
                || self.seats.len() >= limits.seats
                || from_peer >= limits.seats_per_neighbor;
            if full {
                return;
            }
            self.seats.push(Seat {
                id,
                by: peer,
                until: now.instant + SEAT,
            });
        } else {
            let client = |peer: &&super::peer::Peer| peer.standing == Standing::Client;
            if self.links.values().filter(client).count() >= limits.clients {
                return;
            }
        }
        self.send(&peer, &Message::Consent { id });
    }

    pub(super) fn handle_consent(&mut self, peer: NodeId, id: NodeId, now: Now) {
        let asked = |proposal: &&mut Proposal| {
            proposal.newcomer == id && proposal.to == peer && !proposal.answered
        };
        let Some(proposal) = self.proposals.iter_mut().find(asked) else {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        };
        proposal.answered = true;
        let Some(host) = self.links.get(&peer) else {
            return;
        };
        let (ip, ports) = (host.ip(), host.ports.clone());
        let Some(origin) = self.links.get(&id).map(|newcomer| newcomer.ip()) else {
            return;
        };
        let origins = self.config.limits.origins;
        if ports.is_empty() || !self.origins.may_be_introduced(origin, origins, now.instant) {
            return;
        }
        self.counters.introduced += 1;
        self.send(
            &id,
            &Message::Introduction {
                id: peer,
                ip,
                ports,
            },
        );
    }

    pub(super) fn handle_introduction(
        &mut self,
        peer: NodeId,
        id: NodeId,
        ip: IpAddr,
        ports: Vec<u16>,
        now: Now,
    ) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(left) = link.may_introduce.checked_sub(1) else {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        };
        link.may_introduce = left;
        // Nobody on the Internet sends this Node into its own house.
        let strange = is_global(link.ip()) && !is_global(ip);
        let own_ip = self.config.contact.as_ref().and_then(|contact| contact.ip);
        let descriptor = Descriptor::new(self.config.chain, id, ip, ports).ok();
        let Some(descriptor) = descriptor.filter(|_| !strange && id != self.own.id) else {
            self.offend(&peer, Offence::Useless, now);
            return;
        };
        let own_address = own_ip == Some(ip)
            && self
                .contact_ports()
                .iter()
                .any(|port| descriptor.ports().contains(port));
        let banned = self.bans.until(&id, now.instant).is_some();
        if own_address || banned || self.links.contains_key(&id) || self.member(&id).is_some() {
            return;
        }
        if self.members_up() < self.config.limits.enough {
            self.add_introduced(descriptor, now);
        }
    }

    pub(super) fn handle_seek(&mut self, peer: NodeId, now: Now) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let client = link.client.as_ref().map(|record| record.roles());
        match link.standing {
            Standing::Neighbor => {
                let Some(record) = self.view.get(&peer).cloned() else {
                    return;
                };
                let neighbors = record.neighbors();
                self.introduce(peer, record.roles(), neighbors, SOUGHT, now);
            }
            Standing::Client => {
                self.introduce(peer, client.unwrap_or_default(), &[], SOUGHT, now);
            }
            Standing::Stranger { .. } | Standing::Passed { .. } => {
                self.offend(&peer, Offence::Unsolicited, now);
            }
        }
    }

    /// Whether this neighbor could introduce somebody new.
    fn could_introduce(&self, id: &NodeId) -> bool {
        let Some(record) = self.view.get(id) else {
            return false;
        };
        let limits = &self.config.limits;
        record.neighbors().iter().any(|other| {
            *other != self.own.id
                && self.member(other).is_none()
                && self.view.get(other).is_none_or(|record| {
                    let room = record.neighbors().len() + FREE_PLACES < limits.most;
                    record.accepts() && (room || self.is_client())
                })
        })
    }

    /// Plans to ask for more neighbors, when there are too few and somebody may know more.
    pub(super) fn plan_seek(&mut self, now: Now) {
        let up = self.members_up();
        let limits = &self.config.limits;
        let wanted = up > 0
            && up < limits.enough
            && self.first_hops.iter().any(|id| self.could_introduce(id));
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
        let hosts: Vec<_> = self
            .first_hops
            .iter()
            .filter(|id| self.could_introduce(id))
            .copied()
            .collect();
        if !hosts.is_empty() {
            let id = hosts[self.random.random_range(0..hosts.len())];
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
