//! Answers the DNS queries of captured apps: `entry_dns`.
//!
//! A and AAAA of a name that goes to the mesh get its fake addresses; other
//! types are resolved at an exit; local names go to the system's own resolver.
//! The name itself is resolved by the exit when a flow opens. Every query ends
//! in an answer, a question for someone else, or a counted drop; nothing here
//! waits. Sending, retrying and timing out are the shell's.
//!
//! An answer from an exit never tells an app a real address beside the one it
//! asked for: A and AAAA records are dropped, and so are the `ipv4hint` and
//! `ipv6hint` of HTTPS and SVCB records (RFC 9460 section 7.3), since an app
//! that used them would leave the name behind. DNSSEC signatures over such
//! records fail at an app that checks them, as do those over fake addresses.
//!
//! Where nothing is captured, fake addresses would lead nowhere. Then addresses
//! are asked of an exit too ([`EntryDns::of_real_addresses`]), and of its answer
//! only public ones are passed on: no exit points an app into its own network.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of hickory grow with the registries of the DNS"
)]

use std::time::Instant;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, AAAA, HINFO, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use crate::destination::HostName;
use crate::failure::Code;
use crate::fake_ip::{FakeIps, FakePair};

mod classify;
mod fuzz;
mod question;
mod reply;
mod reverse;
mod tcp;

pub use fuzz::{fuzz_answer, fuzz_query};
pub use question::{AnswerError, Question};
pub use tcp::{TcpQueries, TooLong, tcp_frame};

use classify::{Labels, Way};
use question::Keep;
use reply::{Asker, Refusal};

/// The time-to-live of fake addresses and local answers, in seconds.
///
/// Short, so that apps come back to a Node that has forgotten a name; far
/// below [`crate::fake_ip::KEEP`], so that no address is given to another name
/// while an app may still use it.
pub const FAKE_TTL: u32 = 10;

/// The most bytes of a query; longer ones are refused.
pub const MAX_QUERY: usize = 4096;

/// What the query came by, which bounds the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram; an answer that does not fit is truncated (RFC 1035 section 4.2.1).
    Udp,
    /// A stream, where a length of two bytes comes before each message (section 4.2.2).
    Tcp,
}

/// What to do with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Send these bytes to the app.
    Respond(Vec<u8>),
    /// Send [`Question::message`] to an exit, then [`Question::answer_from_exit`].
    ResolveAtExit(Question),
    /// Send [`Question::message`] to the system's own resolver, then [`Question::answer_from_local`].
    AskLocal(Question),
    /// Count it and do nothing: it is no query, and an answer could start a loop.
    Drop(Dropped),
}

/// Why a message got no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Fewer bytes than a header.
    TooShort,
    /// A response, not a query.
    NotAQuery,
}

/// What a question for the addresses of a name would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Fake addresses; these, if it has any yet.
    Fake(Option<FakePair>),
    /// An answer of this Node, whoever is asked elsewhere.
    Known,
    /// That there is no such name.
    Missing,
    /// What an exit answers.
    Exit,
    /// What the system's own resolver answers.
    Local,
}

/// How many queries took which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answered with fake addresses.
    pub fake: u64,
    /// Answered from what is known here.
    pub known: u64,
    /// Handed on for an exit.
    pub exit: u64,
    /// Handed on for the system's own resolver.
    pub local: u64,
    /// Refused as malformed or unsupported.
    pub refused: u64,
    /// Dropped without an answer.
    pub dropped: u64,
    /// Answered with SERVFAIL because every fake address is in use.
    pub full: u64,
}

/// The resolver that captured apps believe to talk with.
#[derive(Debug)]
pub struct EntryDns {
    fake: FakeIps,
    ipv6: bool,
    keep: Keep,
    counters: Counters,
}

impl EntryDns {
    /// A resolver over a map; without `ipv6`, names have no AAAA record.
    pub fn new(fake: FakeIps, ipv6: bool) -> EntryDns {
        EntryDns {
            fake,
            ipv6,
            keep: Keep::None,
            counters: Counters::default(),
        }
    }

    /// A resolver for apps that connect by themselves: it gives out no fake address.
    pub fn of_real_addresses(fake: FakeIps) -> EntryDns {
        EntryDns {
            keep: Keep::Public,
            ..EntryDns::new(fake, true)
        }
    }

    /// Whether apps connect by themselves.
    pub fn gives_real_addresses(&self) -> bool {
        self.keep == Keep::Public
    }

