use proptest::prelude::*;

use super::*;
use crate::config::NodeConfig;

const NEIGHBOR: &str = "masq://dev:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@192.0.2.9:4747";

fn ambient() -> Ambient {
    Ambient {
        system_dns: Some("192.0.2.53".to_owned()),
        data_directories: PathBuf::from("/home/user/.local/share/MASQ"),
        real_user: Some("1000:1000:/home/user".to_owned()),
        ..Ambient::default()
    }
}

fn setup() -> Setup {
    Setup::new(ambient())
}

fn set(setup: &mut Setup, values: &[(&str, Option<&str>)]) -> Change {
    let values: Vec<_> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect();
    setup.change(&values, &mut |_| ambient())
}

fn entry(setup: &Setup, name: &str) -> (String, Status) {
    let entry = setup.values().into_iter().find(|entry| entry.name == name);
    entry.map(|entry| (entry.value, entry.status)).unwrap()
}

fn reasons(setup: &Setup) -> Vec<String> {
    let reasons = setup.launch().unwrap_err();
    reasons.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_new_setup_shows_defaults_and_what_is_required() {
    let setup = setup();
    assert_eq!(entry(&setup, "min-hops"), ("3".to_owned(), Status::Default));
    assert_eq!(entry(&setup, "ip"), (String::new(), Status::Blank));
    assert_eq!(entry(&setup, "db-password").1, Status::Required);
    assert_eq!(
        entry(&setup, "data-directory").0,
        "/home/user/.local/share/MASQ/base-mainnet"
    );
    let names: Vec<_> = setup.values().iter().map(|entry| entry.name).collect();
    assert!(names.is_sorted());
    assert!(names.contains(&"config-file") && !names.contains(&"crash-point"));
    assert_eq!(reasons(&setup), ["blockchain-service-url", "db-password"]);
}

#[test]
fn the_nearest_source_counts_and_clearing_uncovers_the_next() {
    let mut around = ambient();
    let value = |text: &str| Secret::new(text.to_owned());
    around
        .database
        .insert("min-hops".to_owned(), "1".to_owned());
    around.file = Some((
        PathBuf::from("/etc/masq/config.toml"),
        "min-hops = 2".to_owned(),
    ));
    around.environment.insert("min-hops".to_owned(), value("4"));
    let mut setup = Setup::new(around.clone());
    assert_eq!(
        entry(&setup, "min-hops"),
        ("4".to_owned(), Status::Configured)
    );
    set(&mut setup, &[("min-hops", Some("5"))]);
    assert_eq!(entry(&setup, "min-hops"), ("5".to_owned(), Status::Set));
    set(&mut setup, &[("min-hops", None)]);
    assert_eq!(entry(&setup, "min-hops").0, "4");
    around.environment.clear();
    assert_eq!(entry(&Setup::new(around.clone()), "min-hops").0, "2");
    around.file = None;
    assert_eq!(
        entry(&Setup::new(around), "min-hops"),
        ("1".to_owned(), Status::Configured)
    );
}

#[test]
fn a_bad_value_is_told_and_not_taken_while_the_others_are() {
    let mut setup = setup();
    let change = set(
        &mut setup,
        &[
            ("min-hops", Some("9")),
            ("gas-price", Some("3")),
            ("booga", Some("1")),
        ],
    );
    assert!(change.changed);
    let named: Vec<_> = change
        .errors
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(named, ["min-hops", "booga"]);
    assert!(change.errors[0].1.contains("1 to 6"), "{change:?}");
    assert_eq!(entry(&setup, "min-hops").1, Status::Default);
    assert_eq!(entry(&setup, "gas-price").0, "3");
    assert!(!set(&mut setup, &[("gas-price", Some("3"))]).changed);
}

#[test]
fn the_chain_counts_before_the_values_that_depend_on_it() {
    let mut setup = setup();
    let values = [("neighbors", Some(NEIGHBOR)), ("chain", Some("dev"))];
    assert_eq!(set(&mut setup, &values).errors, []);
    assert_eq!(
        entry(&setup, "data-directory").0,
        "/home/user/.local/share/MASQ/dev"
    );
    // Another chain, whose Nodes these are not: a start says so.
    set(&mut setup, &[("chain", Some("base-sepolia"))]);
    assert!(reasons(&setup).contains(&"neighbors".to_owned()));
}

#[test]
fn the_data_directory_ends_in_the_chain() {
    let mut setup = setup();
    for (told, shown) in [
        ("/data", "/data/dev"),
        ("/data/eth-mainnet", "/data/dev"),
        ("~/masq", "/home/user/masq/dev"),
    ] {
        let change = set(
            &mut setup,
            &[("chain", Some("dev")), ("data-directory", Some(told))],
        );
        assert_eq!(change.errors, []);
        assert_eq!(entry(&setup, "data-directory").0, shown);
    }
    let change = set(&mut setup, &[("data-directory", Some("masq"))]);
    assert!(change.errors[0].1.contains("from / or ~/"), "{change:?}");
}

#[test]
fn secrets_are_masked_and_reach_the_node() {
    let mut setup = setup();
    let key = "ab".repeat(32);
    let values = [
        ("neighborhood-mode", Some("zero-hop")),
        ("db-password", Some(" hush \"#\\")),
        ("consuming-private-key", Some(key.as_str())),
    ];
    assert_eq!(set(&mut setup, &values).errors, []);
    assert_eq!(entry(&setup, "db-password").0, "*".repeat(16));
    assert_eq!(entry(&setup, "consuming-private-key").0, "*".repeat(64));
    let config = NodeConfig::parse(setup.launch().unwrap().expose()).unwrap();
    assert_eq!(config.db_password.unwrap().expose(), " hush \"#\\");
    assert_eq!(config.consuming_private_key.unwrap().expose(), key);
    let change = set(&mut setup, &[("consuming-private-key", Some("deadbeef"))]);
    assert!(!format!("{change:?}").contains("deadbeef"));
}

#[test]
fn a_node_is_started_with_what_the_setup_shows() {
    let mut setup = setup();
    set(&mut setup, &[("neighborhood-mode", Some("zero-hop"))]);
    let config = NodeConfig::parse(setup.launch().unwrap().expose()).unwrap();
    assert_eq!(config.dns_servers, ["192.0.2.53:53".parse().unwrap()]);
    assert_eq!(config.real_user.uid, Some(1000));
    assert_eq!(
        config.data_directory,
        Some(PathBuf::from("/home/user/.local/share/MASQ/base-mainnet"))
    );
    set(
        &mut setup,
        &[
            ("chain", Some("dev")),
            ("neighborhood-mode", Some("consume-only")),
        ],
    );
    assert_eq!(entry(&setup, "dns-servers"), (String::new(), Status::Blank));
    assert_eq!(
        reasons(&setup),
        ["blockchain-service-url", "db-password", "neighbors"]
    );
    let rest = [
        ("blockchain-service-url", Some("https://example.org")),
        ("db-password", Some("x")),
        ("neighbors", Some(NEIGHBOR)),
    ];
    set(&mut setup, &rest);
    let config = NodeConfig::parse(setup.launch().unwrap().expose()).unwrap();
    assert_eq!(config.neighbors.len(), 1);
}

#[test]
fn what_is_wrong_with_the_file_is_said_and_stops_a_start() {
    let mut around = ambient();
    let text = "neighborhood-mode = \"zero-hop\"\nmin-hop = 3\nflow-log = \"flows\"";
    around.file = Some((PathBuf::from("/etc/masq/config.toml"), text.to_owned()));
    let setup = Setup::new(around.clone());
    let errors = setup.launch().unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("/etc/masq/config.toml") && errors[0].1.contains("min-hops"));
    assert_eq!(entry(&setup, "flow-log").0, "/etc/masq/flows");

    around.file = None;
    around.file_error = Some("it is not there".to_owned());
    assert!(reasons(&Setup::new(around)).contains(&CONFIG_FILE.to_owned()));
}

