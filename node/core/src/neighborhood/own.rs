//! This Node's own record: when it is signed anew, how a higher version than a forgotten one is
//! found, and what public address others see.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::identity::NodeId;
use crate::record::{Content, NodeRecord};

use super::action::{Action, Report};
use super::conduct::Bucket;
use super::message::Message;
use super::peer::{Peer, Standing};
use super::{Contact, Neighborhood, Now};

/// A record is signed anew at the latest after this time, less up to a sixth.
const LIFE: Duration = Duration::from_secs(12 * 3_600);

/// Own versions at once, and then one every [`SECONDS_PER_VERSION`]: fewer than others take.
const VERSIONS: u32 = 16;
const SECONDS_PER_VERSION: f32 = 4.0;

/// After this many recoveries in a row another Node must be using the same key.
const RECOVERIES: u32 = 3;
const RECOVERY_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
const RECOVERY_MEMORY: Duration = Duration::from_secs(3_600);

/// The own record and what is due to it.
pub(super) struct Own {
    pub(super) id: NodeId,
    pub(super) record: Arc<NodeRecord>,
    pub(super) stale: bool,
    /// The highest version that the mesh has of this key.
    floor: u64,
    budget: Bucket,
    /// When it is signed anew, whatever happens.
    pub(super) renew_at: Instant,
    recoveries: u32,
    recovered_at: Option<Instant>,
    not_before: Option<Instant>,
}

impl Own {
    pub(super) fn new(id: NodeId, record: NodeRecord, now: Now) -> Self {
        Own {
            id,
            floor: record.version(),
            record: Arc::new(record),
            stale: false,
            budget: Bucket::full(VERSIONS, now.instant),
            renew_at: now.instant + LIFE,
            recoveries: 0,
            recovered_at: None,
            not_before: None,
        }
    }

    /// Whether there is room for one more version that others will take.
    pub(super) fn may_sign(&mut self, now: Now) -> bool {
        let per_second = 1.0 / SECONDS_PER_VERSION;
        let full = VERSIONS as f32;
        let paused = self.not_before.is_some_and(|at| now.instant < at);
        !paused && self.budget.has(1.0, full, per_second, now.instant)
    }
}

impl Neighborhood {
    /// Whether this Node offers nothing and is served as a client.
    pub(super) fn is_client(&self) -> bool {
        !self.config.roles.relay && !self.config.roles.exit
    }

    /// Signs the record if it is out of date and that is allowed now; whether it is up to date.
    pub(super) fn renew_record(&mut self, urgent: bool, now: Now) -> bool {
        if !self.own.stale {
            return true;
        }
        let per_second = 1.0 / SECONDS_PER_VERSION;
        let paused = self.own.not_before.is_some_and(|at| now.instant < at);
        let allowed = !paused
            && self
                .own
                .budget
                .take(1.0, VERSIONS as f32, per_second, now.instant);
        if !allowed && (!urgent || paused) {
            let wait = now.instant + self.own.budget.wait(per_second);
            let at = self.own.not_before.filter(|_| paused).unwrap_or(wait);
            self.flush_at = Some(self.flush_at.map_or(at, |flush| flush.min(at)));
            return false;
        }
        self.sign(now);
        true
    }

    fn sign(&mut self, now: Now) {
        let mut neighbors: Vec<_> = match self.is_client() {
            true => Vec::new(),
            false => self.circle.iter().map(|member| member.id).collect(),
        };
        neighbors.sort_unstable();
        let content = Content {
            version: now.unix_ms.max(self.own.floor.saturating_add(1)),
            roles: self.config.roles,
            accepts: self.config.accepts,
            country: self.config.country,
            rates: self.config.rates,
            earning: self.config.earning,
            neighbors,
        };
        self.own.stale = false;
        self.own.floor = content.version;
        let early: f64 = self.random.random_range(0.0..1.0 / 6.0);
        self.own.renew_at = now.instant + LIFE.mul_f64(1.0 - early);
        match NodeRecord::sign(&self.identity, content) {
            Ok(record) => self.own.record = Arc::new(record),
            // Only what the configuration says could be wrong, and that was signed before.
            Err(_) => return,
        }
        self.counters.signed += 1;
        self.view.touch();
    }

