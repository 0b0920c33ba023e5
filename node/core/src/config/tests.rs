use super::*;
use proptest::prelude::*;

mod sources;

const EXAMPLE: &str = include_str!("../../../../docs/example-config.toml");
const NEIGHBOR: &str = "masq://dev:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@192.0.2.9:4747";

fn visible() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.shown != Shown::Hidden)
}

#[test]
fn an_empty_file_is_a_standard_node_with_three_hops() {
    let config = NodeConfig::parse("").unwrap();

    assert_eq!(config.mode, Mode::Standard);
    assert_eq!(config.chain, Chain::BaseMainnet);
    assert_eq!(config.hops(), 3);
    assert!(config.exit && config.capture && !config.exit_allow_private);
    assert_eq!(config.exit_blocked_ports, [25]);
}

#[test]
fn every_default_parses() {
    for key in KEYS {
        if let Some(default) = key.default {
            let line = format!("{} = {default:?}", key.name);
            assert_eq!(
                NodeConfig::parse(&line).unwrap(),
                NodeConfig::parse("").unwrap(),
                "{line}"
            );
        }
    }
}

#[test]
fn the_example_has_every_key_in_the_order_of_the_table() {
    let names: Vec<&str> = example_lines().map(|(name, _)| name).collect();
    let known: Vec<&str> = visible().map(|key| key.name).collect();

    assert_eq!(names, known);
}

#[test]
fn the_example_shows_each_default_as_the_code_has_it() {
    for ((name, value), key) in example_lines().zip(visible()) {
        let comment = comment_of(name);
        match key.default {
            Some(default) => {
                assert_eq!(value.trim_matches('"'), default, "{name}");
                assert!(!comment.contains("no default"), "{name}");
            }
            None => assert!(comment.contains("no default"), "{name}: {comment}"),
        }
    }
    assert_eq!(
        NodeConfig::parse(EXAMPLE).unwrap(),
        NodeConfig::parse("").unwrap()
    );
}

#[test]
fn every_line_of_the_example_is_accepted() {
    let text: String = example_lines()
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();

    let config = NodeConfig::parse(&text).unwrap();

    assert_eq!(
        config.public_address().unwrap().to_string(),
        "203.0.113.7:4747"
    );
    assert_eq!(config.dns_servers.len(), 2);
    assert_eq!(config.neighbors.len(), 1);
    assert_eq!(config.real_user.uid, Some(1000));
}

#[test]
fn numbers_and_switches_may_also_be_texts() {
    let config =
        NodeConfig::parse("min-hops = \"5\"\ncapture = \"false\"\nclandestine-port = \"5000\"")
            .unwrap();

    assert_eq!(config.hops(), 5);
    assert!(!config.capture);
    assert_eq!(config.clandestine_port, Port::new(5000));
}

#[test]
fn a_bad_value_is_refused_with_key_value_reason_and_range() {
    let cases = [
        ("chain = \"bitcoin\"", "not one of", "base-mainnet"),
        ("neighborhood-mode = \"full\"", "not one of", "zero-hop"),
        ("ip = \"localhost\"", "not an IP address", "203.0.113.7"),
        ("ip = \"0.0.0.0\"", "no single machine", "203.0.113.7"),
        ("ip = \"224.0.0.1\"", "no single machine", "203.0.113.7"),
        ("ip = \"127.0.0.1\"", "loopback", "203.0.113.7"),
        ("clandestine-port = 80", "below 1025", "1025 to 65535"),
        ("clandestine-port = 65536", "not a port", "1025 to 65535"),
        ("clandestine-port = -1", "not a port", "1025 to 65535"),
        ("min-hops = 0", "out of range", "1 to 6"),
        ("min-hops = 7", "out of range", "1 to 6"),
        ("min-hops = 3.5", "not a whole number", "1 to 6"),
        (
            "dns-servers = \"9.9.9.9,one\"",
            "\"one\" is not an IP address",
            "9.9.9.9",
        ),
        ("dns-servers = \"9.9.9.9:0\"", "port 0", "9.9.9.9"),
        ("dns-servers = \"\"", "empty", "9.9.9.9"),
        ("log-level = \"verbose\"", "not one of", "trace"),
        ("real-user = \"1000\"", "two colons", "uid:gid:home"),
        ("real-user = \"0:0:/root\"", "root", "uid:gid:home"),
        (
            "real-user = \"x:1:/\"",
            "uid is not a number",
            "uid:gid:home",
        ),
        (
            "capture = \"yes\"",
            "neither true nor false",
            "true or false",
        ),
        ("capture = 1", "neither true nor false", "true or false"),
        (
            "exit-blocked-ports = \"25,0\"",
            "\"0\" is not a port",
            "25,465",
        ),
        ("country = \"Czechia\"", "no country", "CZ"),
        ("country = \"ZZ\"", "no country", "CZ"),
        (
            "exit-country = \"CZ,UK\"",
            "\"UK\" is no country",
            "CZ,PL|SK",
        ),
        ("exit-country = \"CZ||SK\"", "empty", "CZ,PL|SK"),
        (
            "exit-country = \"CZ|SK,CZ\"",
            "CZ stands there twice",
            "CZ,PL|SK",
        ),
        ("rate-pack = \"1|2|3\"", "4 values are expected", "53844|"),
        (
            "rate-pack = \"1|2|3|-4\"",
            "\"-4\" is not a number",
            "53844|",
        ),
        (
            "rate-pack = \"1|2|3|1000000000000000001\"",
            "is not a number of 0 to",
            "53844|",
        ),
        ("tun-name = \"a/b\"", "not a device name", "1 to 15"),
        (
            "tun-name = \"sixteen-bytes-xx\"",
            "not a device name",
            "1 to 15",
        ),
        ("data-directory = \"\"", "not a path", "MASQ"),
        ("neighbors = \"tor://x\"", "masq://", "KEY"),
        (
            "neighbors = \"masq://eth-mainnet:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@192.0.2.1:5000\"",
            "of chain eth-mainnet",
            "KEY",
        ),
        (
            "neighbors = \"masq://base-mainnet:KEY@192.0.2.1:5000\"",
            "\"KEY\" is not a Node id",
            "KEY",
        ),
        ("neighbors = [\"a\"]", "commas", "KEY"),
        ("min-hops = 2026-01-01", "date", "1 to 6"),
    ];
    for (text, why, remedy) in cases {
        let errors = NodeConfig::parse(text).unwrap_err().0;
        let key = text.split(' ').next().unwrap();
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert_eq!(errors[0].key, key);
        assert_eq!(errors[0].origin, Some(Origin::File(Some(1))));
        assert!(errors[0].why.contains(why), "{text}: {}", errors[0].why);
        assert!(
            errors[0].remedy.contains(remedy),
            "{text}: {}",
            errors[0].remedy
        );
    }
}

