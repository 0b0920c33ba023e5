//! Records that come: which of them are read, and what is wrong with the others (W-9.11, W-9.12).

use std::sync::Arc;

use bytes::Bytes;

use crate::identity::NodeId;
use crate::record::{NodeRecord, RecordError};

use super::action::{CloseReason, Offence};
use super::peer::Standing;
use super::spread::{Untimely, check_version};
use super::view::Insertion;
use super::{Neighborhood, Now};

impl Neighborhood {
    pub(super) fn handle_records(&mut self, peer: NodeId, list: &[Bytes], now: Now) {
        let mut unsolicited = false;
        for bytes in list {
            if !self.links.contains_key(&peer) {
                return;
            }
            let Some((id, version)) = NodeRecord::peek(bytes) else {
                continue;
            };
            if id == self.own.id {
                self.handle_own_record(peer, bytes, version, now);
            } else if id == peer {
                self.handle_record_of_peer(peer, bytes, version, now);
            } else {
                unsolicited |= !self.handle_record(peer, id, version, bytes, now);
            }
        }
        if unsolicited {
            self.offend(&peer, Offence::Unsolicited, now);
        }
        self.after_records(now);
    }

    fn after_records(&mut self, now: Now) {
        if !self.view.is_dirty() {
            return;
        }
        match self.view.is_crowded() {
            true => self.settle(now),
            false => self.schedule_flush(false, now),
        }
    }

    /// A record of a third Node: only one that was asked for. Whether it was.
    fn handle_record(
        &mut self,
        peer: NodeId,
        id: NodeId,
        version: u64,
        bytes: &[u8],
        now: Now,
    ) -> bool {
        let slot = self.slot(&peer);
        let known = match slot {
            Some(slot) => self.view.note_known(&id, version, slot),
            None => self.view.version(&id),
        };
        let wish = self
            .wishes
            .of
            .get(&id)
            .map(|wish| (wish.version, wish.from));
        if known.is_some_and(|known| known >= version) {
            self.counters.repeated += 1;
            if let Some((announced, from)) = wish
                && from == peer
            {
                self.wishes.of.remove(&id);
                if version < announced {
                    self.offend(&peer, Offence::Older, now);
                }
            }
            return true;
        }
        let Some((announced, from)) = wish else {
            return false;
        };
        if version < announced && from == peer {
            self.offend(&peer, Offence::Older, now);
        }
        let Some(record) = self.read(peer, bytes, version, now) else {
            return true;
        };
        self.wishes.of.remove(&id);
        let offers = record.roles().relay || record.roles().exit;
        if !offers || self.view.insert(record, slot, now.instant) == Insertion::TooMany {
            self.counters.refused += 1;
        }
        true
    }

    /// The peer's own record needs not to be asked for.
    fn handle_record_of_peer(&mut self, peer: NodeId, bytes: &[u8], version: u64, now: Now) {
        let Some(link) = self.links.get(&peer) else {
            return;
        };
        let (standing, client) = (link.standing, link.client.clone());
        match standing {
            Standing::Neighbor => {
                if self
                    .view
                    .version(&peer)
                    .is_some_and(|known| known >= version)
                {
                    self.counters.repeated += 1;
                    return;
                }
                let Some(record) = self.read(peer, bytes, version, now) else {
                    return;
                };
                if !self.country_fits(&peer, &record) {
                    self.offend(&peer, Offence::Country, now);
                    return;
                }
                let slot = self.slot(&peer);
                let accepts = record.accepts();
                match self.view.insert(record, slot, now.instant) {
                    Insertion::New | Insertion::Old => {}
                    Insertion::TooMany => self.offend(&peer, Offence::Flood, now),
                }
                if let Some(member) = self.circle.iter_mut().find(|member| member.id == peer) {
                    member.accepts = accepts;
                }
                // Whether it names this Node decides whether circuits may begin there.
                if self
                    .member(&peer)
                    .is_some_and(|member| member.confirm_by.is_some())
                {
                    self.settle(now);
                }
            }
            Standing::Client => {
                if client.is_some_and(|known| known.version() >= version) {
                    self.counters.repeated += 1;
                    return;
                }
                let Some(record) = self.read(peer, bytes, version, now) else {
                    return;
                };
                if record.roles().relay || record.roles().exit {
                    self.close(&peer, CloseReason::NotNeighbors, now);
                } else if let Some(link) = self.links.get_mut(&peer) {
                    link.client = Some(record);
                }
            }
            Standing::Stranger { .. } | Standing::Passed { .. } => {
                self.offend(&peer, Offence::Unsolicited, now);
            }
        }
    }

    /// A record of this Node's own key that somebody else kept.
    fn handle_own_record(&mut self, peer: NodeId, bytes: &[u8], version: u64, now: Now) {
        let own = self.own.id;
        self.wishes.of.remove(&own);
        if version <= self.own.record.version() {
            self.counters.repeated += 1;
            return;
        }
        if self.read(peer, bytes, version, now).is_some() {
            self.recover(version, now);
        }
    }

    /// Verifies a record that a peer gave; what is wrong with it is the peer's offence.
    pub(super) fn read(
        &mut self,
        peer: NodeId,
        bytes: &[u8],
        version: u64,
        now: Now,
    ) -> Option<Arc<NodeRecord>> {
        match check_version(version, now) {
            Ok(()) => {}
            Err(untimely) => {
                self.counters.refused += 1;
                if untimely == Untimely::Future {
                    self.offend(&peer, Offence::Future, now);
                }
                return None;
            }
        }
        let limits = &self.config.limits;
        let link = self.links.get_mut(&peer)?;
        if !link.conduct.may_verify(limits, now.instant) {
            self.offend(&peer, Offence::Flood, now);
            return None;
        }
        match (self.reader)(bytes) {
            Ok(record) => {
                self.counters.verified += 1;
                Some(record)
            }
            Err(error) => {
                self.counters.refused += 1;
                let offence = match error {
                    RecordError::Signature { .. } => Offence::Forged,
                    RecordError::TooLong { .. }
                    | RecordError::Json { .. }
                    | RecordError::Field { .. }
                    | RecordError::Neighbors { .. } => Offence::Malformed,
                };
                self.offend(&peer, offence, now);
                None
            }
        }
    }

    /// Whether a record names no other country than its owner's address lies in.
    pub(super) fn country_fits(&self, peer: &NodeId, record: &NodeRecord) -> bool {
        let Some(link) = self.links.get(peer) else {
            return true;
        };
        let said = record.country();
        said.as_str() == "ZZ" || (self.country_of)(link.ip()).is_none_or(|real| real == said)
    }
}
