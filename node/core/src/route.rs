//! Which Nodes a flow passes.
//!
//! First the exit is drawn among those that a route of the asked length can
//! reach, so that no place in the graph favors one; then the Nodes before it,
//! one by one, each among the neighbors from which the exit is still within
//! reach. No Node comes twice, the first one has a link with us that is up,
//! and each is a neighbor of the next. A neighbor of ours knows our address,
//! so it is the exit only when nothing else is possible (or for one hop).

use std::time::Instant;

use rand::Rng;

use crate::config::{CountryCode, HopCount};
use crate::directory::Directory;
use crate::identity::NodeId;
use crate::onion::{Hop, Payer};

/// The most Nodes that are looked at for one exit before another is drawn.
const PATIENCE: usize = 2_000;
/// The most exits that are tried.
const MAX_EXITS: usize = 64;

/// What a route has to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteRequest {
    /// How many Nodes, the exit included: 1 to 6.
    pub hops: u8,
    /// Nodes that must not be on it.
    pub avoid: Vec<NodeId>,
    /// Countries of the exit, the most wanted first; empty stands for any.
    pub exit_countries: Vec<CountryCode>,
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
    /// Exits can be reached, but none in the asked countries.
    #[error("no exit in {0} can be reached")]
    NoCountry(String),
}

/// Draws a route: the Nodes in the order of the way out, with their onion keys.
pub fn choose(
    directory: &Directory,
    request: &RouteRequest,
    now: Instant,
    rng: &mut impl Rng,
) -> Result<Vec<Hop>, RouteError> {
    let hops = HopCount::new(request.hops.into()).ok_or(RouteError::Hops(request.hops))?;
    let mut search = Search::new(directory, request, hops.get(), now);
    search.mark_from_us();
    if search.from_us.iter().all(|marks| *marks == 0) {
        let up = directory.links().len();
        return Err(RouteError::NoLink {
            up,
            known: directory.len(),
        });
    }
    let exits = search.reachable_exits();
    for group in search.groups(&exits, request) {
        if let Some(route) = search.draw(group, rng) {
            return Ok(route.into_iter().map(|place| search.hop(place)).collect());
        }
    }
    if exits.is_empty() || request.exit_countries.is_empty() {
        return Err(RouteError::NoPath {
            hops: request.hops,
            known: directory.len(),
        });
    }
    let countries: Vec<&str> = request
        .exit_countries
        .iter()
        .map(CountryCode::as_str)
        .collect();
    Err(RouteError::NoCountry(countries.join(", ")))
}

struct Search<'a> {
    directory: &'a Directory,
    hops: usize,
    weights: Vec<f32>,
    first: Vec<u32>,
    /// Bit k: the Node can be number k of a walk that starts at us.
    from_us: Vec<u8>,
}

