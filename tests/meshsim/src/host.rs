//! One Node: the shell around the very core that runs in the Node, with events for sockets and timers.
//!
//! What the real shell does with QUIC happens here with messages that take their time: a dial is answered
//! after a round trip, a peer that dies is missed after the silence time, a message that was on its way to
//! a closed link is lost. Nothing is decided here that the real shell does not decide.

mod circuits;
mod links;

pub(crate) use circuits::LONGEST_FLOW;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use masq_core::config::{Chain, CountryCode};
use masq_core::descriptor::Descriptor;
use masq_core::directory::Directory;
use masq_core::guards::Guard;
use masq_core::identity::{Identity, NodeId};
use masq_core::neighborhood::{Action, Config, Contact, Limits, Neighborhood, Now, PastNeighbor};
use masq_core::record::{NodeRecord, Rates, Roles};
use masq_core::reputation::Reputation;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::adversary::Adversary;
use crate::chance::mix;
use crate::crew::Shared;
use crate::event::{Circuit, Event, Fate, LinkId, What};
use crate::measure::{Row, Series, Tally};
use crate::plan::{self, Kind, Leave};
use crate::time::{Micros, SECOND, seconds};

/// What a Node looks for once it is connected.
pub(crate) const HOPS: u8 = 3;
/// As much of a message as goes into the digest.
const NOTED: usize = 32;
/// How long after news a Node without a route looks again.
const LOOK_PAUSE: Micros = SECOND / 20;

#[derive(Debug)]
pub(crate) struct Host {
    number: u32,
    identity: Rc<Identity>,
    malicious: bool,
    session: u32,
    life: Option<Life>,
    /// What the database keeps from one session to the next.
    past: BTreeMap<NodeId, PastNeighbor>,
    guards: Vec<Guard>,
    reputation: Vec<(NodeId, Reputation)>,
    caused: u64,
    next_attempt: u32,
    rng: StdRng,
    digest: u64,
    tally: Tally,
}

/// What a running Node has.
#[derive(Debug)]
struct Life {
    core: Neighborhood,
    /// Its own record as it was last entered in the ledger.
    signed: Arc<NodeRecord>,
    adversary: Option<Adversary>,
    directory: Directory,
    own: SocketAddr,
    began: Micros,
    links: Vec<links::End>,
    dials: Vec<links::Pending>,
    neighbors: Vec<NodeId>,
    timer_at: Micros,
    looking: bool,
    found: bool,
    flows: Vec<circuits::Flow>,
    next_flow: u32,
}

/// What a Node needs to act.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) now: Micros,
    pub(crate) out: &'a mut Vec<Event>,
    pub(crate) series: &'a mut Series,
}

impl Context<'_> {
    fn clock(&self) -> Now {
        Now {
            instant: self.shared.base + Duration::from_micros(self.now),
            unix_ms: plan::EPOCH_MS + self.now / 1_000,
        }
    }

    fn steady(&self) -> bool {
        self.now >= self.shared.plan.options.steady()
    }
}

impl Host {
    pub(crate) fn new(number: u32, shared: &Shared) -> Host {
        let seed = mix(shared.plan.options.seed).wrapping_add(u64::from(number));
        Host {
            number,
            identity: Rc::new(shared.plan.identity(number)),
            malicious: shared.plan.members[number as usize].malicious,
            session: 0,
            life: None,
            past: BTreeMap::new(),
            guards: Vec::new(),
            reputation: Vec::new(),
            caused: 0,
            next_attempt: 0,
            rng: StdRng::seed_from_u64(seed),
            digest: mix(seed),
            tally: Tally::default(),
        }
    }

    /// What the seed says will happen to this Node.
    pub(crate) fn schedule(&mut self, shared: &Shared, out: &mut Vec<Event>) {
        for session in &shared.plan.members[self.number as usize].sessions {
            out.push(self.cause(session.start, self.number, What::Start));
            if let Some((end, leave)) = session.end {
                out.push(self.cause(end, self.number, What::Stop(leave)));
            }
        }
    }

    pub(crate) fn handle(&mut self, what: What, context: &mut Context<'_>) {
        self.note(context.now, &what);
        match what {
            What::Start => self.start(context),
            What::Stop(leave) => self.stop(leave, context),
            What::Timer => self.timer(context),
            What::Look { session } => self.look(session, context),
            What::Flow { session } => self.flow(session, context),
            What::Dial(dial) => self.dialled_by(*dial, context),
            What::Dialled { attempt, refused } => self.answered(attempt, refused, context),
            What::DialTimeout { attempt } => self.dial_timed_out(attempt, context),
            What::Established { link, remote } => self.established(link, remote, context),
            What::Message { link, message } => self.message(link, &message, context),
            What::LinkDown { link, reason } => self.link_down(link, reason, context),
            What::Circuit(circuit) => self.circuit(circuit, context),
            What::Ended(circuit, fate) => self.ended(&circuit, fate, context),
            What::Overdue {
                session,
                flow,
                attempt,
            } => {
                self.overdue(session, flow, attempt, context);
            }
        }
        self.settle(context);
    }

