//! Commands whose transcripts are kept: what is sent and printed is what was reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::transcript::{compare, of};

/// File, command line, lines of standard input, opcode of the example that is answered.
const CASES: &[(&str, &[&str], &str, &str)] = &[
    (
        "setup",
        &["setup", "--chain", "base-mainnet", "--ip"],
        "",
        "setup",
    ),
    ("setup-json", &["setup", "--json"], "", "setup"),
    (
        "setup-ask",
        &["setup", "--ask", "db-password"],
        "secret\n",
        "setup",
    ),
    (
        "setup-nonsense",
        &["setup", "--chain", "dev", "stray"],
        "",
        "setup",
    ),
    ("start", &["start"], "", "start"),
    ("start-json", &["start", "--json"], "", "start"),
    (
        "set-password",
        &["set-password", "secret"],
        "",
        "changePassword",
    ),
    (
        "set-password-asked",
        &["set-password"],
        "secret\n",
        "changePassword",
    ),
    (
        "change-password",
        &["change-password", "old", "new"],
        "",
        "changePassword",
    ),
    (
        "change-password-asked",
        &["change-password"],
        "old one\nnew one\n",
        "changePassword",
    ),
    (
        "check-password",
        &["check-password", "secret"],
        "",
        "checkPassword",
    ),
    (
        "check-password-none",
        &["check-password"],
        "",
        "checkPassword",
    ),
    (
        "check-password-json",
        &["check-password", "--ask", "--json"],
        "secret\n",
        "checkPassword",
    ),
    ("configuration", &["configuration"], "", "configuration"),
    (
        "configuration-json",
        &["configuration", "secret", "--json"],
        "",
        "configuration",
    ),
    (
        "set-configuration",
        &["set-configuration", "--min-hops", "3"],
        "",
        "setConfiguration",
    ),
    (
        "set-configuration-latest",
        &["set-configuration", "--start-block", "latest"],
        "",
        "setConfiguration",
    ),
    (
        "set-configuration-none",
        &["set-configuration"],
        "",
        "setConfiguration",
    ),
    (
        "set-configuration-two",
        &["set-configuration", "--min-hops", "3", "--gas-price", "5"],
        "",
        "setConfiguration",
    ),
    (
        "set-configuration-range",
        &["set-configuration", "--min-hops", "7"],
        "",
        "setConfiguration",
    ),
    (
        "connection-status",
        &["connection-status"],
        "",
        "connectionStatus",
    ),
    (
        "connection-status-json",
        &["connection-status", "--json"],
        "",
        "connectionStatus",
    ),
    ("descriptor", &["descriptor"], "", "descriptor"),
    (
        "descriptor-json",
        &["descriptor", "--json"],
        "",
        "descriptor",
    ),
    (
        "neighborhood-graph",
        &["neighborhood-graph"],
        "",
        "neighborhoodGraph",
    ),
    (
        "neighborhood-graph-json",
        &["neighborhood-graph", "--json"],
        "",
        "neighborhoodGraph",
    ),
    (
        "exit-location",
        &["exit-location", "--country-codes", "CZ,PL"],
        "",
        "exitLocation",
    ),
    (
        "exit-location-fallback",
        &[
            "exit-location",
            "--country-codes",
            "CZ|PL",
            "--fallback-routing",
        ],
        "",
        "exitLocation",
    ),
    (
        "exit-location-reset",
        &["exit-location"],
        "",
        "exitLocation",
    ),
    (
        "exit-location-show",
        &["exit-location", "--show-countries", "--json"],
        "",
        "exitLocation",
    ),
    (
        "exit-location-wrong",
        &["exit-location", "--country-codes", "CZ,XQ"],
        "",
        "exitLocation",
    ),
    (
        "financials",
        &["financials", "--payable", "0-86400|0.5-"],
        "",
        "financials",
    ),
    (
        "financials-top",
        &["financials", "-t", "10", "-o", "age", "--gwei"],
        "",
        "financials",
    ),
    (
        "financials-json",
        &["financials", "--receivable", "0-9|-2--1", "-n", "--json"],
        "",
        "financials",
    ),
    (
        "financials-both",
        &["financials", "-t", "10", "-p", "0-9|1-2"],
        "",
        "financials",
    ),
    (
        "financials-nothing",
        &["financials", "-n"],
        "",
        "financials",
    ),
    ("scan", &["scan", "pendingpayables"], "", "scan"),
    ("scan-wrong", &["scan", "everything"], "", "scan"),
    (
        "generate-wallets",
        &["generate-wallets", "--word-count", "24"],
        "secret\n",
        "generateWallets",
    ),
    (
        "generate-wallets-json",
        &[
            "generate-wallets",
            "--db-password",
            "secret",
            "--replace",
            "--json",
        ],
        "",
        "generateWallets",
    ),
    (
        "recover-wallets",
        &[
            "recover-wallets",
            "--earning-address",
            "0x0000000000000000000000000000000000000001",
            "--replace",
        ],
        "secret\nword word\n",
        "recoverWallets",
    ),
    (
        "recover-wallets-keys",
        &[
            "recover-wallets",
            "--db-password",
            "secret",
            "--consuming-key",
            "ABCD",
            "--earning-address",
            "0x01",
        ],
        "",
        "recoverWallets",
    ),
    (
        "wallet-addresses",
        &["wallet-addresses", "secret"],
        "",
        "walletAddresses",
    ),
    (
        "wallet-addresses-json",
        &["wallet-addresses", "--json"],
        "secret\n",
        "walletAddresses",
    ),
    ("connections", &["connections"], "", "connections"),
    (
        "connections-json",
        &["connections", "--json"],
        "",
        "connections",
    ),
    (
        "connections-close",
        &["connections", "--close", "17"],
        "",
        "closeConnection",
    ),
    ("why-flow", &["why", "17"], "", "why"),
    (
        "why",
        &["why", "--app", "firefox", "example.org:443"],
        "",
        "why",
    ),
    (
        "local-network",
        &["local-network", "block"],
        "",
        "localNetwork",
    ),
    ("rules-hits", &["rules", "hits"], "", "rulesHits"),
    ("rules-reload", &["rules", "reload"], "", "rulesReload"),
    (
        "why-json",
        &["why", "--protocol", "dns", "example.org", "--json"],
        "",
        "why",
    ),
];

