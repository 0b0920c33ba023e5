//! What is refused, and what is said: exit codes, both outputs, JSON.

use std::fs;
use std::thread;

use masq_lab::process;
use serde_json::Value;

use crate::machine::{self, Asked, JOURNAL, Machine, Said};
use crate::managers::{self, Mode, RESOLV_CONF};

/// One line on the error output, and nothing else.
fn refused(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    said.err.strip_suffix('\n').unwrap()
}

fn json(machine: &Machine, action: &str, code: i32) -> Value {
    let said = machine.utility(&["--json", action]);
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

/// As before, and nothing that waits to be undone.
fn refuses_where_nobody_answers(mode: Mode) {
    machine::with(mode, |machine| {
        machine.stop_node();
        let before = machine.state();
        let said = machine.utility(&["subvert"]);
        assert_eq!(
            refused(&said),
            format!(
                "Cannot subvert DNS: nothing answers on {} port 53, so no name would be found any \
                 more; start what shall answer there first",
                machine.node_address()
            )
        );
        machine.is_again(&before, "a refusal");
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.start_node();
        machine.works("subvert");
        assert_eq!(machine.asked(), Asked::Node);
        // The way back is open without the Node.
        machine.stop_node();
        machine.works("revert");
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn a_file_is_not_switched_to_where_nobody_answers() {
    refuses_where_nobody_answers(Mode::File);
}

#[test]
fn systemd_resolved_is_not_switched_to_where_nobody_answers() {
    refuses_where_nobody_answers(Mode::Resolved);
}

#[test]
fn network_manager_with_dnsmasq_is_not_switched_to_where_nobody_answers() {
    refuses_where_nobody_answers(Mode::NetworkManagerDnsmasq);
}

#[test]
fn names_that_systemd_resolved_would_ask_elsewhere_are_a_reason_to_refuse() {
    machine::with(Mode::Resolved, |machine| {
        let settings = format!("[Resolve]\nDNS={}\nDomains=~.\n", machine::UPSTREAM);
        fs::write("/etc/systemd/resolved.conf", settings).unwrap();
        machine.kill(managers::RESOLVED);
        managers::start_resolved(machine);
        machine::until("an answer", || machine.asked() == Asked::Upstream);
        let before = machine.state();
        let said = machine.utility(&["subvert"]);
        let why = "Cannot subvert DNS: systemd-resolved is configured to ask its global servers ";
        assert!(refused(&said).starts_with(why), "{said:?}");
        machine.is_again(&before, "a refusal");
    });
}

#[test]
fn where_nothing_can_be_written_nothing_is_changed() {
    machine::with(Mode::File, |machine| {
        let before = machine.state();
        machine::output("mount", &["-o", "remount,ro", "/etc"]);
        let said = machine.utility(&["subvert"]);
        let why = "Cannot subvert DNS: /etc/resolv.conf: Read-only file system";
        assert!(refused(&said).starts_with(why), "{said:?}");
        machine.is_again(&before, "a failure");
        assert_eq!(machine.asked(), Asked::Upstream);
    });
}

#[test]
fn two_switches_at_once_are_one() {
    machine::with(Mode::File, |machine| {
        let before = machine.state();
        let both = |action: &str| {
            let together: &Machine = machine;
            thread::scope(|scope| {
                let [first, second] = [(), ()].map(|()| scope.spawn(|| together.works(action)));
                first.join().unwrap();
                second.join().unwrap();
            });
        };
        for _ in 0..5 {
            both("subvert");
            assert_eq!(machine.asked(), Asked::Node);
            both("revert");
            machine.is_again(&before, "two ways back");
        }
    });
}

#[test]
fn a_journal_that_cannot_be_read_is_named() {
    machine::with(Mode::File, |machine| {
        machine.works("subvert");
        fs::write(JOURNAL, "{").unwrap();
        for action in ["subvert", "revert", "repair"] {
            let said = machine.utility(&[action]);
            let why = format!(": the journal {JOURNAL} cannot be read: ");
            assert!(refused(&said).contains(&why), "{said:?}");
        }
        assert_eq!(machine.works("status"), "subverted\n");
        fs::remove_file(JOURNAL).unwrap();
        assert_eq!(machine.works("repair"), "nothing to undo\n");
    });
}

#[test]
fn masq_repair_undoes_a_switch_too() {
    machine::with(Mode::Resolved, |machine| {
        let before = machine.state();
        machine.works("subvert");
        let masq = process::binary("masq").unwrap();
        machine::output(masq.to_str().unwrap(), &["repair"]);
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.is_again(&before, "masq repair");
    });
}

#[test]
fn every_command_speaks_json() {
    machine::with(Mode::File, |machine| {
        let look = json(machine, "status", 0);
        assert_eq!(look["status"], "reverted");
        assert_eq!(look["manager"], "file");
        assert_eq!(look["servers"][0], machine::UPSTREAM);
        assert_eq!(look["journaled"], false);
        assert_eq!(json(machine, "subvert", 0)["changed"], true);
        assert_eq!(json(machine, "subvert", 0)["changed"], false);
        let look = json(machine, "inspect", 0);
        assert_eq!(look["status"], "subverted");
        assert_eq!(look["journaled"], true);
        fs::write(RESOLV_CONF, "nameserver 10.9.0.1\n").unwrap();
        let report = json(machine, "repair", 0);
        assert_eq!(
            report["kept"][0],
            "/etc/resolv.conf was rewritten meanwhile"
        );
        assert_eq!(json(machine, "revert", 0)["changed"], false);
        machine.stop_node();
        let failure = json(machine, "subvert", 1);
        assert_eq!(failure["action"], "subvert DNS");
        assert!(
            failure["error"]
                .as_str()
                .unwrap()
                .starts_with("nothing answers")
        );
    });
}

#[test]
fn the_original_s_words_and_exit_codes_are_kept() {
    machine::with(Mode::File, |machine| {
        for wrong in [&[][..], &["booga"], &["subvert", "revert"]] {
            let said = machine.utility(wrong);
            assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
            assert!(!said.err.is_empty());
        }
        let help = machine.utility(&["--help"]);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
        fs::write(RESOLV_CONF, "search example.test\n").unwrap();
        let offline = "no name server is set, so this machine seems not to be connected";
        for (action, name) in [("subvert", "subvert DNS"), ("inspect", "inspect DNS")] {
            let said = machine.utility(&[action]);
            assert_eq!(refused(&said), format!("Cannot {name}: {offline}"));
        }
        assert_eq!(machine.works("status"), "reverted\n");
    });
}

#[test]
fn users_may_look_and_only_root_may_switch() {
    machine::with(Mode::File, |machine| {
        // Readable for all, as a file of names is.
        machine::output("chmod", &["0644", RESOLV_CONF]);
        let program = process::binary("dns_utility").unwrap();
        let program = program.to_str().unwrap();
        let copy = "/run/dns_utility";
        machine::output("cp", &[program, copy]);
        let user = |action: &str| {
            let words = [
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                copy,
                action,
            ];
            let output = machine::run("setpriv", &words);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            )
        };
        assert_eq!(
            user("status"),
            (Some(0), "reverted\n".into(), String::new())
        );
        for action in ["subvert", "revert", "repair"] {
            let (code, out, said) = user(action);
            assert_eq!((code, out.as_str()), (Some(1), ""));
            let end =
                ": only root can switch the resolver; run it as root, for example with sudo\n";
            assert!(said.starts_with("Cannot ") && said.ends_with(end), "{said}");
        }
        machine.works("subvert");
        assert_eq!(
            user("status"),
            (Some(0), "subverted\n".into(), String::new())
        );
        machine.works("revert");
    });
}

#[test]
fn the_trail_names_the_owner_and_why() {
    machine::with(Mode::NetworkManager, |machine| {
        let said = machine.utility(&["inspect", "--verbose"]);
        assert_eq!(said.code, Some(0));
        assert_eq!(said.out, format!("{}\n", machine::UPSTREAM));
        assert!(said.err.contains("NetworkManager wrote it"), "{said:?}");
        assert!(
            said.err.ends_with("so it is for NetworkManager\n"),
            "{said:?}"
        );
    });
}
