//! Where the flows of this machine's apps begin: each gets a destination, a
//! way to it, and an end that the app understands.

use crate::app::{AppTcp, Arrival, Closer};
use crate::link::Link;
use crate::outside::Outside;
use crate::rules::Rules;
use crate::serve::Services;
use crate::trouble::Troubles;
use course::Course;
use live::Live;
use masq_capture::Protocol;
use masq_core::config::{CountryCode, ExitCountries};
use masq_core::destination::{Destination, HostName};
use masq_core::directory::Directory;
use masq_core::exit_policy::ExitPolicy;
use masq_core::failure::{Code, Failure};
use masq_core::fake_ip::{self, FakeIps};
use masq_core::identity::NodeId;
use masq_core::names::EntryDns;
use masq_core::route::{self, RouteError, RouteRequest};
use record::{Flow, FlowLog, Kind, Look};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;
use tokio::task::spawn_local;

mod again;
mod attempts;
mod circuit;
mod course;
mod direct;
mod dns;
mod echo;
mod ending;
mod groups;
mod live;
pub mod name_server;
mod over_mesh;
pub mod owner;
mod pace;
pub mod record;
mod udp;

const DNS_PORT: u16 = 53;
/// Echo requests that wait at one time: each has a circuit of its own.
const ECHOES: usize = 64;

/// How flows leave this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// By this Node's own sockets.
    Direct,
    /// Over this many Nodes.
    Mesh { hops: u8 },
}

impl Way {
    /// The name of what decides where no rule does.
    pub fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Mesh { .. } => "mesh",
        }
    }
}

type HearsRules = Box<dyn Fn(&Rules)>;

pub struct Entry<L: Link, O: Outside> {
    services: Rc<Services<L, O>>,
    way: Cell<Way>,
    directory: Rc<RefCell<Directory>>,
    dns: RefCell<EntryDns>,
    log: FlowLog,
    /// What this machine's own sockets may reach for its own apps.
    direct_policy: ExitPolicy,
    exit_countries: RefCell<Rc<ExitCountries>>,
    owners: Rc<dyn owner::Owners>,
    rules: Rules,
    /// Who hears of the rules in force.
    hears_rules: RefCell<Option<HearsRules>>,
    next: Cell<u64>,
    live: Live,
    groups: groups::Groups,
    /// Echo requests that wait for a reply.
    echoes: Cell<usize>,
    /// DNS questions over UDP that wait for an answer.
    questions: Cell<usize>,
    clock: fn() -> Instant,
}

impl<L: Link, O: Outside> std::fmt::Debug for Entry<L, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("way", &self.way.get())
            .field("flows", &self.next.get())
            .finish_non_exhaustive()
    }
}

/// What an [`Entry`] is made of.
pub struct Parts<L: Link, O: Outside> {
    pub services: Rc<Services<L, O>>,
    pub way: Way,
    pub directory: Rc<RefCell<Directory>>,
    pub dns: EntryDns,
    pub log: FlowLog,
    pub direct_policy: ExitPolicy,
    /// Countries that exits shall be in.
    pub exit_countries: ExitCountries,
    pub owners: Rc<dyn owner::Owners>,
    pub rules: Rules,
    pub clock: fn() -> Instant,
}

impl<L: Link, O: Outside> std::fmt::Debug for Parts<L, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl<L: Link, O: Outside> Entry<L, O> {
    pub fn new(parts: Parts<L, O>) -> Rc<Self> {
        Rc::new(Self {
            services: parts.services,
            way: Cell::new(parts.way),
            directory: parts.directory,
            dns: RefCell::new(parts.dns),
            log: parts.log,
            direct_policy: parts.direct_policy,
            exit_countries: RefCell::new(Rc::new(parts.exit_countries)),
            owners: parts.owners,
            rules: parts.rules,
            hears_rules: RefCell::new(None),
            next: Cell::new(1),
            live: Live::default(),
            groups: groups::Groups::default(),
            echoes: Cell::new(0),
            questions: Cell::new(0),
            clock: parts.clock,
        })
    }

