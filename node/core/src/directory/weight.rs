//! How willingly a Node is drawn, from what it asks and how it has served.
//!
//! Each factor is relative to the median Node of the view and clamped, so that
//! no Node, however cheap, quick or praised, is drawn more than [`MOST`] times
//! as willingly as a median one: a Node that asks nothing must not draw all
//! traffic to itself. Dear, slow and unreliable ones fall further than good
//! ones rise.

use crate::reputation::{Reputation, UNKNOWN};

/// No Node has more than this many times the weight of a median one.
pub const MOST: f32 = 8.0;

const PRICE: (f64, f64) = (0.02, 2.5);
const LATENCY: (f64, f64) = (0.1, 2.5);
const RELIABILITY: (f64, f64) = (0.02, 1.25);

/// The medians that Nodes are measured by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Medians {
    pub(super) relay_price: f64,
    pub(super) exit_price: f64,
    pub(super) latency_us: Option<f64>,
}

impl Medians {
    pub(super) fn of(prices: &[(u128, u128)], latencies: &mut [u32]) -> Medians {
        let mut relay: Vec<u128> = prices.iter().map(|(relay, _)| *relay).collect();
        let mut exit: Vec<u128> = prices.iter().map(|(_, exit)| *exit).collect();
        Medians {
            relay_price: median(&mut relay).unwrap_or(0) as f64,
            exit_price: median(&mut exit).unwrap_or(0) as f64,
            latency_us: median(latencies).map(f64::from),
        }
    }

    /// The weights as relay and as exit.
    pub(super) fn weights(
        &self,
        (relay, exit): (u128, u128),
        reputation: Option<Reputation>,
    ) -> (f32, f32) {
        let latency = reputation.and_then(|known| known.latency_us);
        let latency = match (latency, self.latency_us) {
            (Some(latency), Some(median)) => inverse(latency.into(), median, LATENCY),
            _ => 1.0,
        };
        let reliability = reputation.map_or(UNKNOWN, |known| known.reliability);
        let relative = f64::from(reliability) / f64::from(UNKNOWN);
        let served = (relative * relative).clamp(RELIABILITY.0, RELIABILITY.1);
        let weight = |price: u128, median| {
            let weight = inverse(price as f64, median, PRICE) * latency * served;
            weight.min(MOST.into()) as f32
        };
        (
            weight(relay, self.relay_price),
            weight(exit, self.exit_price),
        )
    }
}

/// Half of the median is drawn twice as willingly, twice of it half as.
fn inverse(value: f64, median: f64, (least, most): (f64, f64)) -> f64 {
    if value <= 0.0 && median <= 0.0 {
        return 1.0;
    }
    (median / value).clamp(least, most)
}

fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reputation::PERFECT;
    use proptest::prelude::*;

    #[test]
    fn the_cheap_the_quick_and_the_reliable_are_preferred_within_bounds() {
        let prices = [(100, 200); 9];
        let medians = Medians::of(&prices, &mut [40, 50, 60]);
        let known = |latency, reliability| {
            Some(Reputation {
                latency_us: Some(latency),
                reliability,
                seen_unix: 0,
            })
        };
        let relay = |price, reputation| medians.weights((price, 200), reputation).0;

        assert!((relay(100, None) - 1.0).abs() < 1e-6);
        assert!((relay(50, None) - 2.0).abs() < 1e-6);
        assert!((relay(0, None) - 2.5).abs() < 1e-6);
        assert!((relay(200, None) - 0.5).abs() < 1e-6);
        assert!((relay(u128::MAX, None) - 0.02).abs() < 1e-6);
        assert!(relay(100, known(25, UNKNOWN)) > 1.9);
        assert!(relay(100, known(500, UNKNOWN)) < 0.11);
        assert!(relay(100, known(50, 0)) < 0.03);
        assert!(relay(0, known(1, PERFECT)) <= MOST);
    }

    proptest! {
        #[test]
        fn every_weight_is_a_number_within_the_bound(
            prices in prop::collection::vec((any::<u128>(), any::<u128>()), 1..20),
            mut latencies in prop::collection::vec(any::<u32>(), 0..20),
            latency: Option<u32>,
            reliability: u16,
        ) {
            let medians = Medians::of(&prices, &mut latencies);
            let known = Reputation { latency_us: latency, reliability, seen_unix: 0 };
            for price in prices {
                let (relay, exit) = medians.weights(price, Some(known));
                prop_assert!(relay > 0.0 && relay <= MOST);
                prop_assert!(exit > 0.0 && exit <= MOST);
            }
        }
    }
}
