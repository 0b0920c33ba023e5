//! There and back under each manager: every command, twice, and afterwards exactly as before.

use std::fs;

use crate::machine::{self, Asked, Machine, UPSTREAM};
use crate::managers::{Mode, RESOLV_CONF};

fn round(machine: &mut Machine) {
    let before = machine.state();
    assert_eq!(machine.works("status"), "reverted\n");
    assert_eq!(machine.works("inspect"), format!("{UPSTREAM}\n"));
    machine.is_again(&before, "looking");

    assert_eq!(machine.works("revert"), "");
    assert_eq!(machine.works("repair"), "nothing to undo\n");
    machine.is_again(&before, "a revert of nothing");

    assert_eq!(machine.works("subvert"), "");
    assert_eq!(machine.asked(), Asked::Node);
    assert_eq!(machine.works("status"), "subverted\n");
    assert_eq!(
        machine.works("inspect"),
        format!("{}\n", machine.node_address())
    );
    let switched = machine.state();
    assert_ne!(switched, before);

    assert_eq!(machine.works("subvert"), "");
    machine.is_again(&switched, "a second switch");
    assert_eq!(machine.asked(), Asked::Node);

    assert_eq!(machine.works("revert"), "");
    assert_eq!(machine.asked(), Asked::Upstream);
    machine.is_again(&before, "the way back");
    assert_eq!(machine.works("status"), "reverted\n");

    assert_eq!(machine.works("revert"), "");
    machine.is_again(&before, "a second way back");
}

#[test]
fn systemd_resolved_is_switched_and_brought_back() {
    machine::with(Mode::Resolved, round);
}

#[test]
fn systemd_resolved_is_switched_where_programs_read_the_servers_behind_it() {
    machine::with(Mode::ResolvedUplink, round);
}

#[test]
fn systemd_resolved_is_switched_where_programs_ask_it_before_they_read_the_file() {
    machine::with(Mode::ResolvedByName, |machine| {
        let text = fs::read(RESOLV_CONF).unwrap();
        fs::write(RESOLV_CONF, "nameserver 10.9.0.99\n").unwrap();
        assert_eq!(machine.asked(), Asked::Upstream);
        fs::write(RESOLV_CONF, text).unwrap();
        round(machine);
    });
}

#[test]
fn links_of_systemd_networkd_are_switched_and_brought_back() {
    machine::with(Mode::Networkd, |machine| {
        // It is networkd that has to be told: systemd-resolved refuses.
        let name = "org.freedesktop.resolve1";
        let place = "/org/freedesktop/resolve1";
        let index = fs::read_to_string("/sys/class/net/wan0/ifindex").unwrap();
        let face = format!("{name}.Manager");
        let words = [
            "--system",
            "call",
            name,
            place,
            &face,
            "RevertLink",
            "i",
            index.trim(),
        ];
        let refusal = machine::run("busctl", &words);
        let said = String::from_utf8_lossy(&refusal.stderr).into_owned();
        assert!(said.contains("is managed"), "{said}");
        round(machine);
    });
}

#[test]
fn what_else_a_link_is_set_to_stays() {
    machine::with(Mode::Resolved, |machine| {
        for (topic, value) in [
            ("dns", UPSTREAM),
            ("domain", "corp.test"),
            ("llmnr", "resolve"),
            ("mdns", "yes"),
            ("dnsovertls", "opportunistic"),
            ("nta", "corp.test"),
        ] {
            machine::output("resolvectl", &[topic, "wan0", value]);
        }
        round(machine);
    });
}

#[test]
fn a_file_is_switched_and_brought_back() {
    machine::with(Mode::File, round);
}

#[test]
fn a_link_is_switched_and_brought_back() {
    machine::with(Mode::Link, round);
}

#[test]
fn an_immutable_file_is_switched_and_brought_back() {
    machine::with(Mode::Immutable, round);
}

#[test]
fn a_mounted_file_is_switched_and_brought_back() {
    machine::with(Mode::Mounted, round);
}

#[test]
fn network_manager_is_switched_and_brought_back() {
    machine::with(Mode::NetworkManager, round);
}

#[test]
fn network_manager_is_switched_where_programs_ask_systemd_resolved_first() {
    machine::with(Mode::NetworkManagerByName, round);
}

#[test]
fn network_manager_with_systemd_resolved_is_switched_and_brought_back() {
    machine::with(Mode::NetworkManagerResolved, round);
}

#[test]
fn network_manager_with_dnsmasq_is_switched_and_brought_back() {
    machine::with(Mode::NetworkManagerDnsmasq, round);
}

#[test]
fn a_file_that_network_manager_leaves_alone_is_switched_and_brought_back() {
    machine::with(Mode::NetworkManagerNone, round);
}

#[test]
fn openresolv_is_switched_and_brought_back() {
    machine::with(Mode::Openresolv, round);
}

#[test]
fn resolvconf_is_switched_and_brought_back() {
    machine::with(Mode::Resolvconf, round);
}
