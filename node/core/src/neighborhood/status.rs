//! How the joining goes, for a person: the stage, and of each Node tried what it said and what to
//! do about it.

use std::net::SocketAddr;
use std::time::Instant;

use serde::{Serialize, Serializer};

use crate::identity::NodeId;

use super::dial::{Candidate, Said};
use super::peer::{Member, Peer, Standing};
use super::{Neighborhood, Now};

/// How far this Node is in the mesh; it goes down as well as up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// No neighbor.
    #[default]
    NotConnected,
    /// At least one neighbor.
    ConnectedToNeighbor,
    /// A route of the wanted length to an exit.
    RouteFound,
}

/// What is known of the joining.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How far it is.
    pub stage: Stage,
    /// Neighbors, clients, and Nodes that were tried or are to be tried.
    pub neighbors: Vec<NeighborStatus>,
    /// Records in the view.
    pub records: usize,
    /// This Node's descriptor, when its address is known and it takes links.
    pub own: Option<String>,
}

/// What is known of one Node that is or may become a neighbor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeighborStatus {
    /// Who.
    #[serde(serialize_with = "as_text")]
    pub id: NodeId,
    /// Where, when known.
    pub address: Option<SocketAddr>,
    /// What it is to this Node.
    pub state: State,
    /// For how many seconds.
    pub since_s: u64,
    /// What it said last, or what was met on the way to it.
    pub said: String,
    /// What a person can do; empty when there is nothing to do.
    pub remedy: String,
}

/// What another Node is to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Both name each other, and the link is up.
    Neighbor,
    /// It uses this Node and offers nothing.
    Client,
    /// It was asked to become a neighbor.
    Asked,
    /// A link is being opened.
    Dialling,
    /// Its link was lost a moment ago.
    Lost,
    /// It said that it has no room, or why else not.
    Passed,
    /// It could not be reached.
    Failed,
    /// It has not been tried yet, or need not be.
    Known,
    /// It broke the rules.
    Banned,
}

fn as_text<S: Serializer>(id: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Neighborhood {
    /// How far this Node is in the mesh.
    pub fn stage(&self) -> Stage {
        match (self.first_hops.is_empty(), self.route_found) {
            (true, _) => Stage::NotConnected,
            (false, false) => Stage::ConnectedToNeighbor,
            (false, true) => Stage::RouteFound,
        }
    }

    pub(super) fn describe(&self, now: Now) -> Status {
        let linked = self
            .links
            .iter()
            .map(|(id, peer)| self.of_link(id, peer, now));
        let lost = self.circle.iter().filter(|member| member.lost.is_some());
        let lost = lost.map(|member| self.of_lost(member, now));
        let others = self.candidates.iter().filter(|(id, _)| {
            !self.links.contains_key(id)
                && self.member(id).is_none()
                && self.bans.until(id, now.instant).is_none()
        });
        let others = others.map(|(id, candidate)| of_candidate(id, candidate, now));
        let banned = self
            .bans
            .running(now.instant)
            .map(|(id, until)| NeighborStatus {
                id: *id,
                address: None,
                state: State::Banned,
                since_s: 0,
                said: format!(
                    "it broke the rules; refused for {} s more",
                    seconds(now.instant, until)
                ),
                remedy: "Nothing; if it is your own Node, update it.".to_owned(),
            });
        let mut neighbors: Vec<_> = linked.chain(lost).chain(others).chain(banned).collect();
        neighbors.sort_by_key(|status| (status.state, status.id));
        Status {
            stage: self.stage(),
            neighbors,
            records: self.view.connected(),
            own: self.own_descriptor().map(|own| own.to_string()),
        }
    }

    fn of_link(&self, id: &NodeId, peer: &Peer, now: Now) -> NeighborStatus {
        let (state, said, remedy) = match peer.standing {
            Standing::Neighbor => {
                let named = self.first_hops.contains(id);
                let said = if named {
                    ""
                } else {
                    "it does not name this Node yet"
                };
                (State::Neighbor, said.to_owned(), "")
            }
            Standing::Client => (State::Client, String::new(), ""),
            Standing::Stranger { .. } => {
                let said = if peer.asked { "no answer yet" } else { "" };
                (State::Asked, said.to_owned(), "")
            }
            Standing::Passed { .. } => {
                let said = self.candidates.get(id).map(|candidate| &candidate.said);
                let (said, remedy) = said.map(words).unwrap_or_default();
                (State::Passed, said, remedy)
            }
        };
        NeighborStatus {
            id: *id,
            address: Some(peer.remote),
            state,
            since_s: seconds(peer.since, now.instant),
            said,
            remedy: remedy.to_owned(),
        }
    }

    fn of_lost(&self, member: &Member, now: Now) -> NeighborStatus {
        let candidate = self.candidates.get(&member.id);
        let (said, _) = candidate
            .map(|candidate| words(&candidate.said))
            .unwrap_or_default();
        NeighborStatus {
            id: member.id,
            address: candidate.and_then(|candidate| candidate.descriptor.addresses().next()),
            state: State::Lost,
            since_s: member.lost.map_or(0, |lost| seconds(lost, now.instant)),
            said,
            remedy: String::new(),
        }
    }
}

fn of_candidate(id: &NodeId, candidate: &Candidate, now: Now) -> NeighborStatus {
    let (said, remedy) = words(&candidate.said);
    let state = match (&candidate.dialling, &candidate.said) {
        (Some(_), _) => State::Dialling,
        (None, Said::Nothing | Said::Welcome) => State::Known,
        (None, Said::Passed(_)) => State::Passed,
        (None, Said::Failed(_) | Said::Silent | Said::Lost(_)) => State::Failed,
    };
    let dialled = candidate.dialling.map(|(address, _)| address);
    NeighborStatus {
        id: *id,
        address: dialled.or_else(|| candidate.descriptor.addresses().next()),
        state,
        since_s: seconds(candidate.since, now.instant),
        said,
        remedy: remedy.to_owned(),
    }
}

fn words(said: &Said) -> (String, &'static str) {
    match said {
        Said::Nothing => (String::new(), ""),
        Said::Welcome => ("it was a neighbor".to_owned(), ""),
        Said::Failed(failure) => (failure.said().to_owned(), failure.remedy()),
        Said::Passed(refusal) => (refusal.said().to_owned(), refusal.remedy()),
        Said::Silent => (
            "the link opened, but it did not answer".to_owned(),
            "Wait, or update MASQ Node; it is tried again for ever.",
        ),
        Said::Lost(reason) => (
            format!("its link was lost: {reason}"),
            "Check that the Node runs; it is tried again for ever.",
        ),
    }
}

fn seconds(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_secs()
}
