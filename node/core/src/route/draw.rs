//! Drawing a route by weight.

use rand::Rng;

use super::search::Search;

/// The most Nodes that are looked at for one exit before another is drawn.
const PATIENCE: usize = 2_000;
/// The most exits that are tried.
const MAX_EXITS: usize = 64;

impl Search<'_> {
    /// A route to one of the exits, drawn by weight until one works.
    pub(super) fn draw(&self, mut exits: Vec<u32>, rng: &mut impl Rng) -> Option<Vec<u32>> {
        for _ in 0..MAX_EXITS {
            let exit = take_weighted(&self.exit, &mut exits, rng)?;
            if self.hops == 1 {
                return Some(vec![exit]);
            }
            let mut path = Path {
                search: self,
                to_exit: ToExit::new(self, exit),
                places: Vec::with_capacity(self.hops),
                spent: 0,
                patience: PATIENCE,
            };
            if path.extend(&self.first, exit, rng) {
                return Some(path.places);
            }
        }
        None
    }
}

/// How many steps before the exit a Node can be, and what the rest costs from there.
struct ToExit {
    /// Bit k: the Node is k steps before the exit on some walk.
    marks: Vec<u8>,
    /// What the cheapest walk of k steps costs, the Node included; empty without a limit.
    costs: Vec<[u128; 6]>,
}

impl ToExit {
    fn new(search: &Search<'_>, exit: u32) -> ToExit {
        let count = search.from_us.len();
        let mut marks = vec![0; count];
        marks[exit as usize] = 1u8;
        let mut costs = Vec::new();
        if let Some(budget) = &search.budget {
            costs = vec![[u128::MAX; 6]; count];
            costs[exit as usize][0] = budget.exit[exit as usize];
        }
        let mut frontier = vec![exit];
        for steps in 1..search.hops {
            let number = search.hops - steps;
            let mut next = Vec::new();
            for place in frontier {
                for other in search.adjacent(place) {
                    let at = *other as usize;
                    if search.from_us[at] & (1 << number) == 0 {
                        continue;
                    }
                    if let Some(budget) = &search.budget {
                        let rest = costs[place as usize][steps - 1];
                        if budget.from_us[at][number].saturating_add(rest) > budget.highest {
                            continue;
                        }
                        let whole = rest.saturating_add(budget.relay[at]);
                        costs[at][steps] = whole.min(costs[at][steps]);
                    }
                    if marks[at] & (1 << steps) == 0 {
                        marks[at] |= 1 << steps;
                        next.push(*other);
                    }
                }
            }
            frontier = next;
        }
        ToExit { marks, costs }
    }
}

struct Path<'a, 's> {
    search: &'s Search<'a>,
    to_exit: ToExit,
    places: Vec<u32>,
    spent: u128,
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
            self.to_exit.marks[*place as usize] & (1 << steps) != 0
                && *place != exit
                && !self.places.contains(place)
                && self.affordable(*place, steps)
        };
        let mut fitting: Vec<u32> = candidates.iter().copied().filter(within_reach).collect();
        while let Some(place) = take_weighted(&self.search.relay, &mut fitting, rng) {
            if self.patience == 0 {
                return false;
            }
            self.patience -= 1;
            let before = self.spent;
            if let Some(budget) = &self.search.budget {
                self.spent = before.saturating_add(budget.relay[place as usize]);
            }
            self.places.push(place);
            if self.extend(self.search.adjacent(place), exit, rng) {
                return true;
            }
            self.places.pop();
            self.spent = before;
        }
        false
    }

    fn affordable(&self, place: u32, steps: usize) -> bool {
        let Some(budget) = &self.search.budget else {
            return true;
        };
        let rest = self.to_exit.costs[place as usize][steps];
        self.spent.saturating_add(rest) <= budget.highest
    }
}

fn take_weighted(weights: &[f32], places: &mut Vec<u32>, rng: &mut impl Rng) -> Option<u32> {
    let total: f32 = places.iter().map(|place| weights[*place as usize]).sum();
    let mut left = rng.random::<f32>() * total;
    let drawn = places.iter().position(|place| {
        left -= weights[*place as usize];
        left < 0.0
    });
    // Rounding can leave a hair more than the sum.
    let drawn = drawn.or_else(|| places.len().checked_sub(1))?;
    Some(places.swap_remove(drawn))
}
