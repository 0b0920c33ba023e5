//! Why a flow goes where it goes, or where one would go, in words.
//!
//! Pure: the facts are gathered by who asks.

use crate::entry::Way;
use crate::entry::owner::Owner;
use crate::entry::record::{Kind, Look};
use masq_core::failure::Code;
use masq_core::fake_ip;
use masq_core::names::Outlook;
use masq_ui_protocol::message::{WhyResponse, WhyStep, WhyTopic};
use std::net::SocketAddr;

/// A Node on the way: the first characters of its id, and its country.
pub(super) type Hop = (String, Option<String>);

/// What is asked for without a flow.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) app: Option<String>,
    pub(super) kind: Kind,
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What the rules say of it.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    /// The rule, or what applies without one.
    pub(super) rule: String,
    pub(super) outcome: Outcome,
    pub(super) passed: Passed,
}

/// Rules that were asked before and did not decide: those that nearly did, and
/// how many others.
#[derive(Clone, Debug, Default)]
pub(super) struct Passed {
    pub(super) near: Vec<String>,
    pub(super) others: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Way(Way),
    /// Out of the Node's own sockets, though there is a mesh.
    Past,
    /// Refused, with this code.
    Refused(Code),
}

impl From<Way> for Decided {
    fn from(way: Way) -> Self {
        Decided {
            rule: way.name().to_owned(),
            outcome: Outcome::Way(way),
            passed: Passed::default(),
        }
    }
}

/// Explains a flow that is there.
pub(super) fn of_flow(flow: &Look, passed: &Passed, way: Way, hops: &[Hop]) -> WhyResponse {
    let mut steps = Steps::default();
    steps.say(WhyTopic::Owner, owner(&flow.owner, flow.source));
    steps.say(WhyTopic::Dns, name_of_flow(flow));
    let local = flow.kind == Kind::Dns && &*flow.rule == "local";
    steps.passed(passed);
    steps.say(WhyTopic::Rule, rule(&flow.rule));
    if local {
        steps.say(WhyTopic::Way, LOCAL_RESOLVER);
        return steps.answer(true);
    }
    let carried = match (flow.meshed, way) {
        (false, Way::Mesh { .. }) => {
            steps.say(WhyTopic::Way, PAST_THE_MESH);
            true
        }
        (_, Way::Direct) => {
            steps.way(way);
            true
        }
        (true, Way::Mesh { .. }) if hops.is_empty() => {
            steps.way(way);
            steps.say(WhyTopic::Circuit, "none yet: a route is looked for");
            false
        }
        (true, Way::Mesh { .. }) => {
            steps.way(way);
            steps.circuit("it passes", hops);
            if flow.resumed > 0 {
                let times = flow.resumed;
                let text = format!(
                    "a Node on the way was lost: it went on another way, {times} times so far"
                );
                steps.say(WhyTopic::Circuit, text);
            }
            true
        }
    };
    steps.answer(carried)
}

/// Explains what a flow would meet. `dns` is what the name would get, None for
/// an address; `route` is one that it could take, asked for only with hops.
pub(super) fn of_question(
    question: &Question,
    dns: Option<Outlook>,
    decided: Option<Decided>,
    route: Result<Vec<Hop>, (Code, String)>,
) -> WhyResponse {
    let mut steps = Steps::default();
    let app = question.app.as_deref().unwrap_or("any app");
    steps.say(WhyTopic::Owner, app);
    let Some(Decided {
        rule: said,
        outcome,
        passed,
    }) = decided
    else {
        let text = "this Node captures nothing: the flow leaves as if there were no Node";
        steps.say(WhyTopic::Way, text);
        return steps.answer(false);
    };
    let asks = question.kind == Kind::Dns;
    match dns {
        None => steps.say(WhyTopic::Dns, "none is asked: an address was given"),
        Some(outlook) => {
            steps.say(WhyTopic::Dns, outlook_text(outlook, &question.host));
            match outlook {
                Outlook::Missing => return steps.answer(false),
                Outlook::Known => return steps.answer(true),
                Outlook::Local => {
                    steps.say(WhyTopic::Rule, rule("local"));
                    let text = if asks {
                        LOCAL_RESOLVER
                    } else {
                        "straight to the address that this system's resolver gives, if it is one of the local network; else as any other"
                    };
                    steps.say(WhyTopic::Way, text);
                    return steps.answer(true);
                }
                Outlook::Fake(_) if asks => {
                    steps.say(WhyTopic::Way, "answered here, no flow is needed");
                    return steps.answer(true);
                }
                Outlook::Fake(_) | Outlook::Exit => {}
            }
        }
    }
    if let Some(text) = outside_of_capture(&question.host) {
        steps.say(WhyTopic::Rule, rule("local"));
        steps.say(WhyTopic::Way, text);
        return steps.answer(true);
    }
    steps.passed(&passed);
    steps.say(WhyTopic::Rule, rule(&said));
    let way = match outcome {
        Outcome::Way(way) => way,
        Outcome::Past => {
            steps.say(WhyTopic::Way, PAST_THE_MESH);
            return steps.answer(true);
        }
        Outcome::Refused(code) => {
            steps.say(
                WhyTopic::Way,
                format!("refused at once: {}", code.meaning()),
            );
            return steps.answer(false);
        }
    };
    steps.way(way);
    match (way, route) {
        (Way::Direct, _) => steps.answer(true),
        (Way::Mesh { .. }, Ok(hops)) => {
            steps.circuit("each flow draws a route of its own, for example", &hops);
            if question.port == MAIL {
                let text = "nearly all exits refuse port 25, which spam uses";
                steps.say(WhyTopic::Exit, text);
            }
            steps.answer(true)
        }
        (Way::Mesh { .. }, Err((code, why))) => {
            let text = format!("none: {why}. {}", code.remedy());
            steps.say(WhyTopic::Circuit, text);
            steps.answer(false)
        }
    }
}