    /// Takes what an app begins; never waits.
    pub fn arrive(self: &Rc<Self>, arrival: Arrival) {
        let entry = self.clone();
        match arrival {
            Arrival::Tcp(app) if app.tuple().destination.port() == DNS_PORT => {
                spawn_local(async move { dns::over_tcp(&entry, &app).await });
            }
            Arrival::Tcp(app) => {
                spawn_local(async move { entry.tcp(app).await });
            }
            Arrival::Udp(app) if app.tuple().destination.port() == DNS_PORT => {
                spawn_local(async move { dns::over_udp(&entry, app).await });
            }
            Arrival::Udp(app) => {
                spawn_local(async move { udp::run(&entry, app).await });
            }
            Arrival::Echo(_) if self.echoes.get() >= ECHOES => {
                self.troubles()
                    .note(Code::TooManyFlows, "echo request dropped");
            }
            Arrival::Echo(echo) => {
                self.echoes.set(self.echoes.get() + 1);
                spawn_local(async move {
                    echo::run(&entry, echo).await;
                    entry.echoes.set(entry.echoes.get() - 1);
                });
            }
        }
    }

    pub fn with_fake_ips<R>(&self, f: impl FnOnce(&mut FakeIps) -> R) -> R {
        f(self.dns.borrow_mut().fake_ips_mut())
    }

    /// What the resolver of the apps did with their queries so far.
    pub fn dns_counters(&self) -> masq_core::names::Counters {
        self.dns.borrow().counters()
    }

    pub fn troubles(&self) -> &Troubles {
        &self.services.troubles
    }

    pub fn with_directory<R>(&self, f: impl FnOnce(&mut Directory) -> R) -> R {
        f(&mut self.directory.borrow_mut())
    }

    /// How many flows there are, and the newest of them, newest first.
    pub fn flows(&self, at_most: usize) -> (usize, Vec<Look>) {
        self.live.newest(at_most, self.now())
    }

    pub fn flow(&self, id: u64) -> Option<Look> {
        self.live.look(id, self.now())
    }

