//! One example of every message of `message::insight`.

use super::Example;
use crate::message::*;

const REQUEST: &str = "Request:";
const ANSWER: &str = "Answer:";

fn text(text: &str) -> String {
    text.to_owned()
}

pub(super) fn all() -> Vec<Example> {
    let step = |topic, words| WhyStep {
        topic,
        text: text(words),
    };
    vec![
        Example::of(REQUEST, ConnectionsRequest {}),
        Example::of(
            ANSWER,
            ConnectionsResponse {
                total: 1,
                connections: vec![connection()],
            },
        ),
        Example::of(REQUEST, CloseConnectionRequest { id: 17 }),
        Example::of(ANSWER, CloseConnectionResponse { closed: true }),
        Example::of(
            "Request about a flow:",
            WhyRequest {
                id_opt: Some(17),
                destination_opt: None,
                port_opt: None,
                protocol_opt: None,
                app_opt: None,
            },
        ),
        Example::of(
            "Request about what would be:",
            WhyRequest {
                id_opt: None,
                destination_opt: Some(text("www.example.org")),
                port_opt: Some(443),
                protocol_opt: Some(FlowProtocol::Tcp),
                app_opt: Some(text("firefox")),
            },
        ),
        Example::of(
            ANSWER,
            WhyResponse {
                carried: true,
                steps: vec![
                    step(WhyTopic::Owner, "curl (process 4321, user 1000)"),
                    step(WhyTopic::Rule, "mesh: no rule decides otherwise"),
                ],
            },
        ),
        Example::of(REQUEST, HealthRequest {}),
        Example::of(
            ANSWER,
            HealthResponse {
                findings: vec![Finding {
                    code: text("no-route"),
                    severity: Severity::Error,
                    what: text("There is a neighbor, but no route over 3 Nodes to an exit."),
                    remedy: text("Wait for more Nodes, or lower min-hops."),
                }],
            },
        ),
    ]
}

fn connection() -> Connection {
    Connection {
        id: 17,
        protocol: FlowProtocol::Tcp,
        app_opt: Some(ConnectionApp {
            pid: 4321,
            uid: 1000,
            name: text("curl"),
            path_opt: Some(text("/usr/bin/curl")),
            script_opt: None,
            user_opt: None,
            unit_opt: None,
            container_opt: None,
        }),
        forwarded: false,
        source: text("192.0.2.7:40000"),
        destination: text("198.18.0.9:443"),
        name_opt: Some(text("www.example.org")),
        rule: text("mesh"),
        hops: vec![text("dJ6rPhKq"), text("8mXvTz1c"), text("Qk2nLw5e")],
        exit_country_opt: Some(text("CZ")),
        resumed: 0,
        start_unix: 1_790_000_000,
        age_ms: 2_500,
        sent: 812,
        received: 1_048_576,
        sent_rate: 0,
        received_rate: 524_288,
    }
}
