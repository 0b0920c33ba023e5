//! The messages of gossip (W-9): what two Nodes say to each other on their link beside circuits.
//!
//! Each has exactly one form: a kind, fields of fixed order and big-endian numbers, lists in
//! ascending order without repetition, nothing behind. Reading checks the form and nothing
//! else: records inside are still unverified bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use thiserror::Error;

use crate::config::Chain;
use crate::descriptor::{MAX_PORTS, MIN_PORT};
use crate::failure::Code;
use crate::identity::{NodeId, OnionPublicKey};
use crate::record::{MAX_BYTES as MAX_RECORD, NodeRecord, Roles};

use super::letter::LETTER_LENGTH;

mod fields;

use fields::{Reader, Writer};

/// The longest message, in bytes (W-9.1).
pub const MAX_MESSAGE: usize = 64 * 1024;

/// How far a [`Message::Propose`] travels: so many Nodes are asked behind the first one.
pub const MAX_HOPS: u8 = 6;

/// The most ids in one [`Message::Announce`] or [`Message::Pull`].
pub const MAX_IDS: usize = 1_024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The sender wants to become a neighbor, or a client (W-9.4).
    Debut {
        /// Its network.
        chain: Chain,
        /// The receiver's address as the sender dialled it.
        observed: IpAddr,
        /// Where it takes links; none when it does not.
        ports: Vec<u16>,
        /// Its own record.
        record: Bytes,
    },
    /// The receiver is a neighbor now (W-9.5).
    Welcome {
        /// The receiver's address as the sender sees it.
        observed: IpAddr,
        /// Where the sender takes links.
        ports: Vec<u16>,
        /// The sender's own record.
        record: Bytes,
    },
    /// The receiver does not become a neighbor (W-9.6).
    Pass {
        /// Why.
        reason: Refusal,
        /// The receiver's address as the sender sees it.
        observed: IpAddr,
    },
    /// Would the receiver meet this Node (W-9.7)?
    Propose {
        /// Who wants to join.
        id: NodeId,
        /// What it offers.
        roles: Roles,
        /// It has fewer neighbors than it needs.
        needy: bool,
        /// Its onion key, to seal a letter to it with.
        key: OnionPublicKey,
        /// How many more Nodes may be asked; [`MAX_HOPS`] from who knows the receiver's address.
        hops: u8,
    },
    /// It would; its address may be told to that Node (W-9.7).
    Consent {
        /// The Node proposed.
        id: NodeId,
    },
    /// A Node that has a seat for the receiver (W-9.8).
    Introduction {
        /// Who.
        id: NodeId,
        /// Where.
        ip: IpAddr,
        /// Its ports, at least one.
        ports: Vec<u16>,
    },
    /// The sender wants more neighbors (W-9.9).
    Seek,
    /// What the sender has that may concern the receiver (W-9.10).
    Announce(Vec<(NodeId, u64)>),
    /// What of it the receiver of the announcement wants (W-9.11).
    Pull(Vec<NodeId>),
    /// Records (W-9.12).
    Records(Vec<Bytes>),
    /// The sealed introduction of a Node that is not the sender's neighbor (W-9.14).
    Letter {
        /// Who may open it.
        id: NodeId,
        /// Where that Node is.
        sealed: [u8; LETTER_LENGTH],
    },
    /// The sender takes links at these ports of the address that the link has (W-9.13).
    Contact {
        /// Its ports; none when it takes no links any more.
        ports: Vec<u16>,
    },
}

/// Why a Node does not become a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There are as many neighbors as there may be.
    Full,
    /// There are too many of the same address.
    Address,
    /// It belongs to another network.
    Chain,
    /// Its record lies too far in the future or in the past.
    Clock,
    /// Its record cannot be believed.
    Record,
    /// Its address does not lie in the country it names.
    Country,
    /// Too many have come at once.
    Busy,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Longer than any message.
    #[error("message of {0} bytes, at most {MAX_MESSAGE} are read")]
    TooLong(usize),
    /// The kind is not known.
    #[error("unknown kind of message {0}")]
    Kind(u8),
    /// It ends early.
    #[error("message ends within its {0}")]
    Short(&'static str),
    /// It goes on behind its end.
    #[error("{0} bytes behind the message")]
    Trailing(usize),
    /// A field does not hold what it should.
    #[error("message has a wrong {0}")]
    Field(&'static str),
    /// A list is not ascending or repeats an id.
    #[error("ids are not ascending")]
    Order,
}

impl Refusal {
    /// All of them, in the order of their numbers, which begin at 1.
    pub const ALL: [Refusal; 7] = [
        Refusal::Full,
        Refusal::Address,
        Refusal::Chain,
        Refusal::Clock,
        Refusal::Record,
        Refusal::Country,
        Refusal::Busy,
    ];

    /// The code for the log.
    pub const fn code(self) -> Code {
        match self {
            Refusal::Full | Refusal::Address | Refusal::Busy => Code::Overloaded,
            Refusal::Chain => Code::LinkRefused,
            Refusal::Clock => Code::Expired,
            Refusal::Record | Refusal::Country => Code::MalformedRecord,
        }
    }

    /// What the other Node said, for a person.
    pub const fn said(self) -> &'static str {
        match self {
            Refusal::Full => "it has as many neighbors as it takes",
            Refusal::Address => "it has too many neighbors at this address",
            Refusal::Chain => "it belongs to another chain",
            Refusal::Clock => "this Node's record is too old or from the future",
            Refusal::Record => "this Node's record is not valid",
            Refusal::Country => "this Node's address is not in the country it names",
            Refusal::Busy => "too many Nodes want to join it at once",
        }
    }

    /// What a person can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Refusal::Full | Refusal::Busy => {
                "Nothing: it introduces others, and is asked again later."
            }
            Refusal::Address => "Use Nodes that have addresses of their own.",
            Refusal::Chain => "Use the descriptor of a Node of this chain, or change chain.",
            Refusal::Clock => "Check that the clock of this machine is right.",
            Refusal::Record => "Update MASQ Node.",
            Refusal::Country => "Leave out the country, or update MASQ Node and its country table.",
        }
    }
}

