//! What holds whatever UIs and the launcher say, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Frame(u64, String, Option<u64>, u8),
    News(bool, NodeEvent),
    Connect(u64),
    Wait(u64),
    LauncherLost,
}

fn steps() -> impl Strategy<Value = Step> {
    let opcode = prop::sample::select(vec![
        "setup", "start", "shutdown", "redirect", "crashed", "",
    ]);
    let event = prop_oneof![
        (1..9_u32).prop_map(|pid| NodeEvent::Started { pid }),
        Just(NodeEvent::NotStarted("no".to_owned())),
        Just(NodeEvent::Reason {
            name: "a".to_owned(),
            reason: "b".to_owned()
        }),
        (1..9_u16).prop_map(|port| NodeEvent::Ready { port }),
        (-1..3_i32).prop_map(|code| ended(Ending::Code(code), &["x"])),
        Just(ended(Ending::Signal(9), &[])),
    ];
    prop_oneof![
        6 => (0..3_u64, opcode, any::<bool>(), 0..6_u8).prop_map(|(client, opcode, asks, body)| {
            Step::Frame(client, opcode.to_owned(), asks.then_some(0), body)
        }),
        6 => (prop::bool::weighted(0.9), event).prop_map(|(new, event)| Step::News(new, event)),
        1 => (0..3_u64).prop_map(Step::Connect),
        2 => (0..12_u64).prop_map(Step::Wait),
        1 => Just(Step::LauncherLost),
    ]
}

fn body(kind: u8) -> masq_ui_protocol::Body {
    let object = |text: &str| serde_json::from_str(text).unwrap();
    match kind {
        0 => Ok(object("{}")),
        1 => Ok(object(r#"{"values":[{"name":"needed","value":"x"}]}"#)),
        2 => Ok(object(r#"{"values":[{"name":"needed"}]}"#)),
        3 => Ok(object(r#"{"values":[{"name":"other","value":"bad"}]}"#)),
        4 => Ok(object(r#"{"values":5}"#)),
        _ => Err(UiError {
            code: Code::UNKNOWN,
            message: String::new(),
        }),
    }
}

proptest! {
    /// Every conversation is answered once, at the latest when a start that is under way ends;
    /// one Node is there at a time.
    #[test]
    fn any_sequence_is_survived_and_answered(steps in prop::collection::vec(steps(), 0..60)) {
        let (mut daemon, mut now) = daemon();
        let mut open: BTreeMap<u64, u64> = BTreeMap::new();
        let mut next = 0;
        let take = |daemon: &mut Daemon, open: &mut BTreeMap<u64, u64>| {
            for action in actions(daemon) {
                let Action::Send(to, frame) = action else { continue };
                let context = match frame.clone().message::<Redirect>() {
                    Ok(redirect) => redirect.context_id,
                    Err(_) => frame.context_id,
                };
                if let Some(context) = context {
                    assert_eq!(open.remove(&context), Some(to), "answered twice: {frame:?}");
                }
            }
        };
        for step in steps {
            match step {
                Step::Frame(client, opcode, context, kind) => {
                    let context_id = context.map(|_| { next += 1; next });
                    if let Some(context) = context_id {
                        open.insert(context, client);
                    }
                    daemon.handle_frame(client, Frame { opcode, context_id, body: body(kind) }, now);
                }
                Step::News(new, event) => {
                    let run = if new { daemon.run } else { daemon.run.wrapping_sub(1) };
                    daemon.handle_node(run, event, now);
                }
                Step::Connect(client) => daemon.handle_connected(client, now),
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    daemon.handle_timeout(now);
                }
                Step::LauncherLost => daemon.handle_launcher_lost("gone", now),
            }
            take(&mut daemon, &mut open);
            let waits = matches!(
                daemon.phase,
                Phase::Starting(_) | Phase::Ending { starting: Some(_), .. }
            );
            prop_assert_eq!(open.len(), usize::from(waits), "{:?}", daemon.phase);
        }
        while !open.is_empty() {
            let (deadline, _) = daemon.poll_timeout().expect("an open start has a deadline");
            daemon.handle_timeout(deadline);
            take(&mut daemon, &mut open);
        }
    }
}
