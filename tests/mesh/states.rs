//! What a user meets when the Node's capture changes its state: a crash that
//! leaks nothing and says how to go on, pauses, direct apps, lockdown.

use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::{Control, Host, Lab, process, require, wait, wire};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::LIMIT;

struct World {
    control: Control,
    site: Site,
    host: Host,
    lab: Lab,
    node: Pid,
}

fn world(more: &[&str]) -> Option<World> {
    if !require::laboratory() {
        return None;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    wire::watch_pair(&lab.wan(), &host, &site.origin).unwrap();
    let control = Control::start(&host).unwrap();
    control.set_up("zero-hop", more).unwrap();
    let mut world = World {
        control,
        site,
        host,
        lab,
        node: Pid::from_raw(0),
    };
    assert!(world.reaches(), "before there is a Node");
    world.start();
    Some(world)
}

impl World {
    fn start(&mut self) {
        let started = self.control.json(&["start"]).unwrap();
        let pid = started["newProcessId"].as_i64().unwrap();
        self.node = Pid::from_raw(i32::try_from(pid).unwrap());
        assert!(self.reaches(), "a Node that runs");
    }

    /// Whether an app gets a page of the origin, by its address.
    fn reaches(&self) -> bool {
        let url = format!("http://{}/", self.site.origin.v4());
        let output = self
            .host
            .run(LIMIT, "curl", &["-sS", "-m", "5", &url])
            .unwrap();
        process::text(&output).is_ok_and(|page| page.contains("this is the origin"))
    }

    /// Packets from the host to the origin until now.
    fn sent(&self) -> u64 {
        wire::read_pair(&self.lab.wan(), &self.host, &self.site.origin)
            .unwrap()
            .packets
    }

    /// Packets that the TUN took from apps, which is what the interface transmitted.
    fn carried(&self) -> u64 {
        let file = "/sys/class/net/masq0/statistics/tx_packets";
        let output = self.host.run(LIMIT, "cat", &[file]).unwrap();
        process::text(&output).unwrap().trim().parse().unwrap()
    }

    fn refuses(&self, when: &str) {
        let before = self.sent();
        let start = Instant::now();
        assert!(!self.reaches(), "{when}");
        assert!(start.elapsed() < Duration::from_secs(2), "{when}: at once");
        assert_eq!(self.sent(), before, "{when}");
    }
}

#[test]
fn after_a_crash_nothing_leaks_and_status_and_shutdown_lead_out() {
    let Some(mut world) = world(&[]) else { return };
    kill(world.node, Signal::SIGKILL).unwrap();
    let told = || world.control.masq(&["status"]).unwrap();
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    wait::until("the word of the block", LIMIT, || {
        text(&told()).contains("is refused")
    })
    .unwrap();
    world.refuses("after a crash");
    let page = text(&told());
    for way in [
        "ended without being told to",
        "masq start",
        "masq shutdown",
        "masq repair",
    ] {
        assert!(page.contains(way), "{page}");
    }
    let doctor = world.control.masq(&["doctor"]).unwrap();
    assert!(text(&doctor).contains("is refused"), "{}", text(&doctor));
    // A start carries again, without a gap.
    let before = world.sent();
    world.start();
    assert!(world.sent() > before);
    kill(world.node, Signal::SIGKILL).unwrap();
    wait::until("the word of the block", LIMIT, || {
        text(&told()).contains("is refused")
    })
    .unwrap();
    let said = world.control.say(&["shutdown"]).unwrap();
    assert!(said.contains("usual way again"), "{said}");
    assert!(world.reaches());
    assert!(!text(&told()).contains("is refused"));
}

#[test]
fn a_daemon_that_is_killed_leaves_traffic_refused_until_a_repair() {
    let Some(mut world) = world(&[]) else { return };
    world.control.daemon().kill().unwrap();
    let ended = || kill(world.node, None).is_err();
    wait::until("the end of the Node", LIMIT, ended).unwrap();
    world.refuses("after the end of the Daemon");
    let journal = world.host.folder().unwrap().join("journal");
    let journal = journal.to_string_lossy();
    world
        .control
        .say(&["repair", "--journal-directory", &journal])
        .unwrap();
    assert!(world.reaches());
}

#[test]
fn a_pause_lets_traffic_go_and_ends_by_itself() {
    let Some(world) = world(&[]) else { return };
    world.control.say(&["pause"]).unwrap();
    let (carried, sent) = (world.carried(), world.sent());
    assert!(world.reaches());
    assert_eq!(world.carried(), carried);
    assert!(world.sent() > sent);
    let page = world.control.say(&["status"]).unwrap();
    assert!(page.contains("paused until `masq resume`"), "{page}");
    world.control.say(&["resume"]).unwrap();
    assert!(world.reaches());
    assert!(world.carried() > carried);
    world.control.say(&["pause", "--for", "2s"]).unwrap();
    let carries = || {
        let page = world.control.say(&["status"]).unwrap();
        page.contains("Capture: on")
    };
    wait::until("the end of the pause", LIMIT, carries).unwrap();
    world.control.say(&["shutdown"]).unwrap();
    assert!(world.reaches());
}

#[test]
fn a_direct_app_never_enters_the_tun() {
    let Some(world) = world(&[]) else { return };
    let (carried, sent) = (world.carried(), world.sent());
    let url = format!("http://{}/bytes/1000000", world.site.origin.v4());
    let arguments = [
        "run",
        "--direct",
        "--",
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "-w",
    ];
    let mut arguments = arguments.to_vec();
    arguments.extend(["%{size_download}", &url]);
    assert_eq!(world.control.say(&arguments).unwrap(), "1000000");
    let (carried_now, sent_now) = (world.carried(), world.sent());
    println!(
        "MEASURED: 1 MB of a direct app: {} packets in the TUN, {} on the wire",
        carried_now - carried,
        sent_now - sent
    );
    assert_eq!(carried_now, carried);
    assert!(sent_now > sent + 10);
    // A name works too, though it was answered with a fake address.
    let by_name = "http://www.example.test/";
    let page = world
        .control
        .say(&["run", "--direct", "--", "curl", "-sS", by_name])
        .unwrap();
    assert!(page.contains("this is the origin"));
    world.control.say(&["shutdown"]).unwrap();
    let output = world
        .control
        .masq(&["run", "--direct", "--", "true"])
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn lockdown_refuses_when_off_until_it_is_lifted() {
    let Some(world) = world(&["--on-failure", "direct"]) else {
        return;
    };
    let journal = world.host.folder().unwrap().join("journal");
    let journal = journal.to_string_lossy().into_owned();
    let lockdown = |action: &str| {
        world
            .control
            .say(&["lockdown", action, "--journal-directory", &journal])
            .unwrap()
    };
    lockdown("on");
    assert!(world.reaches());
    world.control.say(&["pause"]).unwrap();
    world.refuses("paused");
    world.control.say(&["resume"]).unwrap();
    assert!(world.reaches());
    world.control.say(&["shutdown"]).unwrap();
    world.refuses("off");
    let said = world
        .control
        .say(&["repair", "--journal-directory", &journal])
        .unwrap();
    assert!(said.contains("masq lockdown off"), "{said}");
    assert!(world.reaches());
    // As at boot.
    lockdown("apply");
    world.refuses("applied");
    lockdown("off");
    assert!(world.reaches());
}
