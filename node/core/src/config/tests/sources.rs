//! Values from several sources, and one at a time.

use super::*;

fn given(values: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    values
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Secret::new((*text).to_owned())))
        .collect()
}

#[test]
fn the_later_source_counts() {
    let mut sources = Sources {
        database: given(&[("min-hops", "1"), ("gas-price", "7")]),
        ..Sources::default()
    };
    let hops = |sources: &Sources| NodeConfig::from_sources(sources).unwrap().hops();
    assert_eq!(hops(&Sources::default()), 3);
    assert_eq!(hops(&sources), 1);
    sources.file = Some("min-hops = 2".to_owned());
    assert_eq!(hops(&sources), 2);
    let variables = [
        ("MASQ_MIN_HOPS", "4"),
        ("MASQ_BIN_DIR", "/x"),
        ("HOME", "/"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    sources.environment = Sources::environment(variables.into_iter());
    assert_eq!(hops(&sources), 4);
    sources.command_line = given(&[("min-hops", "5")]);
    assert_eq!(hops(&sources), 5);
    assert_eq!(NodeConfig::from_sources(&sources).unwrap().gas_price, 7);
}

#[test]
fn a_problem_names_its_source_and_shows_no_secret() {
    let sources = Sources {
        database: given(&[("gas-price", "0")]),
        file: Some("min-hops = 9".to_owned()),
        environment: given(&[("consuming-private-key", "deadbeef")]),
        command_line: given(&[("scan-intervals", "1|2"), ("min-hop", "3")]),
    };
    let text = NodeConfig::from_sources(&sources).unwrap_err().to_string();
    for words in [
        "kept from an earlier start: gas-price = 0: \"0\" is not a number of 1",
        "environment MASQ_CONSUMING_PRIVATE_KEY: consuming-private-key = ****: not 64",
        "command line: scan-intervals = 1|2: 3 values are expected with | between, 2 are there",
        "command line: min-hop: there is no such key; did you mean min-hops?",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("deadbeef"), "{text}");
}

#[test]
fn what_an_earlier_start_kept_is_no_mistake_in_another_mode() {
    let sources = Sources {
        database: given(&[("rate-pack", "1|2|3|4"), ("min-hops", "2")]),
        file: Some("neighborhood-mode = \"zero-hop\"".to_owned()),
        ..Sources::default()
    };
    let config = NodeConfig::from_sources(&sources).unwrap();
    assert_eq!((config.hops(), config.rates), (0, Rates::default()));
}

#[test]
fn thresholds_that_could_never_work_are_refused() {
    for (text, why) in [
        ("1|2|3|1|5|6", "not above the permanent debt"),
        ("2|2|3|1|0|6", "threshold interval (0 s)"),
        ("2|2|3|1|1000000001|6", "threshold interval (1000000001 s)"),
        (
            "2|2|3|1|5",
            "6 values are expected with | between, 5 are there",
        ),
        ("2|2|3|1|5|-6", "\"-6\" is not a number"),
    ] {
        let error = check("payment-thresholds", text, Chain::Dev).unwrap_err();
        assert!(error.why.contains(why), "{text}: {error}");
    }
    assert!(check("payment-thresholds", "2|2|3|1|5|6", Chain::Dev).is_ok());
}

#[test]
fn a_single_value_is_checked_without_the_rules_between_keys() {
    for (name, text) in [
        ("neighborhood-mode", "Originate-Only"),
        ("neighbors", NEIGHBOR),
        ("dns-servers", "1.1.1.1"),
        ("new-public-key", "On"),
        ("blockchain-service-url", "http://127.0.0.1:8545"),
        (
            "earning-wallet",
            "0x9858effd232b4033e47d90003d41ec34ecaeda94",
        ),
        ("crash-point", "Message"),
    ] {
        assert!(check(name, text, Chain::Dev).is_ok(), "{name}");
    }
    for (name, text) in [
        ("neighbors", NEIGHBOR),
        ("min-hops", "7"),
        ("blockchain-service-url", "ftp://example.org"),
        ("blockchain-service-url", "https://"),
        (
            "earning-wallet",
            "0x9858effd232b4033e47d90003d41ec34ecaeda9",
        ),
        (
            "earning-wallet",
            "0x9858EffD232B4033E47d90003D41EC34EcaEda94",
        ),
        ("mapping-protocol", "none"),
        ("scans", "maybe"),
        ("db-password", ""),
        ("booga", ""),
    ] {
        assert!(check(name, text, Chain::BaseMainnet).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_value_of_any_key_is_taken_or_refused(key in 0..KEYS.len(), text in "\\PC{0,40}") {
        let name = KEYS[key].name;
        if let Err(error) = check(name, &text, Chain::Dev) {
            prop_assert_eq!(&error.key, name);
            prop_assert!(!error.remedy.is_empty());
        }
    }
}
