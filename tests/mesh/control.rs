//! The Daemon, `masq` and a Node that captures its host, as a user meets them.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::{Control, Host, Lab, Mesh, MeshPlan, namespace, process, require, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{JOIN, LIMIT};

/// Nothing of the machine looks like this by itself.
const PASSWORD: &str = "correct horse battery staple";

fn curl(host: &Host, url: &str) -> String {
    let arguments = [
        "-sS",
        "--max-time",
        "20",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        url,
    ];
    let output = host.run(LIMIT, "curl", &arguments).unwrap();
    process::text(&output).unwrap()
}

/// The routing rules of the host: what capture adds and must take away again.
fn rules(host: &Host) -> String {
    let output = host.run(LIMIT, "ip", &["rule"]).unwrap();
    process::text(&output).unwrap()
}

fn node_of(started: &serde_json::Value) -> Pid {
    let pid = started["newProcessId"].as_i64().unwrap();
    Pid::from_raw(i32::try_from(pid).unwrap())
}

#[test]
fn a_node_is_set_up_started_used_and_stopped_by_masq() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    let before = rules(&host);
    let control = Control::start(&host).unwrap();
    control.set_up("zero-hop", &[]).unwrap();

    let start = Instant::now();
    let started = control.json(&["start"]).unwrap();
    // Whoever was told that it runs relies on it: from here on nothing goes past it.
    assert_ne!(rules(&host), before);
    assert_eq!(curl(&host, "http://www.example.test/bytes/1000"), "200");
    println!(
        "MEASURED: start to first captured flow {:?}",
        start.elapsed()
    );
    // The question was answered here: the name server heard of the name from the Node only.
    let fake = host
        .run(LIMIT, "dig", &["+short", "www.example.test"])
        .unwrap();
    assert_ne!(
        process::text(&fake).unwrap().trim(),
        site.origin.v4().to_string()
    );

    let stage = control.json(&["connection-status"]).unwrap();
    assert_eq!(stage["stage"], "RouteFound", "zero hops need nobody");

    let pid = node_of(&started);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(
        status.contains("\nUid:\t65534\t65534\t65534\t65534"),
        "{status}"
    );
    assert!(status.contains("\nCapEff:\t0000000000000000"), "{status}");

    let twice = control.masq(&["start"]).unwrap();
    assert_eq!(twice.status.code(), Some(1));
    let why = String::from_utf8(twice.stderr).unwrap();
    assert!(why.contains("8000_0000_0000_0003"), "{why}");
    let frozen = control.masq(&["setup", "--log-level", "trace"]).unwrap();
    assert_eq!(frozen.status.code(), Some(1));
    let shown = control.json(&["setup"]).unwrap();
    let values = shown["values"].as_array().unwrap();
    let level = values.iter().find(|value| value["name"] == "log-level");
    assert_eq!(level.unwrap()["value"], "debug");
    assert_eq!(shown["running"], true);

    control.say(&["shutdown"]).unwrap();
    let gone = || !fs::exists(format!("/proc/{pid}")).unwrap_or(true);
    wait::until("the end of the Node", LIMIT, gone).unwrap();
    wait::until("the old routing rules", LIMIT, || rules(&host) == before).unwrap();
    let resolver = host
        .run(LIMIT, "dig", &["+short", "www.example.test"])
        .unwrap();
    assert_eq!(
        process::text(&resolver).unwrap().trim(),
        site.origin.v4().to_string()
    );
    assert_eq!(
        control.masq(&["descriptor"]).unwrap().status.code(),
        Some(1)
    );
}

#[test]
fn a_killed_node_is_told_within_a_second_and_the_network_is_as_before() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    let before = rules(&host);
    let control = Control::start(&host).unwrap();
    control
        .set_up("zero-hop", &["--on-failure", "direct"])
        .unwrap();
    let started = control.json(&["start"]).unwrap();

    let mut watching = host.command(process::binary("masq").unwrap()).unwrap();
    watching.env("HOME", host.folder().unwrap());
    watching.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watching = watching.spawn().unwrap();
    let mut input = watching.stdin.take().unwrap();
    input.write_all(b"descriptor\n").unwrap();
    let (tell, lines) = std::sync::mpsc::channel();
    let output = watching.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::BufReader::new(output)) {
            if tell.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(curl(&host, "http://www.example.test/"), "200");

    let pid = node_of(&started);
    kill(pid, Signal::SIGKILL).unwrap();
    let killed = Instant::now();
    let mut seen = Vec::new();
    let told = loop {
        let line = lines
            .recv_timeout(Duration::from_secs(5))
            .unwrap_or_else(|_| {
                panic!("nothing said of the crash: {seen:#?}");
            });
        let told = line.contains(&pid.to_string());
        seen.push(line);
        if told {
            break killed.elapsed();
        }
    };
    println!("MEASURED: a killed Node is told after {told:?}");
    assert!(told < Duration::from_secs(1), "{told:?}: {seen:#?}");
    wait::until("the old routing rules", LIMIT, || rules(&host) == before).unwrap();
    assert_eq!(curl(&host, "http://www.example.test/"), "200");

    let again = control.json(&["start"]).unwrap();
    assert_ne!(node_of(&again), pid);
    assert_eq!(curl(&host, "http://www.example.test/"), "200");
    drop(input);
    watching.wait().unwrap();
}

