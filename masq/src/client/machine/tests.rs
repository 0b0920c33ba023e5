//! Tables of what comes in and what the machine does about it.

use std::time::{Duration, Instant};

use masq_ui_protocol::message::{Crash, DescriptorRequest, Shutdown, StartRequest};
use masq_ui_protocol::{Code, Frame, UiError};

use super::*;

const LIMIT: Duration = Duration::from_secs(1);

#[test]
fn what_is_asked_first_waits_for_the_link_and_is_answered_once() {
    let (mut machine, now) = fresh();
    let ticket = machine.submit(&StartRequest {}, LIMIT, now);
    assert_eq!(
        actions(&mut machine),
        [Action::Connect(Place::Daemon, 5333)]
    );
    assert_eq!(machine.poll_timeout(), None);
    machine.handle_connected(Place::Daemon, now);
    let start = r#"{"opcode":"start","contextId":1,"payload":{}}"#;
    assert_eq!(actions(&mut machine), [send(Place::Daemon, start)]);
    let answer = r#"{"opcode":"start","contextId":1,"payload":{"x":1}}"#;
    machine.handle_text(Place::Daemon, answer, now);
    machine.handle_text(Place::Daemon, answer, now);
    assert_eq!(
        events(&mut machine),
        [
            Event::Connected(Place::Daemon),
            Event::Settled(ticket, Ok(Frame::parse(answer).unwrap())),
        ]
    );
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn a_redirected_question_is_asked_at_the_node_and_so_are_the_next() {
    let (mut machine, now) = connected();
    let first = machine.submit(&DescriptorRequest {}, LIMIT, now);
    actions(&mut machine);
    machine.handle_text(Place::Daemon, &redirect(32_768, "descriptor", Some(1)), now);
    assert_eq!(
        actions(&mut machine),
        [Action::Connect(Place::Node, 32_768)]
    );
    machine.handle_connected(Place::Node, now);
    let asked =
        |context| format!(r#"{{"opcode":"descriptor","contextId":{context},"payload":{{}}}}"#);
    assert_eq!(actions(&mut machine), [send(Place::Node, &asked(1))]);
    machine.handle_text(Place::Node, &asked(1), now);
    let answer = Frame::parse(&asked(1)).unwrap();
    assert_eq!(
        events(&mut machine),
        [
            Event::Connected(Place::Node),
            Event::Settled(first, Ok(answer)),
        ]
    );
    machine.submit(&DescriptorRequest {}, LIMIT, now);
    machine.submit(&StartRequest {}, LIMIT, now);
    let start = r#"{"opcode":"start","contextId":3,"payload":{}}"#;
    assert_eq!(
        actions(&mut machine),
        [send(Place::Node, &asked(2)), send(Place::Daemon, start)]
    );
}

#[test]
fn the_very_first_message_without_answer_is_repeated_at_the_node() {
    let (mut machine, now) = fresh();
    let ticket = machine.submit(&crash(), LIMIT, now);
    machine.handle_connected(Place::Daemon, now);
    machine.handle_text(Place::Daemon, &redirect(40_000, "crash", None), now);
    machine.handle_connected(Place::Node, now);
    let said = Frame::of(&crash(), None);
    assert_eq!(
        actions(&mut machine),
        [
            Action::Connect(Place::Daemon, 5333),
            send(Place::Daemon, &said.to_text()),
            Action::Connect(Place::Node, 40_000),
            send(Place::Node, &said.to_text()),
        ]
    );
    assert_eq!(
        events(&mut machine),
        [
            Event::Connected(Place::Daemon),
            Event::Connected(Place::Node),
            Event::Settled(ticket, Ok(said)),
        ]
    );
}

#[test]
fn what_nobody_takes_is_a_failure_or_told() {
    let (mut machine, now) = connected();
    let ticket = machine.submit(&crash(), LIMIT, now);
    let undelivered = r#"{"opcode":"undelivered","payload":{"opcode":"crash"}}"#;
    machine.handle_text(Place::Daemon, undelivered, now);
    machine.handle_text(Place::Daemon, undelivered, now);
    let failure = Failure::Refused(UiError {
        code: Code::NODE_NOT_RUNNING,
        message: "crash: the Node is not running".to_owned(),
    });
    assert_eq!(
        events(&mut machine),
        [
            Event::Settled(ticket, Err(failure)),
            Event::Broadcast(Frame::parse(undelivered).unwrap()),
        ]
    );
}

#[test]
fn when_the_node_goes_its_questions_fail_and_the_daemon_is_asked_again() {
    let (mut machine, now) = at_node();
    let ticket = machine.submit(&Shutdown {}, LIMIT, now);
    machine.handle_closed(Place::Node);
    machine.handle_closed(Place::Node);
    assert_eq!(
        events(&mut machine),
        [
            Event::Settled(ticket, Err(Failure::Gone(Place::Node))),
            Event::Gone(Place::Node),
        ]
    );
    actions(&mut machine);
    machine.submit(&DescriptorRequest {}, LIMIT, now);
    let asked = r#"{"opcode":"descriptor","contextId":3,"payload":{}}"#;
    assert_eq!(actions(&mut machine), [send(Place::Daemon, asked)]);
}

#[test]
fn a_crash_that_the_daemon_tells_ends_the_link_to_the_node() {
    let (mut machine, now) = at_node();
    let ticket = machine.submit(&DescriptorRequest {}, LIMIT, now);
    actions(&mut machine);
    let crashed = r#"{"opcode":"crashed","payload":{"processId":1,"crashReason":"NoInformation"}}"#;
    machine.handle_text(Place::Daemon, crashed, now);
    assert_eq!(actions(&mut machine), [Action::Close(Place::Node)]);
    assert_eq!(
        events(&mut machine),
        [
            Event::Settled(ticket, Err(Failure::Gone(Place::Node))),
            Event::Gone(Place::Node),
            Event::Broadcast(Frame::parse(crashed).unwrap()),
        ]
    );
}

#[test]
fn a_redirect_elsewhere_leaves_the_old_node() {
    let (mut machine, now) = at_node();
    machine.handle_closed(Place::Node);
    machine.submit(&DescriptorRequest {}, LIMIT, now);
    actions(&mut machine);
    machine.handle_text(Place::Daemon, &redirect(50_000, "descriptor", Some(2)), now);
    assert_eq!(
        actions(&mut machine),
        [Action::Connect(Place::Node, 50_000)]
    );
    machine.handle_connected(Place::Node, now);
    assert!(machine.is_up(Place::Node));
}

#[test]
fn a_node_that_is_not_there_fails_only_what_was_sent_to_it() {
    let (mut machine, now) = connected();
    let moved = machine.submit(&DescriptorRequest {}, LIMIT, now);
    let other = machine.submit(&StartRequest {}, LIMIT, now);
    machine.handle_text(Place::Daemon, &redirect(40_000, "descriptor", Some(1)), now);
    let failure = Failure::NoNode {
        port: 40_000,
        reason: "refused".to_owned(),
    };
    machine.handle_unreachable(Place::Node, &failure);
    let start = r#"{"opcode":"start","contextId":2,"payload":{}}"#;
    machine.handle_text(Place::Daemon, start, now);
    assert_eq!(
        events(&mut machine),
        [
            Event::Settled(moved, Err(failure.clone())),
            Event::Unreachable(Place::Node, failure),
            Event::Settled(other, Ok(Frame::parse(start).unwrap())),
        ]
    );
}

#[test]
fn silence_fails_a_question_and_settles_what_needs_no_answer() {
    let (mut machine, now) = connected();
    let question = machine.submit(&DescriptorRequest {}, LIMIT, now);
    let order = machine.submit(&crash(), 2 * LIMIT, now);
    assert_eq!(machine.poll_timeout().map(|(at, _)| at), Some(now + LIMIT));
    machine.handle_timeout(now + LIMIT / 2);
    assert_eq!(events(&mut machine), []);
    machine.handle_timeout(now + LIMIT);
    let failure = Failure::Silent {
        opcode: "descriptor".to_owned(),
        limit: LIMIT,
    };
    assert_eq!(
        failure.to_string(),
        "no answer to descriptor within 1 s (Code 8000_0000_0000_0006)"
    );
    assert_eq!(
        events(&mut machine),
        [Event::Settled(question, Err(failure))]
    );
    machine.handle_timeout(now + 2 * LIMIT);
    let said = Frame::of(&crash(), None);
    assert_eq!(events(&mut machine), [Event::Settled(order, Ok(said))]);
}

#[test]
fn what_is_given_up_is_not_answered_and_not_redirected() {
    let (mut machine, now) = connected();
    let ticket = machine.submit(&DescriptorRequest {}, LIMIT, now);
    actions(&mut machine);
    machine.abandon(ticket);
    machine.handle_text(Place::Daemon, &redirect(40_000, "descriptor", Some(1)), now);
    machine.handle_text(
        Place::Daemon,
        r#"{"opcode":"descriptor","contextId":1,"payload":{}}"#,
        now,
    );
    assert_eq!(actions(&mut machine), []);
    assert_eq!(events(&mut machine), []);
}

#[test]
fn strange_texts_change_nothing() {
    let (mut machine, now) = at_node();
    let ticket = machine.submit(&DescriptorRequest {}, LIMIT, now);
    actions(&mut machine);
    for text in [
        "",
        "[]",
        r#"{"opcode":"redirect","payload":{"port":"x"}}"#,
        r#"{"opcode":"descriptor","contextId":-2,"payload":{}}"#,
    ] {
        machine.handle_text(Place::Daemon, text, now);
        let told = events(&mut machine);
        assert!(matches!(told.as_slice(), [Event::Illegible(_)]), "{told:?}");
    }
    // The Daemon cannot answer for the Node, nor the Node send elsewhere.
    let answer = r#"{"opcode":"descriptor","contextId":2,"payload":{}}"#;
    machine.handle_text(Place::Daemon, answer, now);
    assert_eq!(events(&mut machine), []);
    machine.handle_text(Place::Node, &redirect(1, "descriptor", Some(2)), now);
    assert!(matches!(
        events(&mut machine).as_slice(),
        [Event::Broadcast(_)]
    ));
    assert_eq!(actions(&mut machine), []);
    machine.handle_text(Place::Node, answer, now);
    let read = Frame::parse(answer).unwrap();
    assert_eq!(events(&mut machine), [Event::Settled(ticket, Ok(read))]);
}

fn fresh() -> (Machine, Instant) {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    (Machine::new(5333), now)
}

fn connected() -> (Machine, Instant) {
    let (mut machine, now) = fresh();
    machine.open();
    machine.handle_connected(Place::Daemon, now);
    actions(&mut machine);
    events(&mut machine);
    (machine, now)
}

/// One question was redirected and answered.
fn at_node() -> (Machine, Instant) {
    let (mut machine, now) = connected();
    machine.submit(&DescriptorRequest {}, LIMIT, now);
    machine.handle_text(Place::Daemon, &redirect(32_768, "descriptor", Some(1)), now);
    machine.handle_connected(Place::Node, now);
    machine.handle_text(
        Place::Node,
        r#"{"opcode":"descriptor","contextId":1,"payload":{}}"#,
        now,
    );
    actions(&mut machine);
    events(&mut machine);
    (machine, now)
}

fn crash() -> Crash {
    Crash {
        actor: "NEIGHBORHOOD".to_owned(),
        panic_message: "a test".to_owned(),
    }
}

fn redirect(port: u16, opcode: &str, context_id: Option<u64>) -> String {
    let redirect = Redirect {
        port,
        opcode: opcode.to_owned(),
        context_id,
        payload: "{}".to_owned(),
    };
    Frame::of(&redirect, None).to_text()
}

fn send(place: Place, text: &str) -> Action {
    Action::Send(place, text.to_owned())
}

fn actions(machine: &mut Machine) -> Vec<Action> {
    std::iter::from_fn(|| machine.poll_action()).collect()
}

fn events(machine: &mut Machine) -> Vec<Event> {
    std::iter::from_fn(|| machine.poll_event()).collect()
}
