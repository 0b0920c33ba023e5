//! What the frames mean (W-5.5): the originator's messages and the exit's, as types that cannot
//! hold what the wire cannot say. Payload bytes are borrowed, never copied.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bytes::BytesMut;
use thiserror::Error;

use super::{Kind, MAX_PAYLOAD};

mod codec;

/// A message of the originator to the exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward<'a> {
    /// Connect there, or be ready to resolve.
    Open(Target),
    /// Bytes of the flow.
    Data(&'a [u8]),
    /// No more bytes follow from the app.
    Fin,
    /// One UDP datagram, or one echo request's data.
    Datagram(&'a [u8]),
    /// A DNS query (RFC 1035, section 4) for the exit's resolver.
    Query(&'a [u8]),
    /// The app or the entry gave the flow up.
    Reset(ResetReason),
    /// Nothing.
    KeepAlive,
    /// Nothing, at some length.
    Padding(&'a [u8]),
}

/// A message of the exit to the originator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backward<'a> {
    /// Connected; with the address that was really reached, none when resolving.
    Opened(Option<SocketAddr>),
    /// Bytes of the flow.
    Data(&'a [u8]),
    /// The remote side sends no more.
    Fin,
    /// One UDP datagram, or one echo reply's data.
    Datagram(&'a [u8]),
    /// A DNS answer (RFC 1035, section 4).
    Answer(&'a [u8]),
    /// What was asked could not be done.
    Failed {
        /// The stable code.
        code: FailureCode,
        /// A line for the log, at most [`MAX_DETAIL`] bytes, without control characters.
        detail: &'a str,
    },
    /// The remote side or the exit broke the flow off.
    Reset(ResetReason),
    /// Nothing.
    KeepAlive,
    /// Nothing, at some length.
    Padding(&'a [u8]),
}

/// What the exit is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A TCP connection.
    Tcp(Destination),
    /// UDP datagrams with one peer.
    Udp(Destination),
    /// Answers to DNS queries.
    Resolve,
    /// ICMP echo replies of one host.
    Echo(Host),
}

/// A host and a port there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host by address or by name; a name is resolved at the exit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name.
    Name(HostName),
}

/// A name of 1 to 253 bytes in labels of 1 to 63: letters, digits, `-` and `_`, lower case, no
/// dot at the end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Box<str>);

/// The stable code of a failure, as [`crate::frame`] carries it; its meaning is given where
/// failures are defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureCode(pub u16);

/// Why a flow was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// The app or the remote side reset its connection.
    Peer,
    /// Nothing came for too long.
    IdleTimeout,
    /// A Node is shutting down.
    Shutdown,
    /// A bound of a Node was reached.
    Resources,
    /// The other side did not keep to the protocol.
    Protocol,
    /// A link on the way broke.
    Link,
    /// A reason of a later version.
    Other(u16),
}

/// Why a payload is not a message of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The kind does not travel in this direction.
    #[error("{kind:?} frame in the wrong direction")]
    Direction {
        /// The kind.
        kind: Kind,
    },
    /// The payload is shorter or longer than its fields.
    #[error("{kind:?} frame with a payload of {length} bytes")]
    Length {
        /// The kind.
        kind: Kind,
        /// The payload's length.
        length: usize,
    },
    /// A field holds a value that is not defined.
    #[error("{kind:?} frame with {field} {value}")]
    Field {
        /// The kind.
        kind: Kind,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u16,
    },
    /// A name is not one.
    #[error("{kind:?} frame with a wrong name")]
    Name {
        /// The kind.
        kind: Kind,
        /// What is wrong with it.
        #[source]
        source: HostNameError,
    },
    /// The text is too long, not UTF-8 or holds control characters.
    #[error("{kind:?} frame with unprintable text")]
    Text {
        /// The kind.
        kind: Kind,
    },
}

/// Why a message does not fit a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Its bytes are too many.
    #[error("payload of {length} bytes, a frame takes {MAX_PAYLOAD}")]
    TooLong {
        /// How many.
        length: usize,
    },
}

/// Why text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostNameError {
    /// It is empty or longer than 253 bytes.
    #[error("name of {length} bytes, 1 to 253 are allowed")]
    Length {
        /// Its length.
        length: usize,
    },
    /// A label is empty or longer than 63 bytes.
    #[error("label of {length} bytes at {position}, 1 to 63 are allowed")]
    Label {
        /// Where it begins.
        position: usize,
        /// Its length.
        length: usize,
    },
    /// A byte is not allowed.
    #[error("byte {byte:#04x} at {position}, letters, digits, '-' and '_' are allowed")]
    Byte {
        /// Where.
        position: usize,
        /// Which.
        byte: u8,
    },
}

/// The longest detail of a failure, in bytes of UTF-8.
pub const MAX_DETAIL: usize = 256;