impl<'a> Search<'a> {
    fn new(
        directory: &'a Directory,
        request: &RouteRequest,
        hops: usize,
        now: Instant,
    ) -> Search<'a> {
        let mut weights: Vec<f32> = directory
            .nodes
            .iter()
            .map(|node| match request.unix_time {
                Some(time) if node.record.onion_key_at(time).is_none() => 0.0,
                Some(_) | None => node.weight(now),
            })
            .collect();
        for place in request
            .avoid
            .iter()
            .chain([&directory.own()])
            .filter_map(|id| directory.place_of(id))
        {
            weights[place as usize] = 0.0;
        }
        let links = directory
            .links()
            .iter()
            .filter_map(|id| directory.place_of(id));
        let first = links
            .filter(|place| weights[*place as usize] > 0.0)
            .collect();
        let from_us = vec![0; weights.len()];
        Search {
            directory,
            hops,
            weights,
            first,
            from_us,
        }
    }

    fn may_relay(&self, place: u32) -> bool {
        self.weights[place as usize] > 0.0
            && self.directory.nodes[place as usize].record.roles().relay
    }

    fn may_exit(&self, place: u32) -> bool {
        self.weights[place as usize] > 0.0
            && self.directory.nodes[place as usize].record.roles().exit
    }

    fn adjacent(&self, place: u32) -> &'a [u32] {
        &self.directory.nodes[place as usize].adjacent
    }

    fn mark_from_us(&mut self) {
        let mut frontier: Vec<u32> = if self.hops == 1 {
            self.first
                .iter()
                .copied()
                .filter(|place| self.may_exit(*place))
                .collect()
        } else {
            self.first
                .iter()
                .copied()
                .filter(|place| self.may_relay(*place))
                .collect()
        };
        for place in &frontier {
            self.from_us[*place as usize] |= 1 << 1;
        }
        for number in 2..=self.hops {
            let mut next = Vec::new();
            for place in frontier {
                for other in self.adjacent(place) {
                    let fits = if number == self.hops {
                        self.may_exit(*other)
                    } else {
                        self.may_relay(*other)
                    };
                    let marks = &mut self.from_us[*other as usize];
                    if fits && *marks & (1 << number) == 0 {
                        *marks |= 1 << number;
                        next.push(*other);
                    }
                }
            }
            frontier = next;
        }
    }

    fn reachable_exits(&self) -> Vec<u32> {
        let last = 1 << self.hops;
        let marks = (0u32..).zip(&self.from_us);
        marks
            .filter(|(_, marks)| **marks & last != 0)
            .map(|(place, _)| place)
            .collect()
    }

    /// The exits by how much they are wanted: by country, then those who do not know us.
    fn groups(&self, exits: &[u32], request: &RouteRequest) -> Vec<Vec<u32>> {
        let record = |place: &u32| &self.directory.nodes[*place as usize].record;
        let knows_us = |place: &u32| {
            self.directory
                .links()
                .binary_search(&record(place).id())
                .is_ok()
        };
        let split = |wanted: &dyn Fn(&u32) -> bool| {
            let (near, far): (Vec<u32>, Vec<u32>) = exits
                .iter()
                .copied()
                .filter(|place| wanted(place))
                .partition(&knows_us);
            [far, near]
        };
        if request.exit_countries.is_empty() {
            return split(&|_| true).into();
        }
        let countries = request.exit_countries.iter();
        countries
            .flat_map(|country| split(&|place| record(place).country() == *country))
            .collect()
    }

    /// A route to one of the exits, drawn by weight until one works.
    fn draw(&self, mut exits: Vec<u32>, rng: &mut impl Rng) -> Option<Vec<u32>> {
        for _ in 0..MAX_EXITS {
            let exit = self.take_weighted(&mut exits, rng)?;
            if self.hops == 1 {
                return Some(vec![exit]);
            }
            let mut path = Path {
                search: self,
                to_exit: self.mark_to(exit),
                places: Vec::with_capacity(self.hops),
                patience: PATIENCE,
            };
            if path.extend(&self.first, exit, rng) {
                return Some(path.places);
            }
        }
        None
    }

    fn take_weighted(&self, places: &mut Vec<u32>, rng: &mut impl Rng) -> Option<u32> {
        let total: f32 = places
            .iter()
            .map(|place| self.weights[*place as usize])
            .sum();
        let mut left = rng.random::<f32>() * total;
        let drawn = places.iter().position(|place| {
            left -= self.weights[*place as usize];
            left < 0.0
        });
        // Rounding can leave a hair more than the sum.
        let drawn = drawn.or_else(|| places.len().checked_sub(1))?;
        Some(places.swap_remove(drawn))
    }

    /// Bit k: the Node is k steps before the exit on some walk.
    fn mark_to(&self, exit: u32) -> Vec<u8> {
        let mut marks = vec![0; self.weights.len()];
        marks[exit as usize] = 1u8;
        let mut frontier = vec![exit];
        for steps in 1..self.hops {
            let mut next = Vec::new();
            for place in frontier {
                for other in self.adjacent(place) {
                    let number = self.hops - steps;
                    let fits = self.from_us[*other as usize] & (1 << number) != 0;
                    let marks = &mut marks[*other as usize];
                    if fits && *marks & (1 << steps) == 0 {
                        *marks |= 1 << steps;
                        next.push(*other);
                    }
                }
            }
            frontier = next;
        }
        marks
    }

    fn hop(&self, place: u32) -> Hop {
        let record = &self.directory.nodes[place as usize].record;
        Hop {
            id: record.id(),
            key: record.onion().key(),
            payer: Payer::default(),
        }
    }
}

struct Path<'a, 's> {
    search: &'s Search<'a>,
    to_exit: Vec<u8>,
    places: Vec<u32>,
    patience: usize,
}

impl Path<'_, '_> {
    /// Adds Nodes out of `candidates` up to the exit; takes back what leads nowhere.
    fn extend(&mut self, candidates: &[u32], exit: u32, rng: &mut impl Rng) -> bool {
        let steps = self.search.hops - 1 - self.places.len();
        if steps == 0 {
            self.places.push(exit);
            return true;
        }
        let within_reach = |place: &u32| {
            self.to_exit[*place as usize] & (1 << steps) != 0
                && *place != exit
                && !self.places.contains(place)
        };
        let mut fitting: Vec<u32> = candidates.iter().copied().filter(within_reach).collect();
        while let Some(place) = self.search.take_weighted(&mut fitting, rng) {
            if self.patience == 0 {
                return false;
            }
            self.patience -= 1;
            self.places.push(place);
            if self.extend(self.search.adjacent(place), exit, rng) {
                return true;
            }
            self.places.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests;
