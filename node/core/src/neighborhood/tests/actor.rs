//! One core, and peers that say what a test wants them to say.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::net::{self, BOTH, PORT, UNIX_MS, record_of};
use crate::config::{Chain, CountryCode};
use crate::identity::{Identity, NodeId};
use crate::neighborhood::message::Message;
use crate::neighborhood::*;
use crate::record::{Content, NodeRecord, Rates, Roles};

pub(super) struct Scene {
    pub(super) core: Neighborhood,
    pub(super) start: Instant,
    pub(super) time: Duration,
    pub(super) actions: Vec<Action>,
}

/// A peer of the core.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) identity: Rc<Identity>,
    pub(super) ip: IpAddr,
}

pub(super) fn actor(number: usize) -> Actor {
    Actor {
        identity: net::identity(500 + number),
        ip: net::ip(500 + number),
    }
}

impl Actor {
    pub(super) fn id(&self) -> NodeId {
        self.identity.id()
    }

    pub(super) fn record(&self, version: u64, neighbors: &[NodeId]) -> NodeRecord {
        record_of(&self.identity, version, neighbors)
    }

    pub(super) fn content(&self, version: u64, neighbors: &[NodeId]) -> Content {
        Content {
            version,
            roles: BOTH,
            accepts: true,
            country: net::zz(),
            rates: Rates::default(),
            earning: None,
            neighbors: neighbors.to_vec(),
        }
    }
}

pub(super) fn bytes(record: &NodeRecord) -> Bytes {
    Bytes::from(record.to_bytes())
}

pub(super) fn debut(record: &NodeRecord) -> Message {
    Message::Debut {
        chain: Chain::Dev,
        observed: net::ip(1),
        ports: if record.accepts() {
            vec![PORT]
        } else {
            Vec::new()
        },
        record: bytes(record),
    }
}

impl Scene {
    pub(super) fn new() -> Scene {
        Scene::with(net::config(1, BOTH, true))
    }

    pub(super) fn with(config: Config) -> Scene {
        let start = net::Net::new(0).start;
        let now = Now {
            instant: start,
            unix_ms: UNIX_MS,
        };
        let swiss = |ip: IpAddr| (ip == net::ip(777)).then(|| CountryCode::new("CH").unwrap());
        let core = Neighborhood::new(net::identity(1), config, now, 1);
        Scene {
            core: core.with_country_of(Box::new(swiss)),
            start,
            time: Duration::ZERO,
            actions: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            instant: self.start + self.time,
            unix_ms: UNIX_MS + u64::try_from(self.time.as_millis()).unwrap(),
        }
    }

    pub(super) fn own(&self) -> NodeId {
        self.core.own_record().id()
    }

    fn collect(&mut self) {
        while let Some(action) = self.core.poll_action() {
            self.actions.push(action);
        }
    }

    pub(super) fn link(&mut self, actor: &Actor) {
        let now = self.now();
        let remote = SocketAddr::new(actor.ip, 50_000);
        self.core.handle_link_up(actor.id(), remote, false, now);
        self.collect();
    }

    pub(super) fn say(&mut self, actor: &Actor, message: &Message) {
        self.say_bytes(actor, &message.encode());
    }

    pub(super) fn say_bytes(&mut self, actor: &Actor, message: &[u8]) {
        let now = self.now();
        self.core.handle_message(actor.id(), message, now);
        self.collect();
    }

    /// Time passes, with everything that falls due.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.time + time;
        while let Some(at) = self.core.poll_timeout() {
            let at = at.saturating_duration_since(self.start);
            if at > end {
                break;
            }
            self.time = self.time.max(at);
            let now = self.now();
            self.core.handle_timeout(now);
            self.collect();
        }
        self.time = end;
    }

    pub(super) fn wait_s(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    /// The actor becomes a neighbor by the rules.
    pub(super) fn befriend(&mut self, actor: &Actor) {
        self.befriend_with(actor, &[]);
    }

    pub(super) fn befriend_with(&mut self, actor: &Actor, others: &[NodeId]) {
        self.link(actor);
        let version = self.now().unix_ms;
        self.say(actor, &debut(&actor.record(version, others)));
        let own = self.own();
        let neighbors = [&[own][..], others].concat();
        let record = actor.record(version + 1, &neighbors);
        self.say(actor, &Message::Records(vec![bytes(&record)]));
        assert!(
            self.core.first_hops.contains(&actor.id()),
            "a neighbor by the rules"
        );
        self.wait_s(1);
        self.actions.clear();
    }

    pub(super) fn sent(&self, actor: &Actor) -> Vec<Message> {
        let to = |action: &Action| {
            let Action::Send { peer, message } = action else {
                return None;
            };
            Message::decode(message)
                .ok()
                .filter(|_| *peer == actor.id())
        };
        self.actions.iter().filter_map(to).collect()
    }

    pub(super) fn is_banned(&self, actor: &Actor) -> bool {
        let closed = self.actions.contains(&Action::Close {
            peer: actor.id(),
            reason: CloseReason::Banned,
        });
        let refused = !self.core.may_link(&actor.id(), actor.ip, self.now());
        assert_eq!(closed, refused);
        closed
    }

    pub(super) fn is_neighbor(&self, actor: &Actor) -> bool {
        self.core.first_hops.contains(&actor.id())
    }

    pub(super) fn offences(&self) -> Vec<Offence> {
        let offence = |action: &Action| {
            let Action::Report(Report::Misbehaved { offence, .. }) = action else {
                return None;
            };
            Some(*offence)
        };
        self.actions.iter().filter_map(offence).collect()
    }

    pub(super) fn refusal(&self, actor: &Actor) -> Option<Refusal> {
        self.sent(actor).into_iter().find_map(|message| {
            let Message::Pass { reason, .. } = message else {
                return None;
            };
            Some(reason)
        })
    }

    pub(super) fn knows(&self, id: &NodeId) -> bool {
        self.core.view.get(id).is_some()
    }
}

pub(super) const CLIENT: Roles = net::NONE;
