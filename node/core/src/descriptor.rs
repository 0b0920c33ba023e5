//! A Node's descriptor (W-2): who it is, on which chain it earns, and where its links are
//! reached. The text a person copies from one Node into the `neighbors` of another:
//! `masq://<chain>:<id>@<ip>:<port>[/<port>...]`.
//!
//! Every refusal names the part that is wrong and says what to put there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::config::Chain;
use crate::identity::NodeId;

/// What reaches one Node.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Descriptor {
    chain: Chain,
    id: NodeId,
    ip: IpAddr,
    ports: Vec<u16>,
}

/// Why text is not a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DescriptorError {
    /// It does not have the form of one.
    #[error("\"{text}\" is not a descriptor: write {FORM}")]
    Form {
        /// The text, shortened.
        text: String,
    },
    /// The chain is unknown.
    #[error("\"{name}\" is not a chain: use one of {}", chain_names())]
    Chain {
        /// Its name, shortened.
        name: String,
    },
    /// The id is not one.
    #[error("\"{text}\" is not a Node id: copy the 43 characters between the chain and the @")]
    Id {
        /// The text, shortened.
        text: String,
    },
    /// The address is not one that a link can be opened to.
    #[error(
        "\"{text}\" is not an address of a Node: write an IPv4 address, or an IPv6 address in brackets"
    )]
    Address {
        /// The text, shortened.
        text: String,
    },
    /// A port is out of range.
    #[error("\"{text}\" is not a port of a Node: use {MIN_PORT} to 65535")]
    Port {
        /// The text, shortened.
        text: String,
    },
    /// There are more ports than a Node has.
    #[error("{count} ports: give at most {MAX_PORTS}")]
    Ports {
        /// How many.
        count: usize,
    },
}

/// The lowest port a Node listens on; those below belong to well-known services.
pub const MIN_PORT: u16 = 1025;

/// The most ports in one descriptor.
pub const MAX_PORTS: usize = 16;

const FORM: &str = "masq://CHAIN:ID@IP:PORT";
const SCHEME: &str = "masq://";

impl Descriptor {
    /// Joins the parts; they are held to the same rules as text.
    pub fn new(
        chain: Chain,
        id: NodeId,
        ip: IpAddr,
        ports: Vec<u16>,
    ) -> Result<Self, DescriptorError> {
        let ip = ip.to_canonical();
        if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::from([255; 4]) {
            return Err(DescriptorError::Address {
                text: ip.to_string(),
            });
        }
        if ports.is_empty() || ports.len() > MAX_PORTS {
            return Err(DescriptorError::Ports { count: ports.len() });
        }
        if let Some(port) = ports.iter().find(|port| **port < MIN_PORT) {
            return Err(DescriptorError::Port {
                text: port.to_string(),
            });
        }
        Ok(Descriptor {
            chain,
            id,
            ip,
            ports,
        })
    }

    /// Reads a list with commas between descriptors; blanks around them and nothing between two
    /// commas are allowed.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, DescriptorError> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect()
    }

    /// The chain it is paid on.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Who it is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Its ports, at least one.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Where links are opened to, in order of preference.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports
            .iter()
            .map(|port| SocketAddr::new(self.ip, *port))
    }
}

impl FromStr for Descriptor {
    type Err = DescriptorError;

    fn from_str(text: &str) -> Result<Self, DescriptorError> {
        let form = || DescriptorError::Form {
            text: shorten(text),
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(form)?;
        let (who, place) = rest.split_once('@').ok_or_else(form)?;
        let (chain, id) = who.split_once(':').ok_or_else(form)?;
        let (ip, ports) = match place.strip_prefix('[') {
            Some(place) => place.split_once("]:"),
            None => place.split_once(':').filter(|(ip, _)| !ip.is_empty()),
        }
        .ok_or_else(form)?;

        let chain = parse_chain(chain)?;
        let id = id
            .parse()
            .map_err(|_| DescriptorError::Id { text: shorten(id) })?;
        let wrong_address = || DescriptorError::Address { text: shorten(ip) };
        let ip = if place.starts_with('[') {
            IpAddr::V6(ip.parse().map_err(|_| wrong_address())?)
        } else {
            IpAddr::V4(ip.parse().map_err(|_| wrong_address())?)
        };
        let count = ports.split('/').count();
        if count > MAX_PORTS {
            return Err(DescriptorError::Ports { count });
        }
        let ports = ports.split('/').map(port).collect::<Result<_, _>>()?;
        Descriptor::new(chain, id, ip, ports)
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}:{}@", self.chain, self.id)?;
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}")?,
            IpAddr::V6(ip) => write!(f, "[{ip}]")?,
        }
        for (number, port) in self.ports.iter().enumerate() {
            write!(f, "{}{port}", if number == 0 { ':' } else { '/' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_chain(text: &str) -> Result<Chain, DescriptorError> {
    Chain::ALL
        .into_iter()
        .find(|chain| chain.name() == text)
        .ok_or_else(|| DescriptorError::Chain {
            name: shorten(text),
        })
}

fn chain_names() -> String {
    Chain::ALL.map(Chain::name).join(", ")
}

fn port(text: &str) -> Result<u16, DescriptorError> {
    // `u16::from_str` takes a plus sign, which a descriptor does not.
    Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|port| *port >= MIN_PORT)
        .ok_or_else(|| DescriptorError::Port {
            text: shorten(text),
        })
}

/// What of a wrong text is worth repeating in a message: printable, and at most 80 characters.
fn shorten(text: &str) -> String {
    let printable = |character: char| match character.is_control() {
        true => '\u{fffd}',
        false => character,
    };
    text.chars().take(80).map(printable).collect()
}

#[cfg(test)]
mod tests;
