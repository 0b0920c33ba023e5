//! Nodes that know one other each and find the rest: the real shell around the
//! core of the neighborhood, on links inside the process.

use crate::internet::View;
use crate::world::{NOW, SimServices, World, address, clock};
use crate::{echo, simulate};
use bytes::Bytes;
use masq_core::config::{Chain, CountryCode};
use masq_core::descriptor::Descriptor;
use masq_core::directory::Directory;
use masq_core::identity::NodeId;
use masq_core::neighborhood::{Config, Contact, Limits, Neighborhood, Now, Stage, State};
use masq_core::record::{Rates, Roles};
use masq_core::route::{self, RouteRequest};
use masq_node::link::memory::{self, MemoryLink};
use masq_node::link::{Link, LinkError};
use masq_node::neighborhood::status::{self, Facts};
use masq_node::neighborhood::{Dial, Memory, Parts, Shell};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

const LATENCY: Duration = Duration::from_millis(20);
const PORT: u16 = 4747;

type SimShell = Shell<MemoryLink, View, SimDial>;

/// Who listens where.
#[derive(Default)]
struct Network(RefCell<HashMap<SocketAddr, (NodeId, Rc<SimShell>)>>);

struct SimDial {
    network: Rc<Network>,
    own: (NodeId, SocketAddr),
}

impl Dial<MemoryLink> for SimDial {
    async fn dial(&self, peer: NodeId, address: SocketAddr) -> Result<MemoryLink, LinkError> {
        sleep(LATENCY * 2).await;
        let there = self.network.0.borrow().get(&address).cloned();
        let (id, shell) = there.ok_or(LinkError::NoAnswer)?;
        if id != peer {
            return Err(LinkError::WrongPeer);
        }
        let (ours, theirs) = memory::pair_between(self.own, (peer, address), LATENCY);
        spawn_local(shell.accepted(theirs));
        Ok(ours)
    }
}

/// A Node that looks for others.
struct Live {
    services: Rc<SimServices>,
    directory: Rc<RefCell<Directory>>,
    shell: Rc<SimShell>,
    network: Rc<Network>,
    address: SocketAddr,
    remembered: Rc<RefCell<Vec<Memory>>>,
}

impl Live {
    fn start(world: &mut World, network: &Rc<Network>, roles: Roles, seeds: &[Descriptor]) -> Live {
        let node = world.add(roles.relay, roles.exit);
        let services = world.nodes[node].services.clone();
        let id = world.nodes[node].id();
        let ip = IpAddr::from(Ipv4Addr::new(45, 1, 0, u8::try_from(node).unwrap() + 1));
        let address = SocketAddr::new(ip, PORT);
        let accepts = roles.relay;
        let contact = Contact {
            ip: Some(ip),
            ports: vec![PORT],
        };
        let config = Config {
            chain: Chain::Dev,
            roles,
            accepts,
            contact: accepts.then_some(contact),
            country: CountryCode::new("ZZ").unwrap(),
            rates: Rates::default(),
            earning: None,
            seeds: seeds.to_vec(),
            past: Vec::new(),
            radius: 3,
            limits: Limits::default(),
        };
        let core = Neighborhood::new(services.identity(), config, now(), node as u64);
        let directory = Rc::new(RefCell::new(Directory::new(id)));
        let remembered: Rc<RefCell<Vec<Memory>>> = Rc::default();
        let keeper = remembered.clone();
        let shell = Shell::start(Parts {
            core,
            services: services.clone(),
            directory: directory.clone(),
            dialer: SimDial {
                network: network.clone(),
                own: (id, address),
            },
            clock: now,
            remember: Box::new(move |memory| keeper.borrow_mut().push(memory)),
        });
        if accepts {
            let entry = (id, shell.clone());
            network.0.borrow_mut().insert(address, entry);
        }
        let facts = Facts {
            id: id.to_string(),
            mode: "standard",
            chain: "dev",
            min_hops: 3,
            rules_file: "rules.toml".into(),
            pid: 0,
        };
        let known = directory.clone();
        spawn_local(status::follow(
            shell.clone(),
            move || facts.clone(),
            None,
            move || has_route(&known.borrow()),
        ));
        Live {
            services,
            directory,
            shell,
            network: network.clone(),
            address,
            remembered,
        }
    }

    fn descriptor(&self) -> Descriptor {
        self.shell
            .with_core(|core, _| core.own_descriptor())
            .unwrap()
    }

    fn stage(&self) -> Stage {
        self.shell.with_core(|core, now| core.status(now).stage)
    }

    fn neighbors(&self) -> usize {
        let status = self.shell.with_core(|core, now| core.status(now));
        let states = status.neighbors.iter();
        states
            .filter(|other| other.state == State::Neighbor)
            .count()
    }

    /// The Node dies at once, with all its links.
    fn kill(&self) {
        self.network.0.borrow_mut().remove(&self.address);
        self.shell.stop();
        for link in self.services.mesh.links() {
            link.cut();
        }
    }
}

