//! What is wrong with a Node, from what it knows of itself at one time.
//!
//! [`findings`] is a pure function; who asks gathers the [`Vitals`].

use masq_core::failure::Code;
use masq_core::neighborhood::Stage;
use masq_ui_protocol::message::{Finding, Severity};
use std::time::Duration;

/// Less room than this on the disk of the data directory is told.
const LITTLE_ROOM: u64 = 256 << 20;
/// With less than this nothing is kept for long.
const NO_ROOM: u64 = 16 << 20;
/// A Node that just started is not said to be cut off.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before this nothing of MASQ was there (2026-01-01): the clock is wrong.
const EARLIEST: u64 = 1_767_225_600;

/// How a Node is.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// Nodes that each flow passes; 0 in zero-hop mode.
    pub hops: usize,
    /// None where there is no neighborhood.
    pub stage: Option<Stage>,
    pub running: Duration,
    pub clock_unix: u64,
    pub neighbors: Neighbors,
    /// Why no route can be found.
    pub no_route: Option<(Code, String)>,
    pub capture: Capture,
    /// Whether it carries for others.
    pub serves: bool,
    /// Whether there are these wallets; None where they are not known.
    pub earning_wallet: Option<bool>,
    pub consuming_wallet: Option<bool>,
    /// Bytes that are free on the disk of the data directory.
    pub free_bytes: Option<u64>,
}

/// The other Nodes that were tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Neighbors {
    /// Links that are up.
    pub links: usize,
    /// Nodes that can be tried, or were.
    pub known: usize,
    /// Of these, from how many nothing was ever heard.
    pub silent: usize,
    /// Of these, how many refused this Node for its time.
    pub refused_by_time: usize,
}

/// Whether this machine's traffic comes to the Node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Capture {
    /// None is wanted.
    #[default]
    Off,
    /// It comes.
    Active,
    /// It is wanted and does not come.
    Inactive,
}

/// What is wrong, the gravest first.
pub fn findings(vitals: &Vitals) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(clock(vitals));
    findings.extend(connection(vitals));
    findings.extend(capture(vitals));
    findings.extend(disk(vitals));
    findings.extend(wallets(vitals));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn finding(code: &str, severity: Severity, what: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        what: what.into(),
        remedy: remedy.to_owned(),
    }
}

fn clock(vitals: &Vitals) -> Option<Finding> {
    let what = if vitals.clock_unix < EARLIEST {
        "The clock of this machine shows a time in the past."
    } else if vitals.neighbors.refused_by_time > 0 {
        "Other Nodes refuse this one because of its time."
    } else {
        return None;
    };
    let remedy = "Set the clock of this machine right: switch on time synchronization.";
    Some(finding("clock-off", Severity::Error, what, remedy))
}

fn connection(vitals: &Vitals) -> Option<Finding> {
    let Neighbors {
        links,
        known,
        silent,
        ..
    } = vitals.neighbors;
    match vitals.stage? {
        Stage::RouteFound => None,
        Stage::NotConnected if known == 0 => Some(finding(
            "no-node-known",
            Severity::Error,
            "This Node knows no other one that it could connect to.",
            "Give it the descriptor of a Node under neighbors.",
        )),
        Stage::NotConnected if links == 0 && silent == known && vitals.running >= PATIENCE => {
            Some(finding(
                "udp-blocked",
                Severity::Error,
                format!("None of {known} Nodes answered: UDP is perhaps blocked on the way."),
                "Allow UDP to the Internet in the firewall and at the provider, or try another network.",
            ))
        }
        Stage::NotConnected => Some(finding(
            "not-connected",
            Severity::Error,
            "No Node is a neighbor.",
            "Wait a moment; `masq status` shows which Nodes were tried and what they said.",
        )),
        Stage::ConnectedToNeighbor if vitals.hops == 0 => None,
        Stage::ConnectedToNeighbor => {
            let (code, why) = match &vitals.no_route {
                Some((code, why)) => (*code, format!(": {why}")),
                None => (Code::NoRoute, String::new()),
            };
            let what = format!("There is no route over {} Nodes{why}.", vitals.hops);
            let severity = Severity::Error;
            Some(finding(code.name(), severity, what, code.remedy()))
        }
    }
}

fn capture(vitals: &Vitals) -> Option<Finding> {
    match vitals.capture {
        Capture::Active => None,
        Capture::Off => Some(finding(
            "capture-off",
            Severity::Info,
            "This Node serves others; the programs of this machine do not use it.",
            "Set capture = true to carry this machine's traffic, or use masq run.",
        )),
        Capture::Inactive => Some(finding(
            "capture-inactive",
            Severity::Error,
            "The traffic of this machine does not come to the Node.",
            "Start the Node again; its log has the reason. `masq doctor` looks for one.",
        )),
    }
}

fn disk(vitals: &Vitals) -> Option<Finding> {
    let free = vitals.free_bytes.filter(|free| *free < LITTLE_ROOM)?;
    let severity = if free < NO_ROOM {
        Severity::Error
    } else {
        Severity::Warning
    };
    let what = format!("{} MB are free for the data directory.", free >> 20);
    Some(finding(
        "disk-nearly-full",
        severity,
        what,
        Code::DiskFull.remedy(),
    ))
}