    /// Which member it was, a digest of all that ever happened to it, and what it did.
    pub(crate) fn finish(self) -> (u32, u64, Tally) {
        (self.number, self.digest, self.tally)
    }

    /// What can be seen of the Node now, if it runs.
    pub(crate) fn row(&self, now: Micros, shared: &Shared) -> Option<Row> {
        let life = self.life.as_ref()?;
        let members: Vec<u32> = life
            .neighbors
            .iter()
            .filter_map(|id| shared.plan.member_of(id))
            .collect();
        let served = |end: &&links::End| shared.plan.members[end.peer as usize].serves();
        Some(Row {
            member: self.number,
            age: now - life.began,
            clients: life.links.iter().filter(|end| !served(end)).count(),
            neighbors: members,
            records: life.core.records(),
            found: life.found,
        })
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let plan = &context.shared.plan;
        let member = &plan.members[self.number as usize];
        let Some(session) = member.session_at(context.now) else {
            return;
        };
        let own = session.socket_address();
        let first = member.sessions.first().map_or(0, |session| session.start);
        let seeds = member.descriptors.iter().filter_map(|seed| {
            let seed = &plan.members[*seed as usize];
            let session = seed.session_at(first.saturating_sub(1));
            let session = session.or_else(|| seed.sessions.first())?;
            let ip = session.address.into();
            Descriptor::new(Chain::Dev, seed.id, ip, plan::ports()).ok()
        });
        let attack = plan.options.attack.filter(|_| self.malicious);
        let roles = Roles {
            relay: member.kind != Kind::ConsumeOnly,
            exit: member.kind != Kind::ConsumeOnly,
        };
        let contact = Contact {
            ip: Some(own.ip()),
            ports: plan::ports(),
        };
        let config = Config {
            chain: Chain::Dev,
            roles,
            contact: member.accepts().then_some(contact),
            accepts: member.accepts(),
            country: CountryCode::new("ZZ").expect("ZZ is a country code"),
            rates: Rates::default(),
            earning: None,
            seeds: seeds.collect(),
            past: self.past.values().cloned().collect(),
            radius: plan.options.radius,
            limits: attack.map_or_else(Limits::default, Adversary::limits),
        };
        let memo = context.shared.memo.clone();
        let core = Neighborhood::new(
            self.identity.clone(),
            config,
            context.clock(),
            self.rng.random(),
        )
        .with_reader(Box::new(move |bytes| memo.read(bytes)));
        let adversary = attack.map(|attack| Adversary::new(attack, self.number, self.rng.random()));
        let mut directory = Directory::new(member.id);
        let kept = (
            std::mem::take(&mut self.guards),
            std::mem::take(&mut self.reputation),
        );
        directory.restore(kept.0, kept.1, context.clock().unix());
        self.tally.started(context.now);
        context.shared.ledger.enter(core.own_record());
        self.life = Some(Life {
            signed: core.own_record().clone(),
            core,
            adversary,
            directory,
            own,
            began: context.now,
            links: Vec::new(),
            dials: Vec::new(),
            neighbors: Vec::new(),
            timer_at: Micros::MAX,
            looking: false,
            found: false,
            flows: Vec::new(),
            next_flow: 0,
        });
    }

    fn stop(&mut self, leave: Leave, context: &mut Context<'_>) {
        let Some(mut life) = self.life.take() else {
            return;
        };
        self.guards = life.directory.take_guard_changes().unwrap_or_default();
        self.reputation = life.directory.take_reputation_changes();
        for end in life.links {
            let latency = context.shared.plan.latency(self.number, end.peer);
            let (delay, reason) = match leave {
                Leave::Silently => (links::silence(latency), "silent"),
                Leave::WithNotice => (latency, "closed"),
            };
            let link = end.link;
            self.emit(context, delay, end.peer, What::LinkDown { link, reason });
        }
        self.session += 1;
    }

    fn timer(&mut self, context: &mut Context<'_>) {
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        if life.timer_at <= context.now {
            life.timer_at = Micros::MAX;
        }
        if life
            .core
            .poll_timeout()
            .is_some_and(|due| due <= clock.instant)
        {
            life.core.handle_timeout(clock);
        }
    }

