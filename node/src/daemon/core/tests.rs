//! Tables for each message and phase.

use std::collections::BTreeMap;

use super::*;
use masq_ui_protocol::message::{
    CheckPasswordRequest, Crashed, SetupRequestValue, SetupStatus, Shutdown,
};
use masq_ui_protocol::{Frame, UiError};

mod sequences;

/// Values that are texts; `bad` is refused, and `needed` must be there.
#[derive(Debug, Default)]
struct Values(BTreeMap<String, String>);

impl SetupArea for Values {
    type Settings = String;

    fn change(&mut self, values: &[(String, Option<String>)]) -> Changed {
        let before = self.0.clone();
        let mut errors = Vec::new();
        for (name, value) in values {
            match value {
                Some(value) if value == "bad" => errors.push((name.clone(), "is bad".to_owned())),
                Some(value) => drop(self.0.insert(name.clone(), value.clone())),
                None => drop(self.0.remove(name)),
            }
        }
        let changed = self.0 != before;
        Changed { changed, errors }
    }

    fn values(&self) -> Vec<SetupResponseValue> {
        let entry = |(name, value): (&String, &String)| SetupResponseValue {
            name: name.clone(),
            value: value.clone(),
            status: SetupStatus::Set,
        };
        self.0.iter().map(entry).collect()
    }

    fn launch(&mut self) -> Result<String, Vec<(String, String)>> {
        match self.0.get("needed") {
            Some(value) => Ok(value.clone()),
            None => Err(vec![
                ("needed".to_owned(), "is needed".to_owned()),
                ("other".to_owned(), "is too".to_owned()),
            ]),
        }
    }
}

type Daemon = Core<u64, Values>;
type Does = Action<u64, String>;

#[expect(clippy::disallowed_methods, reason = "the beginning of a test's time")]
fn begin() -> Instant {
    Instant::now()
}

fn daemon() -> (Daemon, Instant) {
    (Core::new(Values::default()), begin())
}

fn actions(daemon: &mut Daemon) -> Vec<Does> {
    std::iter::from_fn(|| daemon.poll_action()).collect()
}

fn says(daemon: &mut Daemon, from: u64, frame: Frame, now: Instant) -> Vec<Does> {
    daemon.handle_frame(from, frame, now);
    actions(daemon)
}

fn news(daemon: &mut Daemon, event: NodeEvent, now: Instant) -> Vec<Does> {
    daemon.handle_node(daemon.run, event, now);
    actions(daemon)
}

fn setup(context: u64, name: &str, value: Option<&str>) -> Frame {
    let value = value.map(str::to_owned);
    let name = name.to_owned();
    let values = vec![SetupRequestValue { name, value }];
    Frame::of(&SetupRequest { values }, Some(context))
}

fn start(context: u64) -> Frame {
    Frame::of(&StartRequest {}, Some(context))
}

/// The only action is a frame to `to`.
fn only_answer(mut actions: Vec<Does>, to: u64) -> Frame {
    assert_eq!(actions.len(), 1, "{actions:?}");
    match actions.remove(0) {
        Action::Send(client, frame) if client == to => frame,
        other @ (Action::Send(..)
        | Action::Broadcast { .. }
        | Action::Launch { .. }
        | Action::Kill { .. }) => panic!("{other:?}"),
    }
}

fn error_of(frame: Frame) -> UiError {
    frame.body.unwrap_err()
}

fn started(now: Instant, daemon: &mut Daemon) {
    says(daemon, 1, setup(1, "needed", Some("x")), now);
    says(daemon, 1, start(2), now);
    news(daemon, NodeEvent::Started { pid: 77 }, now);
}

fn running(now: Instant, daemon: &mut Daemon) {
    started(now, daemon);
    news(daemon, NodeEvent::Ready { port: 40_000 }, now);
}

