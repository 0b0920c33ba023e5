//! What the core wants done, and what it has to tell.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::CountryCode;
use crate::failure::Code;
use crate::identity::NodeId;
use crate::record::NodeRecord;

use super::config::PastNeighbor;
use super::message::Refusal;

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a link; answered by a link that is up or a dial that failed.
    Dial {
        /// Who must be there.
        peer: NodeId,
        /// Where.
        address: SocketAddr,
    },
    /// Send one message on the link.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        message: Bytes,
    },
    /// Close the link, with all circuits on it; the core counts it as down from now on.
    Close {
        /// Whose link.
        peer: NodeId,
        /// Why.
        reason: CloseReason,
    },
    /// A record of the view is new or newer.
    Learned(Arc<NodeRecord>),
    /// A Node left the view.
    Forgotten(NodeId),
    /// The neighbors whose link is up have changed: these are the possible first hops.
    Neighbors(Vec<NodeId>),
    /// Keep this neighbor for the next start.
    Remember(PastNeighbor),
    /// Do not keep it any more.
    Forget(NodeId),
    /// Tell the log.
    Report(Report),
}

/// Why a link is closed from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It did not become a neighbor.
    NotNeighbors,
    /// It said nothing in time.
    Silent,
    /// It broke the rules and is banned.
    Banned,
    /// It no longer names this Node as its neighbor.
    LeftUs,
    /// There is no room for the link.
    NoRoom,
}

impl CloseReason {
    /// The code that the other side and the log are told.
    pub const fn code(self) -> Code {
        match self {
            CloseReason::NotNeighbors | CloseReason::LeftUs => Code::LinkLost,
            CloseReason::Silent => Code::CircuitTimedOut,
            CloseReason::Banned => Code::LinkRefused,
            CloseReason::NoRoom => Code::Overloaded,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::NotNeighbors => "not neighbors",
            CloseReason::Silent => "no answer",
            CloseReason::Banned => "it broke the rules",
            CloseReason::LeftUs => "it is no neighbor any more",
            CloseReason::NoRoom => "no room",
        })
    }
}

/// Why a link could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialFailure {
    /// Nothing answered.
    TimedOut,
    /// Something answered that it does not want a link.
    Refused,
    /// Somebody else is there.
    WrongIdentity,
    /// It speaks another version.
    Version,
    /// This machine has no way there.
    Unreachable,
    /// Anything else, on this machine.
    Local,
}

impl DialFailure {
    /// The code for the log.
    pub const fn code(self) -> Code {
        match self {
            DialFailure::TimedOut => Code::TimedOut,
            DialFailure::Refused | DialFailure::WrongIdentity => Code::LinkRefused,
            DialFailure::Version => Code::Version,
            DialFailure::Unreachable => Code::Unreachable,
            DialFailure::Local => Code::Resources,
        }
    }

    /// What happened, for a person.
    pub const fn said(self) -> &'static str {
        match self {
            DialFailure::TimedOut => "no answer from its address",
            DialFailure::Refused => "it refused the link",
            DialFailure::WrongIdentity => "another Node answers at its address",
            DialFailure::Version => "it speaks another version",
            DialFailure::Unreachable => "this machine has no way to its address",
            DialFailure::Local => "this machine could not open a link",
        }
    }

    /// What a person can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            DialFailure::TimedOut => {
                "Check that the Node runs and that its UDP port is open; it is tried again for ever."
            }
            DialFailure::Refused => "Wait; it is tried again for ever.",
            DialFailure::WrongIdentity => "Copy its descriptor again: its key has changed.",
            DialFailure::Version => "Update MASQ Node.",
            DialFailure::Unreachable => "Check this machine's connection to the Internet.",
            DialFailure::Local => "See the log; this machine may be out of file descriptors.",
        }
    }
}

/// What the log is told; the shell chooses the words and the level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A Node is asked to become a neighbor.
    Asked {
        /// Who.
        peer: NodeId,
        /// Where.
        address: SocketAddr,
    },
    /// A Node is a neighbor.
    Joined {
        /// Who.
        peer: NodeId,
        /// How many there are.
        neighbors: usize,
    },
    /// A Node has no room, or another reason, and says so.
    Passed {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: Refusal,
    },
    /// A Node could not be reached.
    Unreached {
        /// Who.
        peer: NodeId,
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: DialFailure,
        /// When it is tried again.
        again_in: Duration,
    },
    /// A neighbor is lost.
    Lost {
        /// Who.
        peer: NodeId,
        /// How many are left.
        neighbors: usize,
    },
    /// A neighbor broke a rule.
    Misbehaved {
        /// Who.
        peer: NodeId,
        /// Which.
        offence: Offence,
    },
    /// A Node is refused for a while.
    Banned {
        /// Who.
        peer: NodeId,
        /// For how long.
        time: Duration,
    },
    /// This Node's public address is another one.
    AddressChanged {
        /// The new one.
        ip: IpAddr,
        /// The country it lies in, when known.
        country: Option<CountryCode>,
    },
    /// Records of this Node's key appear that it did not make; it signs a higher version.
    Recovered {
        /// The version found.
        version: u64,
    },
    /// The same key is used by two Nodes at once.
    Twin,
}

impl Report {
    /// The stable code of what is a failure.
    pub fn code(&self) -> Option<Code> {
        match self {
            Report::Asked { .. }
            | Report::Joined { .. }
            | Report::AddressChanged { .. }
            | Report::Recovered { .. } => None,
            Report::Passed { reason, .. } => Some(reason.code()),
            Report::Unreached { reason, .. } => Some(reason.code()),
            Report::Lost { .. } => Some(Code::LinkLost),
            Report::Misbehaved { .. } | Report::Banned { .. } => Some(Code::Misbehaved),
            Report::Twin => Some(Code::IdentityInUse),
        }
    }
}

/// A rule that a neighbor broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// A message that cannot be read.
    Malformed,
    /// A message longer than any.
    Oversized,
    /// A record whose signature does not match.
    Forged,
    /// A record, consent or introduction that nobody asked for.
    Unsolicited,
    /// A record older than the version it announced.
    Older,
    /// A record with a version that lies in the future.
    Future,
    /// A first message about another Node than itself, or a second one.
    WrongGreeting,
    /// A country that its address does not lie in.
    Country,
    /// More than its share of messages.
    Flood,
    /// Records that no chain of links joins to anything.
    Useless,
    /// A question for what it was not told of.
    Prying,
    /// It does not read what it is sent.
    Deaf,
}

impl Offence {
    /// How much it counts; at [`super::conduct::LIMIT`] a Node is banned.
    pub const fn weight(self) -> f32 {
        match self {
            Offence::Forged | Offence::Oversized | Offence::Deaf => 100.0,
            Offence::Malformed | Offence::WrongGreeting => 50.0,
            Offence::Unsolicited => 20.0,
            Offence::Older | Offence::Future => 10.0,
            // Tables of countries differ: asking again at the usual pace must not end in a ban.
            Offence::Flood | Offence::Country => 5.0,
            Offence::Useless | Offence::Prying => 1.0,
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Offence::Malformed => "unreadable message",
            Offence::Oversized => "message too long",
            Offence::Forged => "forged record",
            Offence::Unsolicited => "message nobody asked for",
            Offence::Older => "older record than announced",
            Offence::Future => "record from the future",
            Offence::WrongGreeting => "wrong greeting",
            Offence::Country => "wrong country",
            Offence::Flood => "too many messages",
            Offence::Useless => "records that belong nowhere",
            Offence::Prying => "question for what it was not told of",
            Offence::Deaf => "it does not read",
        })
    }
}
