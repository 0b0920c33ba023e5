//! What the core is told when it begins: who this Node is to others, whom it may dial first, and
//! the bounds of everything it keeps.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Chain, CountryCode};
use crate::descriptor::Descriptor;
use crate::record::{EarningAddress, Rates, Roles};

/// The time, as the shell reads it: one clock that never goes back, and the one of the calendar.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The clock that never goes back.
    pub instant: Instant,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

impl Now {
    /// Seconds since 1970.
    pub fn unix(&self) -> u64 {
        self.unix_ms / 1_000
    }
}

/// What this Node is and whom it knows.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network; Nodes of another one are refused.
    pub chain: Chain,
    /// What this Node offers; nothing makes it a client.
    pub roles: Roles,
    /// Whether it takes links that others begin.
    pub accepts: bool,
    /// Where it is reached, as far as that is known; nothing when it does not accept links.
    pub contact: Option<Contact>,
    /// The country it says it is in.
    pub country: CountryCode,
    /// What it asks for.
    pub rates: Rates,
    /// Whom to pay.
    pub earning: Option<EarningAddress>,
    /// The Nodes that the configuration names.
    pub seeds: Vec<Descriptor>,
    /// The Nodes it was linked with before.
    pub past: Vec<PastNeighbor>,
    /// How many links away the farthest Node of the view is.
    pub radius: u8,
    /// The bounds.
    pub limits: Limits,
}

/// Where a Node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Its public address; unknown until others tell what they see.
    pub ip: Option<IpAddr>,
    /// Its ports, in order of preference.
    pub ports: Vec<u16>,
}

/// A Node this one was linked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastNeighbor {
    /// Who and where.
    pub descriptor: Descriptor,
    /// When the link was last up, unix seconds.
    pub last_seen_unix: u64,
    /// Whether routes began there.
    pub guard: bool,
}

/// Every bound of what is kept and sent. Nothing that a neighbor does exceeds one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// With fewer neighbors than this, others are sought at once.
    pub least: usize,
    /// With this many neighbors a Node is content.
    pub enough: usize,
    /// The most neighbors.
    pub most: usize,
    /// The most neighbors that take no links themselves, so that there is room for those who do.
    pub most_silent: usize,
    /// The most clients.
    pub clients: usize,
    /// Links that are neither, at once.
    pub strangers: usize,
    /// The most neighbors of one IP address.
    pub per_address: usize,
    /// The most clients of one IP address.
    pub clients_per_address: usize,
    /// Records in the view; the farthest go first.
    pub records: usize,
    /// Records that no chain of links joins to this Node.
    pub unconnected: usize,
    /// How long those are kept.
    pub unconnected_for: Duration,
    /// Records asked for and not yet received.
    pub wanted: usize,
    /// Configured Nodes that are tried.
    pub seeds: usize,
    /// Past neighbors that are remembered.
    pub past: usize,
    /// Introduced Nodes that are tried.
    pub introduced: usize,
    /// Links being dialled at once.
    pub dials: usize,
    /// Seats kept for Nodes that this one agreed to meet.
    pub seats: usize,
    /// Seats kept at the wish of one neighbor.
    pub seats_per_neighbor: usize,
    /// Proposals waiting for an answer.
    pub proposals: usize,
    /// Bans remembered.
    pub bans: usize,
    /// Addresses of newcomers remembered, to limit what each of them gets.
    pub origins: usize,
    /// Messages of one neighbor: at once, and then a second.
    pub messages: (u32, u32),
    /// Bytes of one neighbor: at once, and then a second.
    pub bytes: (u32, u32),
    /// Signatures checked for one neighbor: at once, and then a second.
    pub signatures: (u32, u32),
    /// Bytes of records given to one neighbor: at once, and then a second.
    pub served: (u32, u32),
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            least: 3,
            enough: 5,
            most: 10,
            most_silent: 6,
            clients: 64,
            strangers: 64,
            per_address: 4,
            clients_per_address: 8,
            records: 1_024,
            unconnected: 256,
            unconnected_for: Duration::from_secs(60),
            wanted: 2_048,
            seeds: 64,
            past: 64,
            introduced: 32,
            dials: 4,
            seats: 8,
            seats_per_neighbor: 4,
            proposals: 256,
            bans: 1_024,
            origins: 1_024,
            messages: (400, 20),
            bytes: (2 << 20, 64 << 10),
            signatures: (1_500, 50),
            served: (2 << 20, 64 << 10),
        }
    }
}
