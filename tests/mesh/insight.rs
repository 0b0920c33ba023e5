//! What a user is told of live flows, on a machine that is captured.

use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::{Control, Lab, Mesh, MeshPlan, process, require, wait};
use serde_json::Value;

use crate::support::{JOIN, LIMIT};

const NAME: &str = "www.example.test";
const PASSWORD: &str = "correct horse battery staple";

/// The flow of a program to the site, once bytes have come over it.
fn flow(control: &Control, app: &str) -> Option<Value> {
    let answer = control.json(&["connections"]).unwrap();
    let found = answer["connections"].as_array()?.iter();
    let mut found = found.filter(|flow| {
        flow["appOpt"]["name"] == app && flow["nameOpt"] == NAME && flow["received"] != 0
    });
    found.next().cloned()
}

fn wait_for_flow(control: &Control, app: &str) -> Value {
    let mut found = None;
    wait::until("the flow in the table", LIMIT, || {
        found = flow(control, app);
        found.is_some()
    })
    .unwrap();
    found.unwrap()
}

#[test]
fn a_captured_flow_is_seen_explained_and_closed() {
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

    let mut command = host.command("curl").unwrap();
    let url = format!("http://{NAME}/bytes/1000000000");
    command.args(["-sS", "--limit-rate", "100k", "-o", "/dev/null", &url]);
    let mut curl = host.spawn("curl", command).unwrap();
    let flow = wait_for_flow(&control, "curl");
    assert_eq!(flow["appOpt"]["pid"], curl.pid().as_raw());
    assert_eq!(
        (&flow["protocol"], &flow["rule"]),
        (&"tcp".into(), &"mesh".into())
    );
    let hops = flow["hops"].as_array().unwrap();
    assert_eq!(hops.len(), 3, "{flow}");
    assert!(flow["exitCountryOpt"].is_string(), "{flow}");
    assert!(flow["receivedRate"].as_u64().unwrap() > 0, "{flow}");
    let id = flow["id"].to_string();

    let why = control.say(&["why", &id]).unwrap();
    for words in ["curl", NAME, "mesh", hops[2].as_str().unwrap(), "\ncarried"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    let would = control.say(&["why", &format!("https://{NAME}/")]).unwrap();
    assert!(would.contains("each flow draws a route"), "{would}");

    let before = Instant::now();
    control.say(&["connections", "--close", &id]).unwrap();
    let ended = curl.wait(Duration::from_secs(5)).unwrap();
    let taken = before.elapsed();
    println!("MEASURED: a closed flow's app ends after {taken:?}");
    assert_eq!(ended.code(), Some(56), "curl was not reset: {ended}");
    assert!(taken < Duration::from_secs(2), "{taken:?}");
    let gone = || self::flow(&control, "curl").is_none();
    wait::until("the end of the flow", LIMIT, gone).unwrap();

    let status = control.json(&["status"]).unwrap();
    assert_eq!(status["stage"], "RouteFound");
    control.say(&["shutdown"]).unwrap();
}

#[test]
fn the_capabilities_of_the_service_are_enough_for_a_capture() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    let unit = host
        .folder()
        .unwrap()
        .join("etc/systemd/system/masq.service");
    let root = host.folder().unwrap().to_string_lossy().into_owned();
    let masq = process::binary("masq")
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let installed = host.run(LIMIT, &masq, &["service", "install", "--root", &root]);
    process::text(&installed.unwrap()).unwrap();
    let text = std::fs::read_to_string(unit).unwrap();
    let line = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
    };
    let mut bounding = String::from("-all");
    for capability in line("CapabilityBoundingSet=").split(' ') {
        let name = capability.strip_prefix("CAP_").unwrap().to_lowercase();
        bounding.push_str(&format!(",+{name}"));
    }

    let mut command = host.command("setpriv").unwrap();
    command
        .args(["--no-new-privs", "--bounding-set", &bounding])
        .arg(process::binary("MASQNode").unwrap())
        .arg("--initialization")
        .env_remove("SUDO_UID");
    let control = Control::start_as(&host, command).unwrap();
    control.set_up("zero-hop", &[]).unwrap();
    control.say(&["start"]).unwrap();
    let mut command = host.command("curl").unwrap();
    let url = format!("http://{NAME}/bytes/1000000000");
    command.args(["-sS", "--limit-rate", "100k", "-o", "/dev/null", &url]);
    let curl = host.spawn("curl", command).unwrap();
    let flow = wait_for_flow(&control, "curl");
    assert_eq!(
        (&flow["rule"], &flow["appOpt"]["pid"]),
        (&"direct".into(), &curl.pid().as_raw().into())
    );
    drop(curl);
    control.say(&["shutdown"]).unwrap();
}