/// Opcodes whose commands are tested below or elsewhere.
const ELSEWHERE: &[&str] = &["admit", "capture", "health", "pause", "resume", "shutdown"];

#[test]
fn commands_send_and_print_what_was_reviewed() {
    let examples = answers();
    for (name, words, input, opcode) in CASES {
        let text = of(words, input, &examples[*opcode]);
        compare(&format!("transcripts/{name}.txt"), &text);
    }
}

#[test]
fn every_conversation_of_the_protocol_has_a_command() {
    let tested: BTreeSet<&str> = CASES.iter().map(|(.., opcode)| *opcode).collect();
    for opcode in answers().keys() {
        let known = tested.contains(opcode.as_str()) || ELSEWHERE.contains(&opcode.as_str());
        assert!(known, "no command speaks {opcode}");
    }
}

/// The example answers in the reference of the protocol, by opcode.
pub(crate) fn answers() -> BTreeMap<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ui-protocol.md");
    let text = fs::read_to_string(path).unwrap();
    let mut answers = BTreeMap::new();
    for section in text.split("\n## `").skip(1) {
        let (opcode, rest) = section.split_once('`').unwrap();
        let answer = ["\nAnswer", ", and the answer:"]
            .into_iter()
            .find_map(|heading| rest.split_once(heading));
        if let Some((_, rest)) = answer {
            let json = rest
                .split("```json")
                .nth(1)
                .and_then(|rest| rest.split("```").next());
            let payload = serde_json::from_str(json.unwrap()).unwrap();
            answers.insert(opcode.to_owned(), payload);
        }
    }
    assert!(answers.len() > 15, "{answers:?}");
    answers
}
