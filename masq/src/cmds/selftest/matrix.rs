//! What is sent, what the state's table expects of it, and what to say of what was seen.

use std::io;

use masq_capture::states::{Class, Fate, Policy, State, fate};
use masq_platform_linux::capture_state;
use masq_platform_linux::leaks::{self, Probe, Sent, Sighting, Targets};
use serde::Serialize;

/// The whole test.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The state that the machine says it is in.
    pub(super) state: &'static str,
    pub(super) lockdown: bool,
    pub(super) lines: Vec<Line>,
    /// Why nothing could be tested.
    pub(super) obstacle: Option<String>,
    /// What this test does not send.
    pub(super) not_tried: Vec<&'static str>,
}

/// One kind of packet.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) sent: String,
    /// The row of the table in docs/security.md.
    pub(super) class: &'static str,
    pub(super) expected: &'static str,
    pub(super) seen: String,
    /// Whether it was seen on a real interface.
    pub(super) left: bool,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Ok,
    Leak,
    NotTested,
}

/// What is told by other tests only: each needs a second party.
const NOT_TRIED: [&str; 6] = [
    "containers and machines behind this one",
    "answers to connections from outside",
    "apps ruled direct as a whole",
    "connections begun before",
    "DHCP and IPv6 neighbor discovery",
    "IP_UNICAST_IF",
];

impl Report {
    pub(super) fn impossible(error: &io::Error) -> Report {
        let obstacle = if error.kind() == io::ErrorKind::PermissionDenied {
            "listening on the interfaces needs root; without it nothing can be seen of what leaves: \
             run `sudo masq selftest --leaks`"
                .to_owned()
        } else {
            format!("cannot listen on the interfaces: {error}")
        };
        let (state, policy) = present();
        Report {
            state: state.name(),
            lockdown: policy.lockdown,
            lines: Vec::new(),
            obstacle: Some(obstacle),
            not_tried: NOT_TRIED.to_vec(),
        }
    }

    pub(super) fn count(&self, verdict: Verdict) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.verdict == verdict).count()
    }

    /// How many left, as they may.
    pub(super) fn left(&self) -> usize {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.left && line.verdict == Verdict::Ok)
            .count()
    }

    pub(super) fn status(&self) -> u8 {
        if self.count(Verdict::Leak) > 0 {
            1
        } else if self.obstacle.is_some() || self.count(Verdict::NotTested) > 0 {
            2
        } else {
            0
        }
    }
}

/// Sends, listens and compares.
pub(super) fn run() -> io::Result<Report> {
    let (state, policy) = present();
    let cases = cases(leaks::uplink());
    let control = |ipv6| Probe::Control { ipv6 };
    let mut probes = vec![control(false), control(true)];
    probes.extend(cases.iter().map(|case| case.probe.clone()));
    probes.extend([control(false), control(true)]);
    let sightings = leaks::run(&Targets::draw()?, &probes)?;
    let (first, rest) = sightings.split_at(2);
    let (middle, last) = rest.split_at(cases.len());
    let eyes = [0, 1].map(|family| Eye::of(&first[family], &last[family]));
    let mut obstacle = None;
    if !eyes.contains(&Eye::Sees) {
        obstacle = Some(
            "not even the packets that must be seen were seen: there is no way out of this machine, \
             or another program hides it"
                .to_owned(),
        );
    }
    let lines = cases
        .iter()
        .zip(middle)
        .map(|(case, sighting)| {
            let expected = fate(state, &policy, case.class);
            let (verdict, seen) = judge(expected, sighting, &eyes[usize::from(case.ipv6)]);
            Line {
                sent: case.words.to_owned(),
                class: case.class.describe(),
                expected: expected.word(),
                seen,
                left: !sighting.left_by.is_empty(),
                verdict,
            }
        })
        .collect();
    Ok(Report {
        state: state.name(),
        lockdown: policy.lockdown,
        lines,
        obstacle,
        not_tried: NOT_TRIED.to_vec(),
    })
}

/// The state of this machine's capture, and what the user wants of it.
fn present() -> (State, Policy) {
    let mut policy = Policy::new("");
    let Some(now) = capture_state::read() else {
        return (State::Off, policy);
    };
    policy.lockdown = now.lockdown;
    policy.on_failure = now.on_failure;
    policy.local_network = now.local_network;
    (now.state, policy)
}

struct Case {
    words: &'static str,
    class: Class,
    ipv6: bool,
    probe: Probe,
}

fn cases(uplink: Option<String>) -> Vec<Case> {
    let case = |words, class, ipv6, probe| Case {
        words,
        class,
        ipv6,
        probe,
    };
    let question = |ipv6| Probe::Question { ipv6 };
    let tcp = |ipv6, port| Probe::Tcp { ipv6, port };
    let udp = |ipv6, port| Probe::Udp { ipv6, port };
    let mut cases = vec![
        case("TCP, IPv4, port 443", Class::Tcp4, false, tcp(false, 443)),
        case("TCP, IPv6, port 443", Class::Tcp6, true, tcp(true, 443)),
        case("UDP, IPv4, port 9", Class::Udp4, false, udp(false, 9)),
        case("UDP, IPv6, port 9", Class::Udp6, true, udp(true, 9)),
        case("QUIC, IPv4, port 443", Class::Udp4, false, udp(false, 443)),
        case("DNS, UDP, IPv4", Class::Dns, false, question(false)),
        case("DNS, UDP, IPv6", Class::Dns, true, question(true)),
        case("DNS, TCP, IPv4", Class::Dns, false, tcp(false, 53)),
        case("DNS, TCP, IPv6", Class::Dns, true, tcp(true, 53)),
        case(
            "DNS to the router",
            Class::Dns,
            false,
            Probe::RouterQuestion,
        ),
        case("DNS over TLS, IPv4", Class::Tcp4, false, tcp(false, 853)),
        case(
            "ping, IPv4",
            Class::Echo4,
            false,
            Probe::Echo { ipv6: false },
        ),
        case("ping, IPv6", Class::Echo6, true, Probe::Echo { ipv6: true }),
        case("GRE, own headers", Class::OtherProtocol, false, Probe::Gre),
        case(
            "hop-by-hop header",
            Class::OtherProtocol,
            true,
            Probe::HopByHop,
        ),
        case(
            "to the router, UDP",
            Class::LocalNetwork,
            false,
            Probe::Router { port: 9 },
        ),
        case("multicast", Class::Multicast, false, Probe::Multicast),
    ];
    if let Some(device) = uplink {
        let bound = Probe::Bound { device };
        cases.push(case("UDP bound to the uplink", Class::Udp4, false, bound));
    }
    cases
}