fn wallets(vitals: &Vitals) -> Vec<Finding> {
    let mut findings = Vec::new();
    if vitals.serves && vitals.earning_wallet == Some(false) {
        findings.push(finding(
            "no-earning-wallet",
            Severity::Warning,
            "Nobody can pay for what this Node carries: it has no earning wallet.",
            "Set one: `masq recover-wallets`, `masq generate-wallets`, or earning-wallet.",
        ));
    }
    if vitals.hops > 0 && vitals.consuming_wallet == Some(false) {
        findings.push(finding(
            "no-consuming-wallet",
            Severity::Warning,
            "This Node cannot pay for what others carry: it has no consuming wallet.",
            "Set one: `masq recover-wallets`, `masq generate-wallets`, or consuming-private-key.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Vitals {
        Vitals {
            hops: 3,
            stage: Some(Stage::RouteFound),
            running: Duration::from_secs(600),
            clock_unix: EARLIEST + 1,
            neighbors: Neighbors {
                links: 2,
                known: 3,
                silent: 1,
                refused_by_time: 0,
            },
            no_route: None,
            capture: Capture::Active,
            serves: true,
            earning_wallet: Some(true),
            consuming_wallet: Some(true),
            free_bytes: Some(1 << 40),
        }
    }

    fn codes(change: impl FnOnce(&mut Vitals)) -> Vec<(String, Severity)> {
        let mut vitals = well();
        change(&mut vitals);
        findings(&vitals)
            .into_iter()
            .map(|finding| (finding.code, finding.severity))
            .collect()
    }

    type Case = (&'static str, Severity, fn(&mut Vitals));

    #[test]
    fn each_trouble_is_found_by_its_name() {
        let cases: [Case; 13] = [
            ("clock-off", Severity::Error, |node| node.clock_unix = 1_000),
            ("clock-off", Severity::Error, |node| {
                node.neighbors.refused_by_time = 1;
            }),
            ("no-node-known", Severity::Error, |node| {
                node.stage = Some(Stage::NotConnected);
                node.neighbors = Neighbors::default();
            }),
            ("udp-blocked", Severity::Error, |node| {
                node.stage = Some(Stage::NotConnected);
                node.neighbors.links = 0;
                node.neighbors.silent = 3;
            }),
            ("not-connected", Severity::Error, |node| {
                node.stage = Some(Stage::NotConnected);
                node.neighbors.links = 0;
            }),
            ("no-route", Severity::Error, |node| {
                node.stage = Some(Stage::ConnectedToNeighbor);
            }),
            ("no-exit-in-country", Severity::Error, |node| {
                node.stage = Some(Stage::ConnectedToNeighbor);
                node.no_route = Some((Code::NoExitInCountry, "no exit in CZ".to_owned()));
            }),
            ("capture-inactive", Severity::Error, |node| {
                node.capture = Capture::Inactive;
            }),
            ("capture-off", Severity::Info, |node| {
                node.capture = Capture::Off
            }),
            ("disk-nearly-full", Severity::Warning, |node| {
                node.free_bytes = Some(LITTLE_ROOM - 1);
            }),
            ("disk-nearly-full", Severity::Error, |node| {
                node.free_bytes = Some(0)
            }),
            ("no-earning-wallet", Severity::Warning, |node| {
                node.earning_wallet = Some(false);
            }),
            ("no-consuming-wallet", Severity::Warning, |node| {
                node.consuming_wallet = Some(false);
            }),
        ];
        for (code, severity, change) in cases {
            assert_eq!(codes(change), [(code.to_owned(), severity)]);
        }
    }

    #[test]
    fn a_node_that_is_well_has_no_findings() {
        assert!(codes(|_| {}).is_empty());
        // Zero hops need no mesh and nobody to pay.
        let alone = codes(|node| {
            node.hops = 0;
            node.stage = None;
            node.serves = false;
            (node.earning_wallet, node.consuming_wallet) = (Some(false), Some(false));
        });
        assert!(alone.is_empty(), "{alone:?}");
    }

    #[test]
    fn a_node_that_just_started_is_not_cut_off() {
        let young = codes(|node| {
            node.stage = Some(Stage::NotConnected);
            node.neighbors.links = 0;
            node.neighbors.silent = 3;
            node.running = Duration::from_secs(1);
        });
        assert_eq!(young, [("not-connected".to_owned(), Severity::Error)]);
    }

    #[test]
    fn the_gravest_come_first_and_all_say_what_to_do() {
        let mut vitals = well();
        vitals.consuming_wallet = Some(false);
        vitals.capture = Capture::Off;
        vitals.clock_unix = 0;
        let found = findings(&vitals);
        assert!(found.is_sorted_by_key(|finding| finding.severity));
        assert_eq!(found.len(), 3);
        for finding in found {
            assert!(finding.what.ends_with('.'), "{finding:?}");
            assert!(finding.remedy.ends_with('.'), "{finding:?}");
        }
    }
}
