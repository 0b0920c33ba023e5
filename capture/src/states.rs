//! What passes the machine's firewall in each state of its capture, decided
//! in one place.
//!
//! [`rule_set`] turns a state and the user's wishes into a [`RuleSet`], which
//! renders to one nftables transaction; [`fate`] says the same as a table by
//! class of traffic, which `docs/security.md` shows. Tests hold both together.
//! Pure: applying is the platform's.

use crate::address::{Family, LINK, LOCAL, Network};
use crate::beside::Tunnels;
use crate::plan::{MARK_CAPTURE, MARK_DIRECT, TUN_IPV4, TUN_IPV6};

pub mod rules;
pub mod table;

pub use rules::{Chain, Hook, Match, Rule, RuleSet, Verdict};
pub use table::{Class, Fate, fate};

/// The table that stays when the processes that made it are killed.
pub const GUARD_TABLE: &str = "masq_guard";

/// How far the capture of this machine is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The user has not started it, or has stopped it.
    Off,
    /// The user has started it, and nothing carries traffic yet.
    Starting,
    On,
    /// The Node has no way into the mesh: it takes flows and refuses them.
    Reconnecting,
    /// The user lets traffic go the usual way for a while.
    Paused,
    /// Whoever carried the traffic has ended without being told to.
    Error,
}

impl State {
    pub const ALL: [State; 6] = [
        State::Off,
        State::Starting,
        State::On,
        State::Reconnecting,
        State::Paused,
        State::Error,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Off => "off",
            State::Starting => "starting",
            State::On => "on",
            State::Reconnecting => "reconnecting",
            State::Paused => "paused",
            State::Error => "error",
        }
    }

    /// Whether the TUN takes what is captured.
    pub fn captures(self) -> bool {
        match self {
            State::On | State::Reconnecting => true,
            State::Off | State::Starting | State::Paused | State::Error => false,
        }
    }
}

/// What becomes of traffic when nobody is left to carry it.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is refused until the user says otherwise.
    #[default]
    Block,
    /// It goes the way it went before the capture.
    Direct,
}

/// Whether apps reach the networks around this machine.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LocalNetwork {
    #[default]
    Allow,
    Block,
}

/// The user's wishes and the facts that rules depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nothing goes directly in any state.
    pub lockdown: bool,
    pub on_failure: OnFailure,
    pub local_network: LocalNetwork,
    /// Whether IPv6 is captured; it is refused where it is not.
    pub ipv6: bool,
    /// The interface that takes what is captured.
    pub tun: String,
    /// Networks that are never captured.
    pub excluded: Vec<Network>,
    /// TCP ports that had a listener at the start: connections to them from
    /// before the start go on.
    pub listening: Vec<u16>,
    /// Numbers of the subjects that rules make direct as a whole.
    pub ruled: Vec<u16>,
    /// When a pause ends (unix seconds), where that is known.
    pub pause_ends: Option<u64>,
    /// Tunnels of others, as long as somebody looks after them.
    pub tunnels: Tunnels,
}

impl Policy {
    pub fn new(tun: &str) -> Policy {
        Policy {
            lockdown: false,
            on_failure: OnFailure::Block,
            local_network: LocalNetwork::Allow,
            ipv6: true,
            tun: tun.to_owned(),
            excluded: Vec::new(),
            listening: Vec::new(),
            ruled: Vec::new(),
            pause_ends: None,
            tunnels: Tunnels::default(),
        }
    }

    /// Whether traffic is refused when nobody carries it.
    pub fn fails_closed(&self) -> bool {
        self.lockdown || self.on_failure == OnFailure::Block
    }
}

/// The rules of a state.
pub fn rule_set(state: State, policy: &Policy) -> RuleSet {
    let chains = match posture(state, policy) {
        Posture::Absent => Vec::new(),
        Posture::Open => match policy.pause_ends {
            None => vec![open(policy)],
            Some(end) => open_until(end, policy),
        },
        Posture::Closed => closed(state, policy),
    };
    RuleSet { chains }
}

