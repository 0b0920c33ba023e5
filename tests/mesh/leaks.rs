//! `masq selftest --leaks` in each state, with the router's counters as a second witness.

use std::process::Output;
use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Control, Host, Lab, Mesh, namespace, process, require, wait};

use crate::support::{LIMIT, mesh};

/// Counts at the router what the host sends to the documentation ranges that probes go to, but not what is
/// marked as the Node's own: that is port 9 of a kind that nothing else in here sends.
fn witness(lab: &Lab, host: &Host) {
    let name = host.name();
    let rules = format!(
        "table inet probes {{\n\
           counter leaked {{}}\n\
           counter control {{}}\n\
           chain seen {{ type filter hook prerouting priority raw; policy accept;\n\
             iifname {name} ip daddr 198.51.100.0/24 udp dport 9 counter name control accept\n\
             iifname {name} ip6 daddr 2001:db8:1eaf::/48 udp dport 9 counter name control accept\n\
             iifname {name} ip daddr 198.51.100.0/24 counter name leaked\n\
             iifname {name} ip6 daddr 2001:db8:1eaf::/48 counter name leaked\n\
           }}\n\
         }}\n"
    );
    namespace::inside(&lab.wan(), || {
        namespace::run_quiet("nft", &["-f", "-"], Some(&rules))
    })
    .unwrap()
    .unwrap();
}

/// What the router saw: controls and others.
fn witnessed(lab: &Lab) -> (u64, u64) {
    let listing = namespace::inside(&lab.wan(), || {
        std::process::Command::new("nft")
            .args(["-j", "list", "counters", "table", "inet", "probes"])
            .output()
            .unwrap()
    })
    .unwrap();
    let listing: serde_json::Value = serde_json::from_slice(&listing.stdout).unwrap();
    let count = |name: &str| {
        let objects = listing["nftables"].as_array().unwrap().iter();
        objects
            .map(|object| &object["counter"])
            .find(|counter| counter["name"] == name)
            .and_then(|counter| counter["packets"].as_u64())
            .unwrap()
    };
    (count("control"), count("leaked"))
}

struct Tested {
    status: Option<i32>,
    report: serde_json::Value,
    /// At the router, by this test alone.
    control: u64,
    leaked: u64,
}

impl Tested {
    fn line(&self, sent: &str) -> &serde_json::Value {
        let lines = self.report["lines"].as_array().unwrap();
        let found = lines.iter().find(|line| line["sent"] == sent);
        found.unwrap_or_else(|| panic!("no {sent}: {}", self.report))
    }

    fn verdicts(&self) -> Vec<&str> {
        let lines = self.report["lines"].as_array().unwrap().iter();
        lines.filter_map(|line| line["verdict"].as_str()).collect()
    }
}

fn selftest(host: &Host, arguments: &[&str]) -> Output {
    let mut command = host.command(process::binary("masq").unwrap()).unwrap();
    command.args(["selftest", "--leaks"]).args(arguments);
    process::output_within(command, LIMIT).unwrap()
}

fn test(mesh: &Mesh) -> Tested {
    test_on(&mesh.lab, mesh.app())
}

fn test_on(lab: &Lab, host: &Host) -> Tested {
    let before = witnessed(lab);
    let output = selftest(host, &["--json"]);
    let after = witnessed(lab);
    Tested {
        status: output.status.code(),
        report: serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}")),
        control: after.0 - before.0,
        leaked: after.1 - before.1,
    }
}

/// All is as the state promises, and the router saw only what must be seen.
fn holds(mesh: &Mesh, state: &str) -> Tested {
    let tested = test(mesh);
    assert_eq!(tested.report["state"], state, "{:#}", tested.report);
    assert_eq!(tested.status, Some(0), "{:#}", tested.report);
    assert!(tested.control >= 4, "{:#}", tested.report);
    assert_eq!(tested.leaked, 0, "{:#}", tested.report);
    tested
}

