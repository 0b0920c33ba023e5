//! Others change the resolver while it is switched: what they made of it is said, and stays.

use std::fs;
use std::os::unix::fs::symlink;

use masq_lab::namespace;

use crate::machine::{self, Asked, JOURNAL, Machine, UPSTREAM, output};
use crate::managers::{Mode, RESOLV_CONF};

/// Reverts, and gives what was said about it.
fn kept(machine: &Machine) -> String {
    let said = machine.utility(&["revert"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.ends_with("; that version is kept\n"), "{said:?}");
    assert_eq!(machine.works("repair"), "nothing to undo\n");
    assert!(!fs::exists(JOURNAL).unwrap());
    said.err
}

#[test]
fn a_file_that_was_rewritten_stays() {
    machine::with(Mode::File, |machine| {
        machine.works("subvert");
        let theirs = format!("# theirs\nnameserver {UPSTREAM}\n");
        fs::write(RESOLV_CONF, &theirs).unwrap();
        assert_eq!(machine.works("status"), "reverted\n");
        let said = kept(machine);
        assert!(
            said.starts_with("/etc/resolv.conf was rewritten meanwhile"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(RESOLV_CONF).unwrap(), theirs);
        // And a switch of that one is brought back to that one.
        let before = machine.state();
        machine.works("subvert");
        assert_eq!(machine.asked(), Asked::Node);
        machine.works("revert");
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn a_file_that_became_a_link_stays_one() {
    machine::with(Mode::File, |machine| {
        machine.works("subvert");
        fs::remove_file(RESOLV_CONF).unwrap();
        fs::write("/etc/other.conf", format!("nameserver {UPSTREAM}\n")).unwrap();
        symlink("other.conf", RESOLV_CONF).unwrap();
        let said = kept(machine);
        assert!(
            said.starts_with("/etc/resolv.conf was replaced meanwhile"),
            "{said}"
        );
        assert_eq!(
            fs::read_link(RESOLV_CONF).unwrap(),
            std::path::Path::new("other.conf")
        );
        assert_eq!(machine.asked(), Asked::Upstream);
    });
}

#[test]
fn servers_of_a_link_that_were_changed_stay() {
    machine::with(Mode::Resolved, |machine| {
        machine.works("subvert");
        output("resolvectl", &["dns", "wan0", "10.9.0.1", UPSTREAM]);
        let said = kept(machine);
        assert!(
            said.starts_with("the servers of link wan0 were changed meanwhile"),
            "{said}"
        );
        let servers = output("resolvectl", &["dns", "wan0"]);
        assert!(servers.ends_with("10.9.0.1 10.9.0.53\n"), "{servers}");
        // What was ours alone is gone.
        let domains = output("resolvectl", &["domain", "wan0"]);
        assert!(!domains.contains("~."), "{domains}");
    });
}

#[test]
fn a_stub_that_was_replaced_by_a_file_is_told_and_stays() {
    machine::with(Mode::Resolved, |machine| {
        machine.works("subvert");
        fs::remove_file(RESOLV_CONF).unwrap();
        fs::write(RESOLV_CONF, format!("nameserver {UPSTREAM}\n")).unwrap();
        assert_eq!(machine.asked(), Asked::Upstream);
        assert_eq!(machine.works("status"), "reverted\n");
        let said = kept(machine);
        assert!(
            said.starts_with("/etc/resolv.conf was replaced meanwhile"),
            "{said}"
        );
        assert!(fs::read_to_string(RESOLV_CONF).unwrap().contains(UPSTREAM));
    });
}

#[test]
fn names_of_a_link_that_comes_up_are_told_and_switched_again() {
    machine::with(Mode::Resolved, |machine| {
        let before = machine.state();
        machine.works("subvert");
        for words in [
            "link add wan1 type veth peer name eth1 netns isp",
            "addr add 10.8.0.2/24 dev wan1",
            "link set wan1 up",
        ] {
            namespace::ip(&words.split(' ').collect::<Vec<_>>()).unwrap();
        }
        namespace::ip_batch("isp", "addr add 10.8.0.1/24 dev eth1\nlink set eth1 up\n").unwrap();
        // Servers without names of their own are asked for nothing.
        output("resolvectl", &["dns", "wan1", UPSTREAM]);
        assert_eq!(machine.asked(), Asked::Node);
        assert_eq!(machine.works("status"), "subverted\n");
        output("resolvectl", &["domain", "wan1", "test"]);
        assert_eq!(machine.asked(), Asked::Upstream);
        assert_eq!(machine.works("status"), "reverted\n");
        machine.works("subvert");
        assert_eq!(machine.asked(), Asked::Node);
        assert_eq!(machine.works("status"), "subverted\n");
        machine.works("revert");
        assert_eq!(machine.asked(), Asked::Upstream);
        namespace::ip(&["link", "delete", "wan1"]).unwrap();
        machine.is_again(&before, "the way back and the link's end");
    });
}

#[test]
fn settings_of_network_manager_that_were_changed_stay() {
    machine::with(Mode::NetworkManager, |machine| {
        machine.works("subvert");
        let name = "org.freedesktop.NetworkManager";
        let place = "/org/freedesktop/NetworkManager";
        let theirs =
            format!("2 searches as 0 domains a{{sv}} 1 * a{{sv}} 1 servers as 1 {UPSTREAM}");
        let mut words = vec![
            "--system",
            "set-property",
            name,
            place,
            name,
            "GlobalDnsConfiguration",
            "a{sv}",
        ];
        words.extend(theirs.split(' '));
        output("busctl", &words);
        machine::until("their server", || machine.asked() == Asked::Upstream);
        let said = kept(machine);
        assert!(
            said.contains("global DNS configuration was changed meanwhile"),
            "{said}"
        );
        assert_eq!(machine.asked(), Asked::Upstream);
    });
}

#[test]
fn a_lease_while_openresolv_is_switched_counts_afterwards() {
    machine::with(Mode::Openresolv, |machine| {
        machine.works("subvert");
        namespace::run_quiet(
            "resolvconf",
            &["-a", "wan1.dhcp"],
            Some("nameserver 10.9.0.1\n"),
        )
        .unwrap();
        assert_eq!(machine.asked(), Asked::Node);
        machine.works("revert");
        let text = fs::read_to_string(RESOLV_CONF).unwrap();
        assert!(
            text.contains(UPSTREAM) && text.contains("10.9.0.1"),
            "{text}"
        );
    });
}