#[test]
fn a_daemon_that_is_killed_takes_node_and_capture_with_it() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    let before = rules(&host);
    let mut control = Control::start(&host).unwrap();
    control
        .set_up("zero-hop", &["--on-failure", "direct"])
        .unwrap();
    control.say(&["start"]).unwrap();
    assert_eq!(curl(&host, "http://www.example.test/"), "200");
    control.daemon().kill().unwrap();
    wait::until("the old routing rules", LIMIT, || rules(&host) == before).unwrap();
    let left = || namespace::processes_in(host.namespace()).is_empty();
    wait::until("the end of every process", LIMIT, left).unwrap();
    assert_eq!(curl(&host, "http://www.example.test/"), "200");
}

#[test]
fn a_secret_stands_in_no_argument_environment_or_log() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let host = lab.host("user").unwrap();
    let mut control = Control::start(&host).unwrap();
    control
        .set_up(
            "zero-hop",
            &["--capture", "false", "--db-password", PASSWORD],
        )
        .unwrap();
    control.say(&["start"]).unwrap();
    control.say(&["check-password", PASSWORD]).unwrap();
    let wrong = control.masq(&["check-password", "another"]).unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let shown = control.say(&["setup"]).unwrap();
    assert!(
        !shown.contains(PASSWORD) && shown.contains("****************"),
        "{shown}"
    );

    let processes = namespace::processes_in(host.namespace());
    assert!(
        processes.len() >= 3,
        "Daemon, launcher and Node: {processes:?}"
    );
    for pid in processes {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(PASSWORD), "{file} of {pid}: {text}");
        }
    }
    control.say(&["shutdown"]).unwrap();
    let folder = host.folder().unwrap();
    let searched = host
        .run(LIMIT, "grep", &["-rlF", PASSWORD, folder.to_str().unwrap()])
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&searched.stdout), "");
    assert!(!control.daemon().log().contains(PASSWORD));
}

#[test]
fn a_user_joins_a_mesh_and_sees_where_flows_go() {
    if !require::laboratory() {
        return;
    }
    let plan = MeshPlan {
        finds_itself: true,
        ..MeshPlan::default()
    };
    let mut mesh = Mesh::start(&plan).unwrap();
    let host = mesh.lab.host("user").unwrap();
    let control = Control::start(&host).unwrap();
    let neighbor = mesh.relays[0].descriptor(JOIN).unwrap();
    control.join(&neighbor, PASSWORD).unwrap();
    let stage = || control.json(&["connection-status"]).unwrap()["stage"] == "RouteFound";
    wait::until("a route", JOIN, stage).unwrap();
    assert_eq!(curl(&host, "http://www.example.test/bytes/1000"), "200");

    let graph = control.say(&["neighborhood-graph"]).unwrap();
    assert!(graph.contains("digraph"), "{graph}");
    let wrong = control
        .masq(&["set-configuration", "--min-hops", "9"])
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));

    // More hops than there are Nodes: changed while the Node runs, and back again.
    control
        .say(&["set-configuration", "--min-hops", "6"])
        .unwrap();
    let page = host
        .run(LIMIT, "curl", &["-sS", "http://www.example.test/"])
        .unwrap();
    let page = process::text(&page).unwrap();
    assert!(page.contains("no-route"), "{page}");
    control
        .say(&["set-configuration", "--min-hops", "2"])
        .unwrap();
    let served = || curl(&host, "http://www.example.test/bytes/1000") == "200";
    wait::until("flows over two hops", JOIN, served).unwrap();
    control.say(&["shutdown"]).unwrap();
}

#[test]
fn a_change_of_hops_shows_in_the_status() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let host = lab.host("user").unwrap();
    let control = Control::start(&host).unwrap();
    // Nobody is there, and the Node tries it for ever.
    let nobody = format!("masq://dev:{}@192.0.2.9:4747", "A".repeat(43));
    let more = [
        "--neighbors",
        &nobody,
        "--capture",
        "false",
        "--min-hops",
        "3",
    ];
    let money = [
        "--blockchain-service-url",
        "http://127.0.0.1:1",
        "--db-password",
        "secret",
    ];
    let more = [&more[..], &money[..]].concat();
    control.set_up("consume-only", &more).unwrap();
    control.say(&["start"]).unwrap();
    let file = host.folder().unwrap().join("data/dev/status.json");
    let says = |hops: u8| {
        let wanted = format!("\"min_hops\": {hops}");
        let told = || fs::read_to_string(&file).is_ok_and(|text| text.contains(&wanted));
        wait::until("the status to say so", LIMIT, told).unwrap();
    };
    says(3);
    control
        .say(&["set-configuration", "--min-hops", "2"])
        .unwrap();
    says(2);
    control.say(&["shutdown"]).unwrap();
    says(2);
}
