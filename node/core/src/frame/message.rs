//! What the frames mean (W-5.5): the originator's messages and the exit's, as types that cannot
//! hold what the wire cannot say. Payload bytes are borrowed, never copied.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use thiserror::Error;

use super::{Kind, MAX_PAYLOAD};
use crate::destination::{Destination, HostName, HostNameError};
use crate::failure::Code;
use crate::resume::Token;

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
    Reset(Code),
    /// Nothing.
    KeepAlive,
    /// Nothing, at some length.
    Padding(&'a [u8]),
    /// So many bytes of the flow came from the exit (W-5.8).
    Ack(u64),
    /// Go on with a flow whose circuit was lost (W-5.9).
    Resume {
        /// Which flow.
        token: Token,
        /// How many of its bytes came from the exit.
        received: u64,
    },
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
        /// Why.
        code: Code,
        /// A line for the originator's log, of nothing that it does not know of itself; at most
        /// [`MAX_DETAIL`] bytes, without control characters.
        detail: &'a str,
    },
    /// The remote side or the exit broke the flow off.
    Reset(Code),
    /// Nothing.
    KeepAlive,
    /// Nothing, at some length.
    Padding(&'a [u8]),
    /// So many bytes of the flow came from the originator (W-5.8).
    Ack(u64),
    /// The flow goes on; so many of its bytes came from the originator (W-5.9).
    Resumed(u64),
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

/// A host by address or by name; a name is resolved at the exit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name.
    Name(HostName),
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
            Forward::Ack(_) => Kind::Ack,
            Forward::Resume { .. } => Kind::Resume,
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
            Forward::Reset(code) => codec::put_code(*code, out),
            Forward::Ack(count) => codec::put_count(*count, out),
            Forward::Resume { token, received } => codec::put_resume(token, *received, out),
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
            Kind::Ack => Forward::Ack(codec::count(kind, payload)?),
            Kind::Resume => {
                let (token, received) = codec::resume(payload)?;
                Forward::Resume { token, received }
            }
            Kind::Opened | Kind::Failed | Kind::Answer | Kind::Resumed => {
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
            Backward::Ack(_) => Kind::Ack,
            Backward::Resumed(_) => Kind::Resumed,
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
            Backward::Reset(code) => codec::put_code(*code, out),
            Backward::Ack(count) | Backward::Resumed(count) => codec::put_count(*count, out),
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
            Kind::Ack => Backward::Ack(codec::count(kind, payload)?),
            Kind::Resumed => Backward::Resumed(codec::count(kind, payload)?),
            Kind::Open | Kind::Query | Kind::Resume => return Err(DecodeError::Direction { kind }),
        };
        Ok(message)
    }
}

impl DecodeError {
    /// The code to end the flow with.
    pub fn code(&self) -> Code {
        match self {
            DecodeError::Name { .. } => Code::MalformedName,
            DecodeError::Direction { .. }
            | DecodeError::Length { .. }
            | DecodeError::Field { .. }
            | DecodeError::Text { .. } => Code::BadFrame,
        }
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
