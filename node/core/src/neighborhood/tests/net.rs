//! A network of cores: one thread, one clock, links that keep the order of what they carry.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use crate::config::{Chain, CountryCode};
use crate::descriptor::Descriptor;
use crate::identity::{Identity, NodeId, Validity};
use crate::neighborhood::*;
use crate::random::seeded::Seeded;
use crate::record::{Content, NodeRecord, Rates, Roles};

mod truth;

pub(super) const UNIX_MS: u64 = 1_790_000_000_000;
pub(super) const PORT: u16 = 4_000;

pub(super) const BOTH: Roles = Roles {
    relay: true,
    exit: true,
};
pub(super) const NONE: Roles = Roles {
    relay: false,
    exit: false,
};

pub(super) struct Net {
    pub(super) start: Instant,
    pub(super) time: Duration,
    pub(super) nodes: Vec<Host>,
    pub(super) latency: Duration,
    /// Nodes of different parts do not reach each other.
    pub(super) parts: BTreeMap<usize, u8>,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) random: StdRng,
    links: BTreeMap<(usize, usize), u64>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    number: u64,
}

pub(super) struct Host {
    pub(super) identity: Rc<Identity>,
    pub(super) core: Option<Neighborhood>,
    pub(super) config: Config,
    pub(super) ip: IpAddr,
    pub(super) learned: BTreeMap<NodeId, Arc<NodeRecord>>,
    pub(super) first_hops: Vec<NodeId>,
    pub(super) past: BTreeMap<NodeId, PastNeighbor>,
    pub(super) reports: Vec<Report>,
    pub(super) closed: Vec<(NodeId, CloseReason)>,
    /// What other clocks differ by, in milliseconds.
    pub(super) clock_ms: i64,
    pub(super) most_dials: BTreeSet<NodeId>,
    life: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Dialled {
        from: usize,
        life: u64,
        peer: NodeId,
        address: SocketAddr,
    },
    DialFailed {
        node: usize,
        life: u64,
        peer: NodeId,
        address: SocketAddr,
        wrong: bool,
    },
    Up {
        node: usize,
        other: usize,
        link: u64,
        dialled: bool,
    },
    Message {
        node: usize,
        other: usize,
        link: u64,
        message: Bytes,
    },
    Down {
        node: usize,
        other: usize,
        link: u64,
    },
}

pub(super) fn identity(number: usize) -> Rc<Identity> {
    let day = 24 * 3_600;
    let unix = UNIX_MS / 1_000;
    let validity = Validity::new(unix - day, unix + 365 * day).unwrap();
    let seed = 7_000 + number as u64;
    Rc::new(Identity::generate(validity, &mut Seeded::new(seed)))
}

/// A record of this identity.
pub(in crate::neighborhood) fn record_of(
    identity: &Identity,
    version: u64,
    neighbors: &[NodeId],
) -> NodeRecord {
    let content = Content {
        version,
        roles: BOTH,
        accepts: true,
        country: zz(),
        rates: Rates::default(),
        earning: None,
        neighbors: neighbors.to_vec(),
    };
    NodeRecord::sign(identity, content).unwrap()
}

pub(super) fn zz() -> CountryCode {
    CountryCode::new("ZZ").unwrap()
}

/// Addresses of the whole Internet, each in a network of its own.
pub(super) fn ip(number: usize) -> IpAddr {
    let [.., high, low] = (number as u32).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(20 + low % 100, low, high, 7))
}

pub(super) fn config(number: usize, roles: Roles, accepts: bool) -> Config {
    Config {
        chain: Chain::Dev,
        roles,
        accepts,
        contact: accepts.then(|| Contact {
            ip: Some(ip(number)),
            ports: vec![PORT],
        }),
        country: zz(),
        rates: Rates::default(),
        earning: None,
        seeds: Vec::new(),
        past: Vec::new(),
        radius: 3,
        limits: Limits::default(),
    }
}

impl Net {
    pub(super) fn new(seed: u64) -> Net {
        Net {
            start: Instant::now_for_tests(),
            time: Duration::ZERO,
            nodes: Vec::new(),
            latency: Duration::from_millis(25),
            parts: BTreeMap::new(),
            sent: 0,
            sent_bytes: 0,
            random: StdRng::seed_from_u64(seed),
            links: BTreeMap::new(),
            events: BinaryHeap::new(),
            number: 0,
        }
    }

    pub(super) fn now(&self, node: usize) -> Now {
        let clock = self.nodes[node].clock_ms;
        let unix = UNIX_MS + u64::try_from(self.time.as_millis()).unwrap();
        Now {
            instant: self.start + self.time,
            unix_ms: unix.checked_add_signed(clock).unwrap(),
        }
    }

    pub(super) fn id(&self, node: usize) -> NodeId {
        self.nodes[node].identity.id()
    }

