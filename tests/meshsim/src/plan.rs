//! Who takes part, where, and when: drawn from the seed before anything runs, so that every worker
//! knows the same population without asking another.
//!
//! Each slot of the mesh is held by one Node at a time. It leaves after an exponential time, silently
//! or with notice; then it comes back with its key, or a Node with a new key takes the slot.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use masq_core::identity::{Identity, NodeId, Validity};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::chance::Chance;
use crate::options::Options;
use crate::time::{HOUR, Micros, SECOND, seconds};

/// The shortest way between two Nodes: how far a worker may run ahead of the others.
pub const LEAST_LATENCY: Micros = 5_000;
/// What the longest way has more.
const SPREAD: f64 = 145_000.0;
/// The port of every Node.
const PORT: u16 = 4_433;
/// The time at which every simulation begins.
pub const EPOCH_MS: u64 = 1_900_000_000_000;

/// What a Node offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Relays, exits, can be dialled.
    Standard,
    /// Relays and exits, dials only.
    OriginateOnly,
    /// Uses the mesh.
    ConsumeOnly,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The others have to notice.
    Silently,
    /// Its links are closed.
    WithNotice,
}

/// A time during which a Node runs.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its begin.
    pub start: Micros,
    /// Its end, unless it lasts.
    pub end: Option<(Micros, Leave)>,
    /// Its public address.
    pub address: Ipv4Addr,
}

/// One key that is seen in the mesh.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// What it offers.
    pub kind: Kind,
    /// Whether it attacks.
    pub malicious: bool,
    /// When it runs.
    pub sessions: Vec<Session>,
    /// Whose descriptors it is configured with.
    pub descriptors: Vec<u32>,
    place: [f32; 2],
}

/// Everyone.
#[derive(Debug)]
pub struct Plan {
    /// What was asked for.
    pub options: Options,
    /// All keys, in no order that means anything.
    pub members: Vec<Member>,
    malicious: Vec<u32>,
    by_id: HashMap<NodeId, u32>,
    by_address: HashMap<Ipv4Addr, u32>,
}

impl Plan {
    /// Draws everything from the seed.
    pub fn new(options: Options) -> Plan {
        let mut drawing = Drawing {
            rng: StdRng::seed_from_u64(options.seed),
            plan: Plan {
                options,
                members: Vec::new(),
                malicious: Vec::new(),
                by_id: HashMap::new(),
                by_address: HashMap::new(),
            },
        };
        drawing.population();
        drawing.descriptors();
        drawing.plan
    }

    /// The secrets of a member.
    pub fn identity(&self, member: u32) -> Identity {
        identity(self.options.seed, member)
    }

    /// The malicious members.
    pub fn malicious(&self) -> &[u32] {
        &self.malicious
    }

    /// Whose id this is.
    pub fn member_of(&self, id: &NodeId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// Who is, was or will be at this address.
    pub fn member_at(&self, address: SocketAddr) -> Option<u32> {
        match address {
            SocketAddr::V4(address) => self.by_address.get(address.ip()).copied(),
            SocketAddr::V6(_) => None,
        }
    }

    /// The time from one to the other.
    pub fn latency(&self, one: u32, other: u32) -> Micros {
        let [a, b] = [one, other].map(|member| self.members[member as usize].place);
        let distance = f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]));
        let share = distance / std::f64::consts::SQRT_2;
        LEAST_LATENCY + seconds(share * SPREAD / 1e6)
    }
}

impl Member {
    /// Whether it counts among the neighbors of others.
    pub fn serves(&self) -> bool {
        self.kind != Kind::ConsumeOnly
    }

    /// Whether it can be dialled.
    pub fn accepts(&self) -> bool {
        self.kind == Kind::Standard
    }

    /// The session that runs at this time.
    pub fn session_at(&self, now: Micros) -> Option<&Session> {
        self.sessions
            .iter()
            .find(|session| session.start <= now && session.end.is_none_or(|(end, _)| now < end))
    }
}

impl Session {
    /// Where links from and to the Node seem to come from and go to.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::from((self.address, PORT))
    }
}

/// The port that Nodes listen on.
pub fn ports() -> Vec<u16> {
    vec![PORT]
}

fn identity(seed: u64, member: u32) -> Identity {
    let epoch = EPOCH_MS / 1_000;
    let validity = Validity::new(epoch - 86_400, epoch + 7 * 86_400)
        .expect("the validity begins before it ends");
    let mut chance = Chance::new(seed ^ 0x6964_656e_7469_7479, u64::from(member));
    Identity::generate(validity, &mut chance)
}

struct Drawing {
    rng: StdRng,
    plan: Plan,
}

impl Drawing {
    fn population(&mut self) {
        let options = self.plan.options.clone();
        let well_known = options.well_known.min(options.nodes);
        for number in 0..options.nodes {
            if number < well_known {
                let start = u64::from(number) * SECOND / 10;
                let sessions = vec![self.session(start, None)];
                self.add(Kind::Standard, false, sessions);
                continue;
            }
            let malicious = self.percent(options.malicious);
            let start = self.rng.random_range(SECOND..=options.ramped().max(SECOND));
            self.slot(malicious, start);
        }
    }

