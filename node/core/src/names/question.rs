//! A question that someone else answers, and the check of that answer.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::reply::{self, Asker};
use crate::exit_policy::is_public;
use crate::failure::Code;

/// The longest time-to-live passed on from an exit, in seconds: another exit may know better.
const MAX_TTL: u32 = 300;

/// One question on its way, kept by the shell until it is answered or given up.
///
/// What is sent carries nothing that tells the app's resolver from another:
/// id 0 (as RFC 8484 section 4.1 has it), the name in lower case, no EDNS
/// option. The app's answer has its own id and spelling again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    asker: Asker,
    message: Vec<u8>,
    keep: Keep,
}

/// Which addresses of an exit's answer an app gets to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    None,
    /// Those of the Internet.
    Public,
}

impl Keep {
    fn keeps(self, address: IpAddr) -> bool {
        match self {
            Keep::None => false,
            Keep::Public => is_public(address),
        }
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AnswerError {
    /// The bytes are no DNS message.
    #[error("the answer is no DNS message")]
    Malformed,
    /// It is a query, or of another operation.
    #[error("the answer is not a response to a query")]
    NotAResponse,
    /// The id is another one.
    #[error("the answer has another id")]
    Id,
    /// The question is another one.
    #[error("the answer is to another question")]
    Question,
}

impl Question {
    pub(super) fn new(asker: Asker, keep: Keep) -> Question {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.metadata.checking_disabled = asker.checking_disabled;
        let mut name = asker.query.name.to_lowercase();
        name.set_fqdn(true);
        let mut query = Query::query(name, asker.query.query_type);
        query.set_query_class(asker.query.query_class);
        message.queries = vec![query];
        message.edns = Some(reply::edns(asker.dnssec_ok));
        let message = message.to_vec().unwrap_or_default();
        Question {
            asker,
            message,
            keep,
        }
    }

    /// The query to send, without the length of the TCP form.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Sets the id that is sent and expected back, for a resolver asked over UDP.
    pub fn set_id(&mut self, id: u16) {
        if let Some(place) = self.message.first_chunk_mut() {
            *place = id.to_be_bytes();
        }
    }

    /// The name that is asked for, escaped, in lower case; for the user's own log.
    pub fn name(&self) -> String {
        self.asker.query.name.to_lowercase().to_ascii()
    }

    /// The number of the record type that is asked for.
    pub fn record_type(&self) -> u16 {
        self.asker.query.query_type.into()
    }

    /// The app's answer from an exit's, without the addresses that the app must not have.
    pub fn answer_from_exit(&self, bytes: &[u8]) -> Result<Vec<u8>, AnswerError> {
        let answer = self.check(bytes)?;
        let mut message = self.message_like(&answer);
        message.answers = kept(answer.answers, self.keep);
        message.authorities = kept(answer.authorities, self.keep);
        Ok(self.asker.encode(message))
    }

    /// The app's answer from whom this Node asks by itself, with zero hops.
    pub fn answer_from_direct(&self, bytes: &[u8]) -> Result<Vec<u8>, AnswerError> {
        match self.keep {
            Keep::None => self.answer_from_exit(bytes),
            Keep::Public => self.answer_from_local(bytes),
        }
    }

    /// The app's answer from the system's own resolver.
    pub fn answer_from_local(&self, bytes: &[u8]) -> Result<Vec<u8>, AnswerError> {
        let answer = self.check(bytes)?;
        let mut message = self.message_like(&answer);
        message.answers = answer.answers;
        message.authorities = answer.authorities;
        message.additionals = answer.additionals;
        Ok(self.asker.encode(message))
    }

    /// The app's answer when nobody answered: SERVFAIL, or what the code says of the name.
    pub fn fail(&self, code: Code) -> Vec<u8> {
        self.asker.failed(code)
    }

    fn check(&self, bytes: &[u8]) -> Result<Message, AnswerError> {
        let answer = Message::from_vec(bytes).map_err(|_| AnswerError::Malformed)?;
        let metadata = &answer.metadata;
        if metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Query {
            return Err(AnswerError::NotAResponse);
        }
        if self.message.first_chunk() != Some(&metadata.id.to_be_bytes()) {
            return Err(AnswerError::Id);
        }
        let asked = &self.asker.query;
        match answer.queries.as_slice() {
            [query]
                if same_name(&query.name, &asked.name)
                    && query.query_type == asked.query_type
                    && query.query_class == asked.query_class =>
            {
                Ok(answer)
            }
            _ => Err(AnswerError::Question),
        }
    }

    /// The answer's code and truncation in our own envelope; what it claims to have checked is left out.
    fn message_like(&self, answer: &Message) -> Message {
        let code = match answer.metadata.response_code {
            code @ (ResponseCode::NoError | ResponseCode::NXDomain | ResponseCode::Refused) => code,
            _ => ResponseCode::ServFail,
        };
        let mut message = self.asker.message(code);
        message.metadata.truncation = answer.metadata.truncation;
        message
    }
}

fn same_name(left: &Name, right: &Name) -> bool {
    left.iter().count() == right.iter().count()
        && left
            .iter()
            .zip(right.iter())
            .all(|(left, right)| left.eq_ignore_ascii_case(right))
}

fn kept(records: Vec<Record>, keep: Keep) -> Vec<Record> {
    records
        .into_iter()
        .filter(|record| match &record.data {
            RData::A(address) => keep.keeps(address.0.into()),
            RData::AAAA(address) => keep.keeps(address.0.into()),
            // Of such a type, but without an address in it.
            _ if reply::is_address(record.record_type()) => false,
            _ => record.record_type() != RecordType::OPT,
        })
        .map(|mut record| {
            record.ttl = record.ttl.min(MAX_TTL);
            match &mut record.data {
                RData::HTTPS(https) => strip_hints(&mut https.0, keep),
                RData::SVCB(svcb) => strip_hints(svcb, keep),
                _ => {}
            }
            record
        })
        .collect()
}

/// A hint that is gone must not be called mandatory either (RFC 9460 section 8).
fn strip_hints(svcb: &mut SVCB, keep: Keep) {
    svcb.svc_params.retain_mut(|(key, value)| match value {
        SvcParamValue::Ipv4Hint(hint) => {
            hint.0.retain(|address| keep.keeps(address.0.into()));
            !hint.0.is_empty()
        }
        SvcParamValue::Ipv6Hint(hint) => {
            hint.0.retain(|address| keep.keeps(address.0.into()));
            !hint.0.is_empty()
        }
        _ => !is_hint(*key),
    });
    let hints: Vec<SvcParamKey> = svcb.svc_params.iter().map(|(key, _)| *key).collect();
    svcb.svc_params.retain_mut(|(_, value)| match value {
        SvcParamValue::Mandatory(keys) => {
            keys.0.retain(|key| !is_hint(*key) || hints.contains(key));
            !keys.0.is_empty()
        }
        _ => true,
    });
}

fn is_hint(key: SvcParamKey) -> bool {
    matches!(key, SvcParamKey::Ipv4Hint | SvcParamKey::Ipv6Hint)
}