    pub(super) fn node_of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|host| host.identity.id() == *id)
    }

    pub(super) fn core(&self, node: usize) -> &Neighborhood {
        self.nodes[node].core.as_ref().unwrap()
    }

    pub(super) fn descriptor(&self, node: usize) -> Descriptor {
        Descriptor::new(Chain::Dev, self.id(node), self.nodes[node].ip, vec![PORT]).unwrap()
    }

    /// Adds a Node without starting it.
    pub(super) fn add(&mut self, roles: Roles, accepts: bool, seeds: &[usize]) -> usize {
        let number = self.nodes.len();
        let mut config = config(number, roles, accepts);
        config.seeds = seeds.iter().map(|seed| self.descriptor(*seed)).collect();
        self.nodes.push(Host {
            identity: identity(number),
            core: None,
            config,
            ip: ip(number),
            learned: BTreeMap::new(),
            first_hops: Vec::new(),
            past: BTreeMap::new(),
            reports: Vec::new(),
            closed: Vec::new(),
            clock_ms: 0,
            most_dials: BTreeSet::new(),
            life: 0,
        });
        number
    }

    /// Adds and starts a standard Node.
    pub(super) fn join(&mut self, seeds: &[usize]) -> usize {
        let node = self.add(BOTH, true, seeds);
        self.begin(node);
        node
    }

    pub(super) fn begin(&mut self, node: usize) {
        let (now, seed) = (self.now(node), self.random.random());
        let host = &mut self.nodes[node];
        host.life += 1;
        host.learned.clear();
        host.first_hops.clear();
        let core = Neighborhood::new(host.identity.clone(), host.config.clone(), now, seed);
        host.core = Some(core);
        self.act(node);
    }

    /// Starts again with what the database remembers.
    pub(super) fn restart(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        host.config.past = host.past.values().cloned().collect();
        self.begin(node);
    }

    /// The process is gone at once; its neighbors notice 800 ms later.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].core = None;
        self.cut(node, |_| true, Duration::from_millis(800));
    }

    /// Links are lost; both ends notice after a while.
    pub(super) fn cut(&mut self, node: usize, with: impl Fn(usize) -> bool, noticed: Duration) {
        let touched: Vec<_> = self
            .links
            .iter()
            .filter(|((one, two), _)| (*one == node && with(*two)) || (*two == node && with(*one)))
            .map(|(pair, link)| (*pair, *link))
            .collect();
        for ((one, two), link) in touched {
            self.links.remove(&(one, two));
            self.at(
                noticed,
                Event::Down {
                    node: one,
                    other: two,
                    link,
                },
            );
            self.at(
                noticed,
                Event::Down {
                    node: two,
                    other: one,
                    link,
                },
            );
        }
    }

    pub(super) fn part(&mut self, node: usize, part: u8) {
        self.parts.insert(node, part);
        let parts = self.parts.clone();
        let other = |other: usize| parts.get(&other).copied().unwrap_or(0) != part;
        self.cut(node, other, Duration::from_millis(800));
    }

    pub(super) fn linked(&self, one: usize, two: usize) -> bool {
        self.links.contains_key(&(one.min(two), one.max(two)))
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.number += 1;
        self.events
            .push(Reverse((self.time + after, self.number, event)));
    }

    fn reach(&self, one: usize, two: usize) -> bool {
        let part = |node| self.parts.get(&node).copied().unwrap_or(0);
        part(one) == part(two)
    }

    /// Lets time pass until then.
    pub(super) fn run_until(&mut self, end: Duration) {
        loop {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let due = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(node, host)| Some((host.core.as_ref()?.poll_timeout()?, node)))
                .min();
            let timer = due.map(|(at, node)| (at.saturating_duration_since(self.start), node));
            let event_first = match (event, timer) {
                (None, None) => break,
                (Some(event), Some((timer, _))) => event <= timer,
                (Some(_), None) => true,
                (None, Some(_)) => false,
            };
            if event_first {
                if event.unwrap() > end {
                    break;
                }
                let Reverse((at, _, event)) = self.events.pop().unwrap();
                self.time = self.time.max(at);
                self.happen(event);
            } else {
                let (at, node) = timer.unwrap();
                if at > end {
                    break;
                }
                self.time = self.time.max(at);
                let now = self.now(node);
                self.nodes[node].core.as_mut().unwrap().handle_timeout(now);
                let later = self.core(node).poll_timeout();
                assert!(
                    later.is_none_or(|later| later > now.instant),
                    "a time-out that is due again at once"
                );
                self.act(node);
            }
        }
        self.time = self.time.max(end);
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.run_until(self.time + time);
    }

    pub(super) fn run_s(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Dialled {
                from,
                life,
                peer,
                address,
            } => self.dialled(from, life, peer, address),
            Event::DialFailed {
                node,
                life,
                peer,
                address,
                wrong,
            } => {
                let now = self.now(node);
                let host = &mut self.nodes[node];
                let reason = match wrong {
                    true => DialFailure::WrongIdentity,
                    false => DialFailure::TimedOut,
                };
                if let Some(core) = host.core.as_mut().filter(|_| host.life == life) {
                    core.handle_dial_failed(peer, address, reason, now);
                    self.act(node);
                }
            }
            Event::Up {
                node,
                other,
                link,
                dialled,
            } => {
                if self.link(node, other) != Some(link) {
                    return;
                }
                let port = if dialled { PORT } else { 50_000 };
                let remote = SocketAddr::new(self.nodes[other].ip, port);
                let (now, peer) = (self.now(node), self.id(other));
                if let Some(core) = &mut self.nodes[node].core {
                    core.handle_link_up(peer, remote, dialled, now);
                    self.act(node);
                }
            }
            Event::Message {
                node,
                other,
                link,
                message,
            } => {
                if self.link(node, other) != Some(link) {
                    return;
                }
                let (now, peer) = (self.now(node), self.id(other));
                if let Some(core) = &mut self.nodes[node].core {
                    core.handle_message(peer, &message, now);
                    self.act(node);
                }
            }
            Event::Down { node, other, link } => {
                if self.link(node, other).is_some_and(|newer| newer != link) {
                    return;
                }
                let (now, peer) = (self.now(node), self.id(other));
                if let Some(core) = &mut self.nodes[node].core {
                    core.handle_link_down(peer, "nothing heard", now);
                    self.act(node);
                }
            }
        }
    }

    fn dialled(&mut self, from: usize, life: u64, peer: NodeId, address: SocketAddr) {
        let there = self
            .nodes
            .iter()
            .position(|host| host.core.is_some() && host.config.accepts && host.ip == address.ip());
        if self.nodes[from].life != life {
            return;
        }
        let fail = |wrong| Event::DialFailed {
            node: from,
            life,
            peer,
            address,
            wrong,
        };
        let Some(to) = there.filter(|to| address.port() == PORT && self.reach(from, *to)) else {
            return self.at(Duration::from_secs(5), fail(false));
        };
        if self.id(to) != peer {
            return self.at(self.latency, fail(true));
        }
        let now = self.now(to);
        let (id, ip) = (self.id(from), self.nodes[from].ip);
        if !self.core(to).may_link(&id, ip, now) {
            return self.at(self.latency, fail(false));
        }
        self.number += 1;
        let link = self.number;
        let pair = (from.min(to), from.max(to));
        self.links.insert(pair, link);
        let up = |node, other, dialled| Event::Up {
            node,
            other,
            link,
            dialled,
        };
        self.at(Duration::ZERO, up(to, from, false));
        self.at(self.latency, up(from, to, true));
    }

    fn link(&self, one: usize, two: usize) -> Option<u64> {
        self.links.get(&(one.min(two), one.max(two))).copied()
    }

    /// Does what a core wants done.
    pub(super) fn act(&mut self, node: usize) {
        while let Some(action) = self.nodes[node]
            .core
            .as_mut()
            .and_then(|core| core.poll_action())
        {
            let host = &mut self.nodes[node];
            match action {
                Action::Dial { peer, address } => {
                    host.most_dials.insert(peer);
                    let life = host.life;
                    let from = node;
                    self.at(
                        2 * self.latency,
                        Event::Dialled {
                            from,
                            life,
                            peer,
                            address,
                        },
                    );
                }
                Action::Send { peer, message } => {
                    assert!(message.len() <= MAX_MESSAGE);
                    Message::decode(&message).expect("own messages are well formed");
                    self.sent += 1;
                    self.sent_bytes += message.len() as u64;
                    self.deliver(node, &peer, message);
                }
                Action::Close { peer, reason } => {
                    host.closed.push((peer, reason));
                    let Some(other) = self.node_of(&peer) else {
                        continue;
                    };
                    let pair = (node.min(other), node.max(other));
                    if let Some(link) = self.links.remove(&pair) {
                        let (node, other) = (other, node);
                        self.at(self.latency, Event::Down { node, other, link });
                    }
                }
                Action::Learned(record) => {
                    host.learned.insert(record.id(), record);
                }
                Action::Forgotten(id) => {
                    assert!(
                        host.learned.remove(&id).is_some(),
                        "forgot what it never knew"
                    );
                }
                Action::Neighbors(hops) => host.first_hops = hops,
                Action::Remember(past) => {
                    host.past.insert(past.descriptor.id(), past);
                }
                Action::Forget(id) => {
                    host.past.remove(&id);
                }
                Action::Report(report) => host.reports.push(report),
            }
        }
    }

    fn deliver(&mut self, from: usize, peer: &NodeId, message: Bytes) {
        let Some(other) = self.node_of(peer) else {
            return;
        };
        if let Some(link) = self.link(from, other).filter(|_| self.reach(from, other)) {
            let event = Event::Message {
                node: other,
                other: from,
                link,
                message,
            };
            self.at(self.latency, event);
        }
    }
}

/// The tests' only clock reading: a point to count from.
trait ForTests {
    fn now_for_tests() -> Instant;
}

impl ForTests for Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a point to count virtual time from"
    )]
    fn now_for_tests() -> Instant {
        Instant::now()
    }
}
