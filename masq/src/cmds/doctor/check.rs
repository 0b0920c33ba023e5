//! What the doctor makes of the facts: one verdict for each. Pure.
//!
//! Words that say something of this person or machine go into [`Check::private`], which no report
//! has; all others are ours, versions or counts.

use serde::Serialize;

use super::facts::{Daemon, Data, Facts, Journal, Log, Tun};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Warn,
    Fail,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "FAIL",
        }
    }
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// What was found, without anything private.
    pub(super) what: String,
    /// Names, addresses and paths; empty when there are none.
    pub(super) private: String,
    /// What to do; empty when there is nothing to do.
    pub(super) remedy: String,
}

/// 2026-01-01 and 2100-01-01.
const PLAUSIBLE: std::ops::Range<u64> = 1_767_225_600..4_102_444_800;
const LITTLE_ROOM: u64 = 256 << 20;
/// Of the log's errors, as many are shown.
const SHOWN: usize = 3;

pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![daemon(facts), node(facts)];
    if facts.linux {
        checks.extend([
            tun(facts),
            tool("nft", facts.nft.as_deref()),
            tool("ip", facts.ip.as_deref()),
            cgroup(facts),
            blocked(facts),
            journal(facts),
            tunnels(facts),
            resolver(facts),
            ipv6(facts),
        ]);
    }
    checks.push(clock(facts));
    checks.extend(data(&facts.data));
    checks.push(log(facts.log.as_ref()));
    checks
}

fn check(
    name: &'static str,
    outcome: Outcome,
    what: impl Into<String>,
    private: impl Into<String>,
    remedy: impl Into<String>,
) -> Check {
    Check {
        name,
        outcome,
        what: what.into(),
        private: private.into(),
        remedy: remedy.into(),
    }
}

fn fine(name: &'static str, what: impl Into<String>) -> Check {
    check(name, Outcome::Ok, what, "", "")
}

fn daemon(facts: &Facts) -> Check {
    let name = "daemon";
    match &facts.daemon {
        Daemon::Answers => fine(name, "answers"),
        Daemon::Absent => check(
            name,
            Outcome::Warn,
            "nothing answers on its port",
            "",
            "start it with `sudo MASQNode --initialization`, or once for all with `sudo masq service install`",
        ),
        Daemon::Refuses => check(
            name,
            Outcome::Fail,
            "does not let this user in",
            "",
            "only root and the Daemon's real-user may give orders: use sudo",
        ),
        Daemon::Fails(why) => check(
            name,
            Outcome::Fail,
            "does not answer as it should",
            why,
            RESTART,
        ),
    }
}

const RESTART: &str = "end it and start it again; its log may tell more";

fn node(facts: &Facts) -> Check {
    let name = "node";
    match (&facts.health, facts.node_processes) {
        (Some(findings), _) if findings.is_empty() => fine(name, "runs, and nothing is wrong"),
        (Some(findings), _) => {
            let codes: Vec<&str> = findings.iter().map(|(code, _)| code.as_str()).collect();
            let grave = findings.iter().any(|(_, error)| *error);
            let outcome = if grave { Outcome::Fail } else { Outcome::Warn };
            let what = format!("runs, and says: {}", codes.join(", "));
            check(
                name,
                outcome,
                what,
                "",
                "`masq status` says what to do about each",
            )
        }
        (None, 0) => check(
            name,
            Outcome::Warn,
            "does not run",
            "",
            "start it with `masq start`",
        ),
        (None, count) => fine(name, format!("{count} processes of MASQNode run")),
    }
}

