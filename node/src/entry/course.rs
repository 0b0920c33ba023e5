//! Whose a flow is and what the rules say of it, before anything of it goes
//! anywhere.

use super::owner::Owner;
use super::record::Flow;
use super::{Entry, Way};
use crate::link::Link;
use crate::outside::Outside;
use masq_capture::Protocol;
use masq_core::config::ExitCountries;
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure};
use std::net::SocketAddr;
use std::rc::Rc;

/// How one flow goes.
#[derive(Clone, Debug)]
pub(super) enum Course {
    /// By this Node's own sockets.
    Direct,
    Mesh(Terms),
}

/// What a way over the mesh has to be like.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) hops: u8,
    pub(super) countries: Rc<ExitCountries>,
    /// Flows of one group leave the mesh together, those of others elsewhere.
    pub(super) group: Option<Rc<str>>,
}

impl<L: Link, O: Outside> Entry<L, O> {
    /// Whose the packets between these ends are.
    pub(super) async fn owner(
        &self,
        protocol: Protocol,
        (source, destination): (SocketAddr, SocketAddr),
    ) -> Result<Owner, Failure> {
        let found = self.owners.owner(protocol, source, destination).await;
        found.map_err(|error| Failure::new(Code::TooManyFlows, error.to_string()))
    }

    /// How a flow goes, or why it goes nowhere.
    pub(super) async fn course(
        &self,
        flow: &Flow,
        protocol: Protocol,
        to: &Destination,
    ) -> Result<Course, Failure> {
        flow.owned(self.owner(protocol, flow.ends()).await?);
        let (course, rule) = self.decide(&flow.owner(), protocol, to, Use::Flow)?;
        flow.ruled(rule, matches!(course, Course::Mesh(_)));
        Ok(course)
    }

    /// What the rules say, and by which name.
    pub(super) fn decide(
        &self,
        owner: &Owner,
        protocol: Protocol,
        to: &Destination,
        use_: Use,
    ) -> Result<(Course, Rc<str>), Failure> {
        let _ = (owner, protocol, to, use_);
        let way = self.way.get();
        let course = match way {
            Way::Direct => Course::Direct,
            Way::Mesh { hops } => Course::Mesh(self.terms(hops)),
        };
        Ok((course, way.name().into()))
    }

    pub(super) fn terms(&self, hops: u8) -> Terms {
        Terms {
            hops,
            countries: self.exit_countries.borrow().clone(),
            group: None,
        }
    }
}

/// What a decision is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    Flow,
    /// The question for a name, which no address stands for.
    Question,
}