    /// The map between names and fake addresses.
    pub fn fake_ips(&self) -> &FakeIps {
        &self.fake
    }

    /// The map between names and fake addresses, to pin and to restore.
    pub fn fake_ips_mut(&mut self) -> &mut FakeIps {
        &mut self.fake
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What a question for the addresses of a name would get; nothing changes by asking.
    pub fn outlook(&self, name: &str) -> Outlook {
        let Ok(wire) = Name::from_utf8(name) else {
            return Outlook::Missing;
        };
        match classify::way(&Labels::of(&wire), RecordType::A) {
            Way::Fake(_) if self.gives_real_addresses() => Outlook::Exit,
            Way::Fake(name) => Outlook::Fake(self.fake.pair_of(&name)),
            Way::FakeReverse(_) | Way::Known(_) | Way::Minimal => Outlook::Known,
            Way::Missing => Outlook::Missing,
            Way::Exit => Outlook::Exit,
            Way::Local => Outlook::Local,
        }
    }

    /// Decides about one DNS message (RFC 1035 section 4) of an app.
    pub fn handle_query(&mut self, message: &[u8], transport: Transport, now: Instant) -> Answer {
        let answer = self.decide(message, transport, now);
        match &answer {
            Answer::ResolveAtExit(_) => self.counters.exit += 1,
            Answer::AskLocal(_) => self.counters.local += 1,
            Answer::Drop(_) => self.counters.dropped += 1,
            Answer::Respond(_) => {}
        }
        answer
    }

    fn decide(&mut self, bytes: &[u8], transport: Transport, now: Instant) -> Answer {
        let query = match reply::parse_query(bytes) {
            Ok(query) => query,
            Err(Refusal::Drop(dropped)) => return Answer::Drop(dropped),
            Err(Refusal::Respond(bytes)) => {
                self.counters.refused += 1;
                return Answer::Respond(bytes);
            }
        };
        let asker = Asker::of(&query, transport);
        let labels = Labels::of(&asker.query.name);
        let record_type = asker.query.query_type;
        match classify::way(&labels, record_type) {
            Way::Fake(name) if self.keep == Keep::None => self.respond_fake(&asker, &name, now),
            Way::FakeReverse(address) => match self.fake.name_of(address) {
                Some(name) if record_type == RecordType::PTR => {
                    let name = PTR(wire_name(name));
                    self.respond(&asker, vec![RData::PTR(name)])
                }
                Some(_) => self.respond(&asker, Vec::new()),
                None => self.respond_missing(&asker),
            },
            Way::Known(data) => self.respond(&asker, data),
            Way::Missing => self.respond_missing(&asker),
            Way::Minimal => {
                // RFC 8482 section 4.2.
                let data = HINFO::new("RFC8482".to_owned(), String::new());
                self.respond(&asker, vec![RData::HINFO(data)])
            }
            Way::Fake(_) | Way::Exit => Answer::ResolveAtExit(Question::new(asker, self.keep)),
            Way::Local => Answer::AskLocal(Question::new(asker, self.keep)),
        }
    }

    fn respond_fake(&mut self, asker: &Asker, name: &HostName, now: Instant) -> Answer {
        let Ok(pair) = self.fake.assign(name, now) else {
            self.counters.full += 1;
            return Answer::Respond(asker.failed(Code::TooManyFlows));
        };
        self.counters.fake += 1;
        let data = match asker.query.query_type {
            RecordType::A => vec![RData::A(A(pair.v4))],
            RecordType::AAAA if self.ipv6 => vec![RData::AAAA(AAAA(pair.v6))],
            _ => Vec::new(),
        };
        Answer::Respond(asker.answered(data))
    }

    fn respond(&mut self, asker: &Asker, data: Vec<RData>) -> Answer {
        self.counters.known += 1;
        Answer::Respond(asker.answered(data))
    }

    fn respond_missing(&mut self, asker: &Asker) -> Answer {
        self.counters.known += 1;
        Answer::Respond(asker.missing())
    }
}

/// A checked name as hickory has it; it always fits.
fn wire_name(name: &HostName) -> Name {
    let labels = name.labels().map(str::as_bytes);
    let mut wire = Name::from_labels(labels).unwrap_or_else(|_| Name::root());
    wire.set_fqdn(true);
    wire
}

/// Whether a query asks what the Internet's class has; others are refused.
fn is_internet(message: &Message) -> bool {
    message
        .queries
        .iter()
        .all(|query| query.query_class == DNSClass::IN)
}

#[cfg(test)]
mod tests;
