//! Answers what UIs ask about the Node at work: which flows there are, why one
//! goes where it goes, what is wrong. Opens no socket; time is an argument.

use crate::entry::owner::{App, Owner};
use crate::entry::record::{Kind, Look};
use crate::entry::{Entry, Way};
use crate::gateway::dispatch::answer;
use crate::link::Link;
use crate::outside::Outside;
use crate::rules::subject;
use health::Vitals;
use masq_core::destination::{Destination, HostName};
use masq_core::failure::Code;
use masq_core::fake_ip;
use masq_core::identity::NodeId;
use masq_core::rules::Facts;
use masq_ui_protocol::message::{
    CloseConnectionRequest, CloseConnectionResponse, Connection, ConnectionApp, ConnectionsRequest,
    ConnectionsResponse, FlowProtocol, HealthRequest, HealthResponse, WhyRequest, WhyResponse,
};
use masq_ui_protocol::{Code as UiCode, Frame, Message, UiError};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use why::{Decided, Hop, Outcome, Passed, Question};

pub mod health;
mod rules;
mod why;

/// Flows in one answer.
const AT_MOST: usize = 256;
/// Letters of a program's path and of a name in an answer.
const LONGEST: usize = 512;
const HTTPS: u16 = 443;
/// Rules that are told of although they did not decide.
const PASSED: usize = 5;

/// What answers.
pub struct Insight<L: Link, O: Outside> {
    /// None where nothing of this machine comes to the Node.
    entry: Option<Rc<Entry<L, O>>>,
    vitals: Box<dyn Fn() -> Vitals>,
}

impl<L: Link, O: Outside> std::fmt::Debug for Insight<L, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Insight")
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

impl<L: Link, O: Outside> Insight<L, O> {
    pub fn new(entry: Option<Rc<Entry<L, O>>>, vitals: Box<dyn Fn() -> Vitals>) -> Self {
        Self { entry, vitals }
    }

    /// The answer to a frame; None when its opcode is another's.
    pub fn handle(&mut self, frame: Frame, now_unix: u64) -> Option<Frame> {
        Some(match frame.opcode.as_str() {
            ConnectionsRequest::OPCODE => answer(&frame, |ConnectionsRequest {}| {
                Ok(self.connections(now_unix))
            }),
            CloseConnectionRequest::OPCODE => answer(&frame, |asked: CloseConnectionRequest| {
                let closed = self.close(asked.id);
                Ok(CloseConnectionResponse { closed })
            }),
            WhyRequest::OPCODE => answer(&frame, |asked| self.why(asked)),
            HealthRequest::OPCODE => answer(&frame, |HealthRequest {}| {
                let findings = health::findings(&(self.vitals)());
                Ok(HealthResponse { findings })
            }),
            _ => return self.about_rules(&frame),
        })
    }

    fn connections(&self, now_unix: u64) -> ConnectionsResponse {
        let (total, flows) = match &self.entry {
            Some(entry) => entry.flows(AT_MOST),
            None => (0, Vec::new()),
        };
        ConnectionsResponse {
            total: total as u64,
            connections: flows
                .into_iter()
                .map(|flow| self.connection(flow, now_unix))
                .collect(),
        }
    }

    fn close(&self, id: u64) -> bool {
        let closed = self
            .entry
            .as_ref()
            .is_some_and(|entry| entry.close_flow(id));
        if closed {
            tracing::info!(event = "flow-closed", flow = id);
        }
        closed
    }

    fn connection(&self, flow: Look, now_unix: u64) -> Connection {
        let exit = flow.hops.last();
        Connection {
            id: flow.id,
            protocol: match flow.kind {
                Kind::Tcp => FlowProtocol::Tcp,
                Kind::Udp => FlowProtocol::Udp,
                Kind::Dns => FlowProtocol::Dns,
            },
            app_opt: flow.owner.app().cloned().map(app),
            forwarded: matches!(flow.owner, Owner::Forwarded(_)),
            source: flow.source.to_string(),
            destination: flow.destination.to_string(),
            name_opt: flow.name.map(shortened),
            rule: shortened(flow.rule.to_string()),
            hops: flow.hops.iter().map(NodeId::short).collect(),
            exit_country_opt: exit.and_then(|exit| self.country(exit)),
            resumed: flow.resumed,
            start_unix: now_unix.saturating_sub(flow.age.as_secs()),
            age_ms: u64::try_from(flow.age.as_millis()).unwrap_or(u64::MAX),
            sent: flow.bytes.0,
            received: flow.bytes.1,
            sent_rate: flow.rates.0,
            received_rate: flow.rates.1,
        }
    }

    fn why(&self, asked: WhyRequest) -> Result<WhyResponse, UiError> {
        match (asked.id_opt, &asked.destination_opt) {
            (Some(id), None) => self.why_flow(id),
            (None, Some(host)) => self.why_question(host.clone(), asked),
            (Some(_), Some(_)) => Err(wrong("ask for a flow or for a destination, not for both")),
            (None, None) => Err(wrong("name a flow or a destination")),
        }
    }

