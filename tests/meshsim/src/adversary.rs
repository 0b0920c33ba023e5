//! What malicious Nodes do to the gossip that the core makes for them, and how much more of it they want.
//!
//! They run the same core: that makes them look like any Node, and they cannot sign for others.

use bytes::Bytes;
use masq_core::neighborhood::Limits;
use masq_core::neighborhood::message::Message;
use masq_core::record::MAX_NEIGHBORS;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::options::Attack;
use crate::plan::{self, Plan};
use crate::time::Micros;

/// Accomplices named to each Node that asks.
const INTRODUCED: usize = 4;
/// One record in so many is changed: one forger at a time is caught at the first.
const FORGED: u32 = 4;

/// A malicious Node's own part.
#[derive(Debug)]
pub(crate) struct Adversary {
    attack: Attack,
    number: u32,
    rng: StdRng,
}

impl Adversary {
    pub(crate) fn new(attack: Attack, number: u32, seed: u64) -> Adversary {
        Adversary {
            attack,
            number,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// The bounds that it gives itself: those that surround others take as many as a record can name.
    pub(crate) fn limits(attack: Attack) -> Limits {
        let honest = Limits::default();
        match attack {
            Attack::Eclipse => Limits {
                least: MAX_NEIGHBORS,
                enough: MAX_NEIGHBORS,
                most: MAX_NEIGHBORS,
                most_silent: MAX_NEIGHBORS,
                clients: 1_024,
                per_address: usize::MAX,
                clients_per_address: usize::MAX,
                ..honest
            },
            Attack::Forge | Attack::Blackhole => honest,
        }
    }

    /// What is sent in place of this message.
    pub(crate) fn change(&mut self, message: Bytes, plan: &Plan, now: Micros) -> Vec<Bytes> {
        match self.attack {
            Attack::Blackhole => vec![message],
            Attack::Eclipse => self.surround(message, plan, now),
            Attack::Forge => vec![self.forge(message, plan)],
        }
    }

    fn surround(&mut self, message: Bytes, plan: &Plan, now: Micros) -> Vec<Bytes> {
        match Message::decode(&message) {
            // Honest Nodes are not asked whether they would meet another one.
            Ok(Message::Propose { id, .. }) if !is_malicious(plan, &id) => Vec::new(),
            Ok(Message::Introduction { id, .. }) if !is_malicious(plan, &id) => {
                self.accomplices(1, plan, now)
            }
            Ok(Message::Welcome { .. } | Message::Pass { .. }) => {
                let mut messages = vec![message];
                messages.extend(self.accomplices(INTRODUCED, plan, now));
                messages
            }
            _ => vec![message],
        }
    }

    fn accomplices(&mut self, count: usize, plan: &Plan, now: Micros) -> Vec<Bytes> {
        let chosen: Vec<u32> = plan
            .malicious()
            .choose_multiple(&mut self.rng, count)
            .copied()
            .filter(|number| *number != self.number)
            .collect();
        let introductions = chosen.into_iter().filter_map(|number| {
            let member = &plan.members[number as usize];
            let address = member.session_at(now)?.socket_address();
            let introduction = Message::Introduction {
                id: member.id,
                ip: address.ip(),
                ports: plan::ports(),
            };
            Some(introduction.encode())
        });
        introductions.collect()
    }

    fn forge(&mut self, message: Bytes, plan: &Plan) -> Bytes {
        let Ok(Message::Records(records)) = Message::decode(&message) else {
            return message;
        };
        let own = plan.members[self.number as usize].id;
        let records = records.into_iter().map(|record| {
            let mine = record.windows(32).any(|part| part == own.as_bytes()) && record.len() < 64;
            if mine || !self.rng.random_ratio(1, FORGED) {
                return record;
            }
            let mut forged = record.to_vec();
            let place = self.rng.random_range(0..forged.len());
            forged[place] ^= 1 << self.rng.random_range(0..8);
            forged.into()
        });
        Message::Records(records.collect()).encode()
    }
}

fn is_malicious(plan: &Plan, id: &masq_core::identity::NodeId) -> bool {
    plan.member_of(id)
        .is_some_and(|number| plan.members[number as usize].malicious)
}
