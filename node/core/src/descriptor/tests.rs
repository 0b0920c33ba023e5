use proptest::prelude::*;

use super::*;

const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

fn parse(rest: &str) -> Result<Descriptor, DescriptorError> {
    format!("masq://dev:{ID}@{rest}").parse()
}

#[test]
fn descriptors_print_as_they_were_read() {
    for place in [
        "192.0.2.1:1025",
        "192.0.2.1:5000/6000/65535",
        "[2001:db8::1]:40000",
    ] {
        for chain in Chain::ALL {
            let text = format!("masq://{chain}:{ID}@{place}");
            let descriptor: Descriptor = text.parse().unwrap();
            assert_eq!(descriptor.to_string(), text);
            assert_eq!(descriptor.chain(), chain);
            assert_eq!(descriptor.id(), NodeId::new([1; 32]));
        }
    }
}

#[test]
fn the_addresses_are_one_for_each_port() {
    let addresses: Vec<_> = parse("[2001:db8::1]:5000/6000")
        .unwrap()
        .addresses()
        .collect();
    assert_eq!(
        addresses,
        [
            "[2001:db8::1]:5000".parse().unwrap(),
            "[2001:db8::1]:6000".parse().unwrap()
        ]
    );
}

#[test]
fn a_wrong_part_is_named_with_its_remedy() {
    let cases = [
        (
            "192.0.2.1:1024",
            "\"1024\" is not a port of a Node: use 1025 to 65535",
        ),
        (
            "192.0.2.1:65536",
            "\"65536\" is not a port of a Node: use 1025 to 65535",
        ),
        (
            "192.0.2.1:+5000",
            "\"+5000\" is not a port of a Node: use 1025 to 65535",
        ),
        (
            "192.0.2.1:5000/",
            "\"\" is not a port of a Node: use 1025 to 65535",
        ),
        (
            "192.0.2.1",
            "is not a descriptor: write masq://CHAIN:ID@IP:PORT",
        ),
        (
            "192.0.2:5000",
            "\"192.0.2\" is not an address of a Node: write an IPv4 address, or an IPv6 address in brackets",
        ),
        ("0.0.0.0:5000", "\"0.0.0.0\" is not an address of a Node"),
        ("[::]:5000", "\"::\" is not an address of a Node"),
        ("[ff02::1]:5000", "\"ff02::1\" is not an address of a Node"),
        (
            "[192.0.2.1]:5000",
            "\"192.0.2.1\" is not an address of a Node",
        ),
        ("2001:db8::1:5000", "\"2001\" is not an address of a Node"),
    ];
    for (place, message) in cases {
        let error = parse(place).unwrap_err().to_string();
        assert!(error.contains(message), "{place}: {error}");
    }
    let cases = [
        (
            format!("masq://base:{ID}@192.0.2.1:5000"),
            "\"base\" is not a chain: use one of base-mainnet, base-sepolia",
        ),
        (
            "masq://dev:AQE@192.0.2.1:5000".to_owned(),
            "\"AQE\" is not a Node id: copy the 43 characters",
        ),
        (
            format!("http://dev:{ID}@192.0.2.1:5000"),
            "is not a descriptor",
        ),
        (String::new(), "\"\" is not a descriptor"),
    ];
    for (text, message) in cases {
        let error = text.parse::<Descriptor>().unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn an_id_has_one_spelling() {
    // The last character carries four bits; the other two are zero.
    let loose = format!("masq://dev:{}F@192.0.2.1:5000", &ID[..42]);
    assert!(matches!(
        loose.parse::<Descriptor>(),
        Err(DescriptorError::Id { .. })
    ));
}

#[test]
fn lists_take_blanks_and_empty_places() {
    let one = format!("masq://dev:{ID}@192.0.2.1:5000");
    let list = Descriptor::parse_list(&format!(" {one} ,, {one}\n,")).unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(Descriptor::parse_list(" "), Ok(vec![]));
    assert!(Descriptor::parse_list(&format!("{one},x")).is_err());
}

#[test]
fn a_message_repeats_no_more_of_the_text_than_helps() {
    let error = "x\u{1b}[2J"
        .repeat(10_000)
        .parse::<Descriptor>()
        .unwrap_err();
    let message = error.to_string();
    assert!(message.chars().count() < 150);
    assert!(!message.chars().any(char::is_control));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(masq://)?(dev:)?[A-Za-z0-9_-]{0,50}@?\\[?[0-9a-f:.]{0,30}\\]?:?[0-9/]{0,20}\\PC*") {
        if let Ok(descriptor) = text.parse::<Descriptor>() {
            prop_assert_eq!(descriptor.to_string().parse(), Ok(descriptor));
        }
    }

    #[test]
    fn any_descriptor_reads_back(
        bytes: [u8; 32],
        ip: IpAddr,
        ports in prop::collection::vec(any::<u16>(), 0..20),
    ) {
        let Ok(descriptor) = Descriptor::new(Chain::Dev, NodeId::new(bytes), ip, ports) else {
            return Ok(());
        };
        prop_assert_eq!(descriptor.to_string().parse(), Ok(descriptor));
    }
}
