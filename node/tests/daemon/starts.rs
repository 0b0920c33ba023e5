//! Setting up, starting, and who answers what.

use masq_ui_protocol::message::{
    DescriptorRequest, SetupRequest, SetupResponse, Shutdown, StartRequest,
};
use masq_ui_protocol::{Code, Frame, Message};

use crate::support::{Daemon, Ui, command, field, is_alive, is_root, run};

#[test]
fn a_change_is_told_to_the_other_ui() {
    if !is_root("a_change_is_told_to_the_other_ui") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut one = Ui::connect(daemon.port).await;
        let mut other = Ui::connect(daemon.port).await;
        let nothing = Frame::of(&SetupRequest { values: vec![] }, None);
        other.ask(nothing).await;
        let answer = one.setup(&[("min-hops", Some("2"))]).await;
        let told = other.hear().await;
        assert_eq!((told.opcode.as_str(), told.context_id), ("setup", None));
        let told: SetupResponse = told.message().unwrap();
        assert_eq!(told.values, answer.values);
        assert!(
            told.values
                .iter()
                .any(|v| v.name == "min-hops" && v.value == "2")
        );
        assert!(one.hears_nothing().await);
    });
}

#[test]
fn a_node_is_started_once_and_asked_where_it_listens() {
    if !is_root("a_node_is_started_once_and_asked_where_it_listens") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut one = Ui::connect(daemon.port).await;
        let mut other = Ui::connect(daemon.port).await;
        daemon.prepare(&mut one).await;
        assert_eq!(other.hear().await.opcode, "setup");
        let start = Frame::of(&StartRequest {}, Some(100)).to_text();
        one.send(&start).await;
        other.send(&start).await;
        let answers = [one.hear().await, other.hear().await];
        let refused = answers.iter().filter(
            |answer| matches!(&answer.body, Err(error) if error.code == Code::NODE_ALREADY_RUNNING),
        );
        assert_eq!(refused.count(), 1, "{answers:?}");
        let started = answers.into_iter().find(|answer| answer.body.is_ok());
        let started = started.expect("one of them");
        let payload = started.body.unwrap();
        let pid = u32::try_from(payload["newProcessId"].as_u64().unwrap()).unwrap();
        assert!(is_alive(pid));
        assert_eq!(
            field(pid, "Uid").unwrap().split_whitespace().next(),
            Some("65534")
        );

        let frozen = one.setup(&[("min-hops", Some("5"))]).await;
        assert!(frozen.running);
        assert!(
            !frozen
                .values
                .iter()
                .any(|v| v.name == "min-hops" && v.value == "5")
        );

        let redirect = one.redirected(Frame::of(&DescriptorRequest {}, None)).await;
        assert_eq!(redirect.opcode, DescriptorRequest::OPCODE);
        assert_eq!(
            u64::from(redirect.port),
            payload["redirectUiPort"].as_u64().unwrap()
        );
        let mut node = Ui::connect(redirect.port).await;
        let answer = node.ask(Frame::of(&DescriptorRequest {}, None)).await;
        assert!(answer.body.is_ok(), "{answer:?}");
    });
}

#[test]
fn what_needs_a_node_is_refused_without_one() {
    if !is_root("what_needs_a_node_is_refused_without_one") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut ui = Ui::connect(daemon.port).await;
        let error = ui
            .ask(Frame::of(&Shutdown {}, None))
            .await
            .body
            .unwrap_err();
        assert_eq!(error.code, Code::NODE_NOT_RUNNING);
        ui.send(r#"{"opcode":"crash","payload":{}}"#).await;
        assert_eq!(ui.hear().await.opcode, "undelivered");
        ui.send(r#"{"opcode":"setup","contextId":9,"error":{"code":1,"message":"x"}}"#)
            .await;
        assert_eq!(ui.hear().await.body.unwrap_err().code, Code::UNMARSHAL);
        let nothing = Frame::of(&SetupRequest { values: vec![] }, None);
        assert!(ui.ask(nothing).await.body.is_ok(), "it lives on");
    });
}

#[test]
fn a_start_that_cannot_succeed_says_every_reason() {
    if !is_root("a_start_that_cannot_succeed_says_every_reason") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut ui = Ui::connect(daemon.port).await;
        ui.setup(&[("neighborhood-mode", Some("consume-only"))])
            .await;
        let error = ui.start().await.unwrap_err();
        assert_eq!(error.code, Code::NODE_LAUNCH);
        for name in ["neighbors", "blockchain-service-url", "db-password"] {
            assert!(error.message.contains(&format!("\n{name} - ")), "{error}");
        }
    });
}

#[test]
fn a_second_daemon_on_the_port_says_so() {
    if !is_root("a_second_daemon_on_the_port_says_so") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let folder = tempfile::tempdir().unwrap();
        let status = command(daemon.port, folder.path(), &[]).status().unwrap();
        assert_eq!(status.code(), Some(1));
        let said = std::fs::read_to_string(folder.path().join("daemon.log")).unwrap();
        assert!(said.contains("ui-port - "), "{said}");
    });
}

#[test]
fn a_user_cannot_start_one() {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(crate::support::free_port(), folder.path(), &[]);
    if is_root("as root by becoming a user: a_user_cannot_start_one") {
        command.uid(65_534);
    }
    assert_eq!(command.status().unwrap().code(), Some(1));
    let said = std::fs::read_to_string(folder.path().join("daemon.log")).unwrap();
    assert!(said.contains("sudo"), "{said}");
}
