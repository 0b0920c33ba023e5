//! The neighborhood at work: carries out what the core decides (dials, sends,
//! closes, remembers) and tells it what happens on the links.
//!
//! One [`Shell`] owns the core; link tasks hand it their messages, one more
//! task its time. Nothing here waits for a neighbor: what one does not read in
//! time costs it the link. Who dials, the clock and what remembers are given,
//! so simulations run the same.

use crate::link::{Link, LinkError};
use crate::outside::Outside;
use crate::serve::{self, Services};
use links::{Held, Left, Links};
use masq_core::directory::Directory;
use masq_core::failure::Code;
use masq_core::identity::{Identity, NodeId};
use masq_core::neighborhood::{
    Action, Contact, DialFailure, Neighborhood, Now, Offence, PastNeighbor,
};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

pub mod addresses;
mod links;
mod report;
pub mod rotation;
pub mod status;

/// How long a neighbor may take to answer the first packet and prove itself.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a link that is not current is asked whether circuits still use it.
const LINGER: Duration = Duration::from_secs(1);

/// Opens links.
pub trait Dial<L>: 'static {
    fn dial(&self, peer: NodeId, address: SocketAddr)
    -> impl Future<Output = Result<L, LinkError>>;
}

/// What outlives this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory {
    Remember(PastNeighbor),
    Forget(NodeId),
}

/// What a [`Shell`] is made of.
pub struct Parts<L: Link, O: Outside, D> {
    pub core: Neighborhood,
    pub services: Rc<Services<L, O>>,
    pub directory: Rc<RefCell<Directory>>,
    pub dialer: D,
    pub clock: fn() -> Now,
    pub remember: Box<dyn Fn(Memory)>,
}

impl<L: Link, O: Outside, D> std::fmt::Debug for Parts<L, O, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

pub struct Shell<L: Link, O: Outside, D> {
    core: RefCell<Neighborhood>,
    services: Rc<Services<L, O>>,
    directory: Rc<RefCell<Directory>>,
    dialer: D,
    clock: fn() -> Now,
    remember: Box<dyn Fn(Memory)>,
    links: Links<L>,
    /// The time of the core's next time-out may have changed.
    rearm: Notify,
    /// Counts up when routes may have come or gone, or the core says another thing of itself.
    changes: watch::Sender<u64>,
    /// What links that are gone had sent and received.
    past_traffic: Cell<(u64, u64)>,
    stopped: Cell<bool>,
}

impl<L: Link, O: Outside, D> std::fmt::Debug for Shell<L, O, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

impl<L: Link, O: Outside, D: Dial<L>> Shell<L, O, D> {
    /// Begins to look for neighbors. Must be called inside a `LocalSet`.
    pub fn start(parts: Parts<L, O, D>) -> Rc<Self> {
        let shell = Rc::new(Self {
            core: RefCell::new(parts.core),
            links: Links::new(parts.services.identity().id()),
            services: parts.services,
            directory: parts.directory,
            dialer: parts.dialer,
            clock: parts.clock,
            remember: parts.remember,
            rearm: Notify::new(),
            changes: watch::Sender::new(0),
            past_traffic: Cell::default(),
            stopped: Cell::default(),
        });
        spawn_local(shell.clone().keep_time());
        shell
    }

