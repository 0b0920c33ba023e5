//! Who can stand where on a route, and in which order exits are wanted.

use std::time::Instant;

use super::{Kind, RouteRequest};
use crate::directory::{Directory, prices};
use crate::onion::{Hop, Payer};

/// This bit of the marks says that the Node is a neighbor of ours.
const NEAR: u8 = 1;

pub(super) struct Search<'a> {
    pub(super) directory: &'a Directory,
    pub(super) request: &'a RouteRequest,
    pub(super) hops: usize,
    pub(super) now: Instant,
    /// Weights as relay and as exit; 0 for who cannot be it.
    pub(super) relay: Vec<f32>,
    pub(super) exit: Vec<f32>,
    pub(super) first: Vec<u32>,
    /// Bit k: the Node can be number k of a walk that starts at us.
    pub(super) from_us: Vec<u8>,
    pub(super) budget: Option<Budget>,
}

/// What Nodes cost, when that is limited.
pub(super) struct Budget {
    pub(super) highest: u128,
    pub(super) relay: Vec<u128>,
    pub(super) exit: Vec<u128>,
    /// What the cheapest walk to the Node as number k costs.
    pub(super) from_us: Vec<[u128; 7]>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        directory: &'a Directory,
        request: &'a RouteRequest,
        hops: usize,
        now: Instant,
        kind: Kind,
    ) -> Search<'a> {
        let count = directory.nodes.len();
        let (mut relay, mut exit) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for node in &directory.nodes {
            let roles = node.record.roles();
            let valid = request
                .unix_time
                .is_none_or(|time| node.record.onion_key_at(time).is_some());
            let trust = if valid { node.trust(now) } else { 0.0 };
            relay.push(if roles.relay {
                node.as_relay * trust
            } else {
                0.0
            });
            exit.push(if roles.exit {
                node.as_exit * trust
            } else {
                0.0
            });
        }
        let avoided = if kind.avoiding {
            &request.avoid[..]
        } else {
            &[]
        };
        let own = [directory.own()];
        for id in request.exclude.iter().chain(avoided).chain(&own) {
            if let Some(place) = directory.place_of(id) {
                (relay[place as usize], exit[place as usize]) = (0.0, 0.0);
            }
        }
        if let Some(wanted) = request.exit {
            let wanted = directory.place_of(&wanted);
            let weight = wanted.map_or(0.0, |place| exit[place as usize]);
            exit.fill(0.0);
            if let Some(place) = wanted {
                (relay[place as usize], exit[place as usize]) = (0.0, weight);
            }
        }
        let mut from_us = vec![0; count];
        for id in directory.links() {
            if let Some(place) = directory.place_of(id) {
                from_us[place as usize] = NEAR;
            }
        }
        let first = if kind.guards {
            directory.guards()
        } else {
            directory.links()
        };
        let as_first = if hops == 1 { &exit } else { &relay };
        let first = first
            .iter()
            .filter_map(|id| directory.place_of(id))
            .filter(|place| as_first[*place as usize] > 0.0)
            .collect();
        let budget = request.highest_price.map(|highest| {
            let prices = directory.nodes.iter().map(|node| prices(&node.record));
            let (relay, exit) = prices.unzip();
            Budget {
                highest,
                relay,
                exit,
                from_us: vec![[u128::MAX; 7]; count],
            }
        });
        let mut search = Search {
            directory,
            request,
            hops,
            now,
            relay,
            exit,
            first,
            from_us,
            budget,
        };
        search.mark_from_us();
        search
    }

    /// Whether any neighbor can be the first Node.
    pub(super) fn begins(&self) -> bool {
        !self.first.is_empty()
    }

    pub(super) fn reaches_any_exit(&self) -> bool {
        self.reachable_exits().next().is_some()
    }

    pub(super) fn reaches_wanted_country(&self) -> bool {
        self.reachable_exits()
            .any(|place| self.country_rank(place).is_some())
    }

    pub(super) fn adjacent(&self, place: u32) -> &'a [u32] {
        &self.directory.nodes[place as usize].adjacent
    }

    fn mark_from_us(&mut self) {
        let mut frontier = Vec::new();
        for place in self.first.clone() {
            self.mark(place, 1, 0, &mut frontier);
        }
        for number in 2..=self.hops {
            let mut next = Vec::new();
            for place in frontier {
                let spent = match &self.budget {
                    Some(budget) => budget.from_us[place as usize][number - 1],
                    None => 0,
                };
                for other in self.adjacent(place) {
                    self.mark(*other, number, spent, &mut next);
                }
            }
            frontier = next;
        }
    }

    /// Notes that the Node can be number `number` after what was `spent` on those before it.
    fn mark(&mut self, place: u32, number: usize, spent: u128, next: &mut Vec<u32>) {
        let at = place as usize;
        let last = number == self.hops;
        let weights = if last { &self.exit } else { &self.relay };
        if weights[at] <= 0.0 {
            return;
        }
        if let Some(budget) = &mut self.budget {
            let prices = if last { &budget.exit } else { &budget.relay };
            let total = spent.saturating_add(prices[at]);
            if total > budget.highest {
                return;
            }
            let cheapest = &mut budget.from_us[at][number];
            *cheapest = total.min(*cheapest);
        }
        if self.from_us[at] & (1 << number) == 0 {
            self.from_us[at] |= 1 << number;
            next.push(place);
        }
    }

    fn reachable_exits(&self) -> impl Iterator<Item = u32> {
        let last = 1 << self.hops;
        let marks = (0u32..).zip(&self.from_us);
        marks
            .filter(move |(_, marks)| **marks & last != 0)
            .map(|(place, _)| place)
    }

    /// How much the country is wanted, 0 being most; none if an exit there is not allowed.
    fn country_rank(&self, place: u32) -> Option<usize> {
        if self.request.exit.is_some() {
            return Some(0);
        }
        let country = self.directory.nodes[place as usize].record.country();
        self.request.countries.rank(country)
    }

    /// The exits by how much they are wanted; of those near us or far from us, if that is asked.
    pub(super) fn groups(&self, near: Option<bool>) -> Vec<Vec<u32>> {
        let exits = self.reachable_exits().filter(|place| {
            let is_near = self.from_us[*place as usize] & NEAR != 0;
            near.is_none_or(|near| near == is_near)
        });
        let failed = match &self.request.host {
            Some(host) => self.directory.unresolved(host, self.now),
            None => Vec::new(),
        };
        if self.request.countries.is_any() && failed.is_empty() {
            return vec![exits.collect()];
        }
        let mut groups: Vec<((bool, usize), Vec<u32>)> = Vec::new();
        for place in exits {
            let Some(rank) = self.country_rank(place) else {
                continue;
            };
            let key = (failed.contains(&place), rank);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(place),
                None => groups.push((key, vec![place])),
            }
        }
        groups.sort_unstable_by_key(|(key, _)| *key);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    pub(super) fn hop(&self, place: u32) -> Hop {
        let record = &self.directory.nodes[place as usize].record;
        Hop {
            id: record.id(),
            key: record.onion().key(),
            payer: Payer::default(),
        }
    }
}
