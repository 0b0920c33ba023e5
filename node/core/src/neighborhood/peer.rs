//! One link that is up, and who is at its other end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::Limits;
use super::conduct::Conduct;

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    pub(super) dialled: bool,
    pub(super) since: Instant,
    pub(super) standing: Standing,
    /// We sent a Debut on this link.
    pub(super) asked: bool,
    /// It sent one.
    pub(super) debuted: bool,
    /// Where it takes links, when it told.
    pub(super) ports: Vec<u16>,
    /// Our address as it sees it.
    pub(super) observed: Option<IpAddr>,
    /// The version of our record that it has been given.
    pub(super) told: u64,
    /// Introductions it may still send.
    pub(super) may_introduce: u8,
    /// What a client says of itself; a neighbor's record is in the view.
    pub(super) client: Option<Arc<NodeRecord>>,
    pub(super) conduct: Conduct,
}

/// What the other end of a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet; the link is closed if that lasts.
    Stranger {
        /// Until when it may.
        until: Instant,
    },
    /// One that has no room, or for which there is none; introductions may still come.
    Passed {
        /// When the link is closed.
        until: Instant,
    },
    /// A neighbor, in the circle.
    Neighbor,
    /// A client.
    Client,
}

impl Peer {
    pub(super) fn new(
        remote: SocketAddr,
        dialled: bool,
        standing: Standing,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        Peer {
            remote,
            dialled,
            since: now,
            standing,
            asked: false,
            debuted: false,
            ports: Vec::new(),
            observed: None,
            told: 0,
            may_introduce: 0,
            client: None,
            conduct: Conduct::new(limits, now),
        }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }

    /// Neighbor or client: one that is told what changes.
    pub(super) fn is_served(&self) -> bool {
        matches!(self.standing, Standing::Neighbor | Standing::Client)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.standing {
            Standing::Stranger { until } | Standing::Passed { until } => Some(until),
            Standing::Neighbor | Standing::Client => None,
        }
    }
}

/// A neighbor, as long as this Node's record names it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: NodeId,
    /// Its bit in what the view knows of who has what.
    pub(super) slot: u8,
    /// Its address, for the limit of neighbors at one.
    pub(super) ip: IpAddr,
    /// Whether it takes links.
    pub(super) accepts: bool,
    pub(super) since: Instant,
    /// When its link was lost, if it is.
    pub(super) lost: Option<Instant>,
    /// Until when its record must name this Node, as long as it does not.
    pub(super) confirm_by: Option<Instant>,
}
