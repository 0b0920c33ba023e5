use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, MessageType, OpCode, Query, ResponseCode};
use proptest::prelude::*;

use super::*;
use crate::fake_ip::{self, KEEP};

mod answers;

#[test]
fn both_address_types_are_answered_with_the_addresses_of_one_entry() {
    let (mut dns, now) = resolver();

    let v4 = address_of(&respond(&mut dns, "www.Example.org.", RecordType::A, now));
    let v6 = address_of(&respond(
        &mut dns,
        "WWW.example.org.",
        RecordType::AAAA,
        now,
    ));

    assert!(fake_ip::is_fake(v4) && fake_ip::is_fake(v6));
    assert_eq!(
        dns.fake_ips().name_of(v4).unwrap().as_str(),
        "www.example.org"
    );
    assert_eq!(dns.fake_ips().name_of(v4), dns.fake_ips().name_of(v6));
    assert_eq!(dns.counters().fake, 2);
}

#[test]
fn an_answer_repeats_id_question_and_spelling_and_is_short_lived() {
    let (mut dns, now) = resolver();

    let answer = respond(&mut dns, "wWw.ExAmPlE.oRg.", RecordType::A, now);

    assert_eq!(answer.metadata.id, 0x1234);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert!(answer.metadata.recursion_available && answer.metadata.recursion_desired);
    assert_eq!(answer.queries[0].name.to_ascii(), "wWw.ExAmPlE.oRg.");
    assert_eq!(answer.answers[0].ttl, FAKE_TTL);
    assert!(answer.edns.is_none());
}

#[test]
fn without_ipv6_a_name_has_no_aaaa_record() {
    let (dns, now) = resolver();
    let mut dns = EntryDns::new(dns.fake, false);

    let answer = respond(&mut dns, "example.org.", RecordType::AAAA, now);

    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert!(answer.answers.is_empty());
}

#[test]
fn every_kind_of_name_goes_its_way() {
    use RecordType as T;
    let cases: &[(&str, T, &str)] = &[
        ("example.org.", T::A, "fake"),
        ("example.org.", T::AAAA, "fake"),
        ("_tcp.example.org.", T::A, "fake"),
        ("origin.test.", T::A, "fake"),
        ("example.org.", T::MX, "exit"),
        ("example.org.", T::TXT, "exit"),
        ("example.org.", T::HTTPS, "exit"),
        ("example.org.", T::SVCB, "exit"),
        ("_sip._tcp.example.org.", T::SRV, "exit"),
        ("example.org.", T::Unknown(4711), "exit"),
        ("1.2.3.4.in-addr.arpa.", T::PTR, "exit"),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.4.1.0.0.2.ip6.arpa.",
            T::PTR,
            "exit",
        ),
        (".", T::NS, "exit"),
        ("org.", T::NS, "exit"),
        ("org.", T::DS, "exit"),
        ("printer.", T::A, "local"),
        ("printer.", T::TXT, "local"),
        ("printer.local.", T::A, "local"),
        ("nas.home.arpa.", T::AAAA, "local"),
        ("db.internal.", T::A, "local"),
        ("router.lan.", T::A, "local"),
        ("1.0.168.192.in-addr.arpa.", T::PTR, "local"),
        ("lb._dns-sd._udp.0.0.168.192.in-addr.arpa.", T::PTR, "local"),
        ("10.in-addr.arpa.", T::SOA, "local"),
        ("17.172.in-addr.arpa.", T::SOA, "local"),
        ("172.in-addr.arpa.", T::SOA, "exit"),
        ("8.e.f.ip6.arpa.", T::PTR, "local"),
        ("localhost.", T::A, "known"),
        ("a.localhost.", T::AAAA, "known"),
        ("localhost.", T::MX, "known"),
        ("1.0.0.127.in-addr.arpa.", T::PTR, "known"),
        ("_dns.resolver.arpa.", T::SVCB, "known"),
        ("ipv4only.arpa.", T::AAAA, "known"),
        (".", T::A, "known"),
        ("example.org.", T::ANY, "known"),
        ("use-application-dns.net.", T::A, "missing"),
        ("Mask.iCloud.com.", T::A, "missing"),
        ("abc.onion.", T::A, "missing"),
        ("x.invalid.", T::TXT, "missing"),
        ("192.0.2.1.", T::A, "missing"),
        ("a\\032b.example.org.", T::A, "missing"),
        ("a\\032b.example.org.", T::SRV, "exit"),
        ("9.9.18.198.in-addr.arpa.", T::PTR, "missing"),
    ];
    for (name, record_type, way) in cases {
        let (mut dns, now) = resolver();
        let taken = match dns.handle_query(&query(name, *record_type), Transport::Udp, now) {
            Answer::ResolveAtExit(_) => "exit",
            Answer::AskLocal(_) => "local",
            Answer::Drop(_) => "drop",
            Answer::Respond(bytes) => match parse(&bytes).metadata.response_code {
                ResponseCode::NXDomain => "missing",
                ResponseCode::NoError if dns.counters().fake == 1 => "fake",
                ResponseCode::NoError => "known",
                _ => "failed",
            },
        };
        assert_eq!(taken, *way, "{name} {record_type}");
    }
}

