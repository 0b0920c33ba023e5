//! `entry-dns`: programs that are not captured ask the Node for names, and connect by themselves.

use std::fs;

use masq_lab::{Mesh, MeshPlan, process, require};

use crate::support::{LIMIT, dig, resolve};

const PLACES: [&str; 3] = ["@127.0.0.1", "@::1", "@127.65.83.81"];
const RULES: &str = "[[rule]]\nto = \".blocked.example.test\"\naction = \"block\"\n";

#[test]
fn without_a_capture_names_go_over_the_mesh_and_connections_the_usual_way() {
    if !require::laboratory() {
        return;
    }
    let mesh = answering_mesh(false);
    let origin = mesh.site.origin.v4().to_string();
    for place in PLACES {
        for transport in ["+notcp", "+tcp"] {
            let short = dig(
                &mesh,
                &[place, transport, "+short", "A", "www.example.test"],
            );
            assert_eq!(short.trim(), origin, "{place} {transport}");
        }
    }
    let v6 = dig(&mesh, &["@127.0.0.1", "+short", "AAAA", "www.example.test"]);
    assert_eq!(v6.trim(), mesh.site.origin.v6().to_string());
    let text = dig(&mesh, &["@127.0.0.1", "TXT", "www.example.test"]);
    assert!(text.contains("this is the laboratory"), "{text}");
    let missing = dig(&mesh, &["@127.0.0.1", "A", "nx.example.test"]);
    assert!(missing.contains("NXDOMAIN"), "{missing}");
    let private = dig(&mesh, &["@127.0.0.1", "A", "private.example.test"]);
    assert!(
        private.contains("NOERROR") && private.contains("ANSWER: 0"),
        "an exit pointed into the local network: {private}"
    );
    let blocked = dig(&mesh, &["@127.0.0.1", "A", "www.blocked.example.test"]);
    assert!(blocked.contains("REFUSED"), "{blocked}");
    assert!(!mesh.site.questions().contains("blocked"));
    let counts = mesh.counts(mesh.app()).unwrap();
    assert!(counts.mesh.packets > 0, "{counts:?}");
    assert_eq!(counts.other.packets, 0, "a question left: {counts:?}");

    switch_resolver(&mesh);
    let page = mesh.curl(LIMIT, &["http://www.example.test/"]).unwrap();
    assert!(process::text(&page).unwrap().contains("origin"));
    let after = mesh.counts(mesh.app()).unwrap();
    assert!(after.other.packets >= 5, "the connection: {after:?}");
    let log = mesh.originator.flows().unwrap();
    assert!(log.iter().all(|flow| flow.protocol == "dns"), "{log:?}");
}

#[test]
fn what_only_the_local_network_knows_is_asked_of_who_was_asked_before_the_switch() {
    if !require::laboratory() {
        return;
    }
    let mesh = answering_mesh(false);
    let dns = mesh.site.dns.v4().to_string();
    fs::write(mesh.lab.resolv_conf(), format!("nameserver {dns}\n")).unwrap();
    let asked = || mesh.site.questions().matches("printer.lan").count();
    let _ = dig(&mesh, &["@127.0.0.1", "A", "printer.lan"]);
    let before = asked();
    assert!(before > 0, "{}", mesh.site.questions());

    switch_resolver(&mesh);
    // The Node looks at the file again after a second.
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    let answer = dig(&mesh, &["A", "printer.lan"]);
    assert!(!answer.contains("SERVFAIL"), "{answer}");
    assert_eq!(asked(), before * 2, "{}", mesh.site.questions());
}

#[test]
fn beside_a_capture_the_answers_are_the_addresses_that_are_captured() {
    if !require::laboratory() {
        return;
    }
    let mesh = answering_mesh(true);
    for place in PLACES {
        let short = dig(&mesh, &[place, "+short", "A", "www.example.test"]);
        assert!(short.starts_with("198."), "{place}: {short}");
    }
    switch_resolver(&mesh);
    assert!(resolve(mesh.app(), "www.example.test", "A").is_ipv4());
    let page = mesh.curl(LIMIT, &["http://www.example.test/"]).unwrap();
    assert!(process::text(&page).unwrap().contains("origin"));
    crate::support::assert_nothing_leaked(&mesh);
}

fn answering_mesh(capture: bool) -> Mesh {
    let adjust: fn(&str, &mut masq_lab::NodePlan) = if capture {
        |name, node| adjust(name, node, true)
    } else {
        |name, node| adjust(name, node, false)
    };
    Mesh::start(&MeshPlan {
        adjust,
        ..MeshPlan::default()
    })
    .unwrap()
}

fn adjust(name: &str, node: &mut masq_lab::NodePlan, capture: bool) {
    if name == "originator" {
        let rules = node.host.write("rules.toml", RULES).unwrap();
        node.set("entry-dns", true)
            .set("capture", capture)
            .set("rules-file", rules.to_string_lossy().into_owned());
    }
}

/// What `dns_utility subvert` does to a plain file.
fn switch_resolver(mesh: &Mesh) {
    fs::write(mesh.lab.resolv_conf(), "nameserver 127.0.0.1\n").unwrap();
}
