//! The changes that route a Linux machine's traffic into the TUN, as data.
//!
//! A [`Plan`] is a list of steps for each stage: `prepare` (interface and a
//! routing table that only it uses), `activate` (rules and firewall, what
//! [`crate::helper::Request::Suspend`] takes back). Each step is a text for
//! `ip -batch`, for `nft`, or a kernel setting, with the inverses that go to
//! the journal before it is applied. Why each rule is there stands in
//! `docs/decisions/linux-capture.md`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::address::{Family, LINK, LOCAL, Network};
use crate::beside::{TunnelMark, Tunnels};
use crate::failure::{CaptureError, FailureCode};
use crate::journal::Inverse;
use crate::states::rules::{direct, tunnel};
use crate::states::{LocalNetwork, OnFailure, Policy, State, rule_set};

/// Address of the TUN: host-local by RFC 7335, so on no wire and in no pool.
pub const TUN_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 6);
/// Address of the TUN: a unique local prefix of our own (RFC 4193).
pub const TUN_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd6d, 0x6173, 0x7154, 0, 0, 0, 0, 6);
/// Where `masq run` sends its queries: any address beyond the TUN serves.
pub const RESOLVER_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 7);
/// TCP ends in our own stack, so the largest packet is the best one.
pub const TUN_MTU: u32 = 65_535;

/// Mark of the Node's own sockets: past the TUN.
pub const MARK_DIRECT: u32 = 0x4d51_0000;
/// Mark of packets that picked an interface by themselves: into the TUN.
pub const MARK_CAPTURE: u32 = 0x4d52_0000;
/// The lower half is left to others, but for that of [`MARK_RULED`].
pub const MARK_MASK: u32 = 0xffff_0000;

/// Mark of sockets of apps that are direct as a whole by a rule, with a number
/// of the subject in the lower half: past the TUN while that number is ruled.
pub const MARK_RULED: u32 = 0x4d53_0000;
/// The set of the firewall table with the marks that are ruled.
pub const RULED: &str = "ruled";
/// The largest such number; bits that others commonly use are above it.
pub const RULED_NUMBERS: u16 = 0x0fff;

/// The mark of a subject of this number.
pub fn ruled_mark(number: u16) -> u32 {
    MARK_RULED | u32::from(number.min(RULED_NUMBERS))
}

/// First priority of our routing rules; they span [`PRIORITY_SPAN`]. Where others
/// have a lower one, ours go below it ([`crate::beside`]).
pub const PRIORITY: u32 = 5000;
pub const PRIORITY_SPAN: u32 = 200;
pub const TABLE: u32 = 0x6d71;

/// What a plan depends on.
#[derive(Clone, Debug)]
pub struct PlanConfig {
    tun: String,
    /// Name of the nftables table.
    pub nft_table: String,
    pub ipv6: bool,
    pub excluded: Vec<Network>,
    pub captured: Vec<Network>,
    /// TCP ports with a listener at start; their connections stay direct.
    pub listening: Vec<u16>,
    /// Whether an interface drops packets whose way back is another one.
    pub strict_reverse_path: bool,
    pub on_failure: OnFailure,
    pub local_network: LocalNetwork,
    pub lockdown: bool,
    /// Numbers of the subjects that are direct as a whole.
    pub ruled: Vec<u16>,
    /// When the pause ends (unix seconds), where that is known.
    pub pause_ends: Option<u64>,
    /// Tunnels of others.
    pub tunnels: Tunnels,
    /// Where the routing rules begin.
    pub priority: u32,
    /// Rules move by being added elsewhere before they are removed: the steps of
    /// both have names of their own in the journal.
    pub moved: bool,
}

impl PlanConfig {
    /// A plan for an interface of this name; the rest can be set afterwards.
    pub fn new(tun: &str) -> Result<PlanConfig, CaptureError> {
        let fits = (1..=15).contains(&tun.len())
            && tun
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !fits {
            let text =
                format!("`{tun}` cannot name an interface: 1 to 15 letters, digits, `-` or `_`");
            return Err(CaptureError::new(FailureCode::Configuration, text));
        }
        Ok(PlanConfig {
            tun: tun.to_owned(),
            nft_table: "masq".to_owned(),
            ipv6: true,
            excluded: Vec::new(),
            captured: Vec::new(),
            listening: Vec::new(),
            strict_reverse_path: false,
            on_failure: OnFailure::Block,
            local_network: LocalNetwork::Allow,
            lockdown: false,
            ruled: Vec::new(),
            pause_ends: None,
            tunnels: Tunnels::default(),
            priority: PRIORITY,
            moved: false,
        })
    }

    pub fn tun(&self) -> &str {
        &self.tun
    }