#[test]
fn localhost_is_this_machine() {
    let (mut dns, now) = resolver();

    for (name, record_type, address) in [
        ("localhost.", RecordType::A, "127.0.0.1"),
        ("foo.localhost.", RecordType::AAAA, "::1"),
    ] {
        let answer = respond(&mut dns, name, record_type, now);
        assert_eq!(address_of(&answer), address.parse::<IpAddr>().unwrap());
    }
}

#[test]
fn a_fake_address_has_its_name_in_reverse() {
    let (mut dns, now) = resolver();
    let v4 = address_of(&respond(&mut dns, "example.org.", RecordType::A, now));
    let v6 = address_of(&respond(&mut dns, "example.org.", RecordType::AAAA, now));

    for address in [v4, v6] {
        let answer = respond(
            &mut dns,
            &Name::from(address).to_ascii(),
            RecordType::PTR,
            now,
        );
        assert_eq!(answer.answers[0].data.to_string(), "example.org.");
    }
}

#[test]
fn names_get_servfail_when_every_address_is_held() {
    let (_, now) = resolver();
    let mut dns = EntryDns::new(FakeIps::new(1, 0, now), true);
    respond(&mut dns, "a.example.", RecordType::A, now);

    let answer = respond(&mut dns, "b.example.", RecordType::A, now);

    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(dns.counters().full, 1);
    let later = now + KEEP + Duration::from_secs(1);
    assert_eq!(
        respond(&mut dns, "b.example.", RecordType::A, later)
            .answers
            .len(),
        1
    );
}

