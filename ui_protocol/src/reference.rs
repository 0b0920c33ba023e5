//! Generates `docs/ui-protocol.md` from an example of every message, and fails when it is not up
//! to date (`UPDATE_DOCS=1` writes it).

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::code::Code;
use crate::frame::Frame;
use crate::message::{By, ConnectionStage, CrashReason, FlowProtocol, Kind, LogLevel, Message};
use crate::message::{Order, ScanType, SetupStatus, Severity, WhyTopic};

mod capture;
mod examples;
mod insight;
mod rules;

/// An example in the order of the document.
pub(crate) struct Example {
    pub(crate) heading: &'static str,
    pub(crate) opcode: &'static str,
    kind: Kind,
    by: By,
    payload: Value,
}

impl Example {
    pub(crate) fn of<M: Message + PartialEq>(heading: &'static str, message: M) -> Example {
        let context = (M::KIND == Kind::Conversation).then_some(1);
        let frame = Frame::of(&message, context);
        let read = Frame::parse(&frame.to_text())
            .unwrap()
            .message::<M>()
            .unwrap();
        assert!(read == message, "{} reads back", M::OPCODE);
        Example {
            heading,
            opcode: M::OPCODE,
            kind: M::KIND,
            by: M::BY,
            payload: Value::Object(frame.body.unwrap()),
        }
    }
}

const HEAD: &str = "\
# The UI protocol, MASQNode-UIv2

Generated from `ui_protocol/`; `UPDATE_DOCS=1 cargo nextest run -p masq-ui-protocol` writes it.

A UI opens a WebSocket to 127.0.0.1, port 5333 unless told otherwise, with the sub-protocol `MASQNode-UIv2`. Each text
frame is one JSON object: `opcode`, `contextId` (a number from 0 to 2^64 - 1, in conversations only), and either
`payload` (an object) or `error` (`code`, a number of 64 bits, and `message`). A conversation is one request and one
answer with the same opcode and `contextId`, chosen by the UI and not used twice at a time. Fields marked optional by
null in the examples may be absent. Unknown fields are ignored; what cannot be read is answered with an error or an
`unmarshalError`.

What the Daemon does not understand it answers with `redirect` while a Node runs: connect to the port given there and
say it again. Without a Node it answers with the error NODE_NOT_RUNNING, or `undelivered` if no answer is expected.
";

fn document() -> String {
    let mut text = String::from(HEAD);
    let mut last = "";
    for example in examples::all() {
        if example.opcode != last {
            let by = match example.by {
                By::Daemon => "the Daemon",
                By::Node => "the Node",
                By::Both => "both",
            };
            let kind = match example.kind {
                Kind::Conversation => "conversation",
                Kind::FireAndForget => "without answer",
                Kind::Broadcast => "broadcast",
            };
            write!(text, "\n## `{}`\n\n{kind}, {by}\n", example.opcode).unwrap();
            last = example.opcode;
        }
        let payload = serde_json::to_string_pretty(&example.payload).unwrap();
        write!(text, "\n{}\n\n```json\n{payload}\n```\n", example.heading).unwrap();
    }
    text.push_str("\n## Values\n\n| field | values |\n|---|---|\n");
    for (field, values) in values() {
        writeln!(text, "| `{field}` | {} |", values.join(", ")).unwrap();
    }
    text.push_str("\n## Codes\n\n| code | name |\n|---|---|\n");
    for (code, name) in Code::ALL {
        writeln!(text, "| `{code}` | {name} |").unwrap();
    }
    text
}

fn values() -> Vec<(&'static str, Vec<String>)> {
    fn written<T: serde::Serialize>(values: &[T]) -> Vec<String> {
        let text = |value| serde_json::to_string(value).unwrap();
        values
            .iter()
            .map(|value| format!("`{}`", text(value)))
            .collect()
    }
    let some = || String::from("...");
    vec![
        (
            "status",
            written(&[
                SetupStatus::Default,
                SetupStatus::Configured,
                SetupStatus::Set,
                SetupStatus::Blank,
                SetupStatus::Required,
            ]),
        ),
        (
            "state",
            written(&[
                crate::message::CaptureState::Off,
                crate::message::CaptureState::On,
                crate::message::CaptureState::Reconnecting,
                crate::message::CaptureState::Paused,
                crate::message::CaptureState::Changing,
            ]),
        ),
        (
            "stage",
            written(&[
                ConnectionStage::NotConnected,
                ConnectionStage::ConnectedToNeighbor,
                ConnectionStage::RouteFound,
            ]),
        ),
        (
            "crashReason",
            written(&[
                CrashReason::NoInformation,
                CrashReason::DaemonCrashed,
                CrashReason::ChildWaitFailure(some()),
                CrashReason::Unrecognized(some()),
            ]),
        ),
        (
            "logLevel",
            written(&[LogLevel::Error, LogLevel::Warn, LogLevel::Info]),
        ),
        (
            "scanType",
            written(&[
                ScanType::Payables,
                ScanType::Receivables,
                ScanType::PendingPayables,
            ]),
        ),
        ("orderedBy", written(&[Order::Age, Order::Balance])),
        (
            "protocol",
            written(&[FlowProtocol::Tcp, FlowProtocol::Udp, FlowProtocol::Dns]),
        ),
        (
            "topic",
            written(&[
                WhyTopic::Owner,
                WhyTopic::Dns,
                WhyTopic::Rule,
                WhyTopic::Way,
                WhyTopic::Circuit,
                WhyTopic::Exit,
            ]),
        ),
        (
            "severity",
            written(&[Severity::Error, Severity::Warning, Severity::Info]),
        ),
    ]
}

#[test]
fn the_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ui-protocol.md");
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "run with UPDATE_DOCS=1 and commit docs/ui-protocol.md"
    );
}