    /// Ends a flow as if its app had; whether there is one that can be.
    pub fn close_flow(&self, id: u64) -> bool {
        self.live.close(id, Code::Aborted)
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Tells somebody the rules in force, now and whenever they change.
    pub fn watch_rules(&self, hears: impl Fn(&Rules) + 'static) {
        *self.hears_rules.borrow_mut() = Some(Box::new(hears));
        self.tell_rules();
    }

    fn tell_rules(&self) {
        if let Some(hears) = &*self.hears_rules.borrow() {
            hears(&self.rules);
        }
    }

    /// Takes the rules as they are on disk now and ends the flows that they
    /// block; all others go on as they are. How many were ended, or each reason
    /// why the rules before stay.
    pub fn reload_rules(&self) -> Result<usize, String> {
        self.rules.reload()?;
        self.tell_rules();
        let blocked = self.live.which(|flow| self.is_blocked(flow));
        let ended = blocked.into_iter();
        Ok(ended
            .filter(|id| self.live.close(*id, Code::Blocked))
            .count())
    }

    /// Looks at the counters of all flows now and then, so that rates can be told.
    pub async fn keep_pace(self: Rc<Self>) {
        loop {
            tokio::time::sleep(pace::EVERY).await;
            self.live.tick(self.now());
        }
    }

    pub fn way(&self) -> Way {
        self.way.get()
    }

    /// Over how many Nodes new flows go; without a mesh they go over none.
    pub fn set_hops(&self, hops: u8) {
        match self.way.get() {
            Way::Direct => {}
            Way::Mesh { .. } => self.way.set(Way::Mesh { hops }),
        }
    }

    /// Where new flows leave the mesh.
    pub fn set_exit_countries(&self, countries: ExitCountries) {
        *self.exit_countries.borrow_mut() = Rc::new(countries);
    }

    /// Whether flows come here, or only questions for names.
    pub fn captures(&self) -> bool {
        !self.dns.borrow().gives_real_addresses()
    }

    /// What the resolver of the apps would do with a name.
    pub fn dns_outlook(&self, name: &str) -> masq_core::names::Outlook {
        self.dns.borrow().outlook(name)
    }

    /// A route that a flow to there could take now.
    pub fn example_route(
        &self,
        hops: u8,
        countries: &ExitCountries,
        name: Option<HostName>,
    ) -> Result<Vec<NodeId>, RouteError> {
        let request = RouteRequest {
            hops,
            countries: countries.clone(),
            host: name,
            unix_time: Some(self.services.unix_time()),
            ..RouteRequest::default()
        };
        let directory = self.directory.borrow();
        let route = route::choose(&directory, &request, self.now(), &mut rand::rng())?;
        Ok(route.into_iter().map(|hop| hop.id).collect())
    }

    /// The country that a Node says it is in.
    pub fn country_of(&self, node: &NodeId) -> Option<CountryCode> {
        let directory = self.directory.borrow();
        Some(directory.record(node)?.country())
    }

    /// The Node ends: so do the flows, and their records say why.
    pub fn close(&self) {
        self.log.close();
    }

    /// Whether a circuit opens all the way to an exit now.
    pub async fn probe(&self) -> Result<(), Failure> {
        match self.way.get() {
            Way::Direct => Ok(()),
            Way::Mesh { hops } => circuit::probe(self, &self.terms(hops)).await,
        }
    }

    fn now(&self) -> Instant {
        (self.clock)()
    }

    async fn tcp(self: Rc<Self>, app: AppTcp) {
        let tuple = app.tuple();
        let ends = (tuple.source, tuple.destination);
        let flow = self.begin(Kind::Tcp, ends, Some(app.closer()));
        let target = match self.target(tuple.destination) {
            Ok(target) => target,
            Err(failure) => {
                app.refuse(ending::refusal(&failure));
                return self.ended(flow, Err(failure));
            }
        };
        let to = &target.destination;
        flow.named(to);
        // In boxes, so that a flow pays for its own way only.
        let course = Box::pin(async {
            tokio::select! {
                course = self.course(&flow, Protocol::Tcp, to) => course,
                _ = app.gone() => Err(Code::Aborted.into()),
            }
        });
        let end = match course.await {
            Ok(Course::Direct) => Box::pin(direct::tcp(&self, &app, &flow, to)).await,
            Ok(Course::Mesh(terms)) => {
                Box::pin(over_mesh::tcp(&self, &app, &flow, to, &terms)).await
            }
            Err(failure) => {
                Box::pin(ending::before_accept(&app, to, &failure)).await;
                Err(failure)
            }
        };
        drop(app);
        self.ended(flow, end);
    }

    /// A flow's record from its first packet on.
    fn begin(
        &self,
        kind: Kind,
        (source, destination): (SocketAddr, SocketAddr),
        closer: Option<Closer>,
    ) -> Rc<Flow> {
        let id = self.next.replace(self.next.get() + 1);
        let flow = Rc::new(Flow::new(id, kind, source, destination, self.clock));
        self.live.insert(flow.clone(), closer);
        flow
    }

    fn ended(&self, flow: Rc<Flow>, end: Result<(), Failure>) {
        self.live.remove(flow.id());
        let end = match flow.closed() {
            Some(why) => Err(why.into()),
            None => end,
        };
        self.log.ended(flow, end);
    }

    /// What an address that an app used stands for. A fake one is held for as
    /// long as the target lives; a forgotten one is refused.
    fn target(self: &Rc<Self>, address: SocketAddr) -> Result<Target<L, O>, Failure> {
        let ip = address.ip();
        if !fake_ip::is_fake(ip) {
            return Ok(Target {
                destination: Destination::from(address),
                pinned: None,
            });
        }
        let now = self.now();
        let Some(name) = self.with_fake_ips(|names| names.pin(ip, now)) else {
            return Err(Failure::new(Code::ForgottenAddress, address.to_string()));
        };
        Ok(Target {
            destination: Destination::Name {
                name,
                port: address.port(),
            },
            pinned: Some((self.clone(), ip)),
        })
    }

    fn failed_at(&self, nodes: &[NodeId]) {
        let now = self.now();
        let mut directory = self.directory.borrow_mut();
        for node in nodes {
            directory.penalize(*node, now);
        }
    }
}

/// What a flow is for, and the hold on its fake address.
struct Target<L: Link, O: Outside> {
    destination: Destination,
    pinned: Option<(Rc<Entry<L, O>>, IpAddr)>,
}

impl<L: Link, O: Outside> Drop for Target<L, O> {
    fn drop(&mut self) {
        if let Some((entry, ip)) = self.pinned.take() {
            let now = entry.now();
            entry.with_fake_ips(|names| names.unpin(ip, now));
        }
    }
}
