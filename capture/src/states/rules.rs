//! Firewall rules as data, and their text for nft.

use std::fmt::Write;
use std::net::IpAddr;

use crate::address::{Family, Network};
use crate::beside::TunnelMark;
use crate::plan::{MARK_DIRECT, MARK_MASK, ruled_mark};

/// The rules that stand at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub chains: Vec<Chain>,
}

/// The rules of one hook, in order; what none decides passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub hook: Hook,
    pub rules: Vec<Rule>,
}

/// Where a chain sees packets, in the order in which a packet meets them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// All that comes in, before connection tracking.
    Inbound,
    /// All that comes in, after it.
    Forwarded,
    /// What this machine sends, while its way can still be changed.
    Answers,
    /// What this machine sends.
    Output,
    /// What passes through this machine.
    Forward,
    /// All that leaves.
    Leaving,
}

/// What becomes of a packet that a rule matches.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    /// It goes past the TUN.
    Direct,
    /// Its sender hears nothing.
    Drop,
    /// Its sender is told at once.
    Refuse,
}

/// All of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub matches: Vec<Match>,
    pub verdict: Verdict,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    In(Vec<String>),
    Out(String),
    /// It leaves by any other interface.
    OutOther(String),
    Marked(u32),
    /// It is earlier than this (unix seconds).
    Before(u64),
    /// By an app of one of these numbers.
    Ruled(Vec<u16>),
    /// Of a tunnel beside us.
    Tunnel(TunnelMark),
    /// Of a connection that somebody else began.
    Answer,
    NotTcp,
    /// TCP, and not the first packet of a connection.
    NotSyn,
    /// TCP from one of these ports.
    SourcePorts(Vec<u16>),
    From(IpAddr),
    To(IpAddr),
    ToThisMachine,
    Within(Family, Vec<Network>),
    Dhcp(Family),
    NeighborDiscovery,
    Dns,
    /// Its destination was translated.
    Published,
}

impl Rule {
    pub fn new(matches: impl IntoIterator<Item = Match>, verdict: Verdict) -> Rule {
        Rule {
            matches: matches.into_iter().collect(),
            verdict,
        }
    }
}

impl RuleSet {
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// One transaction after which the table holds these rules and no others.
    pub fn replacing(&self, table: &str) -> String {
        let mut text = gone(table);
        if !self.is_empty() {
            let _ = writeln!(text, "table inet {table} {{ {} }}", self.body());
        }
        text
    }

    /// The chains, on one line, for a table.
    pub fn body(&self) -> String {
        let chains: Vec<String> = self.chains.iter().map(chain).collect();
        chains.join(" ")
    }
}

/// One transaction after which the table is not there.
pub fn gone(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}\n")
}

/// The words that lead a packet past the TUN.
pub(crate) fn direct() -> String {
    format!(
        "meta mark set meta mark and {:#x} or {MARK_DIRECT:#x}",
        !MARK_MASK
    )
}

fn chain(chain: &Chain) -> String {
    let (name, hook) = match chain.hook {
        Hook::Inbound => ("inbound", "type filter hook prerouting priority -310"),
        Hook::Forwarded => (
            "forwarded",
            "type filter hook prerouting priority mangle + 1",
        ),
        Hook::Answers => ("answers", "type route hook output priority mangle - 1"),
        Hook::Output => ("outgoing", "type filter hook output priority filter"),
        Hook::Forward => ("passing", "type filter hook forward priority filter"),
        Hook::Leaving => ("leaving", "type filter hook postrouting priority filter"),
    };
    let mut text = format!("chain {name} {{ {hook}; policy accept; ");
    for rule in &chain.rules {
        for line in lines(rule) {
            text.push_str(&line);
            text.push_str("; ");
        }
    }
    text.push_str("};");
    text
}

fn lines(rule: &Rule) -> Vec<String> {
    let conditions: String = rule
        .matches
        .iter()
        .map(|condition| words(condition) + " ")
        .collect();
    match rule.verdict {
        Verdict::Accept => vec![format!("{conditions}accept")],
        Verdict::Direct => vec![format!("{conditions}{} accept", direct())],
        Verdict::Drop => vec![format!("{conditions}counter drop")],
        Verdict::Refuse => vec![
            format!("{conditions}meta l4proto tcp counter reject with tcp reset"),
            format!("{conditions}counter reject with icmpx type admin-prohibited"),
        ],
    }
}

fn words(condition: &Match) -> String {
    match condition {
        Match::In(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            format!("iifname {{ {} }}", names.join(", "))
        }
        Match::Out(name) => format!("oifname \"{name}\""),
        Match::OutOther(name) => format!("oifname != \"{name}\""),
        Match::Marked(mark) => format!("meta mark & {MARK_MASK:#x} == {mark:#x}"),
        Match::Before(end) => format!("meta time < {end}"),
        Match::Ruled(numbers) => format!("meta mark {{ {} }}", ruled(numbers)),
        Match::Tunnel(mark) => tunnel(*mark),
        Match::Answer => "ct direction reply".to_owned(),
        Match::NotTcp => "meta l4proto != tcp".to_owned(),
        Match::NotSyn => "tcp flags & (syn | ack) != syn".to_owned(),
        Match::SourcePorts(ports) => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("tcp sport {{ {} }}", ports.join(", "))
        }
        Match::From(address) => format!("{} saddr {address}", family_word(address.is_ipv4())),
        Match::To(address) => format!("{} daddr {address}", family_word(address.is_ipv4())),
        Match::ToThisMachine => "fib daddr type local".to_owned(),
        Match::Within(family, networks) => {
            let networks: Vec<String> = networks.iter().map(Network::to_string).collect();
            let word = family_word(*family == Family::V4);
            format!("{word} daddr {{ {} }}", networks.join(", "))
        }
        Match::Dhcp(Family::V4) => "udp sport 68 udp dport 67".to_owned(),
        Match::Dhcp(Family::V6) => "udp sport 546 udp dport 547".to_owned(),
        Match::NeighborDiscovery => "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, \
             nd-router-solicit, mld-listener-report, mld-listener-done, mld2-listener-report }"
            .to_owned(),
        Match::Dns => "meta l4proto { tcp, udp } th dport 53".to_owned(),
        Match::Published => "ct status dnat".to_owned(),
    }
}

/// The marks of ruled subjects, as elements of a set.
pub fn ruled(numbers: &[u16]) -> String {
    let marks = numbers.iter().map(|number| ruled_mark(*number));
    let marks: Vec<String> = marks.map(|mark| format!("{mark:#x}")).collect();
    marks.join(", ")
}

/// The packets of a tunnel itself.
pub(crate) fn tunnel(mark: TunnelMark) -> String {
    let TunnelMark { value, mask, .. } = mark;
    let protocol = if mark.udp_only {
        " meta l4proto udp"
    } else {
        ""
    };
    format!("meta mark & {mask:#x} == {value:#x}{protocol}")
}

fn family_word(v4: bool) -> &'static str {
    if v4 { "ip" } else { "ip6" }
}