/// What the firewall is there for in a state.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Posture {
    Absent,
    /// All passes but what is left of captured connections.
    Open,
    /// What is not excepted is refused, unless the TUN takes it.
    Closed,
}

fn posture(state: State, policy: &Policy) -> Posture {
    match state {
        State::On | State::Reconnecting => Posture::Closed,
        State::Starting | State::Error if policy.fails_closed() => Posture::Closed,
        State::Off | State::Paused if policy.lockdown => Posture::Closed,
        State::Paused => Posture::Open,
        State::Off | State::Starting | State::Error => Posture::Absent,
    }
}

/// A connection that went into the TUN has the TUN's address. Past the TUN
/// nobody answers it, so it ends at once.
fn open(policy: &Policy) -> Chain {
    let mut rules = Vec::new();
    for own in [Match::From(TUN_IPV4.into()), Match::From(TUN_IPV6.into())] {
        let aside = Match::OutOther(policy.tun.clone());
        rules.push(Rule::new([aside, own], Verdict::Refuse));
    }
    Chain {
        hook: Hook::Output,
        rules,
    }
}

/// The kernel ends a pause in time also when nobody is left to end it.
fn open_until(end: u64, policy: &Policy) -> Vec<Chain> {
    let mut chains = closed(State::Error, policy);
    for chain in &mut chains {
        let mut rules = match chain.hook {
            Hook::Output => open(policy).rules,
            Hook::Inbound | Hook::Forwarded | Hook::Answers | Hook::Forward | Hook::Leaving => {
                Vec::new()
            }
        };
        rules.push(Rule::new([Match::Before(end)], Verdict::Accept));
        rules.append(&mut chain.rules);
        chain.rules = rules;
    }
    chains
}

fn closed(state: State, policy: &Policy) -> Vec<Chain> {
    vec![
        inbound(policy),
        forwarded(policy),
        answers(state, policy),
        output(state, policy),
        forward(policy),
        leaving(policy),
    ]
}

/// Refuses forged connections to the TUN's address, whose answers would leave
/// directly.
fn inbound(policy: &Policy) -> Chain {
    Chain {
        hook: Hook::Inbound,
        rules: vec![
            Rule::new([Match::In(inside(policy))], Verdict::Accept),
            Rule::new([Match::To(TUN_IPV4.into())], Verdict::Drop),
            Rule::new([Match::To(TUN_IPV6.into())], Verdict::Drop),
        ],
    }
}

/// Answers of containers to those who connected from outside; and what comes in
/// is marked, for a strict reverse path filter. Behind others that mark what
/// comes in, as wg-quick does.
fn forwarded(policy: &Policy) -> Chain {
    Chain {
        hook: Hook::Forwarded,
        rules: vec![
            Rule::new([Match::In(inside(policy))], Verdict::Accept),
            Rule::new([Match::ToThisMachine], Verdict::Direct),
            Rule::new([Match::Answer], Verdict::Direct),
        ],
    }
}

/// Answers of this machine's services. They are told here and not where
/// traffic is diverted, so that they outlive whoever diverts. Apps that are
/// direct as a whole are told there, and here only while nothing is diverted.
fn answers(state: State, policy: &Policy) -> Chain {
    let mut rules = vec![
        Rule::new([Match::Marked(MARK_DIRECT)], Verdict::Accept),
        Rule::new([Match::Out("lo".to_owned())], Verdict::Accept),
    ];
    if state == State::Paused && !policy.ruled.is_empty() {
        let ruled = Match::Ruled(policy.ruled.clone());
        rules.push(Rule::new([ruled], Verdict::Direct));
    }
    rules.extend([
        Rule::new([Match::Answer, Match::NotTcp], Verdict::Direct),
        Rule::new([Match::Answer, Match::NotSyn], Verdict::Direct),
    ]);
    if !policy.listening.is_empty() {
        let ports = Match::SourcePorts(policy.listening.clone());
        rules.push(Rule::new([ports, Match::NotSyn], Verdict::Direct));
    }
    Chain {
        hook: Hook::Answers,
        rules,
    }
}

