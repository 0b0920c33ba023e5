//! The law of the index: it decides as asking every rule in turn does.

use proptest::prelude::*;

use crate::rules::{Case, Facts, Lists, RuleSet};

struct Files;

impl Lists for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        match path {
            "ads" => Ok("0.0.0.0 a.x.org b.x.org\n.y.org\n10.1.0.0/16\n2001:db8::/33\n".to_owned()),
            "more" => Ok("x.org\n*.b.z\n".to_owned()),
            _ => Err("there is no such file".to_owned()),
        }
    }
}

/// One key with some of its values.
fn condition() -> impl Strategy<Value = String> {
    let pool: Vec<(&str, &[&str])> = vec![
        (
            "app",
            &[
                "a",
                "b",
                "a*",
                "/bin/a",
                "/bin/*",
                "/opt/**",
                "/opt/**/b",
                "*",
                "unknown",
            ],
        ),
        ("script", &["s.py", "/opt/s.py", "/opt/*"]),
        ("parent", &["p", "/bin/p", "p*", "/bin/**"]),
        ("user", &["1", "2", "anna", "bob"]),
        ("group", &["1", "kids", "wheel"]),
        ("cgroup", &["/u/a", "/u", "/u/*", "*/b", "/u/a*"]),
        ("unit", &["ssh", "a.scope", "*.scope"]),
        ("container", &["web", "w*", "0123456789ab", "0123456789abc"]),
        (
            "to",
            &[
                "x.org",
                ".x.org",
                "*.x.org",
                "a*.x.org",
                "*x*",
                "a.x.*",
                "10.0.0.0/8",
                "10.1.2.3",
                "10.0.0.5-10.1.2.9",
                "::/0",
                "0.0.0.0/0",
                "2001:db8::5-2001:db8::ffff",
                "local-networks",
                "list:ads",
                "list:more",
            ],
        ),
        ("country", &["CZ", "DE"]),
        ("port", &["443", "80", "400-500", "1-65535", "8000-9001"]),
        ("protocol", &["tcp", "udp", "icmp"]),
    ];
    prop::sample::select(pool).prop_flat_map(|(key, values)| {
        let some = prop::sample::subsequence(values.to_vec(), 1..=values.len().min(12));
        (prop::bool::weighted(0.2), some).prop_map(move |(turned, values)| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            let before = if turned && !values.contains(&"\"unknown\"".to_owned()) {
                "not-"
            } else {
                ""
            };
            format!("{before}{key} = [{}]\n", values.join(", "))
        })
    })
}

fn rules() -> impl Strategy<Value = String> {
    let rule = (
        prop::collection::btree_map("[a-z]{1}", condition(), 0..4),
        prop::bool::weighted(0.9),
        prop::sample::select(vec!["mesh", "direct", "block"]),
    );
    prop::collection::vec(rule, 0..40).prop_map(|rules| {
        let mut text = String::new();
        for (conditions, enabled, action) in rules {
            text.push_str("[[rule]]\n");
            let mut seen = Vec::new();
            for condition in conditions.values() {
                let key = condition.split(' ').next().map(str::to_owned);
                if !seen.contains(&key) {
                    text.push_str(condition);
                    seen.push(key);
                }
            }
            text.push_str(&format!("enabled = {enabled}\naction = \"{action}\"\n"));
        }
        text
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words.to_vec());
    let who = (
        pick(&[
            "a", "b", "ab", "/bin/a", "/opt/b", "/opt/x/b", "/bin/x/a", "any", "unknown",
        ]),
        prop::collection::vec(
            pick(&[
                "script:/opt/s.py",
                "script:/x/s.py",
                "parent:p",
                "parent:/bin/p",
                "parent:/bin/x/q",
                "user:1",
                "user:anna",
                "user:3",
                "group:kids",
                "group:1",
                "cgroup:/u/a",
                "cgroup:u/ab/b",
                "cgroup:/v/b",
                "unit:ssh",
                "unit:a.scope",
                "container:web",
                "container:0123456789abcdef",
            ]),
            0..5,
        ),
    );
    let place = (
        pick(&[
            "x.org",
            "a.x.org",
            "ab.x.org",
            "b.x.org",
            "c.b.z",
            "q.y.org",
            "printer.local",
            "10.1.2.3",
            "10.0.0.5",
            "10.9.9.9",
            "192.168.1.1",
            "8.8.8.8",
            "[2001:db8::7]",
            "[fe80::1]",
            "[2001:db8:8000::1]",
            "[::ffff:10.1.2.3]",
        ]),
        pick(&["80", "443", "450", "9001", "65535", "1"]),
        pick(&["tcp", "udp", "icmp"]),
        pick(&["", "country:CZ", "country:FR"]),
    );
    (who, place).prop_map(|((app, more), (host, port, protocol, country))| {
        let more = if app == "unknown" {
            String::new()
        } else {
            more.join(" ")
        };
        let text = format!("{app} {more} {protocol} -> {host}:{port} {country}");
        Case::parse(&text).unwrap().facts
    })
}

proptest! {
    #[test]
    fn the_index_decides_as_asking_every_rule_does(
        text in rules(),
        flows in prop::collection::vec(facts(), 1..20),
    ) {
        let set = RuleSet::parse(&text, &Files);
        prop_assert!(set.is_ok(), "{}\n{}", set.unwrap_err(), text);
        let set = set.unwrap();
        for flow in flows {
            let verdict = set.decide(&flow);
            prop_assert_eq!(verdict, set.decide_plainly(&flow), "{:?}\n{}", flow, text);
            prop_assert_eq!(set.explain(&flow).rule, verdict.rule);
        }
    }
}