impl Forward<'_> {
    /// The kind of frame that carries it.
    pub fn kind(&self) -> Kind {
        match self {
            Forward::Open(_) => Kind::Open,
            Forward::Data(_) => Kind::Data,
            Forward::Fin => Kind::Fin,
            Forward::Datagram(_) => Kind::Datagram,
            Forward::Query(_) => Kind::Query,
            Forward::Reset(_) => Kind::Reset,
            Forward::KeepAlive => Kind::KeepAlive,
            Forward::Padding(_) => Kind::Padding,
        }
    }

    /// Appends the payload to `out`.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Forward::Open(target) => codec::put_target(target, out),
            Forward::Data(bytes)
            | Forward::Datagram(bytes)
            | Forward::Query(bytes)
            | Forward::Padding(bytes) => return codec::put_bytes(bytes, out),
            Forward::Reset(reason) => codec::put_u16(reason.code(), out),
            Forward::Fin | Forward::KeepAlive => {}
        }
        Ok(())
    }
}

impl<'a> Forward<'a> {
    /// Reads the payload of a frame that came from the originator.
    pub fn decode(kind: Kind, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let message = match kind {
            Kind::Open => Forward::Open(codec::target(payload)?),
            Kind::Data => Forward::Data(payload),
            Kind::Fin => codec::nothing(kind, payload).map(|()| Forward::Fin)?,
            Kind::Datagram => Forward::Datagram(payload),
            Kind::Query => Forward::Query(payload),
            Kind::Reset => Forward::Reset(codec::reset(payload)?),
            Kind::KeepAlive => codec::nothing(kind, payload).map(|()| Forward::KeepAlive)?,
            Kind::Padding => Forward::Padding(payload),
            Kind::Opened | Kind::Failed | Kind::Answer => {
                return Err(DecodeError::Direction { kind });
            }
        };
        Ok(message)
    }
}

impl Backward<'_> {
    /// The kind of frame that carries it.
    pub fn kind(&self) -> Kind {
        match self {
            Backward::Opened(_) => Kind::Opened,
            Backward::Data(_) => Kind::Data,
            Backward::Fin => Kind::Fin,
            Backward::Datagram(_) => Kind::Datagram,
            Backward::Answer(_) => Kind::Answer,
            Backward::Failed { .. } => Kind::Failed,
            Backward::Reset(_) => Kind::Reset,
            Backward::KeepAlive => Kind::KeepAlive,
            Backward::Padding(_) => Kind::Padding,
        }
    }

    /// Appends the payload to `out`. A detail is cut to what the wire takes and cleaned of
    /// control characters.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Backward::Opened(remote) => codec::put_remote(*remote, out),
            Backward::Data(bytes)
            | Backward::Datagram(bytes)
            | Backward::Answer(bytes)
            | Backward::Padding(bytes) => return codec::put_bytes(bytes, out),
            Backward::Failed { code, detail } => codec::put_failure(*code, detail, out),
            Backward::Reset(reason) => codec::put_u16(reason.code(), out),
            Backward::Fin | Backward::KeepAlive => {}
        }
        Ok(())
    }
}

impl<'a> Backward<'a> {
    /// Reads the payload of a frame that came from the exit.
    pub fn decode(kind: Kind, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let message = match kind {
            Kind::Opened => Backward::Opened(codec::remote(payload)?),
            Kind::Data => Backward::Data(payload),
            Kind::Fin => codec::nothing(kind, payload).map(|()| Backward::Fin)?,
            Kind::Datagram => Backward::Datagram(payload),
            Kind::Answer => Backward::Answer(payload),
            Kind::Failed => {
                let (code, detail) = codec::failure(payload)?;
                Backward::Failed { code, detail }
            }
            Kind::Reset => Backward::Reset(codec::reset(payload)?),
            Kind::KeepAlive => codec::nothing(kind, payload).map(|()| Backward::KeepAlive)?,
            Kind::Padding => Backward::Padding(payload),
            Kind::Open | Kind::Query => return Err(DecodeError::Direction { kind }),
        };
        Ok(message)
    }
}

impl ResetReason {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            ResetReason::Peer => 1,
            ResetReason::IdleTimeout => 2,
            ResetReason::Shutdown => 3,
            ResetReason::Resources => 4,
            ResetReason::Protocol => 5,
            ResetReason::Link => 6,
            ResetReason::Other(code) => code,
        }
    }
}

impl From<u16> for ResetReason {
    fn from(code: u16) -> Self {
        match code {
            1 => ResetReason::Peer,
            2 => ResetReason::IdleTimeout,
            3 => ResetReason::Shutdown,
            4 => ResetReason::Resources,
            5 => ResetReason::Protocol,
            6 => ResetReason::Link,
            code => ResetReason::Other(code),
        }
    }
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let length = text.len();
        if !(1..=253).contains(&length) {
            return Err(HostNameError::Length { length });
        }
        let mut position = 0;
        for label in text.split('.') {
            let length = label.len();
            if !(1..=63).contains(&length) {
                return Err(HostNameError::Label { position, length });
            }
            position += length + 1;
        }
        let wrong = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        if let Some(position) = text.bytes().position(|byte| wrong(&byte)) {
            let byte = text.as_bytes()[position];
            return Err(HostNameError::Byte { position, byte });
        }
        Ok(HostName(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(address) => address.fmt(f),
            Host::Name(name) => name.fmt(f),
        }
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Destination {
            host: Host::Ip(address.ip()),
            port: address.port(),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}
