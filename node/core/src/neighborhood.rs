//! How a Node finds its place in the mesh (W-9): whom it joins, whom it admits, what it keeps of
//! the others and what it tells them.
//!
//! A state machine without IO: links going up and down, messages and the time come in, actions go
//! out. Nothing of a record is believed before its signatures are checked; the view is computed
//! from links that both ends have signed; everything kept has a bound in [`Limits`]. All
//! randomness comes from one seed, so a simulation repeats.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use crate::config::CountryCode;
use crate::descriptor::Descriptor;
use crate::identity::{Identity, NodeId};
use crate::record::{Content, NodeRecord, RecordError};

mod action;
mod circle;
pub mod conduct;
mod config;
mod counters;
mod dial;
mod greet;
mod heal;
mod introduce;
pub mod letter;
pub mod message;
mod own;
mod peer;
mod receive;
mod spread;
mod status;
#[cfg(test)]
mod tests;
mod view;

pub use action::{Action, CloseReason, DialFailure, Offence, Report};
pub use config::{Config, Contact, Limits, Now, PastNeighbor};
pub use counters::Counters;
pub use message::{MAX_MESSAGE, Refusal};
pub use status::{NeighborStatus, Stage, State, Status};

use conduct::{Bans, Origins};
use dial::Candidates;
use introduce::{Newcomer, Proposal, Seat};
use message::{Message, MessageError};
use own::Own;
use peer::{Member, Peer, Standing};
use spread::{PAST_MS, Wishes};
use view::View;

/// Reads and verifies the binary form of a record.
pub type RecordReader = Box<dyn FnMut(&[u8]) -> Result<Arc<NodeRecord>, RecordError>>;

/// Tells the country of an address.
pub type CountryOf = Box<dyn Fn(IpAddr) -> Option<CountryCode>>;

/// How often records are looked through for those that are too old.
const SWEEP: Duration = Duration::from_secs(3_600);

/// The neighborhood of one Node.
pub struct Neighborhood {
    identity: Rc<Identity>,
    config: Config,
    reader: RecordReader,
    country_of: CountryOf,
    random: StdRng,
    /// What orders introductions, unknown to newcomers.
    secret: [u8; 32],

    own: Own,
    view: View,
    links: BTreeMap<NodeId, Peer>,
    circle: Vec<Member>,
    candidates: Candidates,
    bans: Bans,
    origins: Origins,
    seats: Vec<Seat>,
    proposals: Vec<Proposal>,
    wishes: Wishes,
    /// Ids to announce with the next batch.
    news: Vec<NodeId>,
    first_hops: Vec<NodeId>,
    route_found: bool,

    plan_is_stale: bool,
    seek_tries: u32,
    heal_tries: u32,
    gave_way_at: Option<Instant>,
    /// When this Node, maybe in a part of the mesh, last joined one that it did not see.
    way_out_at: Option<Instant>,
    flush_at: Option<Instant>,
    dial_at: Option<Instant>,
    heal_at: Option<Instant>,
    seek_at: Option<Instant>,
    forget_at: Option<Instant>,
    /// When a grace, a confirmation or a stranger's time is over, as the last call left it.
    links_at: Option<Instant>,
    sweep_at: Instant,

    actions: VecDeque<Action>,
    counters: Counters,
}

impl Neighborhood {
    /// Begins; nothing is dialled before the first [`Self::handle_timeout`], which is due at once.
    pub fn new(identity: Rc<Identity>, config: Config, now: Now, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let id = identity.id();
        let content = Content {
            version: now.unix_ms,
            roles: config.roles,
            accepts: config.accepts,
            country: config.country,
            rates: config.rates,
            earning: config.earning,
            neighbors: Vec::new(),
        };
        let own = NodeRecord::sign(&identity, content).expect("rates within their limit");
        let view = View::new(config.radius, &config.limits, now.instant, random.random());
        let mut neighborhood = Neighborhood {
            identity,
            reader: Box::new(|bytes| NodeRecord::from_bytes(bytes).map(Arc::new)),
            country_of: Box::new(|_| None),
            secret: random.random(),
            random,
            own: Own::new(id, own, now),
            view,
            links: BTreeMap::new(),
            circle: Vec::new(),
            candidates: Candidates::new(),
            bans: Bans::default(),
            origins: Origins::default(),
            seats: Vec::new(),
            proposals: Vec::new(),
            wishes: Wishes::default(),
            news: Vec::new(),
            first_hops: Vec::new(),
            route_found: false,
            plan_is_stale: false,
            seek_tries: 0,
            heal_tries: 0,
            gave_way_at: None,
            way_out_at: None,
            flush_at: None,
            dial_at: None,
            heal_at: None,
            seek_at: None,
            forget_at: None,
            links_at: None,
            sweep_at: now.instant + SWEEP,
            actions: VecDeque::new(),
            counters: Counters::default(),
            config,
        };
        neighborhood.counters.signed = 1;
        neighborhood.load_candidates(now);
        neighborhood
    }

    /// Reads records with this instead; it must verify them. A simulator shares them.
    pub fn with_reader(mut self, reader: RecordReader) -> Self {
        self.reader = reader;
        self
    }

