//! The protocol between the Node and its capture helper.
//!
//! Both ends share one SOCK_SEQPACKET socket pair; a message is one packet.
//! The first request is [`Request::Hello`] with the parameters as JSON, and
//! [`Request::Bypass`] is JSON as well; [`Reply::Owner`] is as long as its texts;
//! every other message is [`MESSAGE_SIZE`] bytes: a kind, then fixed fields, little
//! endian, zero padded. Decoding is total: it answers `None` for what is no
//! message. The TUN descriptor rides on [`Reply::Tun`] as ancillary data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::address::Network;
use crate::failure::{CaptureError, FailureCode};
use crate::flow::{FiveTuple, Owned, Protocol};
use crate::states::{LocalNetwork, OnFailure};

mod codec;
mod owner;

pub use owner::OWNER_LIMIT;

use codec::{Reader, Writer};

/// Length of most messages.
pub const MESSAGE_SIZE: usize = 1024;

/// The largest message: parameters are refused above this length.
pub const HELLO_LIMIT: usize = 32 * 1024;

/// What the Node tells its helper once, before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Parameters {
    /// Name of the TUN interface, at most 15 bytes.
    pub tun_name: String,
    /// Where the journal of changes is kept.
    pub journal_directory: PathBuf,
    /// The process whose sockets are not captured.
    pub node_pid: u32,
    /// Networks that are never captured, besides the local ones.
    #[serde(default)]
    pub excluded: Vec<Network>,
    /// Networks that are always captured, even where a local route covers
    /// them (the ranges of fake addresses).
    #[serde(default)]
    pub captured: Vec<Network>,
    #[serde(default)]
    pub on_failure: OnFailure,
    #[serde(default)]
    pub local_network: LocalNetwork,
}

/// What the Node asks of the helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Hello(Parameters),
    /// Route the machine's traffic into the TUN.
    Activate,
    /// Route it past the TUN until [`Request::Resume`].
    Suspend {
        /// 0 for a pause that only [`Request::Resume`] ends.
        seconds: u32,
    },
    Resume,
    /// Who owns this flow?
    Owner {
        id: u32,
        tuple: FiveTuple,
    },
    /// Lead every new connection of this process, and of those that it
    /// starts, past the TUN.
    Admit {
        id: u32,
        pid: u32,
    },
    /// From now on these, and no others, pass by the TUN as a whole.
    Bypass {
        id: u32,
        subjects: Subjects,
    },
    /// Whether apps reach the networks around this machine, from now on.
    LocalNetwork {
        id: u32,
        allowed: bool,
    },
    /// Undo everything and end.
    Stop,
}

/// Whose traffic is direct as a whole, whatever it goes to. The Node itself and
/// processes that [`Request::Admit`] named are so besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Subjects {
    /// Numbers of users.
    pub users: Vec<u32>,
    /// Control groups, relative to the root of the hierarchy, each with all
    /// below it: `user.slice/user-1000.slice`.
    pub cgroups: Vec<PathBuf>,
    /// Units of systemd: `nginx.service`.
    pub units: Vec<String>,
    /// Programs by the path of their file.
    pub paths: Vec<PathBuf>,
    /// Programs by the name of their file or of their process.
    pub names: Vec<String>,
}

impl Subjects {
    pub fn is_empty(&self) -> bool {
        self == &Subjects::default()
    }
}

/// What the helper tells the Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The TUN is there; its descriptor comes with this message.
    Tun(TunDescription),
    Active,
    Suspended,
    Owner {
        id: u32,
        owned: Owned,
    },
    /// What was asked under this number is done, or why it is not.
    Done {
        id: u32,
        refused: Option<CaptureError>,
    },
    Failed(CaptureError),
    Stopped,
}

/// The TUN interface as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunDescription {
    pub name: String,
    pub mtu: u32,
    pub ipv4: Ipv4Addr,
    pub ipv6: Ipv6Addr,
    /// The mark that the kernel puts on the Node's own sockets.
    pub mark: u32,
}

impl Request {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Request::Hello(parameters) => json(HELLO, parameters),
            Request::Bypass { id, subjects } => json(BYPASS, &(id, subjects)),
            Request::LocalNetwork { id, allowed } => {
                let mut writer = Writer::message(LOCAL_NETWORK);
                writer.u32(*id);
                writer.u8(u8::from(*allowed));
                writer.finish()
            }
            Request::Admit { id, pid } => {
                let mut writer = Writer::message(ADMIT);
                writer.u32(*id);
                writer.u32(*pid);
                writer.finish()
            }
            Request::Activate => Writer::message(ACTIVATE).finish(),
            Request::Suspend { seconds } => {
                let mut writer = Writer::message(SUSPEND);
                writer.u32(*seconds);
                writer.finish()
            }
            Request::Resume => Writer::message(RESUME).finish(),
            Request::Owner { id, tuple } => {
                let mut writer = Writer::message(OWNER);
                writer.u32(*id);
                write_tuple(&mut writer, tuple);
                writer.finish()
            }
            Request::Stop => Writer::message(STOP).finish(),
        }
    }

    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let (&kind, rest) = bytes.split_first()?;
        if kind == HELLO {
            return serde_json::from_slice(rest).ok().map(Request::Hello);
        }
        if kind == BYPASS {
            let (id, subjects) = serde_json::from_slice(rest).ok()?;
            return Some(Request::Bypass { id, subjects });
        }
        let mut reader = Reader::message(bytes)?;
        match kind {
            ACTIVATE => Some(Request::Activate),
            SUSPEND => Some(Request::Suspend {
                seconds: reader.u32()?,
            }),
            RESUME => Some(Request::Resume),
            OWNER => Some(Request::Owner {
                id: reader.u32()?,
                tuple: read_tuple(&mut reader)?,
            }),
            ADMIT => Some(Request::Admit {
                id: reader.u32()?,
                pid: reader.u32()?,
            }),
            LOCAL_NETWORK => Some(Request::LocalNetwork {
                id: reader.u32()?,
                allowed: reader.u8()? == 1,
            }),
            STOP => Some(Request::Stop),
            _ => None,
        }
    }
}

