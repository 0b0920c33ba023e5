//! One command a process: what it sends, prints and returns.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::mock::{Mock, Reply, answer, redirect, wait};
use crate::reviewed;
use crate::transcript::{compare, masq, of, run};

#[test]
fn refusals_are_printed_with_their_codes() {
    let body = json!({"error": {"code": 0x8000_0000_0000_0002_u64, "message": "Cannot handle descriptor request: Node is not running"}});
    compare("transcripts/refused.txt", &of(&["descriptor"], "", &body));
}

#[test]
fn answers_cannot_give_orders_to_the_terminal() {
    let body = json!({"graph": "digraph db { \u{1b}[2J\u{9b}1m }"});
    let text = of(&["neighborhood-graph"], "", &body);
    assert!(
        text.contains("digraph db { \u{fffd}[2J\u{fffd}1m }"),
        "{text:?}"
    );
}

#[test]
fn without_a_daemon_it_is_said_how_to_start_one() {
    let port = free_port();
    for words in [&["descriptor"][..], &["setup"], &["crash"], &[]] {
        let output = run(port, words, "");
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            errors.contains("Daemon is probably not running"),
            "{errors}"
        );
        assert!(errors.contains("MASQNode --initialization"), "{errors}");
    }
}

#[test]
fn a_redirect_is_followed_and_shutdown_waits_for_the_end() {
    let node = Mock::start(|asked| vec![answer(asked, &json!({})), Reply::HangUp]);
    let daemon = Mock::redirecting(node.port);
    let output = run(daemon.port, &["stop"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heard = node.heard();
    assert_eq!(heard[0], daemon.heard()[0]);
    assert_eq!(heard[0]["opcode"], "shutdown");
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("has ended")
    );
}

#[test]
fn a_node_that_ends_without_an_answer_was_shut_down_too() {
    let node = Mock::start(|_| vec![Reply::HangUp]);
    let daemon = Mock::redirecting(node.port);
    let output = run(daemon.port, &["shutdown"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(daemon.port, &["descriptor"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "masq: the Node ended the connection\n");
}

#[test]
fn a_crash_order_is_the_first_message_and_reaches_the_node() {
    let node = Mock::start(|_| vec![]);
    let daemon = Mock::redirecting(node.port);
    let output = run(daemon.port, &["crash", "neighborhood", "a test"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    wait("the order", || !node.heard().is_empty());
    assert_eq!(
        node.heard(),
        [
            json!({"opcode": "crash", "payload": {"actor": "NEIGHBORHOOD", "panicMessage": "a test"}})
        ]
    );
}

#[test]
fn a_crash_order_that_nobody_takes_is_a_failure() {
    let daemon = Mock::start(|asked| {
        let payload = json!({"opcode": asked["opcode"]});
        vec![Reply::Send(
            json!({"opcode": "undelivered", "payload": payload}),
        )]
    });
    let output = run(daemon.port, &["crash"], "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.ends_with("(Code 8000_0000_0000_0002)\n"), "{errors}");
}

#[test]
fn silence_ends_after_the_limit() {
    let daemon = Mock::start(|_| vec![]);
    let output = run(daemon.port, &["descriptor"], "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("(Code 8000_0000_0000_0006)"), "{errors}");
}

#[test]
fn start_waits_for_a_route() {
    let mut asked_for_status = 0;
    let configuration = configuration("standard");
    let node = Mock::start(move |asked| {
        if asked["opcode"] == "configuration" {
            return vec![answer(asked, &configuration)];
        }
        asked_for_status += 1;
        let stage =
            ["NotConnected", "ConnectedToNeighbor", "RouteFound"][asked_for_status.min(3) - 1];
        vec![answer(asked, &json!({"stage": stage}))]
    });
    let port = node.port;
    let daemon = Mock::start(move |asked| match asked["opcode"].as_str() {
        Some("start") => vec![answer(
            asked,
            &json!({"newProcessId": 7, "redirectUiPort": port}),
        )],
        _ => vec![redirect(asked, port)],
    });
    let output = run(daemon.port, &["start", "--wait"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let stages: Vec<&str> = shown
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        stages,
        ["NotConnected", "ConnectedToNeighbor", "RouteFound"]
    );
    let mut everything = self::configuration("standard");
    everything["newProcessId"] = json!(7);
    everything["redirectUiPort"] = json!(1);
    everything["stage"] = json!("NotConnected");
    let words = ["start", "--wait", "--timeout", "1"];
    let output = run(Mock::answering(everything.clone()).port, &words, "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("no route after 1 s"), "{errors}");
    everything["neighborhoodMode"] = json!("zero-hop");
    let output = run(Mock::answering(everything).port, &words, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn shutdown_waits_until_the_daemon_knows_of_the_end() {
    let node = Mock::start(|asked| vec![answer(asked, &json!({})), Reply::HangUp]);
    let port = node.port;
    let mut asked_for_setup = 0;
    let daemon = Mock::start(move |asked| {
        if asked["opcode"] != "setup" {
            return vec![redirect(asked, port)];
        }
        asked_for_setup += 1;
        let setup = json!({"running": asked_for_setup < 3, "values": [], "errors": []});
        vec![answer(asked, &setup)]
    });
    let output = run(daemon.port, &["shutdown"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heard = daemon.heard();
    let opcodes: Vec<&str> = heard
        .iter()
        .map(|frame| frame["opcode"].as_str().unwrap())
        .collect();
    assert_eq!(opcodes, ["shutdown", "setup", "setup", "setup"]);
}

#[test]
fn a_daemon_that_does_not_yet_know_of_the_end_is_asked_again() {
    let gone = free_port();
    let mut asked_before = 0;
    let daemon = Mock::start(move |asked| {
        asked_before += 1;
        if asked_before < 3 {
            return vec![redirect(asked, gone)];
        }
        let error = json!({"error": {"code": 0x8000_0000_0000_0002_u64, "message": "no Node"}});
        vec![answer(asked, &error)]
    });
    let output = run(daemon.port, &["descriptor"], "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "masq: no Node (Code 8000_0000_0000_0002)\n");
    assert_eq!(daemon.heard().len(), 3);
}

#[test]
fn setup_waits_for_the_daemon() {
    let port = free_port();
    let child = masq(port, &["setup", "--wait"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // The port is free still; nobody else was told of it.
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    wait("a connection", || listener.accept().is_ok());
    drop(listener);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let output = run(free_port(), &["setup", "--wait", "--timeout", "1"], "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn wallets_that_are_there_stay_when_nobody_can_be_asked() {
    let body = json!({"error": {"code": 0x0001_0000_0000_0002_u64, "message": "a wallet is there; replaceWallets"}});
    let mock = Mock::answering(body);
    let words = ["generate-wallets", "--db-password", "secret"];
    let output = run(mock.port, &words, "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("nothing was changed"), "{errors}");
    assert!(
        errors.contains("a wallet is there; replaceWallets (Code 0001_0000_0000_0002)"),
        "{errors}"
    );
    let heard = mock.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0]["payload"].get("replaceWallets"), None);
}

#[test]
fn a_wrong_command_line_is_1_and_names_what_is_meant() {
    for (words, hint) in [
        (&["descripter"][..], "descriptor"),
        (&["scan"], "KIND"),
        (&["set-configuration", "--gas-price", "0"], "gas-price"),
    ] {
        let output = run(5333, words, "");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(output.stdout.is_empty());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(hint), "{errors}");
    }
    let output = masq(5333, &[])
        .args(["--ui-port", "80", "setup"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_port_may_stand_in_the_environment() {
    let mock = Mock::answering(json!({"nodeDescriptorOpt": null}));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_masq"));
    command
        .env("MASQ_UI_PORT", mock.port.to_string())
        .arg("descriptor");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    command.env("MASQ_UI_PORT", "many");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("MASQ_UI_PORT is `many`")
    );
}

/// The example of the protocol's reference, in another mode.
fn configuration(mode: &str) -> Value {
    let mut configuration = reviewed::answers()["configuration"].clone();
    configuration["neighborhoodMode"] = json!(mode);
    configuration
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
