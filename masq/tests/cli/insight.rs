//! The commands that say what goes on and what is wrong: `status`, `connections --watch`, `doctor`
//! and `service`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::mock::{Mock, answer};
use crate::transcript::{masq, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn nobody() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A home of its own, in which no Node was ever started.
fn at_home(port: u16, words: &[&str], home: &tempfile::TempDir) -> Output {
    let mut command = masq(port, words);
    command.env("HOME", home.path()).env_remove("XDG_DATA_HOME");
    command.output().unwrap()
}

fn node() -> Mock {
    let finding = json!({
        "code": "no-route", "severity": "error",
        "what": "There is no route over 3 Nodes.", "remedy": "Wait.",
    });
    Mock::start(move |asked| {
        let body = match asked["opcode"].as_str() {
            Some("health") => json!({"findings": [finding]}),
            Some("capture") => json!({"state": "on", "resumesUnixOpt": null}),
            Some("connectionStatus") => json!({"stage": "ConnectedToNeighbor"}),
            other => panic!("{other:?}"),
        };
        vec![answer(asked, &body)]
    })
}

/// A file that a Node wrote which is gone now.
fn written_status(home: &tempfile::TempDir) {
    let folder = home.path().join(".local/share/MASQ/dev");
    fs::create_dir_all(&folder).unwrap();
    let status = json!({
        "id": "lcRfI91Ct", "mode": "standard", "chain": "dev", "min_hops": 3, "pid": 1,
        "running": true, "written_unix": 1_000, "stage": "route-found", "neighbors": [],
        "records": 7, "circuits": 0, "gossip": {"bytes_in": 1, "bytes_out": 1},
    });
    fs::write(folder.join("status.json"), status.to_string()).unwrap();
}

#[test]
fn status_says_what_the_node_finds_wrong_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let (_node, daemon) = node_behind();
    let output = at_home(daemon.port, &["status"], &home);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "The Node runs.\n\
         ConnectedToNeighbor: there is a neighbor, but no route to an exit yet.\n\
         Capture: on.\n\
         error no-route: There is no route over 3 Nodes.\n  -> Wait.\n"
    );
    let output = at_home(daemon.port, &["status", "--json"], &home);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["running"], true);
    assert_eq!(value["stage"], "ConnectedToNeighbor");
    assert_eq!(value["findings"][0]["code"], "no-route");
}

fn node_behind() -> (Mock, Mock) {
    let node = node();
    let daemon = Mock::redirecting(node.port);
    (node, daemon)
}

#[test]
fn status_falls_back_to_what_the_node_wrote() {
    let home = tempfile::tempdir().unwrap();
    let stopped = json!({"error": {"code": 0x8000_0000_0000_0002_u64, "message": "no Node"}});
    let daemon = Mock::answering(stopped);
    for port in [nobody(), daemon.port] {
        let output = at_home(port, &["status"], &home);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("no status of a Node"));
    }
    written_status(&home);
    for port in [nobody(), daemon.port] {
        let output = at_home(port, &["status"], &home);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let page = text(&output.stdout);
        assert!(page.contains("It does not run."), "{page}");
    }
}

#[test]
fn a_watched_table_is_shown_again_and_again() {
    let mut asked_for = 0;
    let mock = Mock::start(move |asked| {
        asked_for += 1;
        let body = json!({"total": asked_for, "connections": []});
        vec![answer(asked, &body)]
    });
    let mut child = masq(mock.port, &["connections", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let shown: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    assert_eq!(shown, ["no connections"; 3]);
    // Its reader is gone: so is it.
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_connection_that_is_not_there_is_not_said_to_be_closed() {
    let mock = Mock::answering(json!({"closed": false}));
    let output = run(mock.port, &["connections", "--close", "9"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no connection 9"));
}

#[test]
fn the_doctor_works_without_a_daemon_and_its_report_names_nobody() {
    let home = tempfile::tempdir().unwrap();
    written_status(&home);
    let folder = home.path().join(".local/share/MASQ/dev");
    let secrets = [
        "visited.example.org",
        "203.0.113.77",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "dJ6rPhKq8mXvTz1cQk2nLw5eYb4aUs7i",
    ];
    let line = format!(
        "2026-11-26T17:00:00Z  WARN code=\"no-route\" {}\n",
        secrets.join(" ")
    );
    fs::write(folder.join("MASQNode.log"), line).unwrap();
    let report = home.path().join("report.txt");
    let words = ["doctor", "--report", report.to_str().unwrap()];
    let output = at_home(nobody(), &words, &home);
    let page = text(&output.stdout);
    for check in [
        "daemon",
        "node",
        "tun",
        "nft",
        "ip ",
        "resolv.conf",
        "clock",
        "data",
        "log",
    ] {
        assert!(
            page.lines().any(|line| line[6..].starts_with(check)),
            "{check}: {page}"
        );
    }
    assert!(page.contains("nothing answers on its port"), "{page}");
    assert!(
        page.contains("visited.example.org"),
        "the person sees the log: {page}"
    );
    let written = fs::read_to_string(&report).unwrap();
    assert!(
        written.contains("the last one with the code no-route"),
        "{written}"
    );
    let home_name = home.path().to_str().unwrap();
    for secret in secrets.into_iter().chain([home_name]) {
        assert!(!written.contains(secret), "{secret}: {written}");
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(!written.contains(host.trim()), "{written}");

    let output = at_home(nobody(), &["doctor", "--json"], &home);
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = checks
        .as_array()
        .unwrap()
        .iter()
        .any(|check| check["outcome"] == "fail");
    assert_eq!(output.status.code(), Some(i32::from(failed)));
}

#[test]
fn a_service_is_installed_once_and_removed_without_a_trace() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_str().unwrap();
    let service = |words: &[&str]| {
        let mut all = vec!["service"];
        all.extend(words);
        all.extend(["--root", folder]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_masq"));
        command.args(all).env_remove("SUDO_USER").output().unwrap()
    };
    let install = [
        "install",
        "--node",
        "/bin/sh",
        "--real-user",
        "1000:1000:/home/me",
    ];
    assert_eq!(service(&["status"]).status.code(), Some(3));
    let first = service(&install);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let unit = root.path().join("etc/systemd/system/masq.service");
    let written = fs::read_to_string(&unit).unwrap();
    assert!(
        written.contains("ExecStart=\"/bin/sh\" --initialization"),
        "{written}"
    );
    assert!(
        written.contains("MASQ_REAL_USER=1000:1000:/home/me"),
        "{written}"
    );
    let again = service(&install);
    assert!(
        text(&again.stdout).contains("is there already"),
        "{again:?}"
    );
    assert_eq!(fs::read_to_string(&unit).unwrap(), written);
    let status = service(&["status"]);
    assert!(text(&status.stdout).contains("systemd does not run here"));

    assert_eq!(service(&["uninstall"]).status.code(), Some(0));
    assert!(!unit.exists());
    let nothing = service(&["uninstall"]);
    assert_eq!(nothing.status.code(), Some(0));
    assert!(text(&nothing.stdout).contains("nothing to do"));
    let wrong = service(&["install", "--node", "/no/such/program"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!unit.exists());
}
