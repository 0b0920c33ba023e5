//! The bytes of the messages (W-5.5). Every decoder takes the whole payload and refuses one byte
//! too many as it refuses one too few.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, BytesMut};

use super::{DecodeError, EncodeError, Host, MAX_DETAIL, Target};
use crate::destination::{Destination, HostName, HostNameError};
use crate::failure::Code;
use crate::frame::{Kind, MAX_PAYLOAD};
use crate::resume::Token;

pub(super) fn put_target(target: &Target, out: &mut BytesMut) {
    match target {
        Target::Tcp(destination) => put_destination(TCP, destination, out),
        Target::Udp(destination) => put_destination(UDP, destination, out),
        Target::Resolve => out.put_u8(RESOLVE),
        Target::Echo(host) => {
            out.put_u8(ECHO);
            put_host(host, out);
        }
    }
}

pub(super) fn target(payload: &[u8]) -> Result<Target, DecodeError> {
    let mut reader = Reader::new(Kind::Open, payload);
    let target = match reader.u8()? {
        TCP => Target::Tcp(reader.destination()?),
        UDP => Target::Udp(reader.destination()?),
        RESOLVE => Target::Resolve,
        ECHO => Target::Echo(reader.host()?),
        other => return Err(reader.field("target", other.into())),
    };
    reader.end()?;
    Ok(target)
}

pub(super) fn put_remote(remote: Option<SocketAddr>, out: &mut BytesMut) {
    match remote {
        None => out.put_u8(NONE),
        Some(remote) => {
            put_ip(remote.ip(), out);
            out.put_u16(remote.port());
        }
    }
}

pub(super) fn remote(payload: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    let mut reader = Reader::new(Kind::Opened, payload);
    let ip = match reader.u8()? {
        NONE => {
            reader.end()?;
            return Ok(None);
        }
        IPV4 => IpAddr::from(reader.array::<4>()?),
        IPV6 => IpAddr::from(reader.array::<16>()?),
        other => return Err(reader.field("address family", other.into())),
    };
    let port = reader.u16()?;
    reader.end()?;
    Ok(Some(SocketAddr::new(ip, port)))
}

pub(super) fn put_failure(code: Code, detail: &str, out: &mut BytesMut) {
    put_code(code, out);
    let mut room = MAX_DETAIL;
    let clean = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    for character in detail.chars().map(clean) {
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).as_bytes();
        if bytes.len() > room {
            break;
        }
        room -= bytes.len();
        out.put_slice(bytes);
    }
}

pub(super) fn failure(payload: &[u8]) -> Result<(Code, &str), DecodeError> {
    let kind = Kind::Failed;
    let mut reader = Reader::new(kind, payload);
    let code = Code::from_number(reader.u16()?);
    if reader.rest.len() > MAX_DETAIL {
        return Err(DecodeError::Text { kind });
    }
    let detail = str::from_utf8(reader.rest).map_err(|_| DecodeError::Text { kind })?;
    if detail.chars().any(char::is_control) {
        return Err(DecodeError::Text { kind });
    }
    Ok((code, detail))
}

pub(super) fn reset(payload: &[u8]) -> Result<Code, DecodeError> {
    let mut reader = Reader::new(Kind::Reset, payload);
    let code = reader.u16()?;
    reader.end()?;
    Ok(Code::from_number(code))
}

pub(super) fn nothing(kind: Kind, payload: &[u8]) -> Result<(), DecodeError> {
    Reader::new(kind, payload).end()
}

pub(super) fn put_count(count: u64, out: &mut BytesMut) {
    out.put_u64(count);
}

pub(super) fn count(kind: Kind, payload: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(kind, payload);
    let count = u64::from_be_bytes(reader.array()?);
    reader.end()?;
    Ok(count)
}

pub(super) fn put_resume(token: &Token, received: u64, out: &mut BytesMut) {
    out.put_slice(token.as_bytes());
    out.put_u64(received);
}

pub(super) fn resume(payload: &[u8]) -> Result<(Token, u64), DecodeError> {
    let mut reader = Reader::new(Kind::Resume, payload);
    let token = Token::new(reader.array()?);
    let received = u64::from_be_bytes(reader.array()?);
    reader.end()?;
    Ok((token, received))
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(EncodeError::TooLong {
            length: bytes.len(),
        });
    }
    out.extend_from_slice(bytes);
    Ok(())
}

pub(super) fn put_code(code: Code, out: &mut BytesMut) {
    out.put_u16(code.number());
}

fn put_destination(target: u8, destination: &Destination, out: &mut BytesMut) {
    out.put_u8(target);
    match destination {
        Destination::Name { name, .. } => put_name(name, out),
        Destination::Address(address) => put_ip(address.ip(), out),
    }
    out.put_u16(destination.port());
}

fn put_host(host: &Host, out: &mut BytesMut) {
    match host {
        Host::Ip(address) => put_ip(*address, out),
        Host::Name(name) => put_name(name, out),
    }
}

fn put_name(name: &HostName, out: &mut BytesMut) {
    out.put_u8(NAME);
    out.put_u8(u8::try_from(name.as_str().len()).expect("a name has at most 253 bytes"));
    out.put_slice(name.as_str().as_bytes());
}

fn put_ip(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(address) => {
            out.put_u8(IPV4);
            out.put_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.put_u8(IPV6);
            out.put_slice(&address.octets());
        }
    }
}

/// A cursor over one payload.
struct Reader<'a> {
    kind: Kind,
    length: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(kind: Kind, payload: &'a [u8]) -> Self {
        Reader {
            kind,
            length: payload.len(),
            rest: payload,
        }
    }

    fn destination(&mut self) -> Result<Destination, DecodeError> {
        let host = self.host()?;
        let port = self.u16()?;
        Ok(match host {
            Host::Ip(address) => Destination::from(SocketAddr::new(address, port)),
            Host::Name(name) => Destination::Name { name, port },
        })
    }

    fn host(&mut self) -> Result<Host, DecodeError> {
        match self.u8()? {
            IPV4 => Ok(Host::Ip(self.array::<4>()?.into())),
            IPV6 => Ok(Host::Ip(IpAddr::from(self.array::<16>()?).to_canonical())),
            NAME => self.name().map(Host::Name),
            other => Err(self.field("host form", other.into())),
        }
    }

    fn name(&mut self) -> Result<HostName, DecodeError> {
        let length = usize::from(self.u8()?);
        let bytes = self.take(length)?;
        let wrong = |source| DecodeError::Name {
            kind: self.kind,
            source,
        };
        let text = str::from_utf8(bytes)
            .map_err(|error| wrong(HostNameError::Byte(bytes[error.valid_up_to()])))?;
        HostName::parse(text).map_err(wrong)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (&bytes, rest) = self.rest.split_first_chunk().ok_or(self.short())?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(self.short())?;
        self.rest = rest;
        Ok(bytes)
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.short())
        }
    }

    fn short(&self) -> DecodeError {
        DecodeError::Length {
            kind: self.kind,
            length: self.length,
        }
    }

    fn field(&self, field: &'static str, value: u16) -> DecodeError {
        DecodeError::Field {
            kind: self.kind,
            field,
            value,
        }
    }
}

const TCP: u8 = 1;
const UDP: u8 = 2;
const RESOLVE: u8 = 3;
const ECHO: u8 = 4;

const NONE: u8 = 0;
const NAME: u8 = 1;
const IPV4: u8 = 4;
const IPV6: u8 = 6;
