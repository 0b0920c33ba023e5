//! Greetings: who becomes a neighbor or a client, who is passed on, and what both sides do then
//! (W-9.4 to W-9.6).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Chain;
use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::action::{CloseReason, Offence, Report};
use super::introduce::Newcomer;
use super::message::{Message, Refusal};
use super::peer::{Member, Standing};
use super::spread::{Untimely, check_version};
use super::{Neighborhood, Now};

/// How long a link may stay without a greeting or its answer.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// How long a link stays after a Pass, for introductions.
const PASSING: Duration = Duration::from_secs(3);

/// A neighbor gives way to a Node that has none at most this often.
const GIVE_WAY: Duration = Duration::from_secs(30);

/// Places that only those get who have fewer neighbors than they need.
const RESERVED: usize = 2;

/// What a newcomer becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Neighbor,
    Client,
}

impl Neighborhood {
    /// Asks the peer of a fresh link to become a neighbor.
    pub(super) fn ask(&mut self, id: &NodeId, now: Now) {
        self.renew_record(true, now);
        let Some(remote) = self.links.get(id).map(|link| link.ip()) else {
            return;
        };
        let debut = Message::Debut {
            chain: self.config.chain,
            observed: remote,
            ports: self.contact_ports(),
            record: Bytes::from(self.own.record.to_bytes()),
        };
        let version = self.own.record.version();
        if let Some(peer) = self.links.get_mut(id) {
            peer.asked = true;
            peer.told = version;
            peer.may_introduce = INTRODUCTIONS;
            let address = peer.remote;
            self.report(Report::Asked { peer: *id, address });
        }
        self.send(id, &debut);
    }