    /// What the rules of each state depend on.
    pub fn policy(&self) -> Policy {
        Policy {
            lockdown: self.lockdown,
            on_failure: self.on_failure,
            local_network: self.local_network,
            ipv6: self.ipv6,
            tun: self.tun.clone(),
            excluded: self.excluded.clone(),
            listening: self.listening.clone(),
            ruled: self.ruled.clone(),
            pause_ends: self.pause_ends,
            tunnels: self.tunnels.clone(),
        }
    }

    /// Whether a step of these rules has this name, and not of those elsewhere.
    pub fn names_rules(&self, step: &str) -> bool {
        let rules = step.starts_with("exceptions-") || step.starts_with("capture-");
        rules && step.ends_with(MOVED) == self.moved
    }

    fn families(&self) -> &'static [Family] {
        if self.ipv6 {
            &Family::BOTH
        } else {
            &[Family::V4]
        }
    }
}

/// How a step is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lines for `ip FAMILY -batch -`.
    Ip {
        family: Family,
        lines: Vec<String>,
    },
    /// One line for the `nft` process that owns the table.
    Nft {
        line: String,
    },
    Sysctl {
        path: PathBuf,
        value: String,
    },
}

/// One change, its name in the journal and its inverses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub action: Action,
    pub inverses: Vec<Inverse>,
}

/// All changes, in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub prepare: Vec<Step>,
    pub activate: Vec<Step>,
}

impl Plan {
    pub fn new(config: &PlanConfig) -> Plan {
        let mut prepare = Vec::new();
        for &family in config.families() {
            prepare.push(interface(config, family));
        }
        let mut activate = Vec::new();
        if config.strict_reverse_path {
            activate.push(reverse_path());
        }
        for &family in config.families() {
            activate.push(exceptions(config, family));
        }
        activate.push(firewall(config));
        for &family in config.families() {
            activate.push(capture(config, family));
        }
        Plan { prepare, activate }
    }
}

fn interface(config: &PlanConfig, family: Family) -> Step {
    let tun = &config.tun;
    let (name, mut lines) = match family {
        Family::V4 => (
            "interface-v4",
            vec![
                format!("link set dev {tun} mtu {TUN_MTU} up"),
                format!("addr add {TUN_IPV4}/32 dev {tun}"),
            ],
        ),
        Family::V6 => (
            "interface-v6",
            vec![format!("addr add {TUN_IPV6}/128 dev {tun} nodad")],
        ),
    };
    lines.push(format!("route add default dev {tun} table {TABLE}"));
    Step {
        name,
        action: Action::Ip { family, lines },
        inverses: vec![Inverse::FlushTable {
            family,
            table: TABLE,
        }],
    }
}

fn reverse_path() -> Step {
    let path = PathBuf::from("/proc/sys/net/ipv4/conf/all/src_valid_mark");
    Step {
        name: "reverse-path",
        action: Action::Sysctl {
            path: path.clone(),
            value: "1".to_owned(),
        },
        inverses: vec![Inverse::RestoreSysctl {
            path,
            value: "0".to_owned(),
        }],
    }
}

/// The rules that keep traffic out of the TUN; `goto` leaves marked packets
/// to the machine's other rules.
fn exceptions(config: &PlanConfig, family: Family) -> Step {
    let end = config.priority + PRIORITY_SPAN - 1;
    let mut rules = Rules::starting(config.priority);
    rules.push(format!("iif {} goto {end}", config.tun));
    // An app that is direct may have been told a fake address by a resolver
    // that is not.
    for network in of_family(&config.captured, family) {
        rules.push(format!("to {network} lookup {TABLE}"));
    }
    for mark in [MARK_DIRECT, MARK_RULED] {
        rules.push(format!("fwmark {mark:#x}/{MARK_MASK:#x} goto {end}"));
    }
    for mark in &config.tunnels.marks {
        let TunnelMark { value, mask, .. } = mark;
        let protocol = if mark.udp_only { " ipproto 17" } else { "" };
        rules.push(format!("fwmark {value:#x}/{mask:#x}{protocol} goto {end}"));
    }
    rules.push(format!(
        "fwmark {MARK_CAPTURE:#x}/{MARK_MASK:#x} lookup {TABLE}"
    ));
    let (client, server) = dhcp(family);
    rules.push(format!(
        "ipproto {UDP} sport {client} dport {server} goto {end}"
    ));
    for network in of_family(&config.excluded, family) {
        rules.push(format!("to {network} goto {end}"));
    }
    let mut lines = vec![format!("rule add priority {end} nop")];
    lines.extend(rules.lines);
    let mut inverses = vec![Inverse::DeleteRule {
        family,
        priority: end,
    }];
    inverses.extend(inverse_rules(family, config.priority..rules.next));
    Step {
        name: match (family, config.moved) {
            (Family::V4, false) => "exceptions-v4",
            (Family::V6, false) => "exceptions-v6",
            (Family::V4, true) => "exceptions-v4-moved",
            (Family::V6, true) => "exceptions-v6-moved",
        },
        action: Action::Ip { family, lines },
        inverses,
    }
}

