use super::*;
use masq_capture::flow::Parent;
use masq_capture::{FlowOwner, Owned};
use masq_core::fake_ip::FakeIps;
use masq_core::names::EntryDns;
use std::time::{Duration, Instant};

fn mesh() -> Option<Decided> {
    Some(Way::Mesh { hops: 3 }.into())
}

fn question(host: &str, kind: Kind) -> Question {
    Question {
        app: None,
        kind,
        host: host.to_owned(),
        port: 443,
    }
}

fn route() -> Result<Vec<Hop>, (Code, String)> {
    let hop = |id: &str, country: &str| (id.to_owned(), Some(country.to_owned()));
    Ok(vec![
        hop("relay111", "ZZ"),
        hop("relay222", "DE"),
        hop("exit3333", "CZ"),
    ])
}

#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
fn resolver() -> EntryDns {
    EntryDns::new(FakeIps::new(10, 0, Instant::now()), true)
}

fn text(answer: &WhyResponse) -> String {
    let mut text = String::new();
    for step in &answer.steps {
        text.push_str(&format!("{:?}: {}\n", step.topic, step.text));
    }
    text
}

/// What a name or an address meets: whether it is carried, and words of the explanation.
#[test]
fn what_would_happen_is_told_for_every_kind_of_destination() {
    let cases = [
        (
            "www.example.org",
            Kind::Tcp,
            true,
            "relay111 > relay222 (DE) > exit3333 (CZ)",
        ),
        (
            "www.example.org",
            Kind::Tcp,
            true,
            "Dns: www.example.org gets a fake address",
        ),
        (
            "www.example.org",
            Kind::Dns,
            true,
            "answered here, no flow is needed",
        ),
        ("203.0.113.7", Kind::Udp, true, "Dns: none is asked"),
        ("203.0.113.7", Kind::Udp, true, "Exit: exit3333 (CZ)"),
        (
            "192.168.1.1",
            Kind::Tcp,
            true,
            "the local network is not captured",
        ),
        ("::1", Kind::Tcp, true, "does not leave this machine"),
        ("printer.local", Kind::Tcp, true, "Rule: local"),
        ("printer.local", Kind::Dns, true, "own resolver is asked"),
        ("localhost", Kind::Tcp, true, "answered by this Node"),
        ("hidden.onion", Kind::Tcp, false, "no such name"),
    ];
    let resolver = resolver();
    for (host, kind, carried, words) in cases {
        let address = host.parse::<std::net::IpAddr>().is_ok();
        let dns = (!address).then(|| resolver.outlook(host));
        let answer = of_question(&question(host, kind), dns, mesh(), route());
        assert_eq!(answer.carried, carried, "{host}");
        let told = text(&answer);
        assert!(told.contains(words), "{host}: {words}: {told}");
    }
}

#[test]
fn a_missing_route_is_told_with_its_remedy() {
    let route = Err((
        Code::NoExitInCountry,
        "no exit in CZ can be reached".to_owned(),
    ));
    let answer = of_question(&question("203.0.113.7", Kind::Tcp), None, mesh(), route);
    assert!(!answer.carried);
    let told = text(&answer);
    assert!(
        told.contains("no exit in CZ can be reached. Wait"),
        "{told}"
    );
}

#[test]
fn a_node_without_capture_says_that_it_carries_nothing() {
    let asked = question("203.0.113.7", Kind::Tcp);
    let answer = of_question(&asked, None, None, Ok(Vec::new()));
    assert!(!answer.carried);
    assert!(text(&answer).contains("captures nothing"));
}

#[test]
fn a_flow_is_explained_from_its_app_to_its_exit() {
    let flow = Look {
        id: 7,
        kind: Kind::Tcp,
        source: "192.0.2.7:40000".parse().unwrap(),
        destination: "198.18.0.9:443".parse().unwrap(),
        owner: Owned::By(Box::new(FlowOwner {
            pid: 12,
            uid: 1000,
            user: "anna".to_owned(),
            name: "curl".to_owned(),
            path: "/usr/bin/curl".into(),
            parents: vec![Parent {
                path: "/bin/bash".into(),
                name: "bash".to_owned(),
            }],
            ..FlowOwner::default()
        }))
        .into(),
        name: Some("www.example.org".to_owned()),
        to: None,
        rule: "mesh".into(),
        meshed: true,
        hops: Vec::new(),
        resumed: 2,
        age: Duration::from_secs(1),
        bytes: (1, 2),
        rates: (0, 0),
    };
    let way = Way::Mesh { hops: 3 };
    let passed = Passed {
        near: vec!["not block ads: port 25: its port is not 443".to_owned()],
        others: 7,
    };
    let told = text(&of_flow(&flow, &passed, way, &route().unwrap()));
    for words in [
        "Owner: curl (process 12, user anna (1000), /usr/bin/curl, started by bash)",
        "Dns: www.example.org was answered with the fake address 198.18.0.9",
        "Rule: not block ads: port 25: its port is not 443",
        "Rule: 7 rules before are about something else",
        "Rule: mesh",
        "Way: over 3 Nodes",
        "Circuit: it passes relay111 > relay222 (DE) > exit3333 (CZ)",
        "2 times so far",
        "Exit: exit3333 (CZ)",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let waiting = of_flow(&flow, &Passed::default(), way, &[]);
    assert!(!waiting.carried);
    assert!(text(&waiting).contains("a route is looked for"));
    let direct = Look {
        meshed: false,
        ..flow
    };
    let direct = of_flow(&direct, &Passed::default(), Way::Direct, &[]);
    assert!(direct.carried);
    assert!(text(&direct).contains("own sockets"));
}
