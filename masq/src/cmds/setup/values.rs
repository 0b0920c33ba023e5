//! `--name value` for any name: those that are known have a help text and are completed, others
//! go to the Daemon as they are.

use anyhow::{Result, bail};
use clap::error::Result as Parsed;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use masq_ui_protocol::message::SetupRequestValue;

/// Name, what stands for the value, help.
pub(super) const KNOWN: &[(&str, &str, &str)] = &[
    ("blockchain-service-url", "URL", "Where the chain is asked"),
    (
        "capture",
        "TRUE|FALSE",
        "Carry the traffic of this machine's apps",
    ),
    (
        "chain",
        "NAME",
        "base-mainnet, base-sepolia, polygon-mainnet, polygon-amoy, eth-mainnet, eth-ropsten or dev",
    ),
    (
        "clandestine-port",
        "PORT",
        "The port of the links to other Nodes",
    ),
    ("config-file", "FILE", "The configuration file"),
    (
        "consuming-private-key",
        "KEY",
        "The key of the wallet that pays, 64 hexadecimal digits",
    ),
    ("country", "CODE", "The country of this Node"),
    (
        "crash-point",
        "POINT",
        "Where to crash, for tests: Message, Panic, Error or None",
    ),
    (
        "data-directory",
        "DIRECTORY",
        "Where the Node keeps its data",
    ),
    ("db-password", "PASSWORD", "The password of the database"),
    ("dns-servers", "ADDRESSES", "Who resolves names at the exit"),
    ("earning-wallet", "ADDRESS", "The wallet that earns"),
    (
        "entry-dns",
        "TRUE|FALSE",
        "Answer DNS on this machine's loopback",
    ),
    ("exit", "TRUE|FALSE", "Serve as an exit for others"),
    (
        "exit-allow-private",
        "TRUE|FALSE",
        "Let the exit connect to private addresses; for laboratories",
    ),
    ("exit-blocked-ports", "PORTS", "Ports that the exit refuses"),
    (
        "exit-country",
        "CODES",
        "Where flows leave the mesh: `,` between equal ones, `|` before second choices",
    ),
    (
        "fallback-routing",
        "TRUE|FALSE",
        "Take other countries when none of these can be had",
    ),
    (
        "flow-log",
        "FILE",
        "A file that gets a line for each flow that ended",
    ),
    ("gas-price", "GWEI", "What is paid for a transaction"),
    ("ip", "ADDRESS", "Where others reach this machine"),
    (
        "journal-directory",
        "DIRECTORY",
        "Where changes to the system are written down",
    ),
    (
        "local-network",
        "ALLOW|BLOCK",
        "Whether apps reach the networks around this machine",
    ),
    (
        "log-level",
        "LEVEL",
        "off, error, warn, info, debug or trace",
    ),
    (
        "mapping-protocol",
        "PROTOCOL",
        "How the router is asked for a port: pcp, pmp or igdp",
    ),
    (
        "min-hops",
        "HOPS",
        "How many Nodes a route has at least, 1 to 6",
    ),
    (
        "neighborhood-mode",
        "MODE",
        "standard, originate-only, consume-only or zero-hop",
    ),
    ("neighbors", "DESCRIPTORS", "Nodes to begin with"),
    ("new-public-key", "ON|OFF", "Take a new identity"),
    (
        "nodes-file",
        "FILE",
        "Records of Nodes to make routes from; for laboratories",
    ),
    (
        "on-failure",
        "BLOCK|DIRECT",
        "What becomes of traffic when the Node ends unasked",
    ),
    (
        "payment-thresholds",
        "NUMBERS",
        "When debts are paid, six numbers with | between",
    ),
    (
        "rate-pack",
        "NUMBERS",
        "What this Node asks for, four numbers with | between",
    ),
    ("real-user", "UID:GID:HOME", "Whom the Node runs as"),
    ("rules-file", "FILE", "The rules per app and destination"),
    (
        "scan-intervals",
        "NUMBERS",
        "How often the chain is looked at, three numbers with | between",
    ),
    ("scans", "ON|OFF", "Look at the chain regularly"),
    (
        "tun-name",
        "NAME",
        "The name of the capture's network device",
    ),
];

/// Behind the first name that is not known, everything is.
const REST: &str = "values";

#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) list: Vec<SetupRequestValue>,
    rest: Vec<String>,
}