fn now() -> Now {
    thread_local!(static BEGAN: Instant = Instant::now());
    let since = BEGAN.with(Instant::elapsed).as_millis();
    Now {
        instant: clock(),
        unix_ms: NOW * 1_000 + u64::try_from(since).unwrap(),
    }
}

fn has_route(directory: &Directory) -> bool {
    let request = RouteRequest {
        hops: 3,
        ..RouteRequest::default()
    };
    route::choose(directory, &request, clock(), &mut rand::rng()).is_ok()
}

const SERVING: Roles = Roles {
    relay: true,
    exit: true,
};
const NOTHING: Roles = Roles {
    relay: false,
    exit: false,
};

/// So many Nodes, each of which knows the one before it.
fn chain(world: &mut World, network: &Rc<Network>, count: usize) -> Vec<Live> {
    let mut nodes: Vec<Live> = Vec::new();
    for _ in 0..count {
        let seed: Vec<Descriptor> = nodes.last().map(Live::descriptor).into_iter().collect();
        nodes.push(Live::start(world, network, SERVING, &seed));
    }
    nodes
}

async fn until(what: &str, limit: Duration, holds: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

#[test]
fn nodes_that_know_one_other_each_find_routes_and_carry_a_flow() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let network = Rc::default();
        let nodes = chain(&mut world, &network, 7);
        let seed = [nodes[3].descriptor()];
        let client = Live::start(&mut world, &network, NOTHING, &seed);
        assert_eq!(client.stage(), Stage::NotConnected);

        until("a route for all", Duration::from_secs(10), || {
            let mut all = nodes.iter().chain([&client]);
            all.all(|node| node.stage() == Stage::RouteFound)
        })
        .await;

        world.internet.serve("203.0.113.10:7", echo);
        let services = client.services.clone();
        let (machine, _) = World::machine_over(services, client.directory.clone(), 3);
        let connection = machine.connect(address("203.0.113.10:7"));
        connection.send(b"over three Nodes").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"over three Nodes");
        let carrying = nodes.iter().filter(|node| node.services.circuits() > 0);
        assert_eq!(carrying.count(), 3);
    });
}

#[test]
fn the_stage_goes_down_when_the_others_are_gone_and_up_when_one_is_back() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let network = Rc::default();
        let nodes = chain(&mut world, &network, 5);
        let seed = [nodes[0].descriptor()];
        let watched = Live::start(&mut world, &network, SERVING, &seed);
        let limit = Duration::from_secs(20);
        until("a route", limit, || watched.stage() == Stage::RouteFound).await;
        assert!(!watched.remembered.borrow().is_empty());

        for node in &nodes {
            node.kill();
        }
        until("loneliness", limit, || {
            watched.stage() == Stage::NotConnected
        })
        .await;

        let seed = [watched.descriptor()];
        let _newcomer = Live::start(&mut world, &network, SERVING, &seed);
        until("a neighbor", limit, || {
            watched.stage() == Stage::ConnectedToNeighbor
        })
        .await;
    });
}

#[test]
fn two_nodes_that_dial_each_other_at_once_become_neighbors_on_one_link() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let network = Rc::default();
        let one = Live::start(&mut world, &network, SERVING, &[]);
        let other = Live::start(&mut world, &network, SERVING, &[one.descriptor()]);
        // The first learns of the second before that one's dial has arrived.
        let (id, descriptor) = (other.services.identity().id(), other.descriptor());
        let dialler = SimDial {
            network: network.clone(),
            own: (one.services.identity().id(), one.address),
        };
        let address = descriptor.addresses().next().unwrap();
        let link = dialler.dial(id, address).await.unwrap();
        spawn_local(one.shell.clone().accepted(link));
        let limit = Duration::from_secs(10);
        until("neighbors", limit, || {
            one.neighbors() == 1 && other.neighbors() == 1
        })
        .await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!((one.neighbors(), other.neighbors()), (1, 1));
        let links = (one.services.mesh.links(), other.services.mesh.links());
        assert_eq!((links.0.len(), links.1.len()), (1, 1));
        assert_eq!(links.0[0].serial(), links.1[0].serial());
    });
}

/// What a neighbor does not take costs it the link, and nobody waits for it.
#[test]
fn a_neighbor_that_says_nonsense_is_thrown_out_and_refused_for_a_time() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let network = Rc::default();
        let node = Live::start(&mut world, &network, SERVING, &[]);
        let liar = world.add(true, true);
        let dialler = SimDial {
            network: network.clone(),
            own: (world.nodes[liar].id(), address("45.9.9.9:4747")),
        };
        let (id, place) = (node.services.identity().id(), node.address);
        let link = dialler.dial(id, place).await.unwrap();
        while link
            .send_message(Bytes::from_static(b"nonsense"))
            .await
            .is_ok()
        {
            sleep(Duration::from_millis(1)).await;
        }
        link.closed().await;
        let again = dialler.dial(id, place).await.unwrap();
        again.closed().await;
        assert_eq!(node.neighbors(), 0);
        let bans = node.shell.with_core(|core, _| core.counters().bans);
        assert_eq!(bans, 1);
    });
}