const PAST_THE_MESH: &str =
    "past the mesh: out of this Node's own sockets, names by this system's resolver";
const MAIL: u16 = 25;
const LOCAL_RESOLVER: &str = "this system's own resolver is asked: no exit knows the local network";

#[derive(Default)]
struct Steps(Vec<WhyStep>);

impl Steps {
    fn say(&mut self, topic: WhyTopic, text: impl Into<String>) {
        let text = text.into();
        self.0.push(WhyStep { topic, text });
    }

    fn passed(&mut self, passed: &Passed) {
        for one in &passed.near {
            self.say(WhyTopic::Rule, one.as_str());
        }
        if passed.others > 0 {
            let text = format!("{} rules before are about something else", passed.others);
            self.say(WhyTopic::Rule, text);
        }
    }

    fn way(&mut self, way: Way) {
        let text = match way {
            Way::Direct => "out of this Node's own sockets: it runs with zero hops".to_owned(),
            Way::Mesh { hops: 1 } => "over 1 Node of the mesh (min-hops)".to_owned(),
            Way::Mesh { hops } => format!("over {hops} Nodes of the mesh (min-hops)"),
        };
        self.say(WhyTopic::Way, text);
    }

    fn circuit(&mut self, verb: &str, hops: &[Hop]) {
        let list: Vec<String> = hops.iter().map(place).collect();
        self.say(WhyTopic::Circuit, format!("{verb} {}", list.join(" > ")));
        if let Some(exit) = hops.last() {
            self.say(
                WhyTopic::Exit,
                format!("{} opens the connection and resolves the name", place(exit)),
            );
        }
    }

    fn answer(self, carried: bool) -> WhyResponse {
        WhyResponse {
            carried,
            steps: self.0,
        }
    }
}

fn place((id, country): &Hop) -> String {
    match country.as_deref() {
        Some("ZZ") | None => id.clone(),
        Some(country) => format!("{id} ({country})"),
    }
}

fn owner(owner: &Owner, source: SocketAddr) -> String {
    match owner {
        Owner::App(app) => {
            let mut facts = vec![format!("process {}", app.pid)];
            facts.push(match &app.user {
                Some(user) => format!("user {user} ({})", app.uid),
                None => format!("user {}", app.uid),
            });
            facts.extend(app.path.clone());
            let more = [
                ("script", &app.script),
                ("unit", &app.unit),
                ("container", &app.container),
            ];
            for (what, value) in more {
                facts.extend(value.as_ref().map(|value| format!("{what} {value}")));
            }
            let parents = app.facts.parents.iter();
            let parents: Vec<&str> = parents.map(|parent| parent.name.as_str()).collect();
            if !parents.is_empty() {
                facts.push(format!("started by {}", parents.join(" < ")));
            }
            format!("{} ({})", app.name, facts.join(", "))
        }
        Owner::Forwarded(None) => {
            format!("forwarded: {} is no address of this machine", source.ip())
        }
        Owner::Forwarded(Some(container)) => {
            let name = container.name.as_ref().unwrap_or(&container.id);
            format!("forwarded: from {} of the container {name}", source.ip())
        }
        Owner::Unknown => format!("unknown: nobody could tell which process has {source}"),
    }
}

fn name_of_flow(flow: &Look) -> String {
    let to = flow.destination;
    match (flow.kind, &flow.name) {
        (Kind::Dns, Some(name)) => format!("the question itself: {name}, asked of {to}"),
        (_, Some(name)) if fake_ip::is_fake(to.ip()) => {
            format!(
                "{name} was answered with the fake address {}; an exit resolves it",
                to.ip()
            )
        }
        (_, Some(name)) => format!("the app knew the address {to} and said that it means {name}"),
        (_, None) => format!("the app used the address {to} as it is"),
    }
}

fn outlook_text(outlook: Outlook, name: &str) -> String {
    match outlook {
        Outlook::Fake(Some(pair)) => format!(
            "{name} has the fake address {}; an exit resolves it",
            pair.v4
        ),
        Outlook::Fake(None) => {
            format!("{name} gets a fake address when an app asks; an exit resolves it")
        }
        Outlook::Known => format!("{name} is answered by this Node: it means the same everywhere"),
        Outlook::Missing => format!("{name} is answered with \"no such name\""),
        Outlook::Exit => format!("an exit answers for {name}"),
        Outlook::Local => format!("{name} is of the local network: this system's resolver answers"),
    }
}

fn rule(name: &str) -> String {
    match name {
        "mesh" | "direct" => {
            format!("{name}: what applies to everything (min-hops), no rule decides otherwise")
        }
        "local" => "local: what is of the local network stays there".to_owned(),
        rule => rule.to_owned(),
    }
}

/// Where the capture does not reach.
fn outside_of_capture(host: &str) -> Option<&'static str> {
    let address: std::net::IpAddr = host.parse().ok()?;
    if address.is_loopback() {
        return Some("it does not leave this machine");
    }
    let within = |networks: &[masq_capture::Network]| {
        networks.iter().any(|network| network.contains(address))
    };
    let local = within(&masq_capture::address::LOCAL) || within(&masq_capture::address::LINK);
    local.then_some("straight: the local network is not captured")
}

#[cfg(test)]
mod tests;