    /// Checks the countries that neighbors name with this.
    pub fn with_country_of(mut self, country_of: CountryOf) -> Self {
        self.country_of = country_of;
        self
    }

    /// A link is up. A second one to the same peer takes the place of the first.
    pub fn handle_link_up(&mut self, peer: NodeId, remote: SocketAddr, dialled: bool, now: Now) {
        if self.links.remove(&peer).is_some() {
            self.drop_wishes_of(&peer, now);
        }
        if !self.may_link(&peer, remote.ip(), now) {
            self.actions.push_back(Action::Close {
                peer,
                reason: match self.bans.until(&peer, now.instant) {
                    Some(_) => CloseReason::Banned,
                    None => CloseReason::NoRoom,
                },
            });
            return self.finish(now);
        }
        let standing = Standing::Stranger {
            until: now.instant + greet::SILENCE,
        };
        let link = Peer::new(remote, dialled, standing, &self.config.limits, now.instant);
        self.links.insert(peer, link);
        if let Some(candidate) = self.candidates.get_mut(&peer) {
            candidate.dialling = None;
        }
        if let Some(member) = self.circle.iter_mut().find(|member| member.id == peer) {
            member.lost.get_or_insert(now.instant);
        }
        if dialled {
            self.ask(&peer, now);
        }
        self.plan_is_stale = true;
        self.finish(now);
    }

