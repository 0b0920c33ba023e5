use super::*;

pub(in super::super) fn well() -> Facts {
    Facts {
        linux: true,
        root: true,
        blocked: None,
        daemon: Daemon::Answers,
        health: Some(Vec::new()),
        node_processes: 1,
        tun: Tun::Usable,
        nft: Some("nftables v1.0.9 (Old Doc Yak #3)".to_owned()),
        ip: Some("ip utility, iproute2-6.1.0, libbpf 1.1.2".to_owned()),
        journal: Journal::Entries(0),
        tunnels: Vec::new(),
        resolv_conf: Some("# made by hand\nnameserver 192.0.2.1\n".to_owned()),
        ipv6_disabled: Some("0\n".to_owned()),
        now_unix: PLAUSIBLE.start + 1,
        cgroup2: true,
        data: Data {
            folder: Some("/home/ann/.local/share/MASQ/dev".to_owned()),
            mode: Some(0o700),
            writable: true,
            free_bytes: Some(1 << 40),
        },
        log: None,
    }
}

/// Facts full of private words, and these words.
pub(in super::super) fn planted() -> (Facts, [&'static str; 12]) {
    let facts = Facts {
        daemon: Daemon::Fails("alice-laptop.example said 203.0.113.77".to_owned()),
        health: Some(vec![
            ("no-route".to_owned(), true),
            ("0xWALLET52908400098527886E0F".to_owned(), true),
        ]),
        nft: Some("built by alice@secret-host.example nftables v1.0.9".to_owned()),
        tunnels: vec!["wg-alice".to_owned(), "tailscale0".to_owned()],
        resolv_conf: Some(
            "nameserver 203.0.113.77\nnameserver not-alices-server.example\n".to_owned(),
        ),
        data: Data {
            folder: Some("/home/alice/.local/share/MASQ/dev".to_owned()),
            mode: Some(0o755),
            ..Data::default()
        },
        log: Some(Log {
            path: "/home/alice/MASQNode.log".to_owned(),
            errors: vec![
                "ERROR code=KEYe6b1b7f0b2a34f5d wallet 0x52908400098527886E0F7030069857D2E4169EE7"
                    .to_owned(),
                "WARN code=\"disk-full\" www.visited.example dJ6rPhKq8mXvTz1c".to_owned(),
            ],
        }),
        ..well()
    };
    let secrets = [
        "alice",
        "203.0.113.77",
        "0xWALLET",
        "secret-host",
        "wg-",
        "tailscale",
        "not-alices-server",
        "/home",
        "KEYe6b1",
        "0x5290",
        "visited",
        "dJ6rPhKq",
    ];
    (facts, secrets)
}

#[test]
fn each_trouble_has_a_verdict_and_a_remedy() {
    type Case = (&'static str, Outcome, fn(&mut Facts));
    let cases: [Case; 20] = [
        ("daemon", Outcome::Warn, |facts| {
            facts.daemon = Daemon::Absent
        }),
        ("daemon", Outcome::Fail, |facts| {
            facts.daemon = Daemon::Refuses
        }),
        ("daemon", Outcome::Fail, |facts| {
            facts.daemon = Daemon::Fails("x".to_owned())
        }),
        ("node", Outcome::Warn, |facts| {
            (facts.health, facts.node_processes) = (None, 0)
        }),
        ("node", Outcome::Fail, |facts| {
            facts.health = Some(vec![("no-route".to_owned(), true)]);
        }),
        ("node", Outcome::Warn, |facts| {
            facts.health = Some(vec![("no-earning-wallet".to_owned(), false)]);
        }),
        ("tun", Outcome::Fail, |facts| facts.tun = Tun::Missing),
        ("tun", Outcome::Fail, |facts| facts.tun = Tun::Forbidden),
        ("nft", Outcome::Fail, |facts| facts.nft = None),
        ("nft", Outcome::Fail, |facts| {
            facts.nft = Some("nftables v0.9.8".to_owned())
        }),
        ("ip", Outcome::Fail, |facts| facts.ip = None),
        ("cgroup", Outcome::Fail, |facts| facts.cgroup2 = false),
        ("leftovers", Outcome::Fail, |facts| {
            (facts.journal, facts.node_processes) = (Journal::Entries(2), 0);
        }),
        ("other tunnels", Outcome::Warn, |facts| {
            facts.tunnels.push("wg0".to_owned())
        }),
        ("resolv.conf", Outcome::Fail, |facts| {
            facts.resolv_conf = None
        }),
        ("resolv.conf", Outcome::Fail, |facts| {
            facts.resolv_conf = Some("search lan".to_owned())
        }),
        ("clock", Outcome::Fail, |facts| facts.now_unix = 0),
        ("data", Outcome::Warn, |facts| facts.data.mode = Some(0o750)),
        ("disk", Outcome::Warn, |facts| {
            facts.data.free_bytes = Some(0)
        }),
        ("log", Outcome::Warn, |facts| {
            facts.log = Some(Log {
                errors: vec!["ERROR code=bug".to_owned()],
                ..Log::default()
            });
        }),
    ];
    for (name, outcome, change) in cases {
        let mut facts = well();
        change(&mut facts);
        let checks = all(&facts);
        let wrong: Vec<&Check> = checks
            .iter()
            .filter(|check| check.outcome != Outcome::Ok)
            .collect();
        assert_eq!(wrong.len(), 1, "{name}: {wrong:?}");
        assert_eq!(
            (wrong[0].name, wrong[0].outcome),
            (name, outcome),
            "{wrong:?}"
        );
        assert!(!wrong[0].remedy.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_running_node_is_no_leftover() {
    let facts = Facts {
        journal: Journal::Entries(5),
        ..well()
    };
    assert!(all(&facts).iter().all(|check| check.outcome == Outcome::Ok));
}

#[test]
fn versions_are_compared_as_numbers() {
    assert!(older_than("0.9.8", [0, 9, 9]));
    assert!(!older_than("0.9.10", [0, 9, 9]));
    assert!(!older_than("1.0", [0, 9, 9]));
    assert!(!older_than("of unknown version", [0, 9, 9]));
}
