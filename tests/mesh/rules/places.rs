//! Who made a flow, by where its process runs; and when nobody answers that question.

use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::{Lab, require};
use nix::sys::signal::{Signal, kill};

use super::{Machine, URL};

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A Node with zero hops, and no rule yet.
fn machine(lab: &mut Lab) -> Machine {
    let machine = Machine::new(lab, &[]);
    machine.write("");
    let file = machine.rules_file();
    let control = &machine.control;
    control
        .set_up("zero-hop", &["--rules-file", &file])
        .unwrap();
    control.say(&["start"]).unwrap();
    machine
}

#[test]
fn a_subject_is_a_unit_or_a_container() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let machine = machine(&mut lab);
    let get = format!(
        "{} -sSf --max-time 20 -o /dev/null {URL}",
        machine.app("alpha")
    );
    let slice = format!("masq-places-{}.slice", std::process::id());
    for (what, group, subject) in [
        (
            "unit",
            "shop.service".to_owned(),
            "unit = \"shop\"".to_owned(),
        ),
        (
            "container",
            format!("docker-{CONTAINER}.scope"),
            format!("container = \"{}\"", &CONTAINER[..12]),
        ),
    ] {
        let group = format!("/mnt/{slice}/{group}");
        let line = format!(
            "mount -t cgroup2 none /mnt && mkdir -p {group} && echo $$ > {group}/cgroup.procs && \
             exec {get}"
        );
        let inside = || machine.run("unshare", &["-m", "sh", "-c", &line]);
        machine.write("");
        machine.reload();
        machine.assert_direct(what, inside);
        machine.write(&format!("[[rule]]\n{subject}\naction = \"block\"\n"));
        machine.reload();
        machine.assert_blocked(what, inside);
        machine.assert_direct("somebody else", || machine.get("beta", URL));
        let remove = format!("mount -t cgroup2 none /mnt && rmdir {group}");
        machine.run("unshare", &["-m", "sh", "-c", &remove]);
    }
    let remove = format!("mount -t cgroup2 none /mnt && rmdir /mnt/{slice}");
    machine.run("unshare", &["-m", "sh", "-c", &remove]);
    machine.control.say(&["shutdown"]).unwrap();
}

#[test]
fn while_the_helper_is_silent_flows_are_of_nobody_known_and_wait_half_a_second() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let machine = machine(&mut lab);
    let beta = machine.app("beta");
    machine.write(&format!(
        "[[rule]]\nname = \"mine\"\napp = \"{beta}\"\naction = \"block\"\n\n\
         [[rule]]\nname = \"nobody\"\napp = \"unknown\"\naction = \"direct\"\n"
    ));
    machine.reload();
    machine.assert_blocked("known", || machine.get("beta", URL));

    let helper = machine.host.capture_helper().unwrap();
    kill(helper, Signal::SIGSTOP).unwrap();
    let begin = Instant::now();
    let (output, _, other) = machine.watched(|| machine.get("beta", URL));
    let taken = begin.elapsed();
    assert!(output.status.success(), "{output:?}");
    assert!(other >= super::ENOUGH, "{other} packets");
    assert!(taken > Duration::from_millis(450), "{taken:?}");
    machine.write("[[rule]]\napp = \"unknown\"\naction = \"block\"\n");
    machine.reload();
    machine.assert_blocked("unknown", || machine.get("beta", URL));

    kill(helper, Signal::SIGCONT).unwrap();
    machine.assert_direct("known again", || machine.get("beta", URL));
    machine.control.say(&["shutdown"]).unwrap();
}