#[test]
fn exit_countries_come_in_groups_and_rates_in_a_pack() {
    let text = "exit-country = \"cz, PL|SK\"\nfallback-routing = true\nrate-pack = \"1|2|3|4\"";
    let config = NodeConfig::parse(text).unwrap();

    assert_eq!(config.exit_countries.to_string(), "CZ,PL|SK");
    assert!(config.exit_countries.fallback);
    let Rates {
        routing_byte,
        routing_service,
        exit_byte,
        exit_service,
    } = config.rates;
    assert_eq!(
        [routing_byte, routing_service, exit_byte, exit_service],
        [1, 2, 3, 4]
    );
    assert_eq!(NodeConfig::parse("").unwrap().rates.exit_byte, 107_688);
    let idle = NodeConfig::parse("neighborhood-mode = \"zero-hop\"").unwrap();
    assert_eq!(idle.rates, Rates::default());
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    for (wrong, right) in [
        ("minhops", "min-hops"),
        ("min_hops", "min-hops"),
        ("neighbours", "neighbors"),
        ("Neighbors", "neighbors"),
        ("dns-server", "dns-servers"),
        ("clandestine", "clandestine-port"),
    ] {
        let error = NodeConfig::parse(&format!("{wrong} = 1"))
            .unwrap_err()
            .0
            .remove(0);
        assert_eq!(error.key, wrong);
        assert!(error.remedy.contains(right), "{wrong}: {error}");
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_lines() {
    let text = "min-hops = 9\nfoo = 1\n\nlog-level = \"loud\"\nip = \"x\"\n";

    let errors = NodeConfig::parse(text).unwrap_err();

    let lines: Vec<_> = errors
        .0
        .iter()
        .map(|error| error.origin.unwrap().order())
        .collect();
    assert_eq!(lines, [1, 2, 4, 5]);
    let printed = errors.to_string();
    assert!(printed.starts_with("bad-configuration [local]:"));
    assert!(
        printed.contains("\n  line 1: min-hops = 9: out of range; 1 to 6, for example 3"),
        "{printed}"
    );
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    for text in [
        "min-hops = 3\nchain = dev\n",
        "min-hops = 3\nmin-hops = 4\n",
        "min-hops = 3\n= 1\n",
    ] {
        let errors = NodeConfig::parse(text).unwrap_err().0;
        assert!(
            errors
                .iter()
                .any(|error| error.origin == Some(Origin::File(Some(2)))),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn the_rules_between_keys_hold() {
    let neighbors = format!("neighbors = \"{NEIGHBOR}\"");
    let dev = "chain = \"dev\"\n";
    let cases: [(&str, String, Option<&str>); 17] = [
        ("zero-hop", String::new(), None),
        ("zero-hop", "dns-servers = \"9.9.9.9\"".to_owned(), None),
        ("zero-hop", "ip = \"192.0.2.1\"".to_owned(), Some("ip")),
        ("zero-hop", "min-hops = 3".to_owned(), Some("min-hops")),
        ("zero-hop", neighbors.clone(), Some("neighbors")),
        ("zero-hop", "exit = true".to_owned(), Some("exit")),
        ("zero-hop", "exit = false".to_owned(), None),
        (
            "zero-hop",
            "rate-pack = \"0|0|0|0\"".to_owned(),
            Some("rate-pack"),
        ),
        (
            "zero-hop",
            "fallback-routing = true".to_owned(),
            Some("fallback-routing"),
        ),
        (
            "consume-only",
            format!("{neighbors}\nrate-pack = \"1|1|1|1\""),
            Some("rate-pack"),
        ),
        ("consume-only", String::new(), Some("neighbors")),
        ("consume-only", neighbors.clone(), None),
        (
            "consume-only",
            format!("{neighbors}\ndns-servers = \"9.9.9.9\""),
            Some("dns-servers"),
        ),
        ("originate-only", String::new(), Some("neighbors")),
        (
            "originate-only",
            format!("{neighbors}\nexit = true\ndns-servers = \"9.9.9.9\""),
            None,
        ),
        ("standard", String::new(), None),
        (
            "standard",
            "exit = false\nexit-blocked-ports = 25".to_owned(),
            Some("exit-blocked-ports"),
        ),
    ];
    for (mode, rest, broken) in cases {
        let text = format!("{dev}neighborhood-mode = \"{mode}\"\n{rest}");
        let result = NodeConfig::parse(&text);
        match (broken, result) {
            (None, Ok(_)) => {}
            (Some(key), Err(errors)) => {
                assert_eq!(errors.0.len(), 1, "{text}: {errors}");
                assert_eq!(errors.0[0].key, key, "{text}");
            }
            (_, result) => panic!("{text}: {result:?}"),
        }
    }
}

#[test]
fn roles_follow_the_mode() {
    let config = |mode: &str, rest: &str| {
        let text = format!("chain = \"dev\"\nneighborhood-mode = \"{mode}\"\n{rest}");
        NodeConfig::parse(&text).unwrap()
    };
    let neighbors = format!("neighbors = \"{NEIGHBOR}\"");
    let standard = config("standard", "");
    let originate = config("originate-only", &neighbors);
    let consume = config("consume-only", &neighbors);
    let zero = config("zero-hop", "");

    assert!(standard.listens() && standard.relays() && standard.exit);
    assert!(!originate.listens() && originate.relays() && !originate.exit);
    assert!(!consume.listens() && !consume.relays() && !consume.exit);
    assert_eq!(zero.hops(), 0);
}

#[test]
fn a_descriptor_needs_standard_mode_an_address_and_a_port() {
    for (text, key) in [
        ("neighborhood-mode = \"zero-hop\"", "neighborhood-mode"),
        ("clandestine-port = 5000", "ip"),
        ("ip = \"192.0.2.1\"", "clandestine-port"),
    ] {
        let error = NodeConfig::parse(text)
            .unwrap()
            .public_address()
            .unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.remedy.contains(key));
    }
}

#[test]
fn relative_paths_hang_below_the_folder_of_the_file() {
    let text = "nodes-file = \"nodes.jsonl\"\nflow-log = \"/var/flows\"";
    let config = NodeConfig::parse(text)
        .unwrap()
        .with_paths_below(Path::new("/etc/masq"));

    assert_eq!(
        config.nodes_file.as_deref(),
        Some(Path::new("/etc/masq/nodes.jsonl"))
    );
    assert_eq!(config.flow_log.as_deref(), Some(Path::new("/var/flows")));
    assert_eq!(config.journal_directory, Path::new("/var/lib/masq/journal"));
    assert_eq!(
        config.data_directory_under(Path::new("/home/u/.local/share")),
        Path::new("/home/u/.local/share/MASQ/base-mainnet")
    );
}

proptest! {
    #[test]
    fn no_text_ends_the_process(text in "(([a-z-]{0,16}) ?= ?[\\PC]{0,20}\n){0,6}") {
        if let Err(errors) = NodeConfig::parse(&text) {
            prop_assert!(!errors.0.is_empty());
            let _ = errors.to_string();
        }
    }

    #[test]
    fn no_value_of_a_known_key_ends_the_process(index in 0..KEYS.len(), value in "\\PC{0,40}") {
        let text = format!("{} = {:?}", KEYS[index].name, value);
        if let Err(errors) = NodeConfig::parse(&text) {
            prop_assert!(!errors.0.is_empty());
        }
    }
}

fn example_lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLE.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix('#')?.split_once(" = ")?;
        (!name.contains(' ')).then_some((name, value))
    })
}

fn comment_of(name: &str) -> String {
    let key = format!("#{name} =");
    let before = EXAMPLE.split(&format!("\n{key}")).next().unwrap();
    let paragraph = before.rsplit("\n\n").next().unwrap();
    paragraph.replace("\n# ", " ")
}