    fn why_flow(&self, id: u64) -> Result<WhyResponse, UiError> {
        let found = self.entry.as_ref().and_then(|entry| {
            let flow = entry.flow(id)?;
            Some((flow, entry.way()))
        });
        let (flow, way) = found.ok_or_else(|| wrong(&format!("there is no flow {id} now")))?;
        let hops = self.places(&flow.hops);
        let passed = match (&self.entry, &flow.to) {
            (Some(entry), Some(to)) => {
                let facts = subject::facts(&flow.owner, flow.kind.protocol(), to);
                passed_before(entry, &facts)
            }
            (None, _) | (_, None) => Passed::default(),
        };
        Ok(why::of_flow(&flow, &passed, way, &hops))
    }

    fn why_question(&self, host: String, asked: WhyRequest) -> Result<WhyResponse, UiError> {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let mut question = Question {
            app: asked.app_opt.map(shortened),
            kind: match asked.protocol_opt {
                None | Some(FlowProtocol::Tcp) => Kind::Tcp,
                Some(FlowProtocol::Udp) => Kind::Udp,
                Some(FlowProtocol::Dns) => Kind::Dns,
            },
            host,
            port: asked.port_opt.unwrap_or(HTTPS),
        };
        // A fake address stands for its name, here as in a flow.
        if let (Ok(address), Some(entry)) = (question.host.parse::<IpAddr>(), &self.entry)
            && fake_ip::is_fake(address)
        {
            let name = entry.with_fake_ips(|names| names.name_of(address).cloned());
            let name = name.ok_or_else(|| wrong("no name has this fake address any more"))?;
            question.host = name.as_str().to_owned();
        }
        let name = match question.host.parse::<IpAddr>() {
            Ok(_) => None,
            Err(_) => Some(HostName::parse(&question.host).map_err(|error| {
                wrong(&format!(
                    "{} is neither a name nor an address: {error}",
                    question.host
                ))
            })?),
        };
        let Some(entry) = &self.entry else {
            return Ok(why::of_question(&question, None, None, Ok(Vec::new())));
        };
        let dns = name.as_ref().map(|_| entry.dns_outlook(&question.host));
        if !entry.captures() && question.kind != Kind::Dns {
            return Ok(why::of_question(&question, dns, None, Ok(Vec::new())));
        }
        let (decided, route) = self.decided(entry, &question, name);
        Ok(why::of_question(&question, dns, Some(decided), route))
    }

    /// What the rules say of a flow that is not there, and a way for it.
    fn decided(
        &self,
        entry: &Entry<L, O>,
        question: &Question,
        name: Option<HostName>,
    ) -> (Decided, Result<Vec<Hop>, (Code, String)>) {
        let (port, nowhere) = (question.port, Ok(Vec::new()));
        let to = match (&name, question.host.parse()) {
            (None, Ok(ip)) => Destination::Address(SocketAddr::new(ip, port)),
            (Some(name), _) => Destination::Name {
                name: name.clone(),
                port,
            },
            (None, Err(_)) => return (entry.way().into(), nowhere),
        };
        let protocol = question.kind.protocol();
        let mut facts = subject::facts(&Owner::Unknown, protocol, &to);
        facts.subject = subject::of_words(question.app.as_deref());
        let passed = passed_before(entry, &facts);
        match entry.would(&facts) {
            Err(failure) => {
                let refused = Decided {
                    rule: failure.detail.to_string(),
                    outcome: Outcome::Refused(failure.code),
                    passed,
                };
                (refused, nowhere)
            }
            Ok((None, rule)) => {
                let outcome = match entry.way() {
                    Way::Direct => Outcome::Way(Way::Direct),
                    Way::Mesh { .. } => Outcome::Past,
                };
                let decided = Decided {
                    rule: rule.to_string(),
                    outcome,
                    passed,
                };
                (decided, nowhere)
            }
            Ok((Some((hops, countries)), rule)) => {
                let decided = Decided {
                    rule: rule.to_string(),
                    outcome: Outcome::Way(Way::Mesh { hops }),
                    passed,
                };
                let route = entry
                    .example_route(hops, &countries, name)
                    .map(|route| self.places(&route))
                    .map_err(|error| (error.code(), error.to_string()));
                (decided, route)
            }
        }
    }

    fn places(&self, nodes: &[NodeId]) -> Vec<Hop> {
        let place = |node: &NodeId| (node.short(), self.country(node));
        nodes.iter().map(place).collect()
    }

    fn country(&self, node: &NodeId) -> Option<String> {
        let country = self.entry.as_ref()?.country_of(node)?;
        Some(country.as_str().to_owned())
    }
}

fn passed_before<L: Link, O: Outside>(entry: &Entry<L, O>, facts: &Facts) -> Passed {
    let (near, others) = entry.rules().passed(facts, PASSED);
    Passed { near, others }
}

fn wrong(message: &str) -> UiError {
    UiError {
        code: UiCode::NON_PARSABLE_VALUE,
        message: message.to_owned(),
    }
}

fn app(app: App) -> ConnectionApp {
    ConnectionApp {
        pid: app.pid,
        uid: app.uid,
        name: shortened(app.name),
        path_opt: app.path.map(shortened),
        script_opt: app.script.map(shortened),
        user_opt: app.user.map(shortened),
        unit_opt: app.unit.map(shortened),
        container_opt: app.container.map(shortened),
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
