//! `kill -9` at each step of a switch and of its way back: whoever is asked answers, and `repair` brings
//! back exactly what was there.

use crate::machine::{self, Asked, Machine};
use crate::managers::Mode;

const SIGKILL: Option<i32> = Some(9);

/// Steps of a replaced file.
const PLACE: [&str; 5] = [
    "dns-place:before",
    "dns-unlocked:after",
    "dns-beside:after",
    "dns-renamed:after",
    "dns-place:after",
];
/// Of one that cannot be replaced.
const OVERWRITE: [&str; 5] = [
    "dns-place:before",
    "dns-unlocked:after",
    "dns-truncated:after",
    "dns-renamed:after",
    "dns-place:after",
];
const PLACE_LINK: [&str; 4] = [
    "dns-place:before",
    "dns-unlocked:after",
    "dns-beside:after",
    "dns-place:after",
];
const SET_LINK: [&str; 6] = [
    "dns-set-link:before",
    "dns-link-servers:after",
    "dns-link-domains:after",
    "dns-set-link:after",
    "dns-flush:before",
    "dns-flush:after",
];
const RESTORE_LINK: [&str; 6] = [
    "dns-restore-link:before",
    "dns-link-servers:after",
    "dns-link-domains:after",
    "dns-restore-link:after",
    "dns-flush:before",
    "dns-flush:after",
];
const SET_GLOBAL: [&str; 2] = ["dns-set-global:before", "dns-set-global:after"];
const ADD: [&str; 2] = ["dns-add-record:before", "dns-add-record:after"];
const DELETE: [&str; 2] = ["dns-delete-record:before", "dns-delete-record:after"];

fn crashes(mode: Mode, there: &[&str], back: &[&str]) {
    machine::with(mode, |machine| {
        for halt in [
            "dns-journal:before",
            "dns-journal:written",
            "dns-journal:after",
        ]
        .iter()
        .chain(there)
        {
            on_the_way_there(machine, halt);
        }
        for halt in back
            .iter()
            .chain(&["dns-forget:before", "dns-forget:after"])
        {
            on_the_way_back(machine, halt);
        }
    });
}

fn on_the_way_there(machine: &mut Machine, halt: &str) {
    let before = machine.state();
    let said = machine.utility_until(&["subvert"], halt);
    assert_eq!(said.signal, SIGKILL, "{halt}: {said:?}");
    assert_ne!(machine.asked(), Asked::Nobody, "{halt}");
    machine.works("repair");
    assert_eq!(machine.asked(), Asked::Upstream, "{halt}");
    machine.is_again(&before, halt);
    assert_eq!(machine.works("repair"), "nothing to undo\n", "{halt}");
}

fn on_the_way_back(machine: &mut Machine, halt: &str) {
    let before = machine.state();
    machine.works("subvert");
    let said = machine.utility_until(&["revert"], halt);
    assert_eq!(said.signal, SIGKILL, "{halt}: {said:?}");
    assert_ne!(machine.asked(), Asked::Nobody, "{halt}");
    machine.works("repair");
    assert_eq!(machine.asked(), Asked::Upstream, "{halt}");
    machine.is_again(&before, halt);
}

#[test]
fn a_file_survives_a_kill_at_each_step() {
    crashes(Mode::File, &PLACE, &PLACE);
}

#[test]
fn a_link_survives_a_kill_at_each_step() {
    crashes(Mode::Link, &PLACE, &PLACE_LINK);
}

#[test]
fn an_immutable_file_survives_a_kill_at_each_step() {
    crashes(Mode::Immutable, &PLACE, &PLACE);
}

#[test]
fn a_mounted_file_survives_a_kill_at_each_step() {
    crashes(Mode::Mounted, &OVERWRITE, &OVERWRITE);
}

#[test]
fn systemd_resolved_survives_a_kill_at_each_step() {
    crashes(Mode::Resolved, &SET_LINK, &RESTORE_LINK);
}

#[test]
fn systemd_resolved_and_its_file_survive_a_kill_at_each_step() {
    let both = |links: &[&'static str], file: &[&'static str]| [links, file].concat();
    let mode = Mode::ResolvedUplink;
    crashes(
        mode,
        &both(&SET_LINK, &PLACE),
        &both(&RESTORE_LINK, &PLACE_LINK),
    );
}

#[test]
fn links_of_systemd_networkd_survive_a_kill_at_each_step() {
    let back = [
        RESTORE_LINK[0],
        RESTORE_LINK[3],
        RESTORE_LINK[4],
        RESTORE_LINK[5],
    ];
    crashes(Mode::Networkd, &SET_LINK, &back);
}

#[test]
fn links_with_servers_of_their_own_survive_a_kill_at_each_step() {
    crashes(Mode::NetworkManagerResolved, &SET_LINK, &RESTORE_LINK);
}

#[test]
fn network_manager_survives_a_kill_at_each_step() {
    crashes(Mode::NetworkManager, &SET_GLOBAL, &SET_GLOBAL);
}

#[test]
fn network_manager_with_dnsmasq_survives_a_kill_at_each_step() {
    crashes(Mode::NetworkManagerDnsmasq, &SET_GLOBAL, &SET_GLOBAL);
}

#[test]
fn openresolv_survives_a_kill_at_each_step() {
    crashes(Mode::Openresolv, &ADD, &DELETE);
}

#[test]
fn resolvconf_survives_a_kill_at_each_step() {
    crashes(Mode::Resolvconf, &ADD, &DELETE);
}