fn tun(facts: &Facts) -> Check {
    let (name, device) = ("tun", "/dev/net/tun");
    match facts.tun {
        Tun::Usable => fine(name, format!("{device} can be opened")),
        Tun::Forbidden if facts.root => check(
            name,
            Outcome::Fail,
            format!("{device} is there and cannot be opened"),
            "",
            "in a container, allow the device (docker: --device /dev/net/tun)",
        ),
        Tun::Forbidden => check(
            name,
            Outcome::Warn,
            format!("{device} can be opened by root only"),
            "",
            "nothing for the Daemon; `masq run` needs it open to all: sudo chmod 666 /dev/net/tun",
        ),
        Tun::Missing => check(
            name,
            Outcome::Fail,
            format!("{device} is missing"),
            "",
            "load the kernel's module: sudo modprobe tun",
        ),
    }
}

fn tool(name: &'static str, said: Option<&str>) -> Check {
    let Some(said) = said else {
        return check(
            name,
            Outcome::Fail,
            "cannot be found",
            "",
            "install iproute2 and nftables",
        );
    };
    // Words that are numbers with dots, whatever else a tool says.
    let version = said
        .split_whitespace()
        .filter_map(|word| word.rsplit('-').next())
        .map(|word| word.trim_matches(|letter: char| !letter.is_ascii_digit()))
        .find(|word| word.contains('.') && word.len() < 20)
        .unwrap_or("of unknown version");
    if name == "nft" && older_than(version, [0, 9, 9]) {
        let what = format!("{version} is too old");
        return check(
            name,
            Outcome::Fail,
            what,
            "",
            "install nftables 0.9.9 or later",
        );
    }
    fine(name, version)
}

fn older_than(version: &str, least: [u32; 3]) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok);
    let Some(major) = next() else {
        return false;
    };
    [major, next().unwrap_or(0), next().unwrap_or(0)] < least
}

fn cgroup(facts: &Facts) -> Check {
    let name = "cgroup";
    if facts.cgroup2 {
        return fine(name, "control groups v2 are there");
    }
    check(
        name,
        Outcome::Fail,
        "control groups v2 are missing",
        "",
        "mount them on /sys/fs/cgroup; until then use `masq run`",
    )
}

fn blocked(facts: &Facts) -> Check {
    let name = "traffic";
    match &facts.blocked {
        None => fine(name, "nothing refuses it without a Node"),
        Some(why) => {
            let (what, remedy) = why.split_once("\n  -> ").unwrap_or((why, ""));
            check(name, Outcome::Fail, what, "", remedy)
        }
    }
}

fn journal(facts: &Facts) -> Check {
    let name = "leftovers";
    match facts.journal {
        Journal::Hidden => fine(name, "not looked for: the journal is root's (use sudo)"),
        Journal::Entries(0) => fine(name, "none"),
        Journal::Entries(count) if facts.blocked.is_some() => fine(
            name,
            format!("{count} changes, which refuse traffic on purpose"),
        ),
        Journal::Entries(count) if facts.node_processes > 0 => fine(
            name,
            format!("{count} changes, which the Node that runs undoes when it ends"),
        ),
        Journal::Entries(count) => check(
            name,
            Outcome::Fail,
            format!("{count} changes to the network of a Node that is gone"),
            "",
            "undo them: sudo masq repair",
        ),
    }
}

fn tunnels(facts: &Facts) -> Check {
    let name = "other tunnels";
    match facts.tunnels.len() {
        0 => fine(name, "none"),
        count => check(
            name,
            Outcome::Warn,
            format!("{count} of other programs"),
            facts.tunnels.join(", "),
            "nothing, if both work; what MASQ captures does not go through them, so end them when in doubt",
        ),
    }
}