#[test]
fn nothing_leaks_on_without_a_mesh_and_after_a_kill_and_off_is_seen_to_be_off() {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    witness(&mesh.lab, mesh.app());

    let on = holds(&mesh, "on");
    for sent in [
        "TCP, IPv4, port 443",
        "TCP, IPv6, port 443",
        "UDP, IPv4, port 9",
    ] {
        assert_eq!(on.line(sent)["expected"], "captured");
        let seen = on.line(sent)["seen"].as_str().unwrap();
        assert!(seen.contains("into the capture"), "{sent}: {seen}");
    }
    assert_eq!(on.line("multicast")["seen"], "left by eth0");

    for node in mesh.relays.iter_mut().chain(&mut mesh.exits) {
        node.kill().unwrap();
    }
    let lost = test(&mesh);
    assert_eq!(
        (lost.status, lost.leaked),
        (Some(0), 0),
        "{:#}",
        lost.report
    );

    // All of it at once, so that nobody is left to clean up.
    for pid in mesh.originator.process_ids() {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    wait::until("the end of all parts", LIMIT, || {
        mesh.originator.process_ids().is_empty()
    })
    .unwrap();
    let error = holds(&mesh, "error");
    assert_eq!(error.line("TCP, IPv4, port 443")["expected"], "refused");

    let journal = mesh.app().folder().unwrap().join("journal");
    let mut command = mesh
        .app()
        .command(process::binary("masq").unwrap())
        .unwrap();
    command
        .arg("repair")
        .arg("--journal-directory")
        .arg(journal);
    process::text(&process::output_within(command, LIMIT).unwrap()).unwrap();
    let off = test(&mesh);
    assert_eq!(off.report["state"], "off");
    assert_eq!(off.status, Some(0), "{:#}", off.report);
    // The same packets, and this time they are seen: so they would have been before.
    assert!(off.leaked >= 10, "{} {:#}", off.leaked, off.report);
    let seen = off.verdicts();
    assert!(seen.iter().all(|verdict| *verdict == "ok"), "{seen:?}");
}

/// The same packets are seen in the states that let them go, so they would have been in the others.
#[test]
fn a_pause_lets_go_and_lockdown_refuses_when_paused_and_when_off() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    witness(&lab, &host);
    let control = Control::start(&host).unwrap();
    control.set_up("zero-hop", &[]).unwrap();
    let journal = host.folder().unwrap().join("journal");
    let journal = journal.to_string_lossy().into_owned();
    let lockdown = |word: &str| {
        let arguments = ["lockdown", word, "--journal-directory", &journal];
        control.say(&arguments).unwrap()
    };
    let is = |tested: &Tested, state: &str, locked: bool, expected: &str| {
        let report = &tested.report;
        assert_eq!(report["state"], state, "{report:#}");
        assert_eq!(report["lockdown"], locked, "{report:#}");
        assert_eq!(tested.status, Some(0), "{report:#}");
        assert!(tested.control >= 4, "{report:#}");
        for sent in [
            "TCP, IPv4, port 443",
            "UDP, IPv6, port 9",
            "GRE, own headers",
        ] {
            assert_eq!(tested.line(sent)["expected"], expected, "{report:#}");
        }
        let multicast = tested.line("multicast");
        assert_eq!(multicast["expected"], "let through", "{report:#}");
    };
    control.say(&["start"]).unwrap();
    control.say(&["pause"]).unwrap();
    let paused = test_on(&lab, &host);
    is(&paused, "paused", false, "direct");
    assert!(paused.leaked >= 10, "{:#}", paused.report);
    control.say(&["resume"]).unwrap();

    lockdown("on");
    control.say(&["pause"]).unwrap();
    let locked = test_on(&lab, &host);
    is(&locked, "paused", true, "refused");
    assert_eq!(locked.leaked, 0, "{:#}", locked.report);
    control.say(&["shutdown"]).unwrap();
    let off = test_on(&lab, &host);
    is(&off, "off", true, "refused");
    assert_eq!(off.leaked, 0, "{:#}", off.report);
    lockdown("off");
    let open = test_on(&lab, &host);
    is(&open, "off", false, "direct");
    assert!(open.leaked >= 10, "{:#}", open.report);
}

/// Somebody leads one kind of traffic past the capture: each witness must say so.
#[test]
fn a_leak_that_is_made_on_purpose_is_found() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    witness(&mesh.lab, mesh.app());
    holds(&mesh, "on");
    let host = mesh.app().clone();
    let hole = "table inet hole { chain output { type route hook output priority -300; policy accept; \
                tcp dport 443 meta mark set 0x4d510000; }; }";
    host.inside(|| namespace::run_quiet("nft", &["-f", "-"], Some(hole)))
        .unwrap()
        .unwrap();
    let tested = test(&mesh);
    assert_eq!(tested.status, Some(1), "{:#}", tested.report);
    assert!(tested.leaked >= 2);
    for (sent, verdict) in [
        ("TCP, IPv4, port 443", "leak"),
        ("TCP, IPv6, port 443", "leak"),
        ("UDP, IPv4, port 9", "ok"),
        ("DNS, TCP, IPv4", "ok"),
    ] {
        assert_eq!(tested.line(sent)["verdict"], verdict, "{sent}");
    }
    assert_eq!(tested.line("TCP, IPv4, port 443")["seen"], "left by eth0");
    let page = selftest(&host, &[]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("LEAK: 2 kinds of packets"), "{page}");
}

#[test]
fn what_cannot_be_tested_is_no_pass() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let host = lab.host("user").unwrap();
    let masq = process::binary("masq").unwrap();
    let mut command = host.command_as(Some(masq_lab::node::USER), &masq).unwrap();
    command.args(["selftest", "--leaks"]);
    let output = process::output_within(command, LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("needs root"), "{page}");

    // A cable that is pulled: nothing that is sent is ever seen.
    lab.plug(&host, false).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let output = selftest(&host, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
