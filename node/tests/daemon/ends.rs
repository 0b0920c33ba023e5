//! How a Node ends, and who hears of it when.

use std::time::{Duration, Instant};

use masq_ui_protocol::message::{CrashReason, Crashed, SetupRequest, SetupResponse, Shutdown};
use masq_ui_protocol::{Code, Frame};

use crate::support::{Daemon, Ui, family, is_alive, is_root, run, signal};

#[expect(clippy::disallowed_methods, reason = "how long it really takes")]
fn now() -> Instant {
    Instant::now()
}

/// A Daemon, a UI and the process of a Node that runs.
async fn running() -> (Daemon, Ui, u32) {
    let daemon = Daemon::start().await;
    let mut ui = Ui::connect(daemon.port).await;
    daemon.prepare(&mut ui).await;
    let began = now();
    let started = ui.start().await.expect("all is prepared");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    (daemon, ui, started.new_process_id)
}

#[test]
fn a_killed_node_is_told_to_every_ui_within_a_second() {
    if !is_root("a_killed_node_is_told_to_every_ui_within_a_second") {
        return;
    }
    run(async {
        let (daemon, mut ui, pid) = running().await;
        let mut other = Ui::connect(daemon.port).await;
        let nothing = Frame::of(&SetupRequest { values: vec![] }, None);
        assert!(other.ask(nothing.clone()).await.body.is_ok());
        let began = now();
        signal("KILL", pid);
        for ui in [&mut ui, &mut other] {
            let crashed: Crashed = ui.hear().await.message().unwrap();
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "{:?}",
                began.elapsed()
            );
            assert_eq!(crashed.process_id, pid);
            let CrashReason::Unrecognized(reason) = crashed.crash_reason else {
                panic!("{crashed:?}");
            };
            assert!(
                reason.starts_with("killed by signal 9 (SIGKILL)"),
                "{reason}"
            );
            assert!(reason.contains("start"), "{reason}");
        }
        let mut late = Ui::connect(daemon.port).await;
        assert_eq!(
            late.hear().await.opcode,
            "crashed",
            "for those who were at the Node"
        );
        let open: SetupResponse = ui.ask(nothing).await.message().unwrap();
        assert!(!open.running);
        let again = ui.start().await.expect("it can be started again");
        assert_ne!(again.new_process_id, pid);
    });
}

#[test]
fn a_shutdown_is_no_crash() {
    if !is_root("a_shutdown_is_no_crash") {
        return;
    }
    run(async {
        let (daemon, mut ui, pid) = running().await;
        let redirect = ui.redirected(Frame::of(&Shutdown {}, None)).await;
        let mut node = Ui::connect(redirect.port).await;
        let answer = node.ask(Frame::of(&Shutdown {}, None)).await;
        assert!(answer.body.is_ok(), "{answer:?}");
        // UIs of the original take a port that still listens for a Node that did not heed.
        let port = tokio::net::TcpStream::connect(("127.0.0.1", redirect.port)).await;
        assert!(port.is_err());
        for _ in 0..500 {
            if !is_alive(pid) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!is_alive(pid));
        assert!(ui.hears_nothing().await);
        let again = ui.start().await.expect("it can be started again");
        drop(daemon);
        assert!(!is_alive(again.new_process_id));
    });
}

#[test]
fn a_daemon_that_ends_takes_the_node_along() {
    if !is_root("a_daemon_that_ends_takes_the_node_along") {
        return;
    }
    run(async {
        let (mut daemon, _ui, pid) = running().await;
        let all = family(daemon.pid());
        assert!(all.contains(&pid));
        assert_eq!(daemon.end().code(), Some(0));
        for pid in all {
            assert!(!is_alive(pid), "{pid} is left");
        }
    });
}

#[test]
fn nothing_outlives_a_killed_daemon_or_launcher() {
    if !is_root("nothing_outlives_a_killed_daemon_or_launcher") {
        return;
    }
    run(async {
        for victim in ["daemon", "launcher"] {
            let (daemon, mut ui, pid) = running().await;
            let all = family(daemon.pid());
            let launcher = all[1];
            assert_ne!(launcher, pid);
            match victim {
                "daemon" => signal("KILL", daemon.pid()),
                _ => {
                    signal("KILL", launcher);
                    let crashed: Crashed = ui.hear().await.message().unwrap();
                    let reason = crashed.crash_reason;
                    assert!(
                        matches!(reason, CrashReason::ChildWaitFailure(_)),
                        "{reason:?}"
                    );
                }
            }
            for _ in 0..300 {
                if !all.iter().any(|pid| is_alive(*pid)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            for pid in all {
                assert!(!is_alive(pid), "{pid} is left without its {victim}");
            }
        }
    });
}

#[test]
fn a_node_that_never_gets_ready_is_killed() {
    if !is_root("a_node_that_never_gets_ready_is_killed") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut ui = Ui::connect(daemon.port).await;
        // A file that never comes to its end, nor does the Node's start.
        let pipe = daemon.folder.path().join("nodes");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let config = format!("capture = false\nnodes-file = {pipe:?}\n");
        std::fs::write(daemon.folder.path().join("config.toml"), config).unwrap();
        daemon.prepare_mode(&mut ui, "standard").await;
        let more = [
            ("blockchain-service-url", Some("http://127.0.0.1:9/")),
            ("db-password", Some("password")),
        ];
        assert_eq!(ui.setup(&more).await.errors, []);
        let began = now();
        let error = ui.start().await.unwrap_err();
        assert_eq!(error.code, Code::NODE_LAUNCH);
        assert!(error.message.contains("successfully killed"), "{error}");
        assert!(
            began.elapsed() >= Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(family(daemon.pid()).len(), 2, "the Daemon and its launcher");
    });
}
