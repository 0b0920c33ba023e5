//! Managers that are killed and start again, and machines that boot again, while the resolver is switched:
//! the status says who is asked, and the way back leads to where it would be without the switch.

use crate::machine::{self, Asked, Machine};
use crate::managers::{self, MANAGER, Mode, NETWORKD, RESOLVED};

/// The status and the answers agree.
fn status_is_true(machine: &Machine) -> bool {
    machine::until("an answer", || machine.asked() != Asked::Nobody);
    let subverted = machine.works("status") == "subverted\n";
    assert_eq!(machine.asked() == Asked::Node, subverted);
    subverted
}

#[test]
fn a_switch_outlives_a_crash_of_systemd_resolved() {
    machine::with(Mode::Resolved, |machine| {
        let before = machine.state();
        machine.works("subvert");
        machine.kill(RESOLVED);
        managers::start_resolved(machine);
        assert!(status_is_true(machine));
        machine.works("revert");
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.is_again(&before, "the way back");
    });
}

fn outlives_network_manager(mode: Mode) {
    machine::with(mode, |machine| {
        let before = machine.state();
        machine.works("subvert");
        machine.kill(MANAGER);
        managers::after_death(machine);
        assert_eq!(machine.utility(&["revert"]).code, Some(1));
        managers::start_network_manager(machine);
        assert!(status_is_true(machine));
        machine.works("revert");
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn a_switch_outlives_a_crash_of_network_manager() {
    outlives_network_manager(Mode::NetworkManager);
}

#[test]
fn a_switch_outlives_a_crash_of_network_manager_with_dnsmasq() {
    outlives_network_manager(Mode::NetworkManagerDnsmasq);
}

/// Its links have their servers again; the status says so, and another switch helps.
fn takes_its_links_back(mode: Mode, manager: &str, start: fn(&mut Machine)) {
    machine::with(mode, |machine| {
        let before = machine.state();
        machine.works("subvert");
        machine.kill(manager);
        assert!(status_is_true(machine));
        start(machine);
        machine::until("the old servers", || machine.asked() == Asked::Upstream);
        assert!(!status_is_true(machine));
        machine.works("subvert");
        assert!(status_is_true(machine));
        machine.works("revert");
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn network_manager_takes_its_links_back_and_the_status_says_so() {
    let mode = Mode::NetworkManagerResolved;
    takes_its_links_back(mode, MANAGER, managers::start_network_manager);
}

#[test]
fn systemd_networkd_takes_its_links_back_and_the_status_says_so() {
    takes_its_links_back(Mode::Networkd, NETWORKD, managers::start_networkd);
}

/// Compared with a boot that follows no switch.
fn reboot(mode: Mode, lasts: bool) {
    machine::with(mode, |machine| {
        machine.reboot();
        let before = machine.state();
        machine.works("subvert");
        machine.reboot();
        assert_eq!(status_is_true(machine), lasts);
        machine.works("repair");
        assert!(!status_is_true(machine));
        machine.is_again(&before, "a boot and a repair");
        assert_eq!(machine.works("repair"), "nothing to undo\n");
    });
}

#[test]
fn a_file_is_brought_back_after_a_boot() {
    reboot(Mode::File, true);
}

#[test]
fn an_immutable_file_is_brought_back_after_a_boot() {
    reboot(Mode::Immutable, true);
}

#[test]
fn systemd_resolved_forgets_a_switch_at_a_boot() {
    reboot(Mode::Resolved, false);
}

#[test]
fn network_manager_is_brought_back_after_a_boot() {
    reboot(Mode::NetworkManager, true);
}

#[test]
fn openresolv_forgets_a_switch_at_a_boot() {
    reboot(Mode::Openresolv, false);
}

#[test]
fn resolvconf_forgets_a_switch_at_a_boot() {
    reboot(Mode::Resolvconf, false);
}

#[test]
fn a_file_that_openresolv_left_is_brought_back_before_the_network_is_there() {
    machine::with(Mode::Openresolv, |machine| {
        let before = machine.state();
        machine.works("subvert");
        std::fs::remove_dir_all("/run/resolvconf").unwrap();
        assert!(status_is_true(machine));
        machine.works("repair");
        assert_eq!(machine.asked(), Asked::Upstream);
        managers::lease();
        machine.is_again(&before, "a repair before the lease");
    });
}
