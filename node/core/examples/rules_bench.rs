//! What a decision costs: `cargo run --release -p masq-core --example rules_bench`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use masq_core::rules::{Case, Facts, Lists, RuleSet};

const LIST: usize = 100_000;
const DECISIONS: usize = 200_000;

struct Names(String);

impl Lists for Names {
    fn read(&self, _path: &str) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names = String::new();
    for at in 0..LIST {
        writeln!(names, "0.0.0.0 host{at}.ads{}.example", at % 977)?;
    }
    let names = Names(names);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "rules\tread ms\tmemory kB\tmedian ns\tp99 ns\tevery rule in turn ns"
    )?;
    for rules in [10, 1_000, 10_000] {
        let text = rules_of(rules)?;
        let before = resident();
        let began = Instant::now();
        let set = RuleSet::parse(&text, &names)?;
        let read = began.elapsed().as_millis();
        let memory = resident().saturating_sub(before);
        let flows = flows(rules)?;
        let mut times: Vec<u128> = Vec::with_capacity(DECISIONS / 20);
        for round in 0..DECISIONS / 20 {
            // The clock costs as much as a decision, so it times twenty.
            let began = Instant::now();
            for at in 0..20 {
                std::hint::black_box(set.decide(&flows[(round * 20 + at) % flows.len()]));
            }
            times.push(began.elapsed().as_nanos() / 20);
        }
        times.sort_unstable();
        let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let began = Instant::now();
        for flow in flows.iter().take(200) {
            std::hint::black_box(set.decide_plainly(flow));
        }
        let plainly = began.elapsed().as_nanos() / 200;
        writeln!(
            out,
            "{rules}\t{read}\t{memory}\t{median}\t{late}\t{plainly}"
        )?;
    }
    Ok(())
}

/// Every kind of rule, the list last.
fn rules_of(count: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for at in 0..count - 1 {
        let (a, b) = (at / 250 % 250, at % 250);
        let conditions = match at % 10 {
            0 => format!("to = \".site{at}.example\""),
            1 => format!("app = \"app{at}\"\nto = \"*.site{}.example\"", at % 7),
            2 => format!("to = \"10.{a}.{b}.0/24\""),
            3 => format!("app = \"/opt/app{at}/**\""),
            4 => format!("user = {}\nport = 22", 1_000 + at),
            5 => format!("to = [\"a{at}.example\", \"172.16.{a}.1-172.16.{a}.{b}\"]"),
            6 => format!("app = \"/usr/bin/tool{at}\"\nprotocol = \"udp\""),
            7 => format!("cgroup = \"/user.slice/app-{at}.scope\""),
            8 => format!("unit = \"service{at}\"\nnot-to = \"local-networks\""),
            _ => format!("to = \"ads*.zone{at}.example\"\nport = [80, 443]"),
        };
        writeln!(text, "[[rule]]\n{conditions}\naction = \"direct\"")?;
    }
    writeln!(text, "[[rule]]\nto = \"list:ads\"\naction = \"block\"")?;
    Ok(text)
}

/// Half of them meet no rule, which costs most.
fn flows(rules: usize) -> Result<Vec<Facts>, String> {
    let more = "user:anna group:anna cgroup:/user.slice/user-1000.slice/app.slice/firefox.scope parent:bash parent:systemd";
    let mut flows = Vec::new();
    for at in 0..1_000 {
        let rule = at * 7 % rules;
        let to = match at % 6 {
            0 => format!("www.site{}.example:443", rule / 10 * 10),
            1 => format!("10.{}.{}.7:443", rule / 250 % 250, rule % 250),
            2 => format!("host{}.ads{}.example:443", at * 97, at * 97 % 977),
            3 => "a.long.name.in.some.other.place.org:443".to_owned(),
            4 => "203.0.113.9:443".to_owned(),
            _ => "[2001:db8::9]:443".to_owned(),
        };
        flows.push(Case::parse(&format!("/usr/lib/firefox/firefox {more} -> {to}"))?.facts);
    }
    Ok(flows)
}

/// What the process has in memory, in kB; 0 where that cannot be told.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