/// Whether packets of a family would be seen if they left.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Eye {
    Sees,
    /// The machine has no way out for them, not even for the Node.
    NoWay,
    Blind(String),
}

impl Eye {
    fn of(first: &Sighting, last: &Sighting) -> Eye {
        let seen = |one: &Sighting| !one.left_by.is_empty();
        if seen(first) && seen(last) {
            return Eye::Sees;
        }
        match (&first.sent, &last.sent) {
            (Sent::NoWay(_), Sent::NoWay(_)) => Eye::NoWay,
            _ => Eye::Blind(format!("what must be seen was not ({})", said(&last.sent))),
        }
    }
}

/// The verdict, and what was seen in words.
fn judge(expected: Fate, sighting: &Sighting, eye: &Eye) -> (Verdict, String) {
    if !sighting.left_by.is_empty() {
        let names: Vec<&str> = sighting.left_by.iter().map(String::as_str).collect();
        let verdict = if expected.leaves_uncaptured() {
            Verdict::Ok
        } else {
            Verdict::Leak
        };
        return (verdict, format!("left by {}", names.join(" and ")));
    }
    if let Sent::Impossible(why) = &sighting.sent {
        return (Verdict::NotTested, format!("could not be sent: {why}"));
    }
    match eye {
        Eye::Blind(why) => return (Verdict::NotTested, why.clone()),
        Eye::NoWay => return (Verdict::Ok, "no way out of this machine".to_owned()),
        Eye::Sees => {}
    }
    if sighting.captured {
        // Where it was to be let through it is no leak either.
        return (Verdict::Ok, "into the capture, nothing else".to_owned());
    }
    (
        Verdict::Ok,
        format!("nothing left ({})", said(&sighting.sent)),
    )
}

fn said(sent: &Sent) -> &str {
    match sent {
        Sent::Yes => "the sender was told nothing",
        Sent::NoWay(text) | Sent::Refused(text) | Sent::Impossible(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(sent: Sent, left: &[&str], captured: bool) -> Sighting {
        Sighting {
            sent,
            fingerprint: None,
            left_by: left.iter().map(|name| (*name).to_owned()).collect(),
            captured,
        }
    }

    #[test]
    fn what_leaves_is_a_leak_only_where_it_must_not() {
        let left = sighting(Sent::Yes, &["eth0"], true);
        for (expected, verdict) in [
            (Fate::Captured, Verdict::Leak),
            (Fate::Refused, Verdict::Leak),
            (Fate::Through, Verdict::Ok),
            (Fate::Direct, Verdict::Ok),
        ] {
            assert_eq!(judge(expected, &left, &Eye::Sees).0, verdict);
            // A leak that is seen counts, whatever else is not.
            let blind = Eye::Blind(String::new());
            assert_eq!(judge(expected, &left, &blind).0, verdict);
        }
    }

    #[test]
    fn not_to_see_counts_only_for_who_can_see() {
        let nothing = sighting(Sent::Yes, &[], false);
        let blind = Eye::Blind("it is dark".to_owned());
        assert_eq!(judge(Fate::Captured, &nothing, &Eye::Sees).0, Verdict::Ok);
        assert_eq!(judge(Fate::Captured, &nothing, &Eye::NoWay).0, Verdict::Ok);
        assert_eq!(
            judge(Fate::Captured, &nothing, &blind).0,
            Verdict::NotTested
        );
        let unsent = sighting(Sent::Impossible("no such device".to_owned()), &[], false);
        assert_eq!(
            judge(Fate::Captured, &unsent, &Eye::Sees).0,
            Verdict::NotTested
        );
    }

    #[test]
    fn one_control_that_is_missed_makes_blind() {
        let seen = sighting(Sent::Yes, &["eth0"], false);
        let missed = sighting(Sent::Yes, &[], false);
        let no_way = sighting(Sent::NoWay("unreachable".to_owned()), &[], false);
        assert_eq!(Eye::of(&seen, &seen), Eye::Sees);
        assert!(matches!(Eye::of(&seen, &missed), Eye::Blind(_)));
        assert!(matches!(Eye::of(&missed, &seen), Eye::Blind(_)));
        assert_eq!(Eye::of(&no_way, &no_way), Eye::NoWay);
    }

    #[test]
    fn the_exit_status_is_never_a_silent_pass() {
        let mut report = Report::impossible(&io::ErrorKind::PermissionDenied.into());
        assert_eq!(report.status(), 2);
        report.obstacle = None;
        assert_eq!(report.status(), 0);
        let line = |verdict| Line {
            sent: String::new(),
            class: "",
            expected: "",
            seen: String::new(),
            left: false,
            verdict,
        };
        report.lines = vec![line(Verdict::Ok), line(Verdict::NotTested)];
        assert_eq!(report.status(), 2);
        report.lines.push(line(Verdict::Leak));
        assert_eq!(report.status(), 1);
    }
}