    /// One place in the mesh, from its first holder to the end.
    fn slot(&mut self, malicious: bool, mut start: Micros) {
        let options = self.plan.options.clone();
        let end = options.end();
        let rate = if malicious {
            0.0
        } else {
            options.churn / 100.0
        };
        let mut sessions = Vec::new();
        let mut kind = self.kind(malicious);
        while start < end {
            let stay = self.exponential(HOUR, rate);
            let leaves = start.saturating_add(stay);
            let leave = match self.rng.random::<bool>() {
                true => Leave::Silently,
                false => Leave::WithNotice,
            };
            let planned = (leaves < end).then_some((leaves, leave));
            let mut session = self.session(start, planned);
            let same_address = !self.percent(options.new_address);
            if let Some(last) = sessions.last().filter(|_| same_address) {
                let Session { address, .. } = *last;
                session.address = address;
            }
            sessions.push(session);
            // From two seconds (a restart) to ten minutes, each magnitude equally likely.
            let away = 2.0 * 300f64.powf(self.rng.random::<f64>());
            start = leaves.saturating_add(seconds(away));
            if !self.percent(options.rejoin) {
                self.add(kind, malicious, std::mem::take(&mut sessions));
                kind = self.kind(malicious);
            }
        }
        if !sessions.is_empty() {
            self.add(kind, malicious, sessions);
        }
    }

    fn kind(&mut self, malicious: bool) -> Kind {
        let drawn = self.rng.random_range(0.0..100.0);
        let options = &self.plan.options;
        if malicious || drawn >= options.consume_only + options.originate_only {
            Kind::Standard
        } else if drawn < options.consume_only {
            Kind::ConsumeOnly
        } else {
            Kind::OriginateOnly
        }
    }

    fn session(&mut self, start: Micros, end: Option<(Micros, Leave)>) -> Session {
        Session {
            start,
            end,
            address: self.address(),
        }
    }

    fn add(&mut self, kind: Kind, malicious: bool, sessions: Vec<Session>) {
        let number = u32::try_from(self.plan.members.len()).expect("fewer members than u32 counts");
        let id = identity(self.plan.options.seed, number).id();
        for session in &sessions {
            self.plan.by_address.insert(session.address, number);
        }
        self.plan.by_id.insert(id, number);
        if malicious {
            self.plan.malicious.push(number);
        }
        self.plan.members.push(Member {
            id,
            kind,
            malicious,
            sessions,
            descriptors: Vec::new(),
            place: [self.rng.random(), self.rng.random()],
        });
    }

    /// An address that nobody has: every Node is in a network of its own.
    fn address(&mut self) -> Ipv4Addr {
        loop {
            let [a, b, c, d]: [u8; 4] = self.rng.random();
            // Public addresses only, by leaving out every first byte with a special range.
            let usable =
                (11..=223).contains(&a) && ![100, 127, 169, 172, 192, 198, 203].contains(&a);
            let address = Ipv4Addr::new(a, b, c, d.clamp(1, 254));
            if usable && !self.plan.by_address.contains_key(&address) {
                self.plan.by_address.insert(address, u32::MAX);
                return address;
            }
        }
    }

    /// A Node is told of others that run when it first starts, as a person would be.
    fn descriptors(&mut self) {
        let options = self.plan.options.clone();
        let well_known = options.well_known.min(options.nodes);
        let mut order: Vec<u32> = (0..).take(self.plan.members.len()).collect();
        order.sort_by_key(|member| self.first_start(*member));
        for (place, &member) in order.iter().enumerate() {
            let start = self.first_start(member);
            let mut known = Vec::new();
            for _ in 0..16 * options.descriptors {
                if known.len() >= options.descriptors {
                    break;
                }
                let drawn = if self.percent(options.well_known_share) || place == 0 {
                    self.rng.random_range(0..well_known.max(1))
                } else {
                    order[self.rng.random_range(0..place)]
                };
                let other = &self.plan.members[drawn as usize];
                let session = other.session_at(start.saturating_sub(1));
                if drawn != member
                    && other.accepts()
                    && session.is_some()
                    && !known.contains(&drawn)
                {
                    known.push(drawn);
                }
            }
            if known.is_empty() && member != 0 {
                known.push(0);
            }
            self.plan.members[member as usize].descriptors = known;
        }
    }

    fn first_start(&self, member: u32) -> Micros {
        let sessions = &self.plan.members[member as usize].sessions;
        sessions
            .first()
            .map_or(Micros::MAX, |session| session.start)
    }

    fn percent(&mut self, percent: f64) -> bool {
        self.rng.random_range(0.0..100.0) < percent
    }

    /// A time after which something happens that happens `rate` times in each `unit`.
    fn exponential(&mut self, unit: Micros, rate: f64) -> Micros {
        if rate <= 0.0 {
            return Micros::MAX;
        }
        let drawn: f64 = self.rng.random_range(f64::MIN_POSITIVE..1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a drawn time, of which microseconds do not matter"
        )]
        let time = (-drawn.ln() / rate * unit as f64) as Micros;
        time
    }
}
