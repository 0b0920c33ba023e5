//! What comes back from exits and local resolvers.

use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::svcb::{IpHint, Mandatory, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{HTTPS, MX, TXT};

use super::*;

#[test]
fn a_question_for_an_exit_tells_nothing_about_the_app() {
    let question = question("wWw.Example.org.", RecordType::HTTPS);

    let sent = parse(question.message());

    assert_eq!(sent.metadata.id, 0);
    assert_eq!(sent.queries[0].name.to_ascii(), "www.example.org.");
    assert_eq!(question.name(), "www.example.org.");
    assert_eq!(question.record_type(), 65);
}

#[test]
fn an_answer_from_an_exit_loses_its_addresses_and_hints() {
    let question = question("eXample.org.", RecordType::HTTPS);
    let params = vec![
        (
            SvcParamKey::Mandatory,
            SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::Ipv4Hint])),
        ),
        (SvcParamKey::Port, SvcParamValue::Port(8443)),
        (
            SvcParamKey::Ipv4Hint,
            SvcParamValue::Ipv4Hint(IpHint(vec![A(std::net::Ipv4Addr::new(192, 0, 2, 1))])),
        ),
        (
            SvcParamKey::Ipv6Hint,
            SvcParamValue::Ipv6Hint(IpHint(vec![AAAA(std::net::Ipv6Addr::LOCALHOST)])),
        ),
    ];
    let mut answer = answer_to(&question);
    let https = HTTPS(SVCB::new(1, name("."), params));
    answer.answers = vec![
        Record::from_rdata(name("example.org."), 86_400, RData::HTTPS(https)),
        Record::from_rdata(
            name("example.org."),
            60,
            RData::A(A(std::net::Ipv4Addr::new(192, 0, 2, 1))),
        ),
    ];
    answer.additionals = answer.answers.clone();
    answer.metadata.authentic_data = true;

    let bytes = question
        .answer_from_exit(&answer.to_vec().unwrap())
        .unwrap();

    let answer = parse(&bytes);
    assert_eq!(answer.metadata.id, 0x1234);
    assert!(!answer.metadata.authentic_data);
    assert_eq!(answer.queries[0].name.to_ascii(), "eXample.org.");
    assert_eq!(answer.answers.len(), 1);
    assert!(answer.additionals.is_empty());
    assert_eq!(answer.answers[0].ttl, 300);
    let RData::HTTPS(https) = &answer.answers[0].data else {
        panic!("HTTPS")
    };
    assert_eq!(
        https.0.svc_params,
        [(SvcParamKey::Port, SvcParamValue::Port(8443))]
    );
}

#[test]
fn where_nothing_is_captured_an_exit_is_asked_for_addresses_and_only_public_ones_come_through() {
    let (dns, now) = resolver();
    let mut dns = EntryDns::of_real_addresses(dns.fake);
    let Answer::ResolveAtExit(question) =
        dns.handle_query(&query("example.org.", RecordType::A), Transport::Udp, now)
    else {
        panic!("exit")
    };
    let mut answer = answer_to(&question);
    let hints = ["192.0.2.1", "10.0.0.1"].map(|ip| A(ip.parse().unwrap()));
    let https = |hints: &[A]| {
        let params = vec![
            (
                SvcParamKey::Mandatory,
                SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::Ipv4Hint])),
            ),
            (
                SvcParamKey::Ipv4Hint,
                SvcParamValue::Ipv4Hint(IpHint(hints.to_vec())),
            ),
        ];
        RData::HTTPS(HTTPS(SVCB::new(1, name("."), params)))
    };
    let records = [
        RData::A(A("192.0.2.1".parse().unwrap())),
        RData::A(A("127.0.0.1".parse().unwrap())),
        RData::A(A("198.18.0.1".parse().unwrap())),
        RData::AAAA(AAAA("2001:db8::1".parse().unwrap())),
        RData::AAAA(AAAA("::ffff:10.0.0.1".parse().unwrap())),
        https(&hints),
        https(&hints[1..]),
    ];
    answer.answers = records
        .into_iter()
        .map(|data| Record::from_rdata(name("example.org."), 60, data))
        .collect();

    let bytes = question
        .answer_from_exit(&answer.to_vec().unwrap())
        .unwrap();

    let got: Vec<RData> = parse(&bytes)
        .answers
        .into_iter()
        .map(|one| one.data)
        .collect();
    let mut expected = vec![
        RData::A(A("192.0.2.1".parse().unwrap())),
        RData::AAAA(AAAA("2001:db8::1".parse().unwrap())),
        https(&hints[..1]),
    ];
    expected.push(RData::HTTPS(HTTPS(SVCB::new(1, name("."), Vec::new()))));
    assert_eq!(got, expected);
    assert_eq!(dns.counters().fake, 0);
    assert_eq!(dns.outlook("example.org"), Outlook::Exit);
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let question = question("example.org.", RecordType::MX);
    let good = answer_to(&question);
    let changed = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        question.answer_from_exit(&message.to_vec().unwrap())
    };

    assert!(changed(&|_| ()).is_ok());
    assert_eq!(
        changed(&|message| message.metadata.id = 9),
        Err(AnswerError::Id)
    );
    assert_eq!(
        changed(&|message| message.metadata.message_type = MessageType::Query),
        Err(AnswerError::NotAResponse)
    );
    assert_eq!(
        changed(&|message| message.queries.clear()),
        Err(AnswerError::Question)
    );
    assert_eq!(
        changed(&|message| message.queries[0].name = name("example.com.")),
        Err(AnswerError::Question)
    );
    assert_eq!(
        changed(&|message| message.queries[0].query_type = RecordType::TXT),
        Err(AnswerError::Question)
    );
    assert_eq!(
        question.answer_from_exit(b"junk"),
        Err(AnswerError::Malformed)
    );
}

