//! Whose a flow is and what the rules say of it, before anything of it goes
//! anywhere.

use super::owner::Owner;
use super::record::Flow;
use super::{Entry, Way};
use crate::link::Link;
use crate::outside::Outside;
use crate::rules::{Ruling, subject};
use masq_capture::Protocol;
use masq_core::config::ExitCountries;
use masq_core::destination::Destination;
use masq_core::failure::{Code, Failure};
use masq_core::rules::{Action, Facts};
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
        self.rule(flow, protocol, to, What::Flow)
    }

    /// The rules' word about a flow whose owner is known, noted with it.
    pub(super) fn rule(
        &self,
        flow: &Flow,
        protocol: Protocol,
        to: &Destination,
        what: What,
    ) -> Result<Course, Failure> {
        let decided = self.decide(&flow.owner(), protocol, to, what);
        match decided {
            Ok((course, rule)) => {
                flow.ruled(rule, matches!(course, Course::Mesh(_)));
                Ok(course)
            }
            Err(failure) => {
                flow.ruled(failure.detail.as_ref().into(), false);
                Err(failure)
            }
        }
    }

    /// What the rules say, and what said so.
    pub(super) fn decide(
        &self,
        owner: &Owner,
        protocol: Protocol,
        to: &Destination,
        what: What,
    ) -> Result<(Course, Rc<str>), Failure> {
        let mut facts = subject::facts(owner, protocol, to);
        if what == What::Question {
            // A resolver's address says nothing of where the name leads.
            facts.address = None;
            facts.country = None;
        }
        self.course_of(self.rules.decide(&facts))
    }

    /// Whether the rules in force block a flow that they let go before.
    pub(super) fn is_blocked(&self, flow: &Flow) -> bool {
        let (Some(to), protocol) = (flow.to(), flow.protocol()) else {
            return false;
        };
        let facts = subject::facts(&flow.owner(), protocol, &to);
        self.rules.look(&facts).action == Action::Block
    }

    /// What would be said of a flow that is not there: hops and countries, or
    /// none where it would not go over the mesh; and by which rule.
    #[expect(clippy::type_complexity, reason = "two facts and who said them")]
    pub fn would(
        &self,
        facts: &Facts,
    ) -> Result<(Option<(u8, Rc<ExitCountries>)>, Rc<str>), Failure> {
        let (course, rule) = self.course_of(self.rules.look(facts))?;
        let terms = match course {
            Course::Direct => None,
            Course::Mesh(terms) => Some((terms.hops, terms.countries)),
        };
        Ok((terms, rule))
    }

    pub(super) fn course_of(&self, ruling: Ruling) -> Result<(Course, Rc<str>), Failure> {
        let way = self.way.get();
        let said = |rule: Option<Rc<str>>, default: &str| rule.unwrap_or_else(|| default.into());
        match (ruling.action, way) {
            (Action::Block, _) => {
                let rule = said(ruling.rule, "block: what applies where no rule decides");
                Err(Failure::new(Code::Blocked, rule.to_string()))
            }
            (Action::Direct, _) => Ok((Course::Direct, said(ruling.rule, "direct"))),
            (
                Action::Mesh {
                    hops: None,
                    exit_countries: None,
                    ..
                },
                Way::Direct,
            ) => Ok((Course::Direct, said(ruling.rule, way.name()))),
            (Action::Mesh { .. }, Way::Direct) => {
                let rule = said(ruling.rule, "the default");
                let why = format!("{rule} wants the mesh, and this Node runs without one");
                Err(Failure::new(Code::NoRoute, why))
            }
            (
                Action::Mesh {
                    hops,
                    exit_countries,
                    isolation,
                },
                Way::Mesh { hops: usual },
            ) => {
                let usual_terms = self.terms(usual);
                let own = hops.and_then(|hops| u8::try_from(hops.get()).ok());
                let terms = Terms {
                    hops: own.unwrap_or(usual),
                    countries: exit_countries.map_or(usual_terms.countries, Rc::new),
                    group: isolation.map(Rc::from),
                };
                Ok((Course::Mesh(terms), said(ruling.rule, way.name())))
            }
        }
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
pub(super) enum What {
    Flow,
    /// The question for a name, which no address stands for.
    Question,
}
