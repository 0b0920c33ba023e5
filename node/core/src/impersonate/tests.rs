use super::*;
use crate::flow_kind::tests::client_hello;
use proptest::prelude::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";

#[test]
fn each_kind_of_flow_has_its_ending() {
    let hello = client_hello(Some("example.org"));
    let cases: [(u16, &[u8], &str); 12] = [
        (80, REQUEST, "page"),
        (80, b"", "page"),
        (80, b"POST ", "page"),
        (80, &hello, "alert"),
        (80, b"SSH-2.0", "reset"),
        (443, b"", "alert"),
        (443, &hello, "alert"),
        (443, REQUEST, "reset"),
        (8443, &hello, "alert"),
        (8080, REQUEST, "reset"),
        (8080, b"", "reset"),
        (22, b"SSH-2.0", "reset"),
    ];
    for (port, bytes, expected) in cases {
        let kind = match ending(port, bytes, &Code::NoRoute.into()) {
            Ending::Page(_) => "page",
            Ending::TlsAlert(_) => "alert",
            Ending::Reset => "reset",
        };
        assert_eq!(kind, expected, "{port} {bytes:?}");
    }
}

#[test]
fn alerts_are_those_of_the_original() {
    assert_eq!(tls_alert(Code::NoRoute), [0x15, 3, 3, 0, 2, 2, 0x50]);
    assert_eq!(tls_alert(Code::NameNotFound), [0x15, 3, 3, 0, 2, 2, 0x70]);
    assert_eq!(tls_alert(Code::Unknown(599))[6], 0x50);
}

#[test]
fn the_page_is_a_whole_response_that_says_whose_it_is() {
    let page = page(Some("example.org"), Code::NoRoute);
    let (head, body) = page.split_once("\r\n\r\n").unwrap();

    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    for line in [
        "Connection: close",
        "Cache-Control: no-store",
        "X-MASQ-Error: no-route",
    ] {
        assert!(head.lines().any(|header| header == line), "{line}");
    }
    let length = format!("Content-Length: {}", body.len());
    assert!(head.lines().any(|line| line == length));
    assert!(
        body.contains("MASQ Node on this machine") && body.contains("not from <strong>example.org")
    );
    assert!(body.contains("Routing Problem") && body.contains("no-route"));
    assert!(body.contains(Code::NoRoute.remedy()));
    assert!(body.contains(Place::Mesh.explanation()));
}

#[test]
fn a_missing_wallet_is_402() {
    assert!(page(None, Code::PaymentRequired).starts_with("HTTP/1.1 402 "));
}

#[test]
fn the_detail_of_a_failure_is_not_on_the_page() {
    let failure = Failure::new(Code::NoRoute, "secret");
    let bytes = http_page(None, &failure);
    assert!(!String::from_utf8(bytes).unwrap().contains("secret"));
}

#[test]
fn datagrams_are_answered_with_what_fits() {
    for (code, kind) in [
        (Code::Refused, IcmpKind::PortUnreachable),
        (Code::Policy, IcmpKind::AdminProhibited),
        (Code::NoRoute, IcmpKind::NetUnreachable),
        (Code::LinkLost, IcmpKind::NetUnreachable),
        (Code::TimedOut, IcmpKind::HostUnreachable),
        (Code::ForgottenAddress, IcmpKind::HostUnreachable),
        (Code::Unknown(901), IcmpKind::NetUnreachable),
    ] {
        assert_eq!(icmp_kind(code), kind, "{code}");
    }
}

proptest! {
    #[test]
    fn no_name_and_no_code_break_the_page(name in "\\PC{0,300}|[<>\"'&\r\n]{1,20}", number: u16) {
        let page = page(Some(&name), Code::from_number(number));
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        let length = format!("Content-Length: {}", body.len());
        prop_assert!(head.lines().any(|line| line == length));
        prop_assert_eq!(head.lines().count(), 7);
        let shown = body.split("not from <strong>").nth(1).unwrap().split("</strong>").next().unwrap();
        prop_assert!(!shown.contains(['<', '>', '"', '\'', '\r', '\n']));
    }

    #[test]
    fn no_first_bytes_end_the_process(port: u16, data in prop::collection::vec(any::<u8>(), 0..200), number: u16) {
        let _ = ending(port, &data, &Code::from_number(number).into());
    }
}

fn page(name: Option<&str>, code: Code) -> String {
    String::from_utf8(http_page(name, &code.into())).unwrap()
}