fn output(state: State, policy: &Policy) -> Chain {
    let mut rules = vec![
        Rule::new([Match::Out("lo".to_owned())], Verdict::Accept),
        Rule::new([Match::Marked(MARK_DIRECT)], Verdict::Accept),
    ];
    // One of user space keeps to the interface and the address of its first
    // packets, which had no mark yet, until it is told that they do not work:
    // in the TUN it would go through the mesh, and the mesh through it.
    let marks = policy.tunnels.marks.iter();
    rules.extend(marks.map(|mark| {
        let into = Match::Out(policy.tun.clone());
        Rule::new([into, Match::Tunnel(*mark)], Verdict::Refuse)
    }));
    rules.extend([
        Rule::new([Match::Out(policy.tun.clone())], Verdict::Accept),
        // Diverted within this hook, which still names the interface from
        // before: where it leaves is seen in the last chain.
        Rule::new([Match::Marked(MARK_CAPTURE)], Verdict::Accept),
        Rule::new([Match::Dhcp(Family::V4)], Verdict::Accept),
        Rule::new([Match::Dhcp(Family::V6)], Verdict::Accept),
        Rule::new([Match::NeighborDiscovery], Verdict::Accept),
    ]);
    // When off, nobody follows what others do.
    if state != State::Off {
        let marks = policy.tunnels.marks.iter();
        rules.extend(marks.map(|mark| Rule::new([Match::Tunnel(*mark)], Verdict::Accept)));
    }
    rules.push(Rule::new([Match::Dns], Verdict::Refuse));
    rules.extend(beside(policy));
    rules.push(Rule::new([], Verdict::Refuse));
    Chain {
        hook: Hook::Output,
        rules,
    }
}

/// Traffic of containers and of machines behind this one.
fn forward(policy: &Policy) -> Chain {
    let mut rules = vec![
        Rule::new([Match::In(vec![policy.tun.clone()])], Verdict::Accept),
        Rule::new([Match::Out(policy.tun.clone())], Verdict::Accept),
        Rule::new([Match::Marked(MARK_DIRECT)], Verdict::Accept),
        // A published port of a container.
        Rule::new([Match::Published], Verdict::Accept),
        Rule::new([Match::Dns], Verdict::Refuse),
    ];
    rules.extend(beside(policy));
    rules.push(Rule::new([], Verdict::Refuse));
    Chain {
        hook: Hook::Forward,
        rules,
    }
}

/// What was to enter the TUN and leaves elsewhere.
fn leaving(policy: &Policy) -> Chain {
    let aside = Match::OutOther(policy.tun.clone());
    Chain {
        hook: Hook::Leaving,
        rules: vec![Rule::new(
            [aside, Match::Marked(MARK_CAPTURE)],
            Verdict::Drop,
        )],
    }
}

/// What is reached past the TUN by its address.
fn beside(policy: &Policy) -> impl Iterator<Item = Rule> {
    let mut networks = policy.excluded.clone();
    if policy.local_network == LocalNetwork::Allow {
        networks.extend(LOCAL);
        networks.extend(policy.tunnels.nearby());
        networks.extend(LINK);
    }
    Family::BOTH.into_iter().filter_map(move |family| {
        let networks = networks.iter().copied();
        let list: Vec<Network> = networks.filter(|one| one.family() == family).collect();
        (!list.is_empty()).then(|| Rule::new([Match::Within(family, list)], Verdict::Accept))
    })
}

fn inside(policy: &Policy) -> Vec<String> {
    vec![policy.tun.clone(), "lo".to_owned()]
}

#[cfg(test)]
mod tests;