fn resolver(facts: &Facts) -> Check {
    let (name, file) = ("resolv.conf", "/etc/resolv.conf");
    let Some(text) = &facts.resolv_conf else {
        let what = format!("{file} cannot be read");
        return check(
            name,
            Outcome::Fail,
            what,
            "",
            "names cannot be resolved without it: restore it",
        );
    };
    let servers: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .map(str::trim)
        .collect();
    let good = servers
        .iter()
        .filter(|server| {
            let address = server.split('%').next().unwrap_or_default();
            address.parse::<std::net::IpAddr>().is_ok()
        })
        .count();
    if good == 0 {
        let what = format!("{file} names no server");
        return check(
            name,
            Outcome::Fail,
            what,
            "",
            "add a line such as `nameserver 192.168.1.1`, or restart the network",
        );
    }
    if good < servers.len() {
        let what = format!("{} of its servers have no address", servers.len() - good);
        return check(
            name,
            Outcome::Warn,
            what,
            servers.join(", "),
            "correct the line",
        );
    }
    check(
        name,
        Outcome::Ok,
        format!("{good} servers"),
        servers.join(", "),
        "",
    )
}

fn ipv6(facts: &Facts) -> Check {
    let name = "ipv6";
    match facts.ipv6_disabled.as_deref().map(str::trim) {
        Some("0") => fine(name, "on, and captured with IPv4"),
        Some(_) => fine(name, "off: apps get IPv4 only"),
        None => fine(name, "the kernel has none: apps get IPv4 only"),
    }
}

fn clock(facts: &Facts) -> Check {
    let name = "clock";
    if PLAUSIBLE.contains(&facts.now_unix) {
        return fine(name, "plausible");
    }
    check(
        name,
        Outcome::Fail,
        "shows a time that cannot be",
        "",
        "switch on time synchronization: sudo timedatectl set-ntp true",
    )
}

fn data(data: &Data) -> Vec<Check> {
    let name = "data";
    let Some(folder) = &data.folder else {
        return vec![fine(name, "no Node of this user has a data directory yet")];
    };
    let mut checks = Vec::new();
    let open = data.mode.is_some_and(|mode| mode & 0o077 != 0);
    checks.push(if data.mode.is_none() {
        check(
            name,
            Outcome::Fail,
            "the data directory cannot be seen",
            folder,
            OWN,
        )
    } else if open {
        let what = "the data directory is open to other users";
        check(
            name,
            Outcome::Warn,
            what,
            folder,
            "close it: chmod 700 on the folder",
        )
    } else if !data.writable {
        check(
            name,
            Outcome::Warn,
            "the data directory is another user's",
            folder,
            OWN,
        )
    } else {
        check(
            name,
            Outcome::Ok,
            "the data directory is this user's alone",
            folder,
            "",
        )
    });
    checks.extend(data.free_bytes.map(|free| {
        let what = format!("{} MB are free", free >> 20);
        if free < LITTLE_ROOM {
            let remedy = "make room on the disk of the data directory";
            check("disk", Outcome::Warn, what, "", remedy)
        } else {
            fine("disk", what)
        }
    }));
    checks
}

const OWN: &str =
    "it must be the folder of the user that the Node works as; name it with --data-directory";

fn log(log: Option<&Log>) -> Check {
    let name = "log";
    let Some(log) = log else {
        return fine(name, "no log file is there");
    };
    match log.errors.len() {
        0 => check(name, Outcome::Ok, "no errors at its end", &log.path, ""),
        count => {
            let codes: Vec<String> = log.errors.iter().filter_map(|line| code_of(line)).collect();
            let mut what = format!("{count} errors and warnings at its end");
            if let Some(last) = codes.last() {
                what.push_str(&format!(", the last one with the code {last}"));
            }
            let first = count.saturating_sub(SHOWN);
            let private = log.errors[first..].join(" | ");
            check(
                name,
                Outcome::Warn,
                what,
                private,
                "`masq status` and docs/errors.md say what to do",
            )
        }
    }
}

/// The code in a line of the log: a word of small letters and hyphens.
fn code_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("code=")?;
    let word = rest.split_whitespace().next()?.trim_matches('"');
    let ours = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    (!word.is_empty() && word.len() <= 40 && word.chars().all(ours)).then(|| word.to_owned())
}

#[cfg(test)]
pub(super) mod tests;
