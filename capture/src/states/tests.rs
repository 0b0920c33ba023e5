//! Holds rules, table and documentation to each other, by sending imagined
//! packets through the rules.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::beside::Others;
use crate::plan::ruled_mark;

/// What a rule can see of a packet.
#[derive(Clone, Debug)]
struct Packet {
    forwarded: bool,
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    source_port: u16,
    port: u16,
    syn: bool,
    answer: bool,
    published: bool,
    discovery: bool,
    mark: u32,
    out: &'static str,
}

impl Packet {
    fn to(address: &str, protocol: u8) -> Packet {
        Packet {
            forwarded: false,
            from: if address.contains(':') {
                "2001:db8::1".parse().unwrap()
            } else {
                "198.51.100.7".parse().unwrap()
            },
            to: address.parse().unwrap(),
            protocol,
            source_port: 40_000,
            port: 443,
            syn: protocol == TCP,
            answer: false,
            published: false,
            discovery: false,
            mark: 0,
            out: "eth0",
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const TUN: &str = "masq0";
const NOW: u64 = 1_800_000_000;
/// The number of an app that is direct as a whole.
const RULED: u16 = 7;

fn sample(class: Class) -> Packet {
    match class {
        Class::Tcp4 => Packet::to("9.9.9.9", TCP),
        Class::Tcp6 => Packet::to("2620:fe::fe", TCP),
        Class::Udp4 => Packet::to("9.9.9.9", UDP),
        Class::Udp6 => Packet::to("2620:fe::fe", UDP),
        Class::Echo4 => Packet::to("9.9.9.9", 1),
        Class::Echo6 => Packet::to("2620:fe::fe", 58),
        Class::OtherProtocol => Packet::to("9.9.9.9", 47),
        Class::Dns => Packet {
            port: 53,
            ..Packet::to("192.168.7.1", UDP)
        },
        Class::Dhcp => Packet {
            source_port: 68,
            port: 67,
            ..Packet::to("255.255.255.255", UDP)
        },
        Class::NeighborDiscovery => Packet {
            discovery: true,
            ..Packet::to("ff02::1", 58)
        },
        Class::Multicast => Packet {
            port: 5353,
            ..Packet::to("224.0.0.251", UDP)
        },
        Class::LocalNetwork => Packet::to("192.168.7.2", TCP),
        Class::Forwarded => Packet {
            forwarded: true,
            ..Packet::to("9.9.9.9", TCP)
        },
        Class::Answer => Packet {
            syn: false,
            answer: true,
            ..Packet::to("9.9.9.9", TCP)
        },
        Class::PublishedAnswer => Packet {
            forwarded: true,
            syn: false,
            answer: true,
            ..Packet::to("9.9.9.9", TCP)
        },
        Class::Loopback => Packet {
            out: "lo",
            ..Packet::to("127.0.0.1", TCP)
        },
        Class::Own => Packet {
            mark: MARK_DIRECT,
            ..Packet::to("9.9.9.9", UDP)
        },
        Class::Tunnel => Packet {
            mark: 0xca6c,
            port: 51820,
            ..Packet::to("9.9.9.9", UDP)
        },
        Class::DirectApp => Packet {
            mark: ruled_mark(RULED),
            ..Packet::to("9.9.9.9", TCP)
        },
    }
}

fn matches(packet: &Packet, condition: &Match) -> bool {
    match condition {
        Match::In(names) => packet.forwarded && names.iter().any(|name| name == "docker0"),
        Match::Out(name) => packet.out == name,
        Match::OutOther(name) => packet.out != name,
        Match::Marked(mark) => packet.mark == *mark,
        Match::Tunnel(mark) => {
            packet.mark & mark.mask == mark.value && (packet.protocol == UDP || !mark.udp_only)
        }
        Match::Ruled(numbers) => {
            let mut marks = numbers.iter().map(|one| ruled_mark(*one));
            marks.any(|mark| mark == packet.mark)
        }
        Match::Before(end) => NOW < *end,
        Match::Answer => packet.answer,
        Match::NotTcp => packet.protocol != TCP,
        Match::NotSyn => packet.protocol == TCP && !packet.syn,
        Match::SourcePorts(ports) => packet.protocol == TCP && ports.contains(&packet.source_port),
        Match::From(address) => packet.from == *address,
        Match::To(address) => packet.to == *address,
        Match::ToThisMachine => false,
        Match::Within(_, networks) => networks.iter().any(|one| one.contains(packet.to)),
        Match::Dhcp(_) => packet.protocol == UDP && (packet.source_port, packet.port) == (68, 67),
        Match::NeighborDiscovery => packet.discovery,
        Match::Dns => [TCP, UDP].contains(&packet.protocol) && packet.port == 53,
        Match::Published => packet.published,
    }
}

/// Where a packet gets in a state: `None` when it is stopped.
fn leaves_by(mut packet: Packet, state: State, policy: &Policy) -> Option<&'static str> {
    let rules = rule_set(state, policy);
    let hooks: &[Hook] = if packet.forwarded {
        &[Hook::Forwarded, Hook::Forward, Hook::Leaving]
    } else {
        &[Hook::Answers, Hook::Output, Hook::Leaving]
    };
    for &hook in hooks {
        // Between the first hook and the second, the routing rules of the plan.
        if hook != hooks[0] {
            if state.captures() && packet.mark == ruled_mark(RULED) {
                packet.mark = MARK_DIRECT;
            }
            let v6 = packet.to.is_ipv6();
            let beside = LOCAL.iter().chain(&LINK).any(|one| one.contains(packet.to));
            if state.captures()
                && packet.mark != MARK_DIRECT
                && packet.mark != 0xca6c
                && packet.out != "lo"
                && (packet.port == 53 || !beside)
                && (policy.ipv6 || !v6)
            {
                packet.out = TUN;
            }
        }
        for rule in rules
            .chains
            .iter()
            .filter(|one| one.hook == hook)
            .flat_map(|one| &one.rules)
        {
            if !rule.matches.iter().all(|one| matches(&packet, one)) {
                continue;
            }
            match rule.verdict {
                Verdict::Accept => {}
                Verdict::Direct => packet.mark = MARK_DIRECT,
                Verdict::Drop | Verdict::Refuse => return None,
            }
            break;
        }
    }
    Some(packet.out)
}

fn policies() -> impl Strategy<Value = Policy> {
    any::<(bool, bool, bool, bool)>().prop_map(|(lockdown, local, ipv6, direct)| Policy {
        lockdown,
        local_network: if local {
            LocalNetwork::Allow
        } else {
            LocalNetwork::Block
        },
        ipv6,
        on_failure: if direct {
            OnFailure::Direct
        } else {
            OnFailure::Block
        },
        ruled: vec![RULED, 8],
        tunnels: tunnels(),
        ..Policy::new(TUN)
    })
}

fn tunnels() -> Tunnels {
    let mut others = Others::default();
    others.read("9:\tnot from all fwmark 0xca6c lookup 51820\n", None);
    others.tunnels
}

fn states() -> impl Strategy<Value = State> {
    proptest::sample::select(&State::ALL[..])
}

fn classes() -> impl Strategy<Value = Class> {
    proptest::sample::select(&Class::ALL[..])
}

/// What may leave between start and stop without being carried.
const EXCEPTED: [Class; 10] = [
    Class::Tunnel,
    Class::Own,
    Class::Loopback,
    Class::Dhcp,
    Class::NeighborDiscovery,
    Class::Multicast,
    Class::LocalNetwork,
    Class::Answer,
    Class::PublishedAnswer,
    Class::DirectApp,
];

proptest! {
    #[test]
    fn a_pause_with_an_end_is_open_before_it_and_refuses_as_after_an_error_behind_it(
        policy in policies(), class in classes(),
    ) {
        let ends = |end| Policy { lockdown: false, pause_ends: end, ..policy.clone() };
        let leaves = |policy: &Policy, state| leaves_by(sample(class), state, policy);
        let open = leaves(&ends(None), State::Paused);
        prop_assert_eq!(leaves(&ends(Some(NOW + 1)), State::Paused), open);
        let over = Policy { on_failure: OnFailure::Block, ..ends(Some(NOW)) };
        prop_assert_eq!(leaves(&over, State::Paused), leaves(&over, State::Error));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_rules_do_what_the_table_says(
        state in states(), policy in policies(), class in classes(),
    ) {
        let went = leaves_by(sample(class), state, &policy);
        match fate(state, &policy, class) {
            Fate::Captured => prop_assert_eq!(went, Some(TUN)),
            // In the TUN the Node refuses, as it carries no such protocol or
            // nothing at the moment.
            Fate::Refused => prop_assert!(went.is_none() || (state.captures() && went == Some(TUN))),
            Fate::Through | Fate::Direct => prop_assert!(went.is_some_and(|out| out != TUN)),
        }
    }

    #[test]
    fn between_start_and_stop_only_what_is_excepted_leaves_uncaptured(
        policy in policies(), class in classes(),
    ) {
        prop_assume!(policy.fails_closed());
        for state in [State::Starting, State::On, State::Reconnecting, State::Error] {
            let leaves = fate(state, &policy, class).leaves_uncaptured();
            prop_assert!(!leaves || EXCEPTED.contains(&class), "{state:?}");
        }
    }

    #[test]
    fn lockdown_lets_nothing_through_that_is_stopped_without(
        state in states(), policy in policies(), class in classes(),
    ) {
        let free = Policy { lockdown: false, ..policy.clone() };
        let locked = Policy { lockdown: true, ..policy };
        let leaves = |policy| leaves_by(sample(class), state, policy).is_some();
        prop_assert!(!leaves(&locked) || leaves(&free));
        prop_assert!(
            !fate(state, &locked, class).leaves_uncaptured()
                || fate(state, &free, class).leaves_uncaptured()
        );
    }

    #[test]
    fn with_lockdown_only_what_is_excepted_ever_leaves_uncaptured(
        state in states(), policy in policies(), class in classes(),
    ) {
        let policy = Policy { lockdown: true, ..policy };
        let leaves = fate(state, &policy, class).leaves_uncaptured();
        prop_assert!(!leaves || EXCEPTED.contains(&class));
    }

    #[test]
    fn a_blocked_local_network_opens_nothing(
        state in states(), policy in policies(), class in classes(),
    ) {
        let open = Policy { local_network: LocalNetwork::Allow, ..policy.clone() };
        let shut = Policy { local_network: LocalNetwork::Block, ..policy };
        let leaves = |policy| leaves_by(sample(class), state, policy).is_some();
        prop_assert!(!leaves(&shut) || leaves(&open));
    }
}

#[test]
fn a_killed_capture_is_the_error_state() {
    // Whoever is killed changes no rule, so the rules from before must do.
    let policy = Policy::new(TUN);
    for state in [State::Starting, State::On, State::Reconnecting] {
        assert_eq!(rule_set(state, &policy), rule_set(State::Error, &policy));
    }
}

#[test]
fn a_rule_set_replaces_the_one_before_in_one_transaction() {
    let policy = Policy {
        listening: vec![22],
        ..Policy::new(TUN)
    };
    let text = rule_set(State::On, &policy).replacing(GUARD_TABLE);
    assert!(text.starts_with(
        "table inet masq_guard\ndelete table inet masq_guard\ntable inet masq_guard {"
    ));
    assert!(text.contains("tcp sport { 22 } tcp flags & (syn | ack) != syn"));
    let none = rule_set(State::Off, &policy).replacing(GUARD_TABLE);
    assert_eq!(
        none,
        "table inet masq_guard\ndelete table inet masq_guard\n"
    );
}

/// UPDATE_SNAPSHOTS=1 writes the table into the document.
#[test]
fn the_documentation_has_the_table() {
    const BEGIN: &str = "<!-- matrix: written by masq-capture's tests -->\n";
    const END: &str = "<!-- end of the matrix -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let table = table::markdown();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, table);
    }
}
