//! Reading queries and writing answers within the limits of who asked.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{RData, Record, RecordType};

use super::{Dropped, FAKE_TTL, MAX_QUERY, Transport, is_internet};
use crate::failure::{Code, Place};

const HEADER: usize = 12;
/// What a message without EDNS may have over UDP (RFC 1035 section 4.2.1).
const PLAIN_UDP: u16 = 512;
/// What we say that we take; any size reaches us, but this is what others say (RFC 9715 section 3.1).
const OUR_PAYLOAD: u16 = 1232;
/// The Extended DNS Error option (RFC 8914 section 2).
const EXTENDED_ERROR: u16 = 15;

/// A query that ends at once.
pub(super) enum Refusal {
    Drop(Dropped),
    Respond(Vec<u8>),
}

/// Who asked, and all that an answer has to repeat or to respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) id: u16,
    pub(super) query: Query,
    pub(super) limit: usize,
    pub(super) edns: bool,
    pub(super) dnssec_ok: bool,
    pub(super) checking_disabled: bool,
    recursion_desired: bool,
}

/// A query that may be answered: one question of the Internet's class.
pub(super) fn parse_query(bytes: &[u8]) -> Result<Message, Refusal> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(Refusal::Drop(Dropped::TooShort));
    };
    if header[2] & 0x80 != 0 {
        return Err(Refusal::Drop(Dropped::NotAQuery));
    }
    let refuse = |code| Err(Refusal::Respond(header_only(header, code)));
    if header[2] & 0x78 != 0 {
        return refuse(ResponseCode::NotImp);
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (questions, answers) = (count(4), count(6));
    if questions != 1 || answers != 0 || bytes.len() > MAX_QUERY {
        return refuse(ResponseCode::FormErr);
    }
    let Ok(message) = Message::from_vec(bytes) else {
        return refuse(ResponseCode::FormErr);
    };
    if message
        .edns
        .as_ref()
        .is_some_and(|edns| edns.version() != 0)
    {
        return Err(Refusal::Respond(bad_version(&message)));
    }
    let Some(query) = message.queries.first() else {
        return refuse(ResponseCode::FormErr);
    };
    if !is_internet(&message) {
        return refuse(ResponseCode::Refused);
    }
    match u16::from(query.query_type) {
        // OPT is no question; 249 to 254 are meta types and transfers, which no stub needs.
        0 | 41 | 249..=254 => refuse(ResponseCode::NotImp),
        _ => Ok(message),
    }
}

/// The header turned into an answer without a question, for what could not be read.
fn header_only(header: &[u8; HEADER], code: ResponseCode) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer[..2].copy_from_slice(&header[..2]);
    answer[2] = 0x80 | (header[2] & 0x79);
    answer[3] = 0x80 | code.low();
    answer
}

/// RFC 6891 section 6.1.3.
fn bad_version(message: &Message) -> Vec<u8> {
    let asker = Asker::of(message, Transport::Udp);
    asker.encode(asker.message(ResponseCode::BADVERS))
}

impl Asker {
    /// The asker of a parsed query, which has a question.
    pub(super) fn of(message: &Message, transport: Transport) -> Asker {
        let edns = message.edns.as_ref();
        let payload = edns.map_or(PLAIN_UDP, |edns| edns.max_payload().max(PLAIN_UDP));
        Asker {
            id: message.metadata.id,
            query: message.queries.first().cloned().unwrap_or_default(),
            limit: match transport {
                Transport::Udp => payload.into(),
                Transport::Tcp => u16::MAX.into(),
            },
            edns: edns.is_some(),
            dnssec_ok: edns.is_some_and(|edns| edns.flags().dnssec_ok),
            checking_disabled: message.metadata.checking_disabled,
            recursion_desired: message.metadata.recursion_desired,
        }
    }

    /// An answer with these records, all of the question's name.
    pub(super) fn answered(&self, data: Vec<RData>) -> Vec<u8> {
        let mut message = self.message(ResponseCode::NoError);
        let name = &self.query.name;
        message.answers = data
            .into_iter()
            .map(|data| Record::from_rdata(name.clone(), FAKE_TTL, data))
            .collect();
        self.encode(message)
    }

    /// The name does not exist.
    pub(super) fn missing(&self) -> Vec<u8> {
        self.encode(self.message(ResponseCode::NXDomain))
    }

    /// The answer that fits a failure; the code goes along as an extended error.
    pub(super) fn failed(&self, code: Code) -> Vec<u8> {
        if code == Code::NameNotFound {
            return self.missing();
        }
        if code == Code::NameHasNoAddress {
            return self.answered(Vec::new());
        }
        let mut message = self.message(if code == Code::Blocked {
            ResponseCode::Refused
        } else {
            ResponseCode::ServFail
        });
        if let Some(edns) = &mut message.edns {
            edns.options_mut().insert(extended_error(code));
        }
        self.encode(message)
    }

    /// An answer without records.
    pub(super) fn message(&self, code: ResponseCode) -> Message {
        let mut message = Message::new(self.id, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.recursion_desired = self.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.checking_disabled = self.checking_disabled;
        message.queries = vec![self.query.clone()];
        if self.edns {
            message.edns = Some(edns(self.dnssec_ok));
        }
        message
    }

    /// The bytes of an answer, truncated to what the asker takes.
    pub(super) fn encode(&self, message: Message) -> Vec<u8> {
        let encoded = message.to_vec().unwrap_or_default();
        if !encoded.is_empty() && encoded.len() <= self.limit {
            return encoded;
        }
        let mut short = message.truncate();
        short.metadata.message_type = MessageType::Response;
        short.to_vec().unwrap_or_default()
    }
}

/// Our side's EDNS: no options, so that nothing of the app's goes further than here.
pub(super) fn edns(dnssec_ok: bool) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(OUR_PAYLOAD);
    edns.set_dnssec_ok(dnssec_ok);
    edns
}

fn extended_error(code: Code) -> EdnsOption {
    // RFC 8914 section 4: 15 blocked, 22 no reachable authority, 23 network error, 0 other.
    let number: u16 = match code.place() {
        Place::Local if code == Code::Blocked => 15,
        Place::Local | Place::Platform | Place::Payment | Place::Bug => 0,
        Place::Mesh => 23,
        Place::Exit if code == Code::Policy => 15,
        Place::Exit | Place::Remote => 22,
    };
    let mut data = number.to_be_bytes().to_vec();
    data.extend_from_slice(code.to_string().as_bytes());
    EdnsOption::Unknown(EXTENDED_ERROR, data)
}

/// Whether a record or a question is about a host's address.
pub(super) fn is_address(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::AAAA)
}