    pub(super) fn handle_debut(
        &mut self,
        peer: NodeId,
        chain: Chain,
        ports: Vec<u16>,
        record: &Bytes,
        now: Now,
    ) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let repeated = std::mem::replace(&mut link.debuted, true);
        let (ip, version) = (link.ip(), NodeRecord::peek(record));
        let Some((_, version)) = version.filter(|(id, _)| *id == peer && !repeated) else {
            self.offend(&peer, Offence::WrongGreeting, now);
            return;
        };
        let origins = self.config.limits.origins;
        if chain != self.config.chain {
            return self.pass(peer, Refusal::Chain, None, now);
        }
        if !self.origins.may_debut(ip, origins, now.instant) {
            return self.pass(peer, Refusal::Busy, None, now);
        }
        if check_version(version, now).is_err() {
            return self.pass(peer, Refusal::Clock, None, now);
        }
        let Some(record) = self.read(peer, record, version, now) else {
            return self.pass(peer, Refusal::Record, None, now);
        };
        if record.accepts() == ports.is_empty() {
            self.offend(&peer, Offence::WrongGreeting, now);
            return self.pass(peer, Refusal::Record, None, now);
        }
        if record.onion_key_at(now.unix()).is_none() {
            return self.pass(peer, Refusal::Record, None, now);
        }
        if !self.country_fits(&peer, &record) {
            self.offend(&peer, Offence::Country, now);
            return self.pass(peer, Refusal::Country, None, now);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.ports = ports;
        }
        let known = self.member(&peer).is_some();
        if !known && !self.is_client() && !self.own.may_sign(now) {
            return self.pass(peer, Refusal::Busy, None, now);
        }
        match self.place_for(&peer, ip, &record) {
            Ok(Class::Neighbor) => self.admit(peer, record, now),
            Ok(Class::Client) => self.serve(peer, record, now),
            Err(Refusal::Full) if self.give_way(&record, now) => self.admit(peer, record, now),
            Err(reason) => self.pass(peer, reason, Some(&record), now),
        }
    }

    fn place_for(&self, peer: &NodeId, ip: IpAddr, record: &NodeRecord) -> Result<Class, Refusal> {
        let limits = &self.config.limits;
        if self.is_client() {
            return Err(Refusal::Full);
        }
        let roles = record.roles();
        if !roles.relay && !roles.exit {
            let clients = || {
                let others = self.links.iter().filter(|(id, _)| *id != peer);
                others.filter(|(_, link)| link.standing == Standing::Client)
            };
            if clients().count() >= limits.clients {
                return Err(Refusal::Full);
            }
            if clients().filter(|(_, link)| link.ip() == ip).count() >= limits.clients_per_address {
                return Err(Refusal::Address);
            }
            return Ok(Class::Client);
        }
        let others = || self.circle.iter().filter(|member| member.id != *peer);
        if others().filter(|member| member.ip == ip).count() >= limits.per_address {
            return Err(Refusal::Address);
        }
        if self.member(peer).is_some() {
            return Ok(Class::Neighbor);
        }
        let has_seat = self.seats.iter().any(|seat| seat.id == *peer);
        let seats = if has_seat { 0 } else { self.seats.len() };
        let silent = others().filter(|member| !member.accepts).count();
        // The last places are for those who need them; a seat may be one of them.
        let way_out = has_seat && self.seeks_a_way_out(record);
        let needy = way_out || record.neighbors().len() < limits.least;
        let most = limits.most.saturating_sub(if needy { 0 } else { RESERVED });
        if self.circle.len() + seats >= most || (!record.accepts() && silent >= limits.most_silent)
        {
            return Err(Refusal::Full);
        }
        Ok(Class::Neighbor)
    }

    fn admit(&mut self, peer: NodeId, record: Arc<NodeRecord>, now: Now) {
        let known = self.view.get(&peer).cloned();
        let newer = known.filter(|known| known.version() > record.version());
        let missing = self
            .config
            .limits
            .least
            .saturating_sub(record.neighbors().len());
        let (newcomer, accepts) = (Newcomer::of(&record, &self.config.limits), record.accepts());
        let neighbors = record.neighbors().to_vec();
        self.enter_circle(peer, accepts, now);
        let slot = self.slot(&peer);
        self.view.insert(record, slot, now.instant);
        self.renew_record(true, now);
        self.counters.admitted += 1;
        self.welcome(&peer);
        if let Some(newer) = newer {
            // It has forgotten that it signed a higher version; it will sign one above that.
            let forgotten = Bytes::from(newer.to_bytes());
            self.send(&peer, &Message::Records(vec![forgotten]));
        }
        self.announce_all(&peer, now);
        self.tell_first_hops();
        self.introduce(newcomer, &neighbors, missing.min(INTRODUCED), now);
        self.schedule_flush(true, now);
    }

    fn serve(&mut self, peer: NodeId, record: Arc<NodeRecord>, now: Now) {
        self.leave_circle(&peer, now);
        let newcomer = Newcomer::of(&record, &self.config.limits);
        if let Some(link) = self.links.get_mut(&peer) {
            link.standing = Standing::Client;
            link.client = Some(record);
        }
        self.seats.retain(|seat| seat.id != peer);
        self.renew_record(false, now);
        self.counters.admitted += 1;
        self.welcome(&peer);
        self.announce_all(&peer, now);
        self.introduce(newcomer, &[], INTRODUCED, now);
    }

    /// Says that the peer has been taken.
    pub(super) fn welcome(&mut self, id: &NodeId) {
        let version = self.own.record.version();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.told = version;
        let welcome = Message::Welcome {
            observed: link.ip(),
            ports: self.contact_ports(),
            record: Bytes::from(self.own.record.to_bytes()),
        };
        self.send(id, &welcome);
    }

    /// Says that there is no place, and whom else the newcomer might ask.
    fn pass(&mut self, peer: NodeId, reason: Refusal, record: Option<&Arc<NodeRecord>>, now: Now) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.is_served() {
            return;
        }
        link.standing = Standing::Passed {
            until: now.instant + PASSING,
        };
        let observed = link.ip();
        self.counters.passed += 1;
        self.send(&peer, &Message::Pass { reason, observed });
        let Some(record) = record.filter(|_| reason == Refusal::Full) else {
            return;
        };
        let mut newcomer = Newcomer::of(record, &self.config.limits);
        let enough = self.config.limits.enough;
        let mut missing = enough.saturating_sub(record.neighbors().len());
        if self.seeks_a_way_out(record) {
            newcomer.needy = true;
            missing = PASSED;
        }
        let neighbors = record.neighbors().to_vec();
        self.introduce(newcomer, &neighbors, missing.min(PASSED), now);
    }

    /// A Node without any neighbor, which nobody here could meet, gets the place of the youngest
    /// neighbor that has more than enough others.
    fn give_way(&mut self, newcomer: &NodeRecord, now: Now) -> bool {
        let recently = self
            .gave_way_at
            .is_some_and(|at| now.instant.saturating_duration_since(at) < GIVE_WAY);
        let roles = newcomer.roles();
        let alone = newcomer.neighbors().is_empty() && newcomer.accepts();
        if recently || !alone || (!roles.relay && !roles.exit) || !self.seats.is_empty() {
            return false;
        }
        let most = self.config.limits.most;
        let room = |member: &Member| member.accepts && self.degree(member) < most;
        if self.circle.iter().any(room) || !self.part_with_one(now) {
            return false;
        }
        self.gave_way_at = Some(now.instant);
        true
    }

    /// Closes the link of the youngest neighbor that has more than enough others; last of all
    /// one that may be the only way to a part of the mesh.
    fn part_with_one(&mut self, now: Now) -> bool {
        let enough = self.config.limits.enough;
        let spare = self
            .circle
            .iter()
            .filter(|member| self.degree(member) > enough);
        let Some(id) = spare
            .max_by_key(|member| (self.is_met_otherwise(member), member.since))
            .map(|member| member.id)
        else {
            return false;
        };
        self.close(&id, CloseReason::NoRoom, now);
        true
    }

    /// Whether another neighbor leads to this one, so that its link is no bridge.
    fn is_met_otherwise(&self, member: &Member) -> bool {
        let record = self.view.get(&member.id);
        let neighbors = record.map_or(&[][..], |record| record.neighbors());
        neighbors.iter().any(|id| self.member(id).is_some())
    }

    fn degree(&self, member: &Member) -> usize {
        let record = self.view.get(&member.id);
        record.map_or(0, |record| record.neighbors().len())
    }

    pub(super) fn handle_welcome(
        &mut self,
        peer: NodeId,
        observed: IpAddr,
        ports: Vec<u16>,
        record: &Bytes,
        now: Now,
    ) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let known = link.standing == Standing::Neighbor;
        if !known && (!link.asked || link.standing == Standing::Client) {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        let Some((_, version)) = NodeRecord::peek(record).filter(|(id, _)| *id == peer) else {
            self.offend(&peer, Offence::WrongGreeting, now);
            return;
        };
        link.ports = ports;
        if let Err(Untimely::Future | Untimely::Past) = check_version(version, now) {
            self.note_passed(&peer, Refusal::Clock, now);
            self.close(&peer, CloseReason::NotNeighbors, now);
            return;
        }
        if self.view.version(&peer).is_none_or(|known| known < version) || !known {
            let Some(record) = self.read(peer, record, version, now) else {
                return;
            };
            let roles = record.roles();
            if !known && !self.may_take(&peer, &record, now) {
                let reason = match self.circle.len() >= self.config.limits.most {
                    true => CloseReason::NoRoom,
                    false => CloseReason::NotNeighbors,
                };
                self.close(&peer, reason, now);
                return;
            }
            if !self.country_fits(&peer, &record) {
                self.offend(&peer, Offence::Country, now);
                self.close(&peer, CloseReason::NotNeighbors, now);
                return;
            }
            if !known {
                debug_assert!(roles.relay || roles.exit);
                self.enter_circle(peer, record.accepts(), now);
            }
            let slot = self.slot(&peer);
            self.view.insert(record, slot, now.instant);
        }
        self.note_joined(&peer);
        self.observe(&peer, observed, now);
        self.view.touch();
        if !known {
            self.renew_record(true, now);
            self.tell_own(&peer);
            self.announce_all(&peer, now);
            self.schedule_flush(true, now);
        }
        self.settle(now);
        self.remember(&peer, now);
    }

    fn may_take(&mut self, peer: &NodeId, record: &NodeRecord, now: Now) -> bool {
        let roles = record.roles();
        if !roles.relay && !roles.exit {
            return false;
        }
        // A way out of this part of the mesh is worth more than one link within it.
        self.member(peer).is_some()
            || self.circle.len() < self.config.limits.most
            || (self.is_way_out(peer, now) && self.part_with_one(now))
    }

    pub(super) fn handle_pass(
        &mut self,
        peer: NodeId,
        reason: Refusal,
        observed: IpAddr,
        now: Now,
    ) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if !link.asked {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        // Both may have asked at once, and one been taken.
        if link.is_served() {
            return;
        }
        link.standing = Standing::Passed {
            until: now.instant + 2 * PASSING,
        };
        self.report(Report::Passed { peer, reason });
        self.note_passed(&peer, reason, now);
        self.observe(&peer, observed, now);
        self.leave_circle(&peer, now);
    }

    pub(super) fn handle_contact_message(&mut self, peer: NodeId, ports: Vec<u16>, now: Now) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.standing != Standing::Neighbor {
            self.offend(&peer, Offence::Unsolicited, now);
            return;
        }
        link.ports = ports;
        self.remember(&peer, now);
    }
}

/// The most introductions at one greeting, and when there is no place: whom it meets then will
/// introduce it further.
const INTRODUCED: usize = 3;
const PASSED: usize = 2;

/// Introductions that are awaited after a greeting.
pub(super) const INTRODUCTIONS: u8 = 4;
