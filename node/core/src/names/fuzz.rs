//! The bodies of the fuzz targets, which the stable tests replay over the corpora.

use std::time::Instant;

use hickory_proto::op::Message;

use super::{Answer, EntryDns, Question, TcpQueries, Transport};
use crate::failure::Code;
use crate::fake_ip::FakeIps;

/// Any bytes as a query, over both transports: every answer is a response with the same id.
pub fn fuzz_query(data: &[u8], now: Instant) {
    let mut dns = EntryDns::new(FakeIps::new(16, 0, now), true);
    for transport in [Transport::Udp, Transport::Tcp] {
        match dns.handle_query(data, transport, now) {
            Answer::Respond(answer) => assert_answers(data, &answer),
            Answer::ResolveAtExit(question) | Answer::AskLocal(question) => {
                assert_answers(data, &question.fail(Code::NoRoute));
                assert!(
                    Message::from_vec(question.message()).is_ok(),
                    "our query can be read"
                );
            }
            Answer::Drop(_) => {}
        }
    }
    let mut queries = TcpQueries::default();
    let mut rest = data;
    while let Ok((taken, _)) = queries.push(rest) {
        rest = &rest[taken..];
        if rest.is_empty() {
            break;
        }
    }
}

/// Two length-prefixed parts, a query and what an exit answers to it.
pub fn fuzz_answer(data: &[u8], now: Instant) {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let Some((query, answer)) = rest.split_at_checked(usize::from(*length)) else {
        return;
    };
    let map = || FakeIps::new(16, 0, now);
    for mut dns in [
        EntryDns::new(map(), true),
        EntryDns::of_real_addresses(map()),
    ] {
        match dns.handle_query(query, Transport::Udp, now) {
            Answer::ResolveAtExit(question) | Answer::AskLocal(question) => {
                assert_answered_in_any_way(query, &question, answer);
            }
            Answer::Respond(_) | Answer::Drop(_) => {}
        }
    }
}

fn assert_answered_in_any_way(query: &[u8], question: &Question, answer: &[u8]) {
    assert_answered(query, question, answer);
    // The same answer, made to fit, reaches the code behind the checks.
    if let Some(body) = answer.get(12..) {
        let mut fitting = question.message().to_vec();
        fitting[2] |= 0x80;
        let counts = [answer[7], answer[9], answer[11]].map(|count| count % 8);
        fitting[6..12].copy_from_slice(&[0, counts[0], 0, counts[1], 0, counts[2]]);
        let end = question_end(&fitting);
        fitting.truncate(end);
        fitting.extend_from_slice(body);
        assert_answered(query, question, &fitting);
    }
}

fn assert_answered(query: &[u8], question: &Question, answer: &[u8]) {
    let answers = [
        question.answer_from_exit(answer),
        question.answer_from_local(answer),
    ];
    for bytes in answers.into_iter().flatten() {
        assert_answers(query, &bytes);
    }
}

fn assert_answers(query: &[u8], answer: &[u8]) {
    assert!(answer.len() >= 12, "an answer has a header");
    assert_eq!(query[..2], answer[..2], "the id is the query's");
    assert_eq!(answer[2] & 0x80, 0x80, "an answer is a response");
    assert!(Message::from_vec(answer).is_ok(), "our answer can be read");
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while let Some(length) = message.get(at).filter(|length| **length != 0) {
        at += 1 + usize::from(*length);
    }
    at + 5
}
