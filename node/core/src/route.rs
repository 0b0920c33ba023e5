//! Which Nodes a flow passes.
//!
//! First the exit is drawn among those that a route of the asked length can
//! reach, so that no place in the graph favors one; then the Nodes before it,
//! one by one, each among the neighbors from which the exit is still within
//! reach. Both draws go by weight: price, latency, reliability and recent
//! failures. No Node comes twice, each is a neighbor of the next, and the first
//! is a guard. What is asked for is given up in this order when there is no
//! other way: Nodes to avoid are used, then the first Node is no guard, and last
//! of all the exit is a neighbor, which knows our address. Excluded Nodes,
//! countries without fallback, the number of Nodes and the highest price stand.

use std::time::Instant;

use rand::Rng;

use crate::config::{ExitCountries, HopCount};
use crate::destination::HostName;
use crate::directory::Directory;
use crate::failure::Code;
use crate::identity::NodeId;
use crate::onion::Hop;

mod draw;
mod search;

use search::Search;

/// What a route has to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteRequest {
    /// How many Nodes, the exit included: 1 to 6.
    pub hops: u8,
    /// Nodes that must not be on it.
    pub exclude: Vec<NodeId>,
    /// Nodes that are used only when there is no other way.
    pub avoid: Vec<NodeId>,
    /// The exit, if it has to be a certain one.
    pub exit: Option<NodeId>,
    /// Where the exit shall be; says nothing about a certain exit.
    pub countries: ExitCountries,
    /// The name to resolve: exits that could not are drawn last.
    pub host: Option<HostName>,
    /// The most that a megabyte may cost on the whole way, in wei.
    pub highest_price: Option<u128>,
    /// When given (unix seconds), Nodes without a valid onion key are left out.
    pub unix_time: Option<u64>,
}

/// Why there is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Not 1 to 6 Nodes.
    #[error("a route of {0} Nodes was asked for; 1 to 6 are possible")]
    Hops(u8),
    /// No neighbor can be the first Node.
    #[error(
        "no neighbor with a link that is up can be the first Node ({up} links up, {known} Nodes known)"
    )]
    NoLink {
        /// Links that are up.
        up: usize,
        /// Nodes known.
        known: usize,
    },
    /// No exit can be reached over so many Nodes.
    #[error("no exit can be reached over {hops} Nodes ({known} Nodes known)")]
    NoPath {
        /// The asked number of Nodes.
        hops: u8,
        /// Nodes known.
        known: usize,
    },
    /// The asked exit cannot be reached over so many Nodes.
    #[error("the exit {exit} cannot be reached over {hops} Nodes")]
    NoSuchExit {
        /// The asked exit.
        exit: NodeId,
        /// The asked number of Nodes.
        hops: u8,
    },
    /// Exits can be reached, but none in the asked countries.
    #[error("no exit in {0} can be reached")]
    NoCountry(String),
    /// Every route costs more than allowed.
    #[error("every route costs more than {0} wei a megabyte")]
    TooDear(u128),
}

impl RouteError {
    /// What a flow without a route fails with.
    pub const fn code(&self) -> Code {
        match self {
            RouteError::NoCountry(_) => Code::NoExitInCountry,
            RouteError::Hops(_)
            | RouteError::NoLink { .. }
            | RouteError::NoPath { .. }
            | RouteError::NoSuchExit { .. }
            | RouteError::TooDear(_) => Code::NoRoute,
        }
    }
}

/// Draws a route: the Nodes in the order of the way out, with their onion keys.
pub fn choose(
    directory: &Directory,
    request: &RouteRequest,
    now: Instant,
    rng: &mut impl Rng,
) -> Result<Vec<Hop>, RouteError> {
    let hops = HopCount::new(request.hops.into()).ok_or(RouteError::Hops(request.hops))?;
    let mut passes = Passes::new(directory, request, hops.get(), now);
    // A single Node is a neighbor in any case.
    let near = if hops.get() == 1 {
        &[None][..]
    } else {
        &[Some(false), Some(true)]
    };
    for near in near {
        for pass in 0..passes.kinds.len() {
            let search = passes.search(pass);
            for group in search.groups(*near) {
                if let Some(route) = search.draw(group, rng) {
                    return Ok(route.into_iter().map(|place| search.hop(place)).collect());
                }
            }
        }
    }
    Err(passes.why_not())
}

/// One way to look for a route, the first ones asking for more.
#[derive(Clone, Copy, Debug)]
struct Kind {
    guards: bool,
    avoiding: bool,
}

struct Passes<'a> {
    directory: &'a Directory,
    request: &'a RouteRequest,
    hops: usize,
    now: Instant,
    kinds: Vec<Kind>,
    searches: Vec<Search<'a>>,
}

impl<'a> Passes<'a> {
    fn new(
        directory: &'a Directory,
        request: &'a RouteRequest,
        hops: usize,
        now: Instant,
    ) -> Passes<'a> {
        let has_guards = hops > 1 && !directory.guards().is_empty();
        let avoids = !request.avoid.is_empty();
        let mut kinds = Vec::with_capacity(4);
        for guards in [true, false] {
            for avoiding in [true, false] {
                if (has_guards || !guards) && (avoids || !avoiding) {
                    kinds.push(Kind { guards, avoiding });
                }
            }
        }
        Passes {
            directory,
            request,
            hops,
            now,
            kinds,
            searches: Vec::new(),
        }
    }

    fn search(&mut self, pass: usize) -> &Search<'a> {
        while self.searches.len() <= pass {
            let kind = self.kinds[self.searches.len()];
            self.searches.push(Search::new(
                self.directory,
                self.request,
                self.hops,
                self.now,
                kind,
            ));
        }
        &self.searches[pass]
    }

    /// The last search was the one that asked least.
    fn why_not(mut self) -> RouteError {
        let hops = self.request.hops;
        let known = self.directory.len();
        let least = self.search(self.kinds.len() - 1);
        if !least.begins() {
            let up = self.directory.links().len();
            return RouteError::NoLink { up, known };
        }
        if least.reaches_any_exit() && !least.reaches_wanted_country() {
            return RouteError::NoCountry(self.request.countries.to_string());
        }
        if let Some(highest) = self.request.highest_price {
            let request = RouteRequest {
                highest_price: None,
                ..self.request.clone()
            };
            let kind = self.kinds[self.kinds.len() - 1];
            let unlimited = Search::new(self.directory, &request, self.hops, self.now, kind);
            if unlimited.reaches_wanted_country() {
                return RouteError::TooDear(highest);
            }
        }
        match self.request.exit {
            Some(exit) => RouteError::NoSuchExit { exit, hops },
            None => RouteError::NoPath { hops, known },
        }
    }
}

#[cfg(test)]
mod tests;
