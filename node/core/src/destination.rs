//! Where a flow wants to go, as the originator tells the exit.
//!
//! A name stays a name until the exit resolves it; an address is one that the
//! app used literally. Host names are checked once, here, so that whoever
//! holds a [`HostName`] can put it on the wire, in a log or on a page.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// The longest host name in bytes, without the final dot (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 253;

const MAX_LABEL: usize = 63;

/// A host name in lower case, without the final dot; never an IP address.
///
/// Labels have 1 to 63 bytes of `a-z 0-9 - _`; the last one is not a number
/// (RFC 1123 section 2.1), so no name can be mistaken for an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// Why a text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// No labels at all.
    #[error("the name is empty")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("the name is longer than 253 bytes")]
    TooLong,
    /// A label of no bytes or more than 63.
    #[error("a label of the name is empty or longer than 63 bytes")]
    Label,
    /// A byte that host names do not have.
    #[error("the name has the byte 0x{0:02x}; only letters, digits, '-' and '_' are allowed")]
    Byte(u8),
    /// An IP address, or a last label of digits only.
    #[error("the name ends in a number, as an address does")]
    Numeric,
}

impl HostName {
    /// Reads a name in any case, with or without its final dot.
    pub fn parse(text: &str) -> Result<HostName, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(HostNameError::TooLong);
        }
        if let Some(byte) = text.bytes().find(|byte| !is_name_byte(*byte)) {
            return Err(HostNameError::Byte(byte));
        }
        if text
            .split('.')
            .any(|label| label.is_empty() || label.len() > MAX_LABEL)
        {
            return Err(HostNameError::Label);
        }
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HostNameError::Numeric);
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(HostName(Arc::from(text.to_ascii_lowercase())));
        }
        Ok(HostName(Arc::from(text)))
    }

    /// The name in lower case without the final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from left to right.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the name is `suffix` or ends in `.suffix` (lower case, no dots at its ends).
    pub fn is_within(&self, suffix: &str) -> bool {
        match self.0.strip_suffix(suffix) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<HostName, HostNameError> {
        HostName::parse(text)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Where the exit shall connect to or send datagrams to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A name that the exit resolves.
    Name {
        /// The name.
        name: HostName,
        /// The port in host order.
        port: u16,
    },
    /// An address that the app used literally.
    Address(SocketAddr),
}

impl Destination {
    /// The port in host order.
    pub fn port(&self) -> u16 {
        match self {
            Destination::Name { port, .. } => *port,
            Destination::Address(address) => address.port(),
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&HostName> {
        match self {
            Destination::Name { name, .. } => Some(name),
            Destination::Address(_) => None,
        }
    }
}

impl From<SocketAddr> for Destination {
    /// An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for.
    fn from(address: SocketAddr) -> Destination {
        Destination::Address(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Name { name, port } => write!(formatter, "{name}:{port}"),
            Destination::Address(address) => write!(formatter, "{address}"),
        }
    }
}

/// Why a text is not a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// No `:port`, or a port that is not 1 to 65535.
    #[error("the destination lacks a port between 1 and 65535")]
    Port,
    /// The part before the port is neither a name nor an address.
    #[error("the host is neither a name nor an address: {0}")]
    Host(#[from] HostNameError),
}

impl FromStr for Destination {
    type Err = DestinationError;

    /// Reads `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
    fn from_str(text: &str) -> Result<Destination, DestinationError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            if address.port() == 0 {
                return Err(DestinationError::Port);
            }
            return Ok(Destination::from(address));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(DestinationError::Port);
        };
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(DestinationError::Port)?;
        let name = HostName::parse(host)?;
        Ok(Destination::Name { name, port })
    }
}

/// Whether an address cannot be a destination of anything: `0.0.0.0`, `::`.
pub fn is_unspecified(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(address) => address.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_lose_their_case_and_their_final_dot() {
        assert_eq!(
            HostName::parse("WWW.Example.ORG.").unwrap().as_str(),
            "www.example.org"
        );
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        let long_label = "a".repeat(64);
        let long_name = ["a".repeat(63).as_str(); 4].join(".");
        let cases = [
            ("", HostNameError::Empty),
            (".", HostNameError::Empty),
            ("a..b", HostNameError::Label),
            (".a", HostNameError::Label),
            (long_label.as_str(), HostNameError::Label),
            (long_name.as_str(), HostNameError::TooLong),
            ("a b", HostNameError::Byte(b' ')),
            ("b\u{fc}cher.example", HostNameError::Byte(0xc3)),
            ("a/b", HostNameError::Byte(b'/')),
            ("192.0.2.1", HostNameError::Numeric),
            ("example.1", HostNameError::Numeric),
        ];
        for (text, error) in cases {
            assert_eq!(HostName::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn underscores_and_single_labels_are_names() {
        for text in [
            "_dmarc.example.org",
            "localhost",
            "xn--bcher-kva.example",
            "3com.com",
        ] {
            assert_eq!(HostName::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_suffix_counts_only_at_a_dot() {
        let name = HostName::parse("printer.local").unwrap();

        assert!(name.is_within("local"));
        assert!(!HostName::parse("notlocal").unwrap().is_within("local"));
        assert!(HostName::parse("local").unwrap().is_within("local"));
    }

    #[test]
    fn destinations_print_as_they_are_read() {
        for text in ["example.org:443", "192.0.2.1:80", "[2001:db8::1]:53"] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        for text in [
            "example.org",
            "example.org:0",
            "192.0.2.1:0",
            "a b:1",
            ":1",
            "x:65536",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();

        assert_eq!(Destination::from(mapped).to_string(), "192.0.2.1:80");
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_and_parses_to_the_same(text in "\\PC{0,300}") {
            if let Ok(name) = HostName::parse(&text) {
                prop_assert_eq!(HostName::parse(name.as_str()).unwrap(), name);
            }
            if let Ok(destination) = text.parse::<Destination>() {
                prop_assert_eq!(destination.to_string().parse::<Destination>().unwrap(), destination);
            }
        }
    }
}
