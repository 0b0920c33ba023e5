//! `masq connections`: the flows of this machine's programs that the Node carries now.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message::{
    CloseConnectionRequest, CloseConnectionResponse, Connection, ConnectionsRequest,
    ConnectionsResponse, FlowProtocol,
};

use super::measure::{age, bytes, one_line};
use super::{Command, Json};
use crate::client::{Failure, ORDINARY};
use crate::page;
use crate::session::Session;

const REFRESH: Duration = Duration::from_secs(1);
/// Begins a terminal's page anew.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Show which connections the Node carries now, whose they are and where they leave the mesh.
///
/// The newest come first. RULE is what decided about the way: `mesh`, `direct` (zero hops) or `local`
/// where no rule of yours did. HOPS are the Nodes on the way by the first letters of their ids; the
/// number behind them says how many times the connection went on another way.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0; 1 if the Node could not be asked, or nothing was closed.")]
pub(crate) struct Connections {
    /// Show them again each second, until Ctrl-C
    #[arg(long, conflicts_with_all = ["close", "json"])]
    watch: bool,

    /// End this connection: its program gets a reset
    #[arg(long, value_name = "ID")]
    close: Option<u64>,

    #[command(flatten)]
    json: Json,
}

impl Command for Connections {
    fn execute(self, session: &mut Session) -> Result<u8> {
        if let Some(id) = self.close {
            let request = CloseConnectionRequest { id };
            let answer: CloseConnectionResponse = session.request(&request, ORDINARY)?;
            if self.json.json {
                session.print_json(&answer)?;
            } else if answer.closed {
                session.print(&format!("connection {id} is closed"))?;
            } else {
                bail!("there is no connection {id} that can be closed");
            }
            return Ok(u8::from(!answer.closed));
        }
        let answer: ConnectionsResponse = session.request(&ConnectionsRequest {}, ORDINARY)?;
        if self.watch {
            return watch(session, answer);
        }
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&show(&answer))?;
        }
        Ok(0)
    }
}

/// Shows them again and again, until Ctrl-C or until nobody reads any more.
fn watch(session: &mut Session, mut answer: ConnectionsResponse) -> Result<u8> {
    let before = if io::stdout().is_terminal() {
        CLEAR
    } else {
        ""
    };
    loop {
        let mut out = io::stdout().lock();
        let page = page::plain(&show(&answer));
        if writeln!(out, "{before}{}", page.trim_end())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(0);
        }
        drop(out);
        match session.wait(REFRESH) {
            Err(Failure::Interrupted) => return Ok(0),
            waited => waited?,
        }
        answer = session.request(&ConnectionsRequest {}, ORDINARY)?;
    }
}

const HEADS: [&str; 11] = [
    "ID", "APP", "TO", "RULE", "HOPS", "EXIT", "SENT", "RECEIVED", "UP/S", "DOWN/S", "AGE",
];
const RIGHT: [usize; 6] = [0, 6, 7, 8, 9, 10];

fn show(answer: &ConnectionsResponse) -> String {
    if answer.connections.is_empty() {
        return "no connections".to_owned();
    }
    let rows: Vec<Vec<String>> = answer.connections.iter().map(row).collect();
    let mut page = page::table(&HEADS, &RIGHT, &rows);
    let more = answer.total.saturating_sub(rows.len() as u64);
    if more > 0 {
        page.push_str(&format!("and {more} older ones\n"));
    }
    page
}

fn row(flow: &Connection) -> Vec<String> {
    let app = match &flow.app_opt {
        Some(app) => format!("{} ({})", app.name, app.pid),
        None => "?".to_owned(),
    };
    let port = flow
        .destination
        .rsplit_once(':')
        .map_or("", |(_, port)| port);
    let to = match (&flow.name_opt, flow.protocol) {
        (Some(name), FlowProtocol::Dns) => format!("dns {name}"),
        (Some(name), FlowProtocol::Tcp) => format!("{name}:{port}"),
        (Some(name), FlowProtocol::Udp) => format!("udp {name}:{port}"),
        (None, FlowProtocol::Udp) => format!("udp {}", flow.destination),
        (None, FlowProtocol::Tcp | FlowProtocol::Dns) => flow.destination.clone(),
    };
    let mut hops = flow.hops.join(">");
    if flow.resumed > 0 {
        hops.push_str(&format!(" +{}", flow.resumed));
    }
    let exit = match flow.exit_country_opt.as_deref() {
        None | Some("ZZ") => String::new(),
        Some(country) => country.to_owned(),
    };
    vec![
        flow.id.to_string(),
        one_line(&app),
        one_line(&to),
        flow.rule.clone(),
        hops,
        exit,
        bytes(flow.sent),
        bytes(flow.received),
        bytes(flow.sent_rate),
        bytes(flow.received_rate),
        age(flow.age_ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_ui_protocol::message::ConnectionApp;

    fn flow() -> Connection {
        Connection {
            id: 17,
            protocol: FlowProtocol::Tcp,
            app_opt: Some(ConnectionApp {
                pid: 4321,
                uid: 1000,
                name: "curl".to_owned(),
                path_opt: None,
                script_opt: None,
                user_opt: None,
                unit_opt: None,
                container_opt: None,
            }),
            forwarded: false,
            source: "192.0.2.7:40000".to_owned(),
            destination: "198.18.0.9:443".to_owned(),
            name_opt: Some("www.example.org".to_owned()),
            rule: "mesh".to_owned(),
            hops: vec!["dJ6rPhKq".to_owned(), "Qk2nLw5e".to_owned()],
            exit_country_opt: Some("CZ".to_owned()),
            resumed: 1,
            start_unix: 0,
            age_ms: 2_500,
            sent: 812,
            received: 1_048_576,
            sent_rate: 0,
            received_rate: 524_288,
        }
    }

    #[test]
    fn a_line_has_app_name_rule_hops_exit_bytes_rate_and_age() {
        let page = show(&ConnectionsResponse {
            total: 3,
            connections: vec![
                flow(),
                Connection {
                    id: 9,
                    protocol: FlowProtocol::Udp,
                    app_opt: None,
                    name_opt: None,
                    hops: vec![],
                    exit_country_opt: None,
                    resumed: 0,
                    rule: "direct".to_owned(),
                    ..flow()
                },
            ],
        });
        let lines: Vec<String> = page
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "ID APP TO RULE HOPS EXIT SENT RECEIVED UP/S DOWN/S AGE",
                "17 curl (4321) www.example.org:443 mesh dJ6rPhKq>Qk2nLw5e +1 CZ 812 B 1.0 MB 0 B 524 kB 2 s",
                "9 ? udp 198.18.0.9:443 direct 812 B 1.0 MB 0 B 524 kB 2 s",
                "and 1 older ones",
            ]
        );
    }
}
