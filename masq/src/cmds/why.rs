//! `masq why`: why a connection goes where it goes, or where one would go.

use anyhow::Result;
use clap::{Args, ValueEnum};
use masq_ui_protocol::message::{FlowProtocol, WhyRequest, WhyResponse, WhyTopic};

use super::measure::one_line;
use super::{Command, Json};
use crate::client::ORDINARY;
use crate::session::Session;

/// No way is there.
const NO_WAY: u8 = 3;

/// Explain why a connection goes where it goes, or what one would meet.
///
/// With a number of `masq connections` it explains that connection; with a name or an address it tells
/// what would be decided, without connecting: whose it is, what the DNS would say, which rule
/// applies, over which Nodes it could go, and what stands in the way.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if it is carried, 3 if not, 1 if the Node could not be asked."
)]
pub(crate) struct Why {
    #[arg(help = "A connection's number, or NAME[:PORT], ADDRESS[:PORT] or a URL", value_name = "WHAT", value_parser = what)]
    what: What,

    /// The program that would connect
    #[arg(long, value_name = "NAME")]
    app: Option<String>,

    /// What it would speak
    #[arg(long, value_enum, default_value = "tcp")]
    protocol: Protocol,

    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
    /// Only the question for the name
    Dns,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Flow(u64),
    Destination { host: String, port: Option<u16> },
}

impl Command for Why {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let (id, host, port) = match self.what {
            What::Flow(id) => (Some(id), None, None),
            What::Destination { host, port } => (None, Some(host), port),
        };
        let hypothetical = id.is_none();
        let request = WhyRequest {
            id_opt: id,
            destination_opt: host,
            port_opt: port,
            protocol_opt: hypothetical.then_some(match self.protocol {
                Protocol::Tcp => FlowProtocol::Tcp,
                Protocol::Udp => FlowProtocol::Udp,
                Protocol::Dns => FlowProtocol::Dns,
            }),
            app_opt: self.app.filter(|_| hypothetical),
        };
        let answer: WhyResponse = session.request(&request, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&page(&answer))?;
        }
        Ok(if answer.carried { 0 } else { NO_WAY })
    }
}

fn page(answer: &WhyResponse) -> String {
    let mut page = String::new();
    for step in &answer.steps {
        let topic = match step.topic {
            WhyTopic::Owner => "app",
            WhyTopic::Dns => "dns",
            WhyTopic::Rule => "rule",
            WhyTopic::Way => "way",
            WhyTopic::Circuit => "circuit",
            WhyTopic::Exit => "exit",
        };
        page.push_str(&format!("{topic:<8} {}\n", one_line(&step.text)));
    }
    page.push_str(if answer.carried {
        "carried"
    } else {
        "not carried"
    });
    page
}

/// Reads a number, or a host with or without a port, an address with or without brackets, a URL.
fn what(text: &str) -> Result<What, String> {
    if let Ok(id) = text.parse() {
        return Ok(What::Flow(id));
    }
    let (rest, default) = match text.split_once("://") {
        Some(("https", rest)) => (rest, Some(443)),
        Some(("http", rest)) => (rest, Some(80)),
        Some((scheme, _)) => return Err(format!("{scheme} is not http or https")),
        None => (text, None),
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let destination = |host: &str, port| {
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        let host = host.to_owned();
        Ok(What::Destination { host, port })
    };
    if rest.parse::<std::net::Ipv6Addr>().is_ok() {
        return destination(rest, default);
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => return destination(host, default),
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => return Err("] is missing".to_owned()),
        },
        None => match rest.split_once(':') {
            None => return destination(rest, default),
            Some(split) => split,
        },
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 => destination(host, Some(port)),
        Ok(_) | Err(_) => Err(format!("{port} is no port: 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_ui_protocol::message::WhyStep;

    #[test]
    fn what_is_asked_for_is_read_in_all_its_forms() {
        let to = |host: &str, port| {
            let host = host.to_owned();
            Ok(What::Destination { host, port })
        };
        let cases = [
            ("17", Ok(What::Flow(17))),
            ("example.org", to("example.org", None)),
            ("example.org:8080", to("example.org", Some(8080))),
            ("https://example.org/a:b?c", to("example.org", Some(443))),
            ("http://example.org:81/", to("example.org", Some(81))),
            ("203.0.113.7:53", to("203.0.113.7", Some(53))),
            ("2001:db8::1", to("2001:db8::1", None)),
            ("[2001:db8::1]:443", to("2001:db8::1", Some(443))),
            ("[2001:db8::1]", to("2001:db8::1", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(what(text), expected, "{text}");
        }
        for text in ["", ":443", "host:0", "host:x", "[::1", "ftp://host"] {
            assert!(what(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_step_is_a_line() {
        let answer = WhyResponse {
            carried: false,
            steps: vec![WhyStep {
                topic: WhyTopic::Circuit,
                text: "none\u{7}".to_owned(),
            }],
        };
        assert_eq!(page(&answer), "circuit  none?\nnot carried");
    }
}