#[test]
fn edns_is_echoed_with_its_dnssec_bit_and_without_options() {
    let (mut dns, now) = resolver();
    let mut message = message("example.org.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    edns.options_mut()
        .insert(hickory_proto::rr::rdata::opt::EdnsOption::Unknown(
            10,
            vec![7; 8],
        ));
    message.edns = Some(edns);

    let answer = respond_to(&mut dns, &message.to_vec().unwrap(), now);

    let edns = answer.edns.unwrap();
    assert!(edns.flags().dnssec_ok);
    assert_eq!(edns.version(), 0);
    assert!(edns.options().as_ref().is_empty());
}

#[test]
fn another_edns_version_is_bad() {
    let (mut dns, now) = resolver();
    let mut message = message("example.org.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    message.edns = Some(edns);

    let answer = respond_to(&mut dns, &message.to_vec().unwrap(), now);

    assert_eq!(answer.edns.unwrap().rcode_high(), 1);
}

#[test]
fn what_is_no_single_plain_question_is_refused_with_its_code() {
    let (mut dns, now) = resolver();
    let good = query("example.org.", RecordType::A);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let chaos = {
        let mut bytes = good.clone();
        let end = bytes.len();
        bytes[end - 1] = 3;
        bytes
    };
    let mut long = good.clone();
    long.resize(MAX_QUERY + 1, 0);
    let cases = [
        (with(2, 0x28), ResponseCode::NotImp),
        (with(5, 0), ResponseCode::FormErr),
        (with(5, 2), ResponseCode::FormErr),
        (with(7, 1), ResponseCode::FormErr),
        (with(12, 63), ResponseCode::FormErr),
        (with(12, 0xc0), ResponseCode::FormErr),
        (long, ResponseCode::FormErr),
        (chaos, ResponseCode::Refused),
        (
            query("example.org.", RecordType::AXFR),
            ResponseCode::NotImp,
        ),
        (
            query("example.org.", RecordType::IXFR),
            ResponseCode::NotImp,
        ),
    ];
    for (bytes, code) in &cases {
        let Answer::Respond(answer) = dns.handle_query(bytes, Transport::Udp, now) else {
            panic!("{code}: no answer")
        };
        let answer = parse(&answer);
        assert_eq!(answer.metadata.response_code, *code);
        assert_eq!(answer.metadata.id, 0x1234);
    }
    assert_eq!(dns.counters().refused, cases.len() as u64);
}

#[test]
fn what_is_no_query_is_dropped() {
    let (mut dns, now) = resolver();
    let mut response = query("example.org.", RecordType::A);
    response[2] |= 0x80;

    assert_eq!(
        dns.handle_query(&response, Transport::Udp, now),
        Answer::Drop(Dropped::NotAQuery)
    );
    assert_eq!(
        dns.handle_query(&[0; 11], Transport::Udp, now),
        Answer::Drop(Dropped::TooShort)
    );
    assert_eq!(dns.counters().dropped, 2);
}

#[test]
fn a_stream_is_cut_into_queries_however_it_is_cut() {
    let first = query("example.org.", RecordType::A);
    let second = query("example.com.", RecordType::MX);
    let stream = [tcp_frame(&first), tcp_frame(&second)].concat();
    for step in 1..stream.len() {
        let mut queries = TcpQueries::default();
        let mut found = Vec::new();
        for mut part in stream.chunks(step) {
            while !part.is_empty() {
                let (taken, query) = queries.push(part).unwrap();
                part = &part[taken..];
                found.extend(query);
            }
        }
        assert_eq!(found, [first.clone(), second.clone()], "step {step}");
    }
    assert_eq!(
        TcpQueries::default().push(&[0xff, 0xff]),
        Err(TooLong(65_535))
    );
}

#[test]
#[ignore = "a measurement: cargo test --release -p masq-core measure_queries -- --ignored --nocapture"]
fn measure_queries() {
    let (mut dns, now) = resolver();
    for (text, record_type) in [
        ("www.example.org.", RecordType::A),
        ("www.example.org.", RecordType::AAAA),
        ("www.example.org.", RecordType::HTTPS),
    ] {
        let bytes = query(text, record_type);
        let start = instant();
        for _ in 0..100_000 {
            std::hint::black_box(dns.handle_query(&bytes, Transport::Udp, now));
        }
        println!("{record_type}: {:?} a query", start.elapsed() / 100_000);
    }
}

proptest! {
    #[test]
    fn no_bytes_end_the_process(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_query(&data, instant());
        fuzz_answer(&data, instant());
    }

    #[test]
    fn no_change_to_a_query_ends_the_process(
        at in 0..60usize,
        value: u8,
        kind in prop::sample::select(vec![RecordType::A, RecordType::HTTPS, RecordType::PTR]),
    ) {
        let mut bytes = query("www.example.org.", kind);
        let length = bytes.len();
        bytes[at % length] = value;
        fuzz_query(&bytes, instant());
    }
}

fn instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    Instant::now()
}

fn resolver() -> (EntryDns, Instant) {
    let now = instant();
    (EntryDns::new(FakeIps::new(64, 0, now), true), now)
}

/// A name from its text, where `\\032` is a space.
fn name(text: &str) -> Name {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let raw: Vec<Vec<u8>> = labels
        .map(|label| label.replace("\\032", " ").into_bytes())
        .collect();
    let mut name = Name::from_labels(raw.iter().map(Vec::as_slice)).unwrap();
    name.set_fqdn(true);
    name
}

fn message(text: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.queries = vec![Query::query(name(text), record_type)];
    message
}

fn query(text: &str, record_type: RecordType) -> Vec<u8> {
    message(text, record_type).to_vec().unwrap()
}

fn parse(bytes: &[u8]) -> Message {
    Message::from_vec(bytes).unwrap()
}

fn respond(dns: &mut EntryDns, text: &str, record_type: RecordType, now: Instant) -> Message {
    respond_to(dns, &query(text, record_type), now)
}

fn respond_to(dns: &mut EntryDns, bytes: &[u8], now: Instant) -> Message {
    match dns.handle_query(bytes, Transport::Udp, now) {
        Answer::Respond(bytes) => parse(&bytes),
        other => panic!("no answer: {other:?}"),
    }
}

fn address_of(answer: &Message) -> IpAddr {
    match &answer.answers[0].data {
        RData::A(address) => address.0.into(),
        RData::AAAA(address) => address.0.into(),
        other => panic!("no address: {other}"),
    }
}