/// Protocols by number: `ip` finds their names in /etc/protocols, which not
/// every system has.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The rules that lead into the TUN.
fn capture(config: &PlanConfig, family: Family) -> Step {
    let end = config.priority + PRIORITY_SPAN - 1;
    let first = config.priority + PRIORITY_SPAN / 2;
    let mut rules = Rules::starting(first);
    for protocol in [UDP, TCP] {
        rules.push(format!("ipproto {protocol} dport 53 lookup {TABLE}"));
    }
    // A tunnel's own table is asked before, as its program has it.
    for table in &config.tunnels.tables {
        let nearby = of_family(config.tunnels.nearby(), family);
        for network in nearby.chain(of_family(&LOCAL, family)) {
            rules.push(format!(
                "to {network} lookup {table} suppress_prefixlength 1"
            ));
        }
    }
    // One bit is no route of a local network either, but half of all addresses;
    // and so wg-quick, which removes its rules by what they say, leaves ours.
    for network in of_family(&LOCAL, family) {
        rules.push(format!("to {network} lookup main suppress_prefixlength 1"));
    }
    for network in of_family(&LINK, family) {
        rules.push(format!("to {network} goto {end}"));
    }
    rules.push(format!("lookup {TABLE}"));
    Step {
        name: match (family, config.moved) {
            (Family::V4, false) => "capture-v4",
            (Family::V6, false) => "capture-v6",
            (Family::V4, true) => "capture-v4-moved",
            (Family::V6, true) => "capture-v6-moved",
        },
        inverses: inverse_rules(family, first..rules.next).collect(),
        action: Action::Ip {
            family,
            lines: rules.lines,
        },
    }
}

/// The end of the names of steps that were done elsewhere.
const MOVED: &str = "-moved";

struct Rules {
    next: u32,
    lines: Vec<String>,
}

impl Rules {
    fn starting(next: u32) -> Rules {
        Rules {
            next,
            lines: Vec::new(),
        }
    }

    fn push(&mut self, rule: String) {
        self.lines
            .push(format!("rule add priority {} {rule}", self.next));
        self.next += 1;
    }
}

fn inverse_rules(
    family: Family,
    priorities: std::ops::Range<u32>,
) -> impl Iterator<Item = Inverse> {
    priorities.map(move |priority| Inverse::DeleteRule { family, priority })
}

fn dhcp(family: Family) -> (u16, u16) {
    match family {
        Family::V4 => (68, 67),
        Family::V6 => (546, 547),
    }
}

fn of_family(networks: &[Network], family: Family) -> impl Iterator<Item = Network> {
    networks
        .iter()
        .copied()
        .filter(move |network| network.family() == family)
}

/// The table that diverts, and dies with its owner. What refuses stands in a
/// table of its own, unless the user wants traffic direct after a failure.
fn firewall(config: &PlanConfig) -> Step {
    let tun = &config.tun;
    let table = &config.nft_table;
    let direct = direct();
    let divert = format!(
        "meta mark set meta mark and {:#x} or {MARK_CAPTURE:#x}",
        !MARK_MASK
    );
    let beside = |family| {
        let mut list: Vec<String> = of_family(&LOCAL, family)
            .chain(of_family(&LINK, family))
            .map(|n| n.to_string())
            .collect();
        let more = config.tunnels.nearby().iter().chain(&config.excluded);
        let more: Vec<Network> = more.copied().collect();
        list.extend(of_family(&more, family).map(|network| network.to_string()));
        list.join(", ")
    };
    let tunnels: String = config
        .tunnels
        .marks
        .iter()
        .map(|mark| format!("{} accept; ", tunnel(*mark)))
        .collect();
    let policy = config.policy();
    let refusing = if policy.fails_closed() {
        String::new()
    } else {
        rule_set(State::On, &policy).body() + " "
    };
    let line = format!(
        "add table inet {table} {{ flags owner; {refusing}\
         set {RULED} {{ type mark; }}; \
         chain output {{ type route hook output priority mangle; policy accept; \
         meta mark & {MARK_MASK:#x} == {MARK_DIRECT:#x} accept; \
         oifname \"lo\" accept; \
         meta mark @{RULED} {direct} accept; \
         oifname \"{tun}\" accept; \
         {tunnels}\
         udp sport 68 udp dport 67 accept; udp sport 546 udp dport 547 accept; \
         icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit }} accept; \
         meta l4proto {{ tcp, udp }} th dport 53 {divert} accept; \
         ip daddr {{ {v4} }} accept; ip6 daddr {{ {v6} }} accept; \
         {divert}; }}; }}",
        v4 = beside(Family::V4),
        v6 = beside(Family::V6),
    );
    Step {
        name: "firewall",
        action: Action::Nft { line },
        // The kernel removes it with its owner.
        inverses: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
