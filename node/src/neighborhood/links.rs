//! The links with each peer: which of several is current, and what waits to
//! be said on each.
//!
//! Two Nodes that dial each other at one time get two links and must agree on
//! one: that of the Node with the smaller id. Otherwise the newer one is
//! current, for a peer that began anew has forgotten the older. What is not
//! current any more carries on its circuits until there are none.

use crate::link::Link;
use bytes::Bytes;
use masq_core::identity::NodeId;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Two links that begin within this time were dialled by each without knowing.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Links of one peer, with those that wait for their circuits to end.
const LINKS_OF_A_PEER: usize = 4;
/// Bytes and messages that wait for one neighbor to read.
const WAITING_BYTES: usize = 4 << 20;
const WAITING: usize = 1_024;

/// What waits to be sent on one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    added: Notify,
}

impl Outbox {
    /// Whether there was room.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut messages = self.messages.borrow_mut();
        let bytes = self.bytes.get() + message.len();
        if bytes > WAITING_BYTES || messages.len() >= WAITING {
            return false;
        }
        self.bytes.set(bytes);
        messages.push_back(message);
        self.added.notify_one();
        true
    }

    pub(super) async fn next(&self) -> Bytes {
        loop {
            let message = self.messages.borrow_mut().pop_front();
            if let Some(message) = message {
                self.bytes.set(self.bytes.get() - message.len());
                return message;
            }
            self.added.notified().await;
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Held<L> {
    pub(super) link: L,
    pub(super) dialled: bool,
    pub(super) since: Instant,
    pub(super) outbox: Rc<Outbox>,
}

impl<L: Link> Held<L> {
    pub(super) fn new(link: L, dialled: bool) -> Self {
        Self {
            link,
            dialled,
            since: Instant::now(),
            outbox: Rc::default(),
        }
    }
}

/// The current link is the last of a peer's; the list is never empty.
#[derive(Debug)]
pub(super) struct Links<L> {
    own: NodeId,
    peers: RefCell<HashMap<NodeId, Vec<Held<L>>>>,
}

/// What the end of a link changes.
#[derive(Debug)]
pub(super) enum Left<L> {
    /// Nothing: another one is current, or the link was given up before.
    Nothing,
    /// An older one is current again.
    Replaced(Held<L>),
    /// There is none any more.
    Last,
}

impl<L: Link> Links<L> {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            peers: RefCell::default(),
        }
    }

    /// Takes a new link; whether it is current, and one too many.
    pub(super) fn insert(&self, new: Held<L>) -> (bool, Option<L>) {
        let peer = new.link.peer();
        let mut peers = self.peers.borrow_mut();
        let links = peers.entry(peer).or_default();
        let excess = (links.len() >= LINKS_OF_A_PEER).then(|| links.remove(0).link);
        let loses = links.last().is_some_and(|current| {
            let at_once = new.since.duration_since(current.since) < AT_ONCE;
            let ours_counts = self.own < peer;
            at_once && current.dialled != new.dialled && new.dialled != ours_counts
        });
        let place = links.len() - usize::from(loses);
        links.insert(place, new);
        (!loses, excess)
    }

    pub(super) fn remove(&self, link: &L) -> Left<L> {
        let mut peers = self.peers.borrow_mut();
        let Some(links) = peers.get_mut(&link.peer()) else {
            return Left::Nothing;
        };
        let Some(place) = links.iter().position(|held| is(held, link)) else {
            return Left::Nothing;
        };
        links.remove(place);
        match links.last() {
            None => {
                peers.remove(&link.peer());
                Left::Last
            }
            Some(current) if place == links.len() => Left::Replaced(current.clone()),
            Some(_) => Left::Nothing,
        }
    }

    /// Gives up all links of a peer.
    pub(super) fn remove_all(&self, peer: &NodeId) -> Vec<L> {
        let removed = self.peers.borrow_mut().remove(peer).unwrap_or_default();
        removed.into_iter().map(|held| held.link).collect()
    }

    pub(super) fn is_current(&self, link: &L) -> bool {
        let peers = self.peers.borrow();
        let current = peers.get(&link.peer()).and_then(|links| links.last());
        current.is_some_and(|current| is(current, link))
    }

    /// Where messages for a peer go.
    pub(super) fn outbox(&self, peer: &NodeId) -> Option<Rc<Outbox>> {
        let peers = self.peers.borrow();
        Some(peers.get(peer)?.last()?.outbox.clone())
    }

    pub(super) fn all(&self) -> Vec<L> {
        let peers = self.peers.borrow();
        let held = peers.values().flatten();
        held.map(|held| held.link.clone()).collect()
    }
}

fn is<L: Link>(held: &Held<L>, link: &L) -> bool {
    held.link.serial() == link.serial()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::memory::{self, MemoryLink};

    fn id(number: u8) -> NodeId {
        NodeId::new([number; 32])
    }

    fn link(peer: u8) -> MemoryLink {
        memory::pair(id(5), id(peer), Duration::ZERO).0
    }

    #[test]
    fn two_nodes_that_dial_each_other_keep_the_same_link() {
        for peer in [4, 6] {
            for first in [true, false] {
                let links = Links::new(id(5));
                assert!(links.insert(Held::new(link(peer), first)).0);
                let (current, _) = links.insert(Held::new(link(peer), !first));
                // The other one counts if its direction is that of the smaller id.
                assert_eq!(current, (peer > 5) != first, "{peer} {first}");
            }
        }
    }

    #[test]
    fn a_peer_that_dials_anew_is_believed() {
        let links = Links::new(id(5));
        links.insert(Held::new(link(6), true));
        let mut later = Held::new(link(6), false);
        later.since += AT_ONCE;
        assert!(links.insert(later).0);
    }

    #[test]
    fn an_older_link_takes_over_when_the_current_one_is_lost() {
        let links = Links::new(id(5));
        let (one, two) = (link(6), link(6));
        links.insert(Held::new(one.clone(), false));
        links.insert(Held::new(two.clone(), false));
        assert!(links.is_current(&two) && !links.is_current(&one));
        assert!(matches!(links.remove(&two), Left::Replaced(held) if is(&held, &one)));
        assert!(matches!(links.remove(&one), Left::Last));
        assert!(matches!(links.remove(&one), Left::Nothing));
    }

    #[test]
    fn a_peer_has_few_links() {
        let links = Links::new(id(5));
        for _ in 0..LINKS_OF_A_PEER {
            assert!(links.insert(Held::new(link(6), false)).1.is_none());
        }
        assert!(links.insert(Held::new(link(6), false)).1.is_some());
        assert_eq!(links.all().len(), LINKS_OF_A_PEER);
    }

    #[test]
    fn what_waits_for_a_neighbor_is_bounded() {
        let outbox = Outbox::default();
        let message = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..4 {
            assert!(outbox.push(message.clone()));
        }
        assert!(!outbox.push(message));
    }
}