    /// The peer of a link that is up has another address.
    pub fn handle_link_moved(&mut self, peer: NodeId, remote: SocketAddr, now: Now) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        link.remote = remote;
        let ip = link.ip();
        let neighbor = link.standing == Standing::Neighbor;
        if let Some(member) = self.circle.iter_mut().find(|member| member.id == peer) {
            member.ip = ip;
        }
        if neighbor {
            // It learns from this under which address it is seen.
            self.welcome(&peer);
            self.remember(&peer, now);
        }
        self.finish(now);
    }

    /// There is no link to the peer any more. Not called for a link that another one replaced, nor
    /// needed after [`Action::Close`].
    pub fn handle_link_down(&mut self, peer: NodeId, reason: &str, now: Now) {
        let Some(link) = self.links.remove(&peer) else {
            return;
        };
        self.drop_wishes_of(&peer, now);
        match link.standing {
            Standing::Neighbor => {
                if let Some(member) = self.circle.iter_mut().find(|member| member.id == peer) {
                    member.lost = Some(now.instant);
                }
                self.note_lost(&peer, link.dialled, reason, now);
                if self.members_up() < self.config.limits.least {
                    self.hurry(now);
                }
            }
            Standing::Stranger { .. } if link.asked => self.note_unanswered(&peer, reason, now),
            Standing::Stranger { .. } | Standing::Passed { .. } | Standing::Client => {}
        }
        self.tell_first_hops();
        self.plan_is_stale = true;
        self.finish(now);
    }

    /// What [`Action::Dial`] asked for failed.
    pub fn handle_dial_failed(
        &mut self,
        peer: NodeId,
        address: SocketAddr,
        reason: DialFailure,
        now: Now,
    ) {
        self.note_dial_failed(&peer, address, reason, now);
        self.finish(now);
    }

    /// A message has arrived on the peer's link.
    pub fn handle_message(&mut self, peer: NodeId, message: &[u8], now: Now) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        self.counters.messages_in += 1;
        self.counters.bytes_in += message.len() as u64;
        if message.len() > MAX_MESSAGE {
            self.offend(&peer, Offence::Oversized, now);
            return self.finish(now);
        }
        let limits = &self.config.limits;
        if !link.conduct.may_speak(message.len(), limits, now.instant) {
            self.offend(&peer, Offence::Flood, now);
            return self.finish(now);
        }
        match Message::decode(&Bytes::copy_from_slice(message)) {
            Ok(message) => self.dispatch(peer, message, now),
            Err(MessageError::TooLong(_)) => self.offend(&peer, Offence::Oversized, now),
            Err(_) => self.offend(&peer, Offence::Malformed, now),
        }
        self.finish(now);
    }

    /// The shell has seen the peer of a link break a rule of links.
    pub fn handle_offence(&mut self, peer: NodeId, offence: Offence, now: Now) {
        self.offend(&peer, offence, now);
        self.finish(now);
    }

    fn dispatch(&mut self, peer: NodeId, message: Message, now: Now) {
        match message {
            Message::Debut {
                chain,
                observed,
                ports,
                record,
            } => {
                self.observe(&peer, observed, now);
                self.handle_debut(peer, chain, ports, &record, now);
            }
            Message::Welcome {
                observed,
                ports,
                record,
            } => self.handle_welcome(peer, observed, ports, &record, now),
            Message::Pass { reason, observed } => self.handle_pass(peer, reason, observed, now),
            Message::Propose {
                id,
                roles,
                needy,
                key,
                hops,
            } => {
                let newcomer = Newcomer {
                    id,
                    roles,
                    needy,
                    key,
                };
                self.handle_propose(peer, newcomer, hops, now);
            }
            Message::Consent { id } => self.handle_consent(peer, id, now),
            Message::Introduction { id, ip, ports } => {
                self.handle_introduction(peer, id, ip, ports, now);
            }
            Message::Seek => self.handle_seek(peer, now),
            Message::Announce(list) => self.handle_announce(peer, &list, now),
            Message::Pull(list) => self.handle_pull(peer, &list, now),
            Message::Records(list) => self.handle_records(peer, &list, now),
            Message::Letter { id, sealed } => self.handle_letter(peer, id, &sealed, now),
            Message::Contact { ports } => self.handle_contact_message(peer, ports, now),
        }
    }

    /// This Node is reached elsewhere, as its router or its configuration tells.
    pub fn handle_contact(&mut self, contact: Option<Contact>, now: Now) {
        self.take_contact(contact, now);
        self.finish(now);
    }

    /// The identity has new onion keys: they are signed and told.
    pub fn handle_identity(&mut self, identity: Rc<Identity>, now: Now) {
        if identity.id() == self.own.id {
            self.identity = identity;
            self.spoil_record(now);
            self.finish(now);
        }
    }

    /// The time of [`Self::poll_timeout`] has come; harmless before.
    pub fn handle_timeout(&mut self, now: Now) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if due(self.links_at) {
            self.expire_links(now);
        }
        if self.sweep_at <= now.instant {
            self.sweep(now);
        }
        if self.own.renew_at <= now.instant {
            self.own.renew_at = now.instant + SWEEP;
            self.spoil_record(now);
        }
        if due(self.wishes.check_at) {
            self.check_wishes(now);
        }
        if due(self.forget_at) {
            self.view.touch();
            self.settle(now);
        }
        if due(self.flush_at) {
            self.flush(now);
        }
        if due(self.seek_at) {
            self.seek(now);
        }
        if due(self.dial_at) {
            self.expire_dials(now);
            self.plan_is_stale = true;
        }
        self.finish(now);
    }

    fn sweep(&mut self, now: Now) {
        self.sweep_at = now.instant + SWEEP;
        let gone = self.view.expire(now.unix_ms.saturating_sub(PAST_MS));
        self.actions.extend(gone.into_iter().map(Action::Forgotten));
        self.settle(now);
        let up: Vec<_> = self
            .circle
            .iter()
            .filter(|member| member.lost.is_none())
            .collect();
        let up: Vec<_> = up.into_iter().map(|member| member.id).collect();
        for id in up {
            self.remember(&id, now);
        }
    }

    /// What ends every call: whom to dial next.
    fn finish(&mut self, now: Now) {
        if self.plan_is_stale {
            self.plan_dials(now);
        }
        self.links_at = self.links_deadline();
    }

    fn send(&mut self, to: &NodeId, message: &Message) {
        if !self.links.contains_key(to) {
            return;
        }
        let message = message.encode();
        self.counters.messages_out += 1;
        self.counters.bytes_out += message.len() as u64;
        self.actions.push_back(Action::Send { peer: *to, message });
    }

    /// Whether a route of the wanted length exists, as the router of this Node knows.
    pub fn set_route_found(&mut self, found: bool, _now: Now) {
        self.route_found = found;
    }

    /// Whether a link with this Node from this address is welcome; asked before it is accepted.
    pub fn may_link(&self, peer: &NodeId, remote: IpAddr, now: Now) -> bool {
        let limits = &self.config.limits;
        let ip = remote.to_canonical();
        if *peer == self.own.id
            || self.bans.until(peer, now.instant).is_some()
            || self.origins.is_banned(ip, now.instant)
        {
            return false;
        }
        if self.links.contains_key(peer) || self.member(peer).is_some() {
            return true;
        }
        let strangers = self.links.values().filter(|link| !link.is_served());
        let (mut all, mut same) = (0, 0);
        for stranger in strangers {
            all += 1;
            same += usize::from(stranger.ip() == ip);
        }
        all < limits.strangers && same < limits.per_address.max(limits.clients_per_address)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = [
            self.flush_at,
            self.dial_at,
            self.seek_at,
            self.forget_at,
            self.wishes.check_at,
            self.links_at,
            Some(self.own.renew_at),
            Some(self.sweep_at),
        ];
        times.into_iter().flatten().min()
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How the joining goes.
    pub fn status(&self, now: Now) -> Status {
        self.describe(now)
    }

    /// What this Node says of itself.
    pub fn own_record(&self) -> &Arc<NodeRecord> {
        &self.own.record
    }

    /// How others reach this Node, when it takes links and knows its address.
    pub fn own_descriptor(&self) -> Option<Descriptor> {
        let contact = self.config.contact.as_ref();
        let contact = contact.filter(|_| self.config.accepts)?;
        let ports = contact.ports.clone();
        Descriptor::new(self.config.chain, self.own.id, contact.ip?, ports).ok()
    }

    /// Counts since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Records in the view.
    pub fn records(&self) -> usize {
        self.view.connected()
    }
}

impl fmt::Debug for Neighborhood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighborhood")
            .field("own", &self.own.record)
            .finish_non_exhaustive()
    }
}