    /// Something in the record has to change; others hear of it with the next batch.
    pub(super) fn spoil_record(&mut self, now: Now) {
        self.own.stale = true;
        self.schedule_flush(true, now);
    }

    /// The mesh has a record of this key that this Node did not make: it signs a higher one.
    pub(super) fn recover(&mut self, version: u64, now: Now) {
        if version <= self.own.floor {
            return;
        }
        self.own.floor = version;
        let recent = self
            .own
            .recovered_at
            .is_some_and(|at| now.instant.saturating_duration_since(at) < RECOVERY_MEMORY);
        self.own.recoveries = if recent { self.own.recoveries + 1 } else { 1 };
        self.own.recovered_at = Some(now.instant);
        match self.own.recoveries.checked_sub(RECOVERIES + 1) {
            None => self.report(Report::Recovered { version }),
            Some(more) => {
                if more == 0 {
                    self.report(Report::Twin);
                }
                let pause = (RECOVERY_PAUSE * (1 << more.min(8))).min(LONGEST_PAUSE);
                self.own.not_before = Some(now.instant + pause);
            }
        }
        self.spoil_record(now);
    }

    /// A peer tells the address that this Node's link comes from.
    pub(super) fn observe(&mut self, peer: &NodeId, ip: IpAddr, now: Now) {
        let ip = ip.to_canonical();
        if let Some(peer) = self.links.get_mut(peer) {
            peer.observed = Some(ip);
        }
        let Some(contact) = &self.config.contact else {
            return;
        };
        if contact.ip == Some(ip)
            || contact
                .ip
                .is_some_and(|own| is_global(own) && !is_global(ip))
        {
            return;
        }
        let seen = |ip| {
            let trusted = |peer: &&Peer| peer.asked || peer.standing == Standing::Neighbor;
            let trusted = self.links.values().filter(trusted);
            let same = trusted.filter(|peer| peer.observed == Some(ip));
            let mut places: Vec<_> = same.map(|peer| peer.ip()).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        let change = match contact.ip {
            None => true,
            Some(own) => seen(ip) >= 2 && seen(ip) > seen(own),
        };
        if change {
            let ports = contact.ports.clone();
            self.take_contact(
                Some(Contact {
                    ip: Some(ip),
                    ports,
                }),
                now,
            );
        }
    }

    /// This Node is reached elsewhere: neighbors are told, and the country follows the address.
    pub(super) fn take_contact(&mut self, contact: Option<Contact>, now: Now) {
        if contact == self.config.contact {
            return;
        }
        let old = std::mem::replace(&mut self.config.contact, contact);
        let old_ip = old.as_ref().and_then(|old| old.ip);
        let ip = self.config.contact.as_ref().and_then(|contact| contact.ip);
        if let Some(ip) = ip.filter(|ip| old_ip != Some(*ip)) {
            let country = (self.country_of)(ip);
            if let Some(country) = country.filter(|country| *country != self.config.country) {
                self.config.country = country;
                self.spoil_record(now);
            }
            self.report(Report::AddressChanged { ip, country });
        }
        let ports_changed = old.map(|old| old.ports) != self.own_ports();
        if self.config.accepts && (old_ip.is_some() || ports_changed) {
            self.tell_contact();
        }
    }

    fn own_ports(&self) -> Option<Vec<u16>> {
        self.config
            .contact
            .as_ref()
            .map(|contact| contact.ports.clone())
    }

    /// The ports to tell others: none when this Node takes no links.
    pub(super) fn contact_ports(&self) -> Vec<u16> {
        let ports = self.own_ports().filter(|_| self.config.accepts);
        ports.unwrap_or_default()
    }

    fn tell_contact(&mut self) {
        let ports = self.contact_ports();
        let neighbors: Vec<_> = self
            .links
            .iter()
            .filter(|(_, peer)| peer.standing == Standing::Neighbor)
            .map(|(id, _)| *id)
            .collect();
        for id in neighbors {
            let ports = ports.clone();
            self.send(&id, &Message::Contact { ports });
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.actions.push_back(Action::Report(report));
    }
}

/// Whether an address belongs to the whole Internet rather than to a house or a machine.
pub(super) fn is_global(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}
