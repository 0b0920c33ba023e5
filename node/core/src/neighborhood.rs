//! How a Node finds its place in the mesh (W-9): whom it joins, whom it admits, what it keeps of
//! the others and what it tells them.
//!
//! A state machine without IO: links going up and down, messages and the time come in, actions go
//! out. Nothing of a record is believed before its signatures are checked; the view is computed
//! from links that both ends have signed; everything kept has a bound in [`Limits`]. All
//! randomness comes from one seed, so a simulation repeats.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::config::CountryCode;
use crate::descriptor::Descriptor;
use crate::identity::{Identity, NodeId};
use crate::record::{Content, NodeRecord, RecordError};

mod action;
pub mod conduct;
mod config;
mod counters;
pub mod message;
mod status;

pub use action::{Action, CloseReason, DialFailure, Offence, Report};
pub use config::{Config, Contact, Limits, Now, PastNeighbor};
pub use counters::Counters;
pub use message::{MAX_MESSAGE, Refusal};
pub use status::{NeighborStatus, Stage, State, Status};

/// Reads and verifies the binary form of a record.
pub type RecordReader = Box<dyn FnMut(&[u8]) -> Result<Arc<NodeRecord>, RecordError>>;

/// Tells the country of an address.
pub type CountryOf = Box<dyn Fn(IpAddr) -> Option<CountryCode>>;

/// The neighborhood of one Node.
pub struct Neighborhood {
    identity: Rc<Identity>,
    config: Config,
    reader: RecordReader,
    country_of: CountryOf,
    own: Arc<NodeRecord>,
    route_found: bool,
    actions: VecDeque<Action>,
    counters: Counters,
    random: StdRng,
}

impl Neighborhood {
    /// Begins; nothing is dialled before the first [`Self::handle_timeout`], which is due at once.
    pub fn new(identity: Rc<Identity>, config: Config, now: Now, seed: u64) -> Self {
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
        Neighborhood {
            identity,
            config,
            reader: Box::new(|bytes| NodeRecord::from_bytes(bytes).map(Arc::new)),
            country_of: Box::new(|_| None),
            own: Arc::new(own),
            route_found: false,
            actions: VecDeque::new(),
            counters: Counters::default(),
            random: StdRng::seed_from_u64(seed),
        }
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
    pub fn handle_link_up(
        &mut self,
        _peer: NodeId,
        _remote: SocketAddr,
        _dialled: bool,
        _now: Now,
    ) {
    }

    /// The peer of a link that is up has another address.
    pub fn handle_link_moved(&mut self, _peer: NodeId, _remote: SocketAddr, _now: Now) {}

    /// There is no link to the peer any more. Not called for a link that another one replaced, nor
    /// needed after [`Action::Close`].
    pub fn handle_link_down(&mut self, _peer: NodeId, _reason: &str, _now: Now) {}

    /// What [`Action::Dial`] asked for failed.
    pub fn handle_dial_failed(
        &mut self,
        _peer: NodeId,
        _address: SocketAddr,
        _reason: DialFailure,
        _now: Now,
    ) {
    }

    /// A message has arrived on the peer's link.
    pub fn handle_message(&mut self, _peer: NodeId, _message: &[u8], _now: Now) {}

    /// This Node is reached elsewhere, or its own router told where.
    pub fn handle_contact(&mut self, contact: Option<Contact>, _now: Now) {
        self.config.contact = contact;
    }

    /// The identity has new onion keys: they are signed and told.
    pub fn handle_identity(&mut self, identity: Rc<Identity>, _now: Now) {
        self.identity = identity;
    }

    /// The time of [`Self::poll_timeout`] has come; harmless before.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// Whether a route of the wanted length exists, as the router of this Node knows.
    pub fn set_route_found(&mut self, found: bool, _now: Now) {
        self.route_found = found;
    }

    /// Whether a link with this Node from this address is welcome; asked before it is accepted.
    pub fn may_link(&self, peer: &NodeId, _remote: IpAddr, _now: Now) -> bool {
        *peer != self.identity.id()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How the joining goes.
    pub fn status(&self, _now: Now) -> Status {
        Status {
            own: self.own_descriptor().map(|own| own.to_string()),
            ..Status::default()
        }
    }

    /// What this Node says of itself.
    pub fn own_record(&self) -> &Arc<NodeRecord> {
        &self.own
    }

    /// How others reach this Node, when it takes links and knows its address.
    pub fn own_descriptor(&self) -> Option<Descriptor> {
        let contact = self
            .config
            .contact
            .as_ref()
            .filter(|_| self.config.accepts)?;
        let id = self.identity.id();
        Descriptor::new(self.config.chain, id, contact.ip?, contact.ports.clone()).ok()
    }

    /// Counts since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Records in the view.
    pub fn records(&self) -> usize {
        0
    }
}

impl fmt::Debug for Neighborhood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighborhood")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}
