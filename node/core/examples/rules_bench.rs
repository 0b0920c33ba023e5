//! Measures what a decision of the rules costs: 10,000 rules and a list of 100,000 names.
//! `cargo run --release -p masq-core --example rules_bench`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measuring program"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use masq_core::destination::HostName;
use masq_core::rules::{Facts, Group, Lists, Program, Protocol, RuleSet, Subject};

const RULES: usize = 10_000;
const LISTED: usize = 100_000;
const FLOWS: usize = 4_096;
const ROUNDS: usize = 50;

struct OneList(String);

impl Lists for OneList {
    fn read(&self, _path: &str) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

/// Numbers that look drawn and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % most
    }
}

fn main() {
    let mut list = String::new();
    for at in 0..LISTED {
        writeln!(list, "host{at}.tracker{}.example", at % 977).unwrap();
    }
    let text = rules();
    let began = Instant::now();
    let set = RuleSet::parse(&text, &OneList(list)).unwrap();
    println!(
        "read {} rules and {LISTED} names    {:8.1} ms",
        set.rules().len(),
        began.elapsed().as_secs_f64() * 1e3
    );
    for (what, flows) in [
        ("flows that meet a rule", flows(true)),
        ("flows that meet none", flows(false)),
    ] {
        let agree = flows
            .iter()
            .take(64)
            .all(|facts| set.decide(facts).rule == set.decide_plainly(facts).rule);
        assert!(agree, "the index and the plain scan differ");
        let met = flows
            .iter()
            .filter(|facts| set.decide(facts).rule.is_some());
        let met = met.count();
        let mut costs: Vec<f64> = Vec::with_capacity(FLOWS * ROUNDS);
        for _ in 0..ROUNDS {
            for facts in &flows {
                let began = Instant::now();
                black_box(set.decide(black_box(facts)));
                costs.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        costs.sort_by(f64::total_cmp);
        let at = |share: f64| costs[(costs.len() as f64 * share) as usize];
        println!(
            "{what:<24} ({met:>4} of {FLOWS})  median {:.2} us, 99 % {:.2} us",
            at(0.5),
            at(0.99)
        );
    }
    let one = flows(false);
    let began = Instant::now();
    for facts in one.iter().take(64) {
        black_box(set.decide_plainly(black_box(facts)));
    }
    println!(
        "asking every rule in turn                {:8.1} us a decision",
        began.elapsed().as_secs_f64() * 1e6 / 64.0
    );
}

/// All kinds of rules, in turn, and the list among them.
fn rules() -> String {
    let mut text = String::new();
    for at in 0..RULES - 1 {
        if at == RULES / 2 {
            text.push_str("[[rule]]\nto = \"list:ads.txt\"\naction = \"block\"\n");
        }
        let condition = match at % 10 {
            0 => format!("app = \"/opt/app{at}/bin/app\""),
            1 => format!("app = \"tool{at}\""),
            2 => format!("to = \".shop{at}.example\""),
            3 => format!("to = \"www.site{at}.example\""),
            4 => format!("to = \"10.{}.{}.0/24\"", at / 256 % 256, at % 256),
            5 => format!("user = {}\nport = {}", 1_000 + at, 1 + at % 60_000),
            6 => format!("cgroup = \"/user.slice/job{at}\""),
            7 => format!("unit = \"service{at}\"\nprotocol = \"tcp\""),
            8 => format!("parent = \"shell{at}\"\nto = \"*.deep{at}.example\""),
            _ => format!("to = \"2001:db8:{:x}::/48\"\nport = 443", at),
        };
        let action = ["mesh", "direct", "block"][at % 3];
        write!(text, "[[rule]]\n{condition}\naction = \"{action}\"\n").unwrap();
    }
    text
}

fn flows(meet: bool) -> Vec<Facts> {
    let mut numbers = Numbers(7);
    (0..FLOWS).map(|_| flow(&mut numbers, meet)).collect()
}

fn flow(numbers: &mut Numbers, meet: bool) -> Facts {
    let at = numbers.below(RULES - 1) / 10 * 10;
    let kind = numbers.below(5);
    let name = match (meet, kind) {
        (false, _) => format!("www.nowhere{at}.example"),
        (true, 0) => format!("a.b.shop{}.example", at + 2),
        (true, 1) => format!("www.site{}.example", at + 3),
        (true, _) => {
            let listed = numbers.below(LISTED);
            format!("host{listed}.tracker{}.example", listed % 977)
        }
    };
    let app = if meet && kind == 3 {
        at
    } else {
        RULES * 2 + at
    };
    let program = |name: &str| Program {
        path: Some(format!("/usr/bin/{name}")),
        name: Some(name.to_owned()),
    };
    Facts {
        subject: Some(Subject {
            path: Some(format!("/opt/app{app}/bin/app")),
            name: Some("app".to_owned()),
            script: None,
            uid: Some(1_000),
            user: Some("anna".to_owned()),
            groups: ["anna", "audio", "video"]
                .iter()
                .zip(1_000..)
                .map(|(name, gid)| Group {
                    gid,
                    name: Some((*name).to_owned()),
                })
                .collect(),
            cgroup: Some("/user.slice/user-1000.slice/session.scope".to_owned()),
            unit: Some("session.scope".to_owned()),
            container_id: None,
            container_name: None,
            parents: ["bash", "terminal", "gnome-shell", "systemd"]
                .map(program)
                .to_vec(),
        }),
        name: HostName::parse(&name).ok(),
        address: None,
        country: None,
        port: Some(443),
        protocol: Protocol::Tcp,
    }
}
