//! The table of keys: name, default, what may stand there.

/// One key of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// The value that stands when the key is absent; `None` means nothing does.
    pub default: Option<&'static str>,
    /// What may stand there, with an example.
    pub range: &'static str,
    /// Who may see it.
    pub shown: Shown,
}

/// Who may see a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Everyone.
    Always,
    /// The key; never its value.
    Masked,
    /// Nobody who does not ask for it by name: it is for tests.
    Hidden,
}

/// The key of this name.
pub fn key_of(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Every key that a file may have, in the order of `docs/example-config.toml`.
pub const KEYS: &[Key] = &[
    key(
        "chain",
        Some("base-mainnet"),
        "one of base-mainnet, base-sepolia, polygon-mainnet, polygon-amoy, eth-mainnet, eth-ropsten, dev",
    ),
    key(
        "neighborhood-mode",
        Some("standard"),
        "one of standard, originate-only, consume-only, zero-hop",
    ),
    key(
        "data-directory",
        None,
        "a path, for example \"/home/user/.local/share/MASQ/base-mainnet\"",
    ),
    key(
        "ip",
        None,
        "an IPv4 or IPv6 address that other Nodes can reach, for example \"203.0.113.7\"",
    ),
    key("clandestine-port", None, "1025 to 65535, for example 4747"),
    key(
        "neighbors",
        None,
        "descriptors with commas between, for example \"masq://base-mainnet:KEY@203.0.113.9:4747\", KEY being 43 characters of base64url",
    ),
    key("min-hops", Some("3"), "1 to 6, for example 3"),
    key(
        "nodes-file",
        None,
        "a path to a file of Node records, for example \"/etc/masq/nodes.jsonl\"",
    ),
    key(
        "dns-servers",
        None,
        "IP addresses with commas between, each with an optional port, for example \"9.9.9.9,[2620:fe::fe]:53\"",
    ),
    key(
        "log-level",
        Some("info"),
        "one of off, error, warn, info, debug, trace",
    ),
    key(
        "real-user",
        None,
        "uid:gid:home, any of them empty, the ids not 0, for example \"1000:1000:/home/user\"",
    ),
    key("capture", Some("true"), "true or false"),
    key("on-failure", Some("block"), "block or direct"),
    key("local-network", Some("allow"), "allow or block"),
    key("entry-dns", Some("false"), "true or false"),
    key(
        "tun-name",
        Some("masq0"),
        "1 to 15 letters, digits, '-', '_' or '.', for example \"masq0\"",
    ),
    key("exit", None, "true or false"),
    key("exit-allow-private", Some("false"), "true or false"),
    key(
        "exit-blocked-ports",
        Some("25"),
        "ports 1 to 65535 with commas between, or none, for example \"25,465\"",
    ),
    key(
        "country",
        None,
        "two capital letters of ISO 3166-1, for example \"CZ\"",
    ),
    key(
        "exit-country",
        None,
        "countries of ISO 3166-1 with commas between equals and | before those wanted less, for example \"CZ,PL|SK\"",
    ),
    key("fallback-routing", Some("false"), "true or false"),
    key(
        "rate-pack",
        Some("53844|53844|107688|107688"),
        "four numbers with | between, for example \"53844|53844|107688|107688\"",
    ),
    key(
        "rules-file",
        None,
        "a path, for example \"/etc/masq/rules.toml\"",
    ),
    key(
        "flow-log",
        None,
        "a path, for example \"/var/log/masq/flows.jsonl\"",
    ),
    key(
        "blockchain-service-url",
        None,
        "the http or https address of a JSON-RPC service of the chain, for example \"https://example.org/rpc\"",
    ),
    key(
        "earning-wallet",
        None,
        "0x and 40 hexadecimal digits, for example \"0x9858EfFD232B4033E47d90003D41EC34EcaEda94\"",
    ),
    shown(
        Shown::Masked,
        key(
            "consuming-private-key",
            None,
            "64 hexadecimal digits, for example the key that masq generate-wallets shows",
        ),
    ),
    shown(
        Shown::Masked,
        key("db-password", None, "any text of 1 to 1024 bytes"),
    ),
    key(
        "gas-price",
        Some("1"),
        "a whole number of gwei from 1, for example 1",
    ),
    key(
        "payment-thresholds",
        Some("1000000000|1200|1200|500000000|21600|500000000"),
        "six numbers with | between: debt threshold (gwei), maturity (s), grace period (s), permanent debt allowed (gwei, less than the debt threshold), threshold interval (s, 1 to 1000000000), unban below (gwei), for example \"1000000000|1200|1200|500000000|21600|500000000\"",
    ),
    key(
        "scan-intervals",
        Some("600|600|600"),
        "three numbers of seconds from 1 with | between: pending payables, payables, receivables, for example \"600|600|600\"",
    ),
    key("scans", Some("on"), "on or off"),
    key("mapping-protocol", None, "one of pcp, pmp, igdp"),
    key("new-public-key", None, "on or off"),
    key(
        "journal-directory",
        Some("/var/lib/masq/journal"),
        "a path, for example \"/var/lib/masq/journal\"",
    ),
    shown(
        Shown::Hidden,
        key(
            "crash-point",
            Some("none"),
            "one of message, panic, error, none",
        ),
    ),
];

const fn key(name: &'static str, default: Option<&'static str>, range: &'static str) -> Key {
    Key {
        name,
        default,
        range,
        shown: Shown::Always,
    }
}

const fn shown(shown: Shown, key: Key) -> Key {
    Key { shown, ..key }
}