impl Message {
    /// Reads one message; what is not exactly a message is refused (W-9.2).
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(MessageError::TooLong(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let message = match reader.byte("kind")? {
            DEBUT => Message::Debut {
                chain: reader.chain()?,
                observed: reader.ip()?,
                ports: reader.ports()?,
                record: reader.record()?,
            },
            WELCOME => Message::Welcome {
                observed: reader.ip()?,
                ports: reader.ports()?,
                record: reader.record()?,
            },
            PASS => Message::Pass {
                reason: reader.refusal()?,
                observed: reader.ip()?,
            },
            PROPOSE => Message::Propose {
                id: reader.id()?,
                roles: reader.roles()?,
                needy: reader.flag()?,
                key: OnionPublicKey::new(reader.take("key")?),
                hops: reader.hops()?,
            },
            CONSENT => Message::Consent { id: reader.id()? },
            INTRODUCTION => {
                let (id, ip, ports) = (reader.id()?, reader.ip()?, reader.ports()?);
                if ports.is_empty() {
                    return Err(MessageError::Field("ports"));
                }
                Message::Introduction { id, ip, ports }
            }
            SEEK => Message::Seek,
            ANNOUNCE => {
                let list = reader.list(|reader| Ok((reader.id()?, reader.number("version")?)))?;
                ascending(list.iter().map(|(id, _)| id))?;
                Message::Announce(list)
            }
            PULL => {
                let list = reader.list(Reader::id)?;
                ascending(list.iter())?;
                Message::Pull(list)
            }
            RECORDS => {
                let list = reader.list(Reader::record)?;
                let ids = list
                    .iter()
                    .map(|record| NodeRecord::peek(record).map(|(id, _)| id))
                    .collect::<Option<Vec<_>>>()
                    .ok_or(MessageError::Field("record"))?;
                ascending(ids.iter())?;
                Message::Records(list)
            }
            CONTACT => Message::Contact {
                ports: reader.ports()?,
            },
            LETTER => Message::Letter {
                id: reader.id()?,
                sealed: reader.take("letter")?,
            },
            kind => return Err(MessageError::Kind(kind)),
        };
        reader.end()?;
        Ok(message)
    }

    /// Writes it. Lists must be ascending and no longer than their limits.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::new(self.kind());
        match self {
            Message::Debut {
                chain,
                observed,
                ports,
                record,
            } => writer
                .chain(*chain)
                .ip(*observed)
                .ports(ports)
                .record(record),
            Message::Welcome {
                observed,
                ports,
                record,
            } => writer.ip(*observed).ports(ports).record(record),
            Message::Pass { reason, observed } => writer.refusal(*reason).ip(*observed),
            Message::Propose {
                id,
                roles,
                needy,
                key,
                hops,
            } => writer
                .id(id)
                .roles(*roles)
                .put(&[u8::from(*needy)])
                .put(key.as_bytes())
                .put(&[*hops]),
            Message::Consent { id } => writer.id(id),
            Message::Introduction { id, ip, ports } => writer.id(id).ip(*ip).ports(ports),
            Message::Seek => &mut writer,
            Message::Announce(list) => writer.list(list, |writer, (id, version)| {
                writer.id(id).number(*version);
            }),
            Message::Pull(list) => writer.list(list, |writer, id| {
                writer.id(id);
            }),
            Message::Records(list) => writer.list(list, |writer, record| {
                writer.record(record);
            }),
            Message::Contact { ports } => writer.ports(ports),
            Message::Letter { id, sealed } => writer.id(id).put(sealed),
        };
        writer.done()
    }

    const fn kind(&self) -> u8 {
        match self {
            Message::Debut { .. } => DEBUT,
            Message::Welcome { .. } => WELCOME,
            Message::Pass { .. } => PASS,
            Message::Propose { .. } => PROPOSE,
            Message::Consent { .. } => CONSENT,
            Message::Introduction { .. } => INTRODUCTION,
            Message::Seek => SEEK,
            Message::Announce(_) => ANNOUNCE,
            Message::Pull(_) => PULL,
            Message::Records(_) => RECORDS,
            Message::Contact { .. } => CONTACT,
            Message::Letter { .. } => LETTER,
        }
    }
}

fn ascending<'a>(ids: impl Iterator<Item = &'a NodeId>) -> Result<(), MessageError> {
    ids.is_sorted_by(|one, next| one < next)
        .then_some(())
        .ok_or(MessageError::Order)
}

const DEBUT: u8 = 1;
const WELCOME: u8 = 2;
const PASS: u8 = 3;
const PROPOSE: u8 = 4;
const CONSENT: u8 = 5;
const INTRODUCTION: u8 = 6;
const SEEK: u8 = 7;
const ANNOUNCE: u8 = 8;
const PULL: u8 = 9;
const RECORDS: u8 = 10;
const CONTACT: u8 = 11;
const LETTER: u8 = 12;

#[cfg(test)]
mod tests;