impl Values {
    /// All values that were given.
    pub(super) fn take(&mut self) -> Result<Values> {
        let mut values = Values {
            list: std::mem::take(&mut self.list),
            rest: Vec::new(),
        };
        let mut rest = std::mem::take(&mut self.rest).into_iter().peekable();
        while let Some(word) = rest.next() {
            let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) else {
                bail!("`{word}` is not the name of a value: names begin with --");
            };
            match name.split_once('=') {
                Some((name, value)) => values.set(name, Some(value.to_owned())),
                None => {
                    let value = rest.next_if(|next| !next.starts_with("--"));
                    values.set(name, value);
                }
            }
        }
        Ok(values)
    }

    /// The last one counts.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        self.list.retain(|other| other.name != name);
        self.list.push(SetupRequestValue {
            name: name.to_owned(),
            value,
        });
    }
}

impl FromArgMatches for Values {
    fn from_arg_matches(matches: &ArgMatches) -> Parsed<Values> {
        let mut values = Values::default();
        values.update_from_arg_matches(matches)?;
        Ok(values)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Parsed<()> {
        let mut given: Vec<_> = KNOWN
            .iter()
            .filter_map(|(name, ..)| {
                Some((
                    matches.indices_of(name),
                    matches.get_many::<String>(name)?,
                    *name,
                ))
            })
            .map(|(indices, values, name)| (indices.and_then(|mut it| it.next()), values, name))
            .collect();
        given.sort_by_key(|(index, ..)| *index);
        for (_, mut value, name) in given {
            self.set(name, value.next_back().cloned());
        }
        let rest = matches.get_many::<String>(REST).into_iter().flatten();
        self.rest = rest.cloned().collect();
        Ok(())
    }
}

impl Args for Values {
    fn augment_args(command: Command) -> Command {
        let known = KNOWN.iter().map(|(name, value, help)| {
            Arg::new(*name)
                .long(*name)
                .value_name(*value)
                .help(*help)
                .num_args(0..=1)
                .overrides_with(*name)
                .help_heading("Values")
        });
        let rest = Arg::new(REST)
            .value_name("--NAME [VALUE]")
            .help("Any other value that the Daemon knows")
            .action(ArgAction::Append)
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true);
        command.args(known).arg(rest)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Values::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Vec<(String, Option<String>)>> {
        let command = Values::augment_args(Command::new("setup").no_binary_name(true));
        let matches = command.try_get_matches_from(words)?;
        let values = Values::from_arg_matches(&matches)?.take()?;
        Ok(values
            .list
            .into_iter()
            .map(|value| (value.name, value.value))
            .collect())
    }

    fn pair(name: &str, value: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn every_key_of_a_configuration_file_has_a_help() {
        let file = include_str!("../../../../docs/example-config.toml");
        let keys = file.lines().filter_map(|line| {
            let (key, _) = line.strip_prefix('#')?.split_once(" = ")?;
            let is_key = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            key.chars().all(is_key).then_some(key)
        });
        let missing: Vec<&str> = keys
            .filter(|key| !KNOWN.iter().any(|(name, ..)| name == key))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn any_name_is_taken_in_the_order_given() {
        let list = read(&[
            "--ip",
            "192.0.2.1",
            "--chain",
            "dev",
            "--new-thing",
            "7",
            "--scans=off",
            "--other=x",
        ]);
        assert_eq!(
            list.unwrap(),
            [
                pair("ip", Some("192.0.2.1")),
                pair("chain", Some("dev")),
                pair("new-thing", Some("7")),
                pair("scans", Some("off")),
                pair("other", Some("x")),
            ]
        );
    }

    #[test]
    fn a_name_alone_clears_and_an_empty_value_does_not() {
        let list = read(&[
            "--chain",
            "--ip",
            "--mapping-protocol",
            "",
            "--unknown",
            "--more",
        ]);
        assert_eq!(
            list.unwrap(),
            [
                pair("chain", None),
                pair("ip", None),
                pair("mapping-protocol", Some("")),
                pair("unknown", None),
                pair("more", None),
            ]
        );
    }

    #[test]
    fn the_last_of_two_counts() {
        let list = read(&["--ip", "192.0.2.1", "--ip", "192.0.2.2"]);
        assert_eq!(list.unwrap(), [pair("ip", Some("192.0.2.2"))]);
        assert!(read(&["--new", "1", "2"]).is_err());
        assert!(read(&["dev"]).is_err());
    }
}
