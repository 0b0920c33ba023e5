//! Nodes, links and apps in one thread and virtual time.

use crate::app::Machine;
use crate::internet::{Internet, View};
use masq_core::config::CountryCode;
use masq_core::directory::Directory;
use masq_core::exit_policy::ExitPolicy;
use masq_core::fake_ip::FakeIps;
use masq_core::identity::{Identity, NodeId, Validity};
use masq_core::names::EntryDns;
use masq_core::random::SystemRandom;
use masq_core::record::{Content, NodeRecord, Rates, Roles};
use masq_node::app::Apps;
use masq_node::entry::owner::NoOwners;
use masq_node::entry::record::FlowLog;
use masq_node::entry::{Entry, Parts, Way};
use masq_node::link::Link;
use masq_node::link::memory::{self, MemoryLink};
use masq_node::mesh::Mesh;
use masq_node::rules::Rules;
use masq_node::serve::{self, KeptLimits, Services};
use masq_stack::Stack;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// Unix seconds of the simulation; it does not matter which.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn unix_time() -> u64 {
    NOW
}

pub(crate) fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) type SimServices = Services<MemoryLink, View>;
pub(crate) type SimEntry = Entry<MemoryLink, View>;

pub(crate) struct Node {
    pub(crate) services: Rc<SimServices>,
    pub(crate) links: Vec<MemoryLink>,
    neighbors: Vec<NodeId>,
    roles: Roles,
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.services.identity().id()
    }

    /// The Node dies: nobody can reach it any more.
    pub(crate) fn kill(&self) {
        for link in &self.links {
            link.cut();
        }
    }
}

pub(crate) struct World {
    pub(crate) internet: Rc<Internet>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) latency: Duration,
    /// Whether Nodes that are added resolve names.
    pub(crate) resolving: bool,
}

impl World {
    pub(crate) fn new(latency: Duration) -> Self {
        let internet = Internet {
            latency,
            ..Internet::default()
        };
        Self {
            internet: Rc::new(internet),
            nodes: Vec::new(),
            latency,
            resolving: true,
        }
    }

    pub(crate) fn add(&mut self, relay: bool, exit: bool) -> usize {
        self.add_limited(relay, exit, serve::CIRCUITS)
    }

    /// A Node that serves at most so many circuits.
    pub(crate) fn add_limited(&mut self, relay: bool, exit: bool, circuits: usize) -> usize {
        let services = self.services(relay, exit).with_limits(circuits, circuits);
        self.add_node(services, Roles { relay, exit })
    }

    /// An exit that keeps at most so much for flows without a circuit.
    pub(crate) fn add_keeping(&mut self, limits: KeptLimits) -> usize {
        let services = self.services(false, true).with_kept(limits);
        let roles = Roles {
            relay: false,
            exit: true,
        };
        self.add_node(services, roles)
    }

    fn add_node(&mut self, services: SimServices, roles: Roles) -> usize {
        self.nodes.push(Node {
            services: Rc::new(services),
            links: Vec::new(),
            neighbors: Vec::new(),
            roles,
        });
        self.nodes.len() - 1
    }

    fn services(&self, relay: bool, exit: bool) -> SimServices {
        let validity = Validity::new(NOW - 10, NOW + 1_000_000).unwrap();
        let identity = Identity::generate(validity, &mut SystemRandom);
        Services::new(
            identity,
            Rc::new(Mesh::default()),
            Rc::new(View(self.internet.clone(), self.resolving)),
            ExitPolicy::new(false, &[25], &[]),
            (relay, exit),
            unix_time,
        )
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (ids, latency) = ((self.nodes[a].id(), self.nodes[b].id()), self.latency);
        let (at_a, at_b) = memory::pair(ids.0, ids.1, latency);
        for (node, link) in [(a, at_a), (b, at_b)] {
            let node = &mut self.nodes[node];
            node.neighbors.push(link.peer());
            node.links.push(link.clone());
            let services = node.services.clone();
            services.mesh.insert(link.clone());
            spawn_local(async move {
                tokio::select! {
                    () = serve::link(services.clone(), link.clone()) => {}
                    _ = link.closed() => {}
                }
                services.mesh.remove(&link);
            });
        }
    }

    fn records(&self) -> String {
        let mut lines = String::new();
        for node in &self.nodes {
            let content = Content {
                version: 1,
                roles: node.roles,
                accepts: true,
                country: CountryCode::new("ZZ").unwrap(),
                rates: Rates::default(),
                earning: None,
                neighbors: node.neighbors.clone(),
            };
            let record = NodeRecord::sign(&node.services.identity(), content).unwrap();
            lines.push_str(&record.to_json());
            lines.push('\n');
        }
        lines
    }

    /// The machine of one Node, whose apps' flows take `hops` Nodes.
    pub(crate) fn machine(&self, node: usize, hops: u8) -> Machine {
        self.machine_and_entry(node, hops).0
    }

    pub(crate) fn machine_and_entry(&self, node: usize, hops: u8) -> (Machine, Rc<SimEntry>) {
        let services = self.nodes[node].services.clone();
        let mut directory = Directory::new(self.nodes[node].id());
        directory.load(&self.records()).unwrap();
        directory.set_links(&services.mesh.peers());
        let mesh = services.mesh.clone();
        let (machine, entry) = Self::machine_over(services, Rc::new(RefCell::new(directory)), hops);
        let follower = entry.clone();
        spawn_local(async move {
            let mut changes = mesh.changes();
            while changes.changed().await.is_ok() {
                follower.with_directory(|directory| directory.set_links(&mesh.peers()));
            }
        });
        (machine, entry)
    }

    /// A machine whose Node knows what `directory` holds.
    pub(crate) fn machine_over(
        services: Rc<SimServices>,
        directory: Rc<RefCell<Directory>>,
        hops: u8,
    ) -> (Machine, Rc<SimEntry>) {
        let way = if hops == 0 {
            Way::Direct
        } else {
            Way::Mesh { hops }
        };
        let entry = Entry::new(Parts {
            services,
            way,
            directory,
            dns: EntryDns::new(FakeIps::new(1_000, 0, clock()), true),
            log: FlowLog::none(|| 0),
            direct_policy: ExitPolicy::new(true, &[], &[]),
            exit_countries: Default::default(),
            owners: Rc::new(NoOwners),
            rules: Rules::none(),
            clock,
        });
        let config = masq_stack::Config {
            verify_checksums: true,
            ..masq_stack::Config::default()
        };
        let apps = Apps::new(Stack::new(config, clock()), clock);
        let arriving = entry.clone();
        let machine = Machine::start(apps, move |arrival| arriving.arrive(arrival));
        (machine, entry)
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