#[test]
fn other_sources_are_asked_for_again_when_they_may_be_others() {
    let mut setup = setup();
    let mut asked = Vec::new();
    let values = [("data-directory".to_owned(), Some("/elsewhere".to_owned()))];
    setup.change(&values, &mut |setup| {
        asked.extend(setup.data_directory());
        let mut around = ambient();
        around
            .database
            .insert("gas-price".to_owned(), "9".to_owned());
        around
    });
    assert_eq!(asked, [PathBuf::from("/elsewhere/base-mainnet")]);
    assert_eq!(
        entry(&setup, "gas-price"),
        ("9".to_owned(), Status::Configured)
    );
    setup.change(&[("min-hops".to_owned(), None)], &mut |_| unreachable!());
}

/// Values that are right for some key, and some that are for none.
const TEXTS: [&str; 14] = [
    "",
    "dev",
    "base-sepolia",
    "zero-hop",
    "consume-only",
    "3",
    "9",
    "on",
    "true",
    NEIGHBOR,
    "/a/dev",
    "192.0.2.1",
    "600|600|600",
    "1000:1000:/h",
];

proptest! {
    #[test]
    fn after_any_changes_a_start_has_reasons_or_a_configuration_that_parses(
        changes in proptest::collection::vec((0..KEYS.len() + 2, 0..TEXTS.len() + 1), 0..20),
    ) {
        let mut setup = setup();
        for (key, text) in changes {
            let name = match KEYS.get(key) {
                Some(key) => key.name,
                None if key == KEYS.len() => CONFIG_FILE,
                None => "booga",
            };
            let change = set(&mut setup, &[(name, TEXTS.get(text).copied())]);
            prop_assert!(change.errors.iter().all(|(name, why)| !name.is_empty() && !why.is_empty()));
        }
        match setup.launch() {
            Ok(text) => prop_assert!(NodeConfig::parse(text.expose()).is_ok()),
            Err(reasons) => prop_assert!(!reasons.is_empty()),
        }
        for entry in setup.values() {
            if matches!(entry.status, Status::Blank | Status::Required) {
                prop_assert_eq!(entry.value, "");
            }
        }
    }
}