    /// Does nothing any more: the Node ends.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// Tells each time that something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Something outside changed that decides whether there is a route.
    pub fn look_again(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Looks at the core.
    pub fn with_core<R>(&self, look: impl FnOnce(&Neighborhood, Now) -> R) -> R {
        look(&self.core.borrow(), (self.clock)())
    }

    pub fn identity(&self) -> Rc<Identity> {
        self.services.identity()
    }

    pub fn set_route_found(self: &Rc<Self>, found: bool) {
        self.tell(|core, now| core.set_route_found(found, now));
    }

    /// This Node is reached elsewhere.
    pub fn set_contact(self: &Rc<Self>, contact: Option<Contact>) {
        self.tell(|core, now| core.handle_contact(contact, now));
    }

    /// The Node has new onion keys, which are kept already.
    pub fn set_identity(self: &Rc<Self>, identity: Rc<Identity>) {
        self.services.set_identity(identity.clone());
        self.tell(|core, now| core.handle_identity(identity, now));
    }

    /// Bytes that all links have sent and received, acknowledgements and
    /// keep-alives included.
    pub fn traffic(&self) -> (u64, u64) {
        let links = self.links.all();
        links.iter().fold(self.past_traffic.get(), |sum, link| {
            let traffic = link.traffic();
            (sum.0 + traffic.sent_bytes, sum.1 + traffic.received_bytes)
        })
    }

    /// Carries a link that somebody dialled, to its end.
    pub async fn accepted(self: Rc<Self>, link: L) {
        let (peer, remote) = (link.peer(), link.remote_address());
        let welcome = self.with_core(|core, now| core.may_link(&peer, remote.ip(), now));
        if welcome {
            self.carry(link, false).await;
        } else {
            self.services
                .troubles
                .note(Code::LinkRefused, "link not welcome");
            link.close("refused");
        }
    }

    async fn keep_time(self: Rc<Self>) {
        while !self.stopped.get() {
            let due = self.core.borrow().poll_timeout();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => self.tell(Neighborhood::handle_timeout),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Tells the core something and does what it then wants done.
    fn tell(self: &Rc<Self>, what: impl FnOnce(&mut Neighborhood, Now)) {
        if self.stopped.get() {
            return;
        }
        let stage = self.core.borrow().stage();
        what(&mut self.core.borrow_mut(), (self.clock)());
        let mut more = self.core.borrow().stage() != stage;
        loop {
            let action = self.core.borrow_mut().poll_action();
            let Some(action) = action else { break };
            more = true;
            self.act(action);
        }
        if more {
            self.changes.send_modify(|count| *count += 1);
        }
        self.rearm.notify_one();
    }

    fn act(self: &Rc<Self>, action: Action) {
        match action {
            Action::Dial { peer, address } => {
                spawn_local(self.clone().dial(peer, address));
            }
            Action::Send { peer, message } => {
                // The core hears of a lost link by itself.
                let Some(outbox) = self.links.outbox(&peer) else {
                    return;
                };
                if !outbox.push(message) {
                    self.services
                        .troubles
                        .note(Code::Overloaded, "a neighbor does not read");
                    // Not within the core's own action.
                    let shell = self.clone();
                    spawn_local(async move {
                        let offence = Offence::Deaf;
                        shell.tell(|core, now| core.handle_offence(peer, offence, now));
                    });
                }
            }
            Action::Close { peer, reason } => self.give_up(&peer, &reason.to_string()),
            Action::Learned(record) => {
                self.directory.borrow_mut().insert(record);
            }
            Action::Forgotten(id) => {
                self.directory.borrow_mut().remove(&id);
            }
            Action::Neighbors(peers) => self.directory.borrow_mut().set_links(&peers),
            Action::Remember(past) => (self.remember)(Memory::Remember(past)),
            Action::Forget(id) => (self.remember)(Memory::Forget(id)),
            Action::Report(report) => report::log(&report),
        }
    }

    fn give_up(&self, peer: &NodeId, reason: &str) {
        for link in self.links.remove_all(peer) {
            self.services.mesh.remove(&link);
            link.close(reason);
        }
    }

    async fn dial(self: Rc<Self>, peer: NodeId, address: SocketAddr) {
        let dialled = timeout(DIAL_TIMEOUT, self.dialer.dial(peer, address)).await;
        match dialled.unwrap_or(Err(LinkError::NoAnswer)) {
            Ok(link) => self.carry(link, true).await,
            Err(error) => {
                tracing::debug!(peer = %peer.short(), %address, %error, "no link");
                let failure = failure_of(&error);
                self.tell(|core, now| core.handle_dial_failed(peer, address, failure, now));
            }
        }
    }

    /// Serves a link until it ends.
    async fn carry(self: Rc<Self>, link: L, dialled: bool) {
        let (peer, address) = (link.peer(), link.remote_address());
        let held = Held::new(link.clone(), dialled);
        let outbox = held.outbox.clone();
        let (current, excess) = self.links.insert(held);
        if let Some(excess) = excess {
            excess.close("too many links");
        }
        tracing::info!(event = "link-up", peer = %peer.short(), %address, current);
        if current {
            self.services.mesh.insert(link.clone());
            self.tell(|core, now| core.handle_link_up(peer, address, dialled, now));
        }
        self.share_windows();
        let write = async {
            loop {
                let message = outbox.next().await;
                if let Err(error) = link.send_message(message).await {
                    break error;
                }
            }
        };
        let reason = tokio::select! {
            // Streams end with the link, whose reason is worth more.
            () = serve::link(self.services.clone(), link.clone()) => link.closed().await.to_string(),
            error = link.closed() => error.to_string(),
            error = write => error.to_string(),
            error = self.read(&link) => error.to_string(),
            () = link.silent() => "it is silent".to_string(),
            () = self.unused(&link) => "another link took its place".to_string(),
        };
        link.close(&reason);
        self.ended(&link, &reason);
        self.share_windows();
        tracing::info!(event = "link-down", peer = %peer.short(), %reason);
    }

    fn ended(self: &Rc<Self>, link: &L, reason: &str) {
        let peer = link.peer();
        let (sent, received) = self.past_traffic.get();
        let traffic = link.traffic();
        self.past_traffic
            .set((sent + traffic.sent_bytes, received + traffic.received_bytes));
        self.services.mesh.remove(link);
        match self.links.remove(link) {
            Left::Nothing => {}
            Left::Replaced(held) => {
                let address = held.link.remote_address();
                self.services.mesh.insert(held.link);
                self.tell(|core, now| core.handle_link_up(peer, address, held.dialled, now));
            }
            Left::Last => self.tell(|core, now| core.handle_link_down(peer, reason, now)),
        }
    }

    async fn read(self: &Rc<Self>, link: &L) -> LinkError {
        let peer = link.peer();
        loop {
            match link.read_message().await {
                Ok(message) => self.tell(|core, now| core.handle_message(peer, &message, now)),
                Err(error) => {
                    if matches!(error, LinkError::MessageTooLong(_)) {
                        let offence = Offence::Oversized;
                        self.tell(|core, now| core.handle_offence(peer, offence, now));
                    }
                    return error;
                }
            }
        }
    }

    /// Resolves when a link is not current and no circuit uses it; looks also
    /// whether the peer has another address.
    async fn unused(self: &Rc<Self>, link: &L) {
        let mut idle = 0;
        let mut remote = link.remote_address();
        while idle < 2 {
            sleep(LINGER).await;
            if self.links.is_current(link) && link.remote_address() != remote {
                remote = link.remote_address();
                self.tell(|core, now| core.handle_link_moved(link.peer(), remote, now));
            }
            let unused = !self.links.is_current(link) && link.streams() == 0;
            idle = if unused { idle + 1 } else { 0 };
        }
    }

    fn share_windows(&self) {
        let links = self.links.all();
        for link in &links {
            link.share_window(links.len());
        }
    }
}

fn failure_of(error: &LinkError) -> DialFailure {
    match error {
        LinkError::NoAnswer => DialFailure::TimedOut,
        LinkError::WrongPeer => DialFailure::WrongIdentity,
        LinkError::Version => DialFailure::Version,
        LinkError::Unreachable => DialFailure::Unreachable,
        LinkError::Refused(_) | LinkError::Lost(_) => DialFailure::Refused,
        LinkError::Connect(_) | LinkError::DatagramTooLarge | LinkError::MessageTooLong(_) => {
            DialFailure::Local
        }
    }
}