impl Reply {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Reply::Tun(tun) => {
                let mut writer = Writer::message(TUN);
                writer.text(&tun.name, NAME_LIMIT);
                writer.u32(tun.mtu);
                writer.array(&tun.ipv4.octets());
                writer.array(&tun.ipv6.octets());
                writer.u32(tun.mark);
                writer.finish()
            }
            Reply::Active => Writer::message(ACTIVE).finish(),
            Reply::Suspended => Writer::message(SUSPENDED).finish(),
            Reply::Owner { id, owned } => owner::encode(OWNER_ANSWER, *id, owned),
            Reply::Done { id, refused } => {
                let mut writer = Writer::message(DONE);
                writer.u32(*id);
                writer.u8(u8::from(refused.is_some()));
                if let Some(error) = refused {
                    write_failure(&mut writer, error);
                }
                writer.finish()
            }
            Reply::Failed(error) => {
                let mut writer = Writer::message(FAILED);
                write_failure(&mut writer, error);
                writer.finish()
            }
            Reply::Stopped => Writer::message(STOPPED).finish(),
        }
    }

    pub fn decode(bytes: &[u8]) -> Option<Reply> {
        let (&kind, rest) = bytes.split_first()?;
        if kind == OWNER_ANSWER {
            let (id, owned) = owner::decode(rest)?;
            return Some(Reply::Owner { id, owned });
        }
        let mut reader = Reader::message(bytes)?;
        match kind {
            TUN => Some(Reply::Tun(TunDescription {
                name: reader.text(NAME_LIMIT)?,
                mtu: reader.u32()?,
                ipv4: Ipv4Addr::from(reader.array::<4>()?),
                ipv6: Ipv6Addr::from(reader.array::<16>()?),
                mark: reader.u32()?,
            })),
            ACTIVE => Some(Reply::Active),
            SUSPENDED => Some(Reply::Suspended),
            DONE => Some(Reply::Done {
                id: reader.u32()?,
                refused: match reader.u8()? {
                    0 => None,
                    1 => Some(read_failure(&mut reader)?),
                    _ => return None,
                },
            }),
            FAILED => read_failure(&mut reader).map(Reply::Failed),
            STOPPED => Some(Reply::Stopped),
            _ => None,
        }
    }
}

/// A message whose body has no fixed size.
fn json(kind: u8, body: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![kind];
    serde_json::to_writer(&mut bytes, body).expect("plain data with UTF-8 paths");
    bytes
}

fn write_failure(writer: &mut Writer, error: &CaptureError) {
    writer.u16(error.code.number());
    writer.text(&error.text, FAILURE_LIMIT);
}

fn read_failure(reader: &mut Reader<'_>) -> Option<CaptureError> {
    let code = FailureCode::from_number(reader.u16()?)?;
    Some(CaptureError::new(code, reader.text(FAILURE_LIMIT)?))
}

fn write_tuple(writer: &mut Writer, tuple: &FiveTuple) {
    writer.u8(tuple.protocol.number());
    for address in [tuple.source, tuple.destination] {
        match address.ip() {
            IpAddr::V4(ip) => {
                writer.u8(4);
                writer.array(&ip.octets());
                writer.array(&[0; 12]);
            }
            IpAddr::V6(ip) => {
                writer.u8(6);
                writer.array(&ip.octets());
            }
        }
        writer.u16(address.port());
    }
}

fn read_tuple(reader: &mut Reader<'_>) -> Option<FiveTuple> {
    let protocol = Protocol::from_number(reader.u8()?)?;
    let mut address = || {
        let ip = match (reader.u8()?, reader.array::<16>()?) {
            (4, [a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            (6, octets) => IpAddr::V6(Ipv6Addr::from(octets)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, reader.u16()?))
    };
    let (source, destination) = (address()?, address()?);
    (source.is_ipv4() == destination.is_ipv4()).then_some(FiveTuple {
        protocol,
        source,
        destination,
    })
}

const HELLO: u8 = 1;
const ACTIVATE: u8 = 2;
const SUSPEND: u8 = 3;
const RESUME: u8 = 4;
const OWNER: u8 = 5;
const STOP: u8 = 6;
const ADMIT: u8 = 7;
const BYPASS: u8 = 8;
const LOCAL_NETWORK: u8 = 9;

const TUN: u8 = 65;
const ACTIVE: u8 = 66;
const SUSPENDED: u8 = 67;
const OWNER_ANSWER: u8 = 68;
const FAILED: u8 = 69;
const STOPPED: u8 = 70;
const DONE: u8 = 71;

const NAME_LIMIT: usize = 16;
const FAILURE_LIMIT: usize = 900;

#[cfg(test)]
mod tests;