fn ended(how: Ending, lines: &[&str]) -> NodeEvent {
    NodeEvent::Ended {
        how,
        last_lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

#[test]
fn every_change_is_told_to_the_others_and_the_first_as_well() {
    let (mut daemon, now) = daemon();
    for (context, value) in [(1, "x"), (2, "y")] {
        let done = says(&mut daemon, 1, setup(context, "needed", Some(value)), now);
        let [Action::Send(1, answer), Action::Broadcast { but, frame }] = &done[..] else {
            panic!("{done:?}");
        };
        assert_eq!((answer.context_id, *but), (Some(context), Some(1)));
        assert_eq!(frame.context_id, None);
        let told: SetupResponse = frame.clone().message().unwrap();
        assert_eq!(told.values[0].value, value);
        assert!(!told.running);
    }
}

#[test]
fn what_changes_nothing_is_told_to_nobody_else() {
    let (mut daemon, now) = daemon();
    says(&mut daemon, 1, setup(1, "a", Some("x")), now);
    let same = says(&mut daemon, 1, setup(2, "a", Some("x")), now);
    only_answer(same, 1);
    let ask = Frame::of(&SetupRequest { values: vec![] }, Some(3));
    only_answer(says(&mut daemon, 1, ask, now), 1);
    let refused = only_answer(says(&mut daemon, 1, setup(4, "a", Some("bad")), now), 1);
    let refused: SetupResponse = refused.message().unwrap();
    assert_eq!(refused.errors, [("a".to_owned(), "is bad".to_owned())]);
    assert_eq!(refused.values[0].value, "x");
}

#[test]
fn a_start_is_refused_with_every_reason() {
    let (mut daemon, now) = daemon();
    let error = error_of(only_answer(says(&mut daemon, 1, start(1), now), 1));
    assert_eq!(error.code, Code::NODE_LAUNCH);
    assert!(error.message.contains("needed - is needed"), "{error}");
    assert!(error.message.contains("other - is too"), "{error}");
}

#[test]
fn a_start_is_answered_when_the_node_is_ready() {
    let (mut daemon, now) = daemon();
    says(&mut daemon, 1, setup(1, "needed", Some("x")), now);
    let launched = says(&mut daemon, 1, start(2), now);
    let settings = "x".to_owned();
    assert_eq!(launched, [Action::Launch { run: 1, settings }]);
    assert!(news(&mut daemon, NodeEvent::Started { pid: 77 }, now).is_empty());
    let answer = only_answer(news(&mut daemon, NodeEvent::Ready { port: 40_000 }, now), 1);
    assert_eq!(answer.context_id, Some(2));
    let answer: StartResponse = answer.message().unwrap();
    assert_eq!(
        (answer.new_process_id, answer.redirect_ui_port),
        (77, 40_000)
    );
    assert_eq!(daemon.poll_timeout(), None);
}

#[test]
fn of_two_starts_one_starts() {
    let (mut daemon, now) = daemon();
    started(now, &mut daemon);
    for phase in ["starting", "running"] {
        let error = error_of(only_answer(says(&mut daemon, 2, start(9), now), 2));
        assert_eq!(error.code, Code::NODE_ALREADY_RUNNING, "{phase}");
        news(&mut daemon, NodeEvent::Ready { port: 40_000 }, now);
    }
}

#[test]
fn the_setup_is_frozen_while_a_node_is_there() {
    let (mut daemon, now) = daemon();
    started(now, &mut daemon);
    for _ in ["starting", "running"] {
        let answer = only_answer(says(&mut daemon, 2, setup(5, "needed", None), now), 2);
        let answer: SetupResponse = answer.message().unwrap();
        assert!(answer.running);
        assert_eq!(answer.values[0].value, "x");
        news(&mut daemon, NodeEvent::Ready { port: 40_000 }, now);
    }
    news(&mut daemon, ended(Ending::Signal(9), &[]), now);
    let after = says(&mut daemon, 2, setup(6, "needed", None), now);
    assert_eq!(after.len(), 2, "answered and told: {after:?}");
}

#[test]
fn what_the_node_answers_is_redirected() {
    let (mut daemon, now) = daemon();
    running(now, &mut daemon);
    let password = Some("a \"b\"".to_owned());
    let asked = Frame::of(
        &CheckPasswordRequest {
            db_password_opt: password,
        },
        Some(6),
    );
    let answer = only_answer(says(&mut daemon, 3, asked, now), 3);
    assert_eq!(answer.context_id, None);
    let redirect: Redirect = answer.message().unwrap();
    assert_eq!(redirect.port, 40_000);
    assert_eq!(redirect.opcode, "checkPassword");
    assert_eq!(redirect.context_id, Some(6));
    assert_eq!(redirect.payload, r#"{"dbPasswordOpt":"a \"b\""}"#);
    let unknown = r#"{"opcode":"booga","payload":{"a":[1]}}"#;
    let answer = only_answer(says(&mut daemon, 3, Frame::parse(unknown).unwrap(), now), 3);
    let redirect: Redirect = answer.message().unwrap();
    assert_eq!(
        (redirect.context_id, redirect.payload.as_str()),
        (None, r#"{"a":[1]}"#)
    );
}

#[test]
fn without_a_node_its_messages_are_refused() {
    let (mut daemon, now) = daemon();
    for phase in ["idle", "starting"] {
        let asked = Frame::of(&Shutdown {}, Some(6));
        let error = error_of(only_answer(says(&mut daemon, 3, asked, now), 3));
        assert_eq!(error.code, Code::NODE_NOT_RUNNING, "{phase}");
        let told = Frame::parse(r#"{"opcode":"crash","payload":{}}"#).unwrap();
        let answer = only_answer(says(&mut daemon, 3, told, now), 3);
        let answer: Undelivered = answer.message().unwrap();
        assert_eq!(answer.opcode, "crash");
        started(now, &mut daemon);
    }
}

#[test]
fn an_error_as_a_request_harms_nobody() {
    let (mut daemon, now) = daemon();
    for _ in ["idle", "running"] {
        for opcode in ["setup", "start", "crashed", "booga"] {
            let text = format!(
                r#"{{"opcode":"{opcode}","contextId":4,"error":{{"code":1,"message":"no"}}}}"#
            );
            let mut frame = Frame::parse(&text).unwrap();
            let answer = only_answer(says(&mut daemon, 1, frame.clone(), now), 1);
            assert_eq!(answer.context_id, Some(4));
            assert_eq!(error_of(answer).code, Code::UNMARSHAL);
            frame.context_id = None;
            assert!(says(&mut daemon, 1, frame, now).is_empty());
        }
        running(now, &mut daemon);
    }
}

#[test]
fn a_wrong_payload_and_a_missing_context_are_told() {
    let (mut daemon, now) = daemon();
    let text = r#"{"opcode":"setup","contextId":4,"payload":{"values":7}}"#;
    let answer = only_answer(says(&mut daemon, 1, Frame::parse(text).unwrap(), now), 1);
    assert_eq!(error_of(answer).code, Code::UNMARSHAL);
    for text in [
        r#"{"opcode":"setup","payload":{"values":[]}}"#,
        r#"{"opcode":"start","payload":{}}"#,
    ] {
        let answer = only_answer(says(&mut daemon, 1, Frame::parse(text).unwrap(), now), 1);
        assert_eq!(answer.opcode, "unmarshalError");
    }
}

#[test]
fn a_crash_is_told_to_everybody_with_the_last_lines() {
    let cases = [
        (Ending::Signal(9), "killed by signal 9 (SIGKILL)"),
        (Ending::Code(101), "exit code 101"),
    ];
    for (how, words) in cases {
        let (mut daemon, now) = daemon();
        running(now, &mut daemon);
        let done = news(&mut daemon, ended(how, &["one", "two"]), now);
        let [Action::Broadcast { but: None, frame }] = &done[..] else {
            panic!("{done:?}");
        };
        let crashed: Crashed = frame.clone().message().unwrap();
        assert_eq!(crashed.process_id, 77);
        let reason = format!("{:?}", crashed.crash_reason);
        assert!(reason.contains(words), "{reason}");
        assert!(reason.contains("one\\n  two"), "{reason}");
        assert!(reason.contains("`start` starts it again"), "{reason}");
    }
}

#[test]
fn a_crash_is_told_to_those_who_come_from_the_node() {
    let (mut daemon, now) = daemon();
    running(now, &mut daemon);
    news(&mut daemon, ended(Ending::Signal(9), &[]), now);
    daemon.handle_connected(8, now + REMEMBER);
    assert_eq!(only_answer(actions(&mut daemon), 8).opcode, "crashed");
    daemon.handle_connected(9, now + REMEMBER + Duration::from_millis(1));
    assert!(actions(&mut daemon).is_empty());
    says(&mut daemon, 8, start(1), now);
    actions(&mut daemon);
    daemon.handle_connected(10, now);
    assert!(
        actions(&mut daemon).is_empty(),
        "another Node is on its way"
    );
}

#[test]
fn an_end_that_was_asked_for_is_no_crash() {
    let (mut daemon, now) = daemon();
    running(now, &mut daemon);
    assert!(news(&mut daemon, ended(Ending::Code(0), &["bye"]), now).is_empty());
    daemon.handle_connected(9, now);
    assert!(actions(&mut daemon).is_empty());
    let launched = says(&mut daemon, 2, start(3), now);
    assert!(matches!(launched[..], [Action::Launch { run: 2, .. }]));
}

#[test]
fn a_failed_start_says_what_the_node_said() {
    let (mut daemon, now) = daemon();
    started(now, &mut daemon);
    let reason = NodeEvent::Reason {
        name: "neighbors".to_owned(),
        reason: "another chain".to_owned(),
    };
    assert!(news(&mut daemon, reason, now).is_empty());
    let end = ended(Ending::Code(1), &["noise"]);
    let error = error_of(only_answer(news(&mut daemon, end, now), 1));
    assert_eq!(error.code, Code::NODE_LAUNCH);
    assert!(
        error.message.contains("neighbors - another chain"),
        "{error}"
    );
    assert!(error.message.contains("died immediately"), "{error}");
    let launched = says(&mut daemon, 1, start(3), now);
    assert!(matches!(launched[..], [Action::Launch { .. }]));
    let why = NodeEvent::NotStarted("no such file".to_owned());
    let error = error_of(only_answer(news(&mut daemon, why, now), 1));
    assert!(error.message.contains("no such file"), "{error}");
}

#[test]
fn a_node_that_is_not_ready_in_time_is_killed() {
    let (mut daemon, now) = daemon();
    started(now, &mut daemon);
    let deadline = daemon.poll_timeout().unwrap().0;
    assert_eq!(deadline, now + START);
    daemon.handle_timeout(deadline - Duration::from_millis(1));
    assert!(actions(&mut daemon).is_empty());
    daemon.handle_timeout(deadline);
    assert_eq!(actions(&mut daemon), [Action::Kill { run: 1 }]);
    assert!(news(&mut daemon, NodeEvent::Ready { port: 1 }, deadline).is_empty());
    let error = error_of(only_answer(says(&mut daemon, 2, start(8), now), 2));
    assert_eq!(error.code, Code::NODE_ALREADY_RUNNING);
    let end = ended(Ending::Signal(15), &[]);
    let error = error_of(only_answer(news(&mut daemon, end, deadline), 1));
    assert!(error.message.contains("successfully killed"), "{error}");
}

#[test]
fn a_node_that_cannot_be_killed_is_left_to_a_person() {
    let (mut daemon, now) = daemon();
    started(now, &mut daemon);
    daemon.handle_timeout(now + START);
    actions(&mut daemon);
    daemon.handle_timeout(now + START + END);
    let mut done = actions(&mut daemon);
    assert_eq!(done.pop(), Some(Action::Kill { run: 1 }));
    let error = error_of(only_answer(done, 1));
    assert!(error.message.contains("anual intervention"), "{error}");
    let end = ended(Ending::Signal(9), &[]);
    assert!(news(&mut daemon, end, now).is_empty());
    let launched = says(&mut daemon, 2, start(8), now);
    assert!(matches!(launched[..], [Action::Launch { .. }]));
}

#[test]
fn the_loss_of_the_launcher_is_a_crash() {
    let (mut daemon, now) = daemon();
    daemon.handle_launcher_lost("gone", now);
    assert!(actions(&mut daemon).is_empty());
    running(now, &mut daemon);
    daemon.handle_launcher_lost("the launcher is gone", now);
    let done = actions(&mut daemon);
    assert!(matches!(done[..], [Action::Broadcast { .. }]), "{done:?}");
}

#[test]
fn news_of_an_earlier_node_change_nothing() {
    let (mut daemon, now) = daemon();
    running(now, &mut daemon);
    news(&mut daemon, ended(Ending::Signal(9), &[]), now);
    says(&mut daemon, 1, start(8), now);
    daemon.handle_node(1, NodeEvent::Ready { port: 5 }, now);
    daemon.handle_node(1, ended(Ending::Code(1), &[]), now);
    assert!(actions(&mut daemon).is_empty());
}