    /// Carries out what the core wants, then sees when it wants to be woken.
    fn settle(&mut self, context: &mut Context<'_>) {
        let mut news = false;
        if let Some(life) = &mut self.life
            && !Arc::ptr_eq(&life.signed, life.core.own_record())
        {
            life.signed = life.core.own_record().clone();
            context.shared.ledger.enter(&life.signed);
        }
        while let Some(action) = self.life.as_mut().and_then(|life| life.core.poll_action()) {
            news |= self.act(action, context);
        }
        let Some(life) = &mut self.life else {
            return;
        };
        if news && !life.found && !life.looking {
            life.looking = true;
            let look = What::Look {
                session: self.session,
            };
            self.emit(context, LOOK_PAUSE, self.number, look);
        }
        let Some(life) = &mut self.life else {
            return;
        };
        let Some(due) = life.core.poll_timeout() else {
            return;
        };
        let due = due.saturating_duration_since(context.shared.base);
        // Rounded up, so that the deadline has passed when the event comes.
        let due = seconds(due.as_secs_f64()) + 1;
        if due < life.timer_at {
            life.timer_at = due.max(context.now + 1);
            let delay = life.timer_at - context.now;
            self.emit(context, delay, self.number, What::Timer);
        }
    }

    /// Whether what the Node knows has changed.
    fn act(&mut self, action: Action, context: &mut Context<'_>) -> bool {
        let Some(life) = &mut self.life else {
            return false;
        };
        match action {
            Action::Dial { peer, address } => self.dial(peer, address, context),
            Action::Send { peer, message } => self.send(peer, message, context),
            Action::Close { peer, .. } => self.close(peer, context),
            Action::Learned(record) => {
                if !context.shared.ledger.holds(&record) {
                    self.tally.believed_forgeries += 1;
                }
                life.directory.insert(record);
                return true;
            }
            Action::Forgotten(id) => {
                life.directory.remove(&id);
            }
            Action::Neighbors(neighbors) => {
                life.directory.set_links(&neighbors);
                life.neighbors = neighbors;
                return true;
            }
            Action::Remember(past) => {
                self.past.insert(past.descriptor.id(), past);
            }
            Action::Forget(id) => {
                self.past.remove(&id);
            }
            Action::Report(_) => {}
        }
        false
    }

    fn emit(&mut self, context: &mut Context<'_>, delay: Micros, to: u32, what: What) {
        let event = self.cause(context.now + delay, to, what);
        context.out.push(event);
    }

    fn cause(&mut self, at: Micros, to: u32, what: What) -> Event {
        self.caused += 1;
        Event {
            at,
            cause: (self.number, self.caused),
            to,
            what,
        }
    }

    fn note(&mut self, now: Micros, what: &What) {
        let content = match what {
            What::Start => 1,
            What::Stop(leave) => 2 + u64::from(*leave == Leave::Silently),
            What::Timer => 4,
            What::Look { session } => 5 ^ (u64::from(*session) << 8),
            What::Flow { session } => 6 ^ (u64::from(*session) << 8),
            What::Dial(dial) => 7 ^ of_link(dial.link),
            What::Dialled { attempt, refused } => {
                8 ^ (u64::from(*attempt) << 8) ^ (u64::from(refused.is_some()) << 40)
            }
            What::DialTimeout { attempt } => 9 ^ (u64::from(*attempt) << 8),
            What::Established { link, .. } => 10 ^ of_link(*link),
            What::Message { link, message } => 11 ^ of_link(*link) ^ of_bytes(message),
            What::LinkDown { link, .. } => 12 ^ of_link(*link),
            What::Circuit(circuit) => 13 ^ of_circuit(circuit),
            What::Ended(circuit, fate) => {
                14 ^ of_circuit(circuit) ^ (u64::from(*fate == Fate::Opened) << 60)
            }
            What::Overdue { flow, .. } => 15 ^ (u64::from(*flow) << 8),
        };
        self.digest = mix(self.digest ^ mix(now ^ mix(content)));
    }
}

fn of_link(link: LinkId) -> u64 {
    mix((u64::from(link.dialler) << 32) | u64::from(link.attempt))
}

fn of_circuit(circuit: &Circuit) -> u64 {
    let begin = (u64::from(circuit.originator) << 32) | u64::from(circuit.flow);
    circuit
        .path
        .iter()
        .fold(mix(begin), |sum, hop| mix(sum ^ u64::from(*hop)))
}

/// The length and the begin of a message; letters are sealed with randomness of the machine's.
fn of_bytes(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    let bytes = &bytes[..bytes.len().min(NOTED)];
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(
        length,
        |sum: u64, word| mix(sum ^ u64::from_le_bytes(*word)),
    );
    rest.iter()
        .fold(sum, |sum, byte| mix(sum ^ u64::from(*byte)))
}