#[test]
fn the_id_of_a_local_question_can_be_set_and_is_expected_back() {
    let (mut dns, now) = resolver();
    let Answer::AskLocal(mut question) =
        dns.handle_query(&query("printer.local.", RecordType::A), Transport::Udp, now)
    else {
        panic!("local")
    };
    let mut answer = answer_to(&question);
    let data = RData::A(A(std::net::Ipv4Addr::new(192, 168, 0, 7)));
    answer.answers = vec![Record::from_rdata(name("printer.local."), 60, data)];
    question.set_id(77);

    assert_eq!(
        question.answer_from_local(&answer.to_vec().unwrap()),
        Err(AnswerError::Id)
    );
    answer.metadata.id = 77;
    let bytes = question
        .answer_from_local(&answer.to_vec().unwrap())
        .unwrap();

    assert_eq!(address_of(&parse(&bytes)), IpAddr::from([192, 168, 0, 7]));
}

#[test]
fn a_failure_becomes_the_answer_that_fits() {
    let question = question("example.org.", RecordType::MX);

    for (code, expected) in [
        (Code::NameNotFound, ResponseCode::NXDomain),
        (Code::NameHasNoAddress, ResponseCode::NoError),
        (Code::NoRoute, ResponseCode::ServFail),
        (Code::ResolverFailed, ResponseCode::ServFail),
    ] {
        assert_eq!(parse(&question.fail(code)).metadata.response_code, expected);
    }
}

#[test]
fn an_answer_too_long_for_udp_is_truncated_and_whole_over_tcp() {
    let data = TXT::new((0..10).map(|_| "x".repeat(200)).collect());
    for (transport, edns, whole) in [
        (Transport::Udp, None, false),
        (Transport::Udp, Some(1232), false),
        (Transport::Udp, Some(4096), true),
        (Transport::Tcp, None, true),
    ] {
        let (mut dns, now) = resolver();
        let mut message = message("example.org.", RecordType::TXT);
        message.edns = edns.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        });
        let Answer::ResolveAtExit(question) =
            dns.handle_query(&message.to_vec().unwrap(), transport, now)
        else {
            panic!("exit")
        };
        let mut answer = answer_to(&question);
        answer.answers = vec![Record::from_rdata(
            name("example.org."),
            60,
            RData::TXT(data.clone()),
        )];

        let bytes = question
            .answer_from_exit(&answer.to_vec().unwrap())
            .unwrap();

        let parsed = parse(&bytes);
        assert_eq!(parsed.metadata.truncation, !whole);
        assert_eq!(parsed.answers.len(), usize::from(whole));
        assert!(whole || bytes.len() <= 512);
    }
}

proptest! {
    #[test]
    fn no_change_to_an_answer_ends_the_process(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let question = question("example.org.", RecordType::MX);
        let mut answer = answer_to(&question);
        let data = RData::MX(MX::new(10, name("mail.example.org.")));
        answer.answers = vec![Record::from_rdata(name("example.org."), 60, data)];
        let mut bytes = answer.to_vec().unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(answer) = question.answer_from_exit(&bytes) {
            prop_assert_eq!(parse(&answer).metadata.id, 0x1234);
        }
    }
}

fn question(text: &str, record_type: RecordType) -> Question {
    let (mut dns, now) = resolver();
    match dns.handle_query(&query(text, record_type), Transport::Udp, now) {
        Answer::ResolveAtExit(question) => question,
        other => panic!("not for an exit: {other:?}"),
    }
}

fn answer_to(question: &Question) -> Message {
    let mut answer = parse(question.message());
    answer.metadata.message_type = MessageType::Response;
    answer
}
