//! The command line of each personality. The parameters of a Node come from the
//! table of keys, so that none is missing.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use masq_core::config::{KEYS, Key, Shown, unknown_key};
use masq_core::secret::Secret;
use masq_node::daemon;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is given on the command line, by key.
pub(super) type Values = BTreeMap<String, Secret>;

pub(super) enum Personality {
    Node(Node),
    Daemon(daemon::Options),
    Dump(Values),
    Launcher,
    CaptureHelper,
    CaptureGuard(PathBuf),
}

pub(super) struct Node {
    pub(super) own: Own,
    pub(super) values: Values,
}

/// A text to print instead of working.
#[derive(Debug)]
pub(super) struct Help {
    pub(super) text: String,
    pub(super) is_error: bool,
}

/// What a Node takes besides its parameters.
#[derive(Debug, Args)]
pub(super) struct Own {
    /// The configuration file; docs/example-config.toml lists every key. Without
    /// it config.toml in the data directory, where there is one
    #[arg(long, value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,

    /// Make the keys of a new Node in this folder and print its id
    #[arg(long, value_name = "FOLDER", conflicts_with = "config_file")]
    pub(super) new_identity: Option<PathBuf>,

    /// Print what this Node tells others of itself, one line of JSON, and end
    #[arg(long)]
    pub(super) print_record: bool,

    /// Print the descriptor by which others reach this Node, and end
    #[arg(long, conflicts_with = "print_record")]
    pub(super) print_descriptor: bool,

    /// Carry the packets of a TUN that was inherited under this number
    #[arg(long, value_name = "NUMBER")]
    pub(super) tun_fd: Option<i32>,

    /// Serve user interfaces on this port of 127.0.0.1; 0 for any
    #[arg(long, value_name = "PORT")]
    pub(super) ui_port: Option<u16>,

    /// Say into this inherited pipe that the Node is ready
    #[arg(long, hide = true, value_name = "NUMBER")]
    pub(super) ready_fd: Option<i32>,

    /// Be the Daemon: serve user interfaces, and start the Node when one asks;
    /// with --help: its help
    #[arg(long)]
    initialization: bool,

    /// Print what the database of a Node keeps; with --help: its help
    #[arg(long)]
    dump_config: bool,

    /// Be the launcher of the Daemon that started this process
    #[arg(long, hide = true)]
    launcher: bool,

    /// Be the capture helper of the Node that started this process
    #[arg(long, hide = true)]
    capture_helper: bool,

    /// Clean up after the capture helper that started this process
    #[arg(long, hide = true, value_name = "FOLDER")]
    capture_guard: Option<PathBuf>,
}

const NODE: &str = "A Node of the MASQ mesh: carries the traffic of this machine's apps over other \
Nodes, and that of others as a relay or an exit.\n\nStarted as root it captures the traffic of the \
whole machine and then works as the user that real-user names; to capture one program only, \
without root, use masq run.";
const DAEMON: &str = "The Daemon: serves user interfaces on 127.0.0.1, keeps what the next Node is \
set up with, and starts the Node when one asks. Needs root, because it starts the Node as root.";
const DUMP: &str = "Prints what the database of a Node keeps, as JSON, and changes nothing. What \
is encrypted is in clear with the password, which is better given as MASQ_DB_PASSWORD than here.";
const SOURCES: &str = "Every parameter may also stand in the configuration file, as min-hops = 2, \
or in the environment, as MASQ_MIN_HOPS=2; the command line counts before the environment, that \
before the file, that before what the database keeps. Other users of this machine can read the \
command line: give secrets otherwise.";

/// The parameters that the dumper takes.
const OF_DUMP: [&str; 4] = ["chain", "data-directory", "db-password", "real-user"];

pub(super) fn parse(arguments: &[OsString]) -> Result<Personality, Help> {
    let has = |flag: &str| arguments.iter().skip(1).any(|argument| argument == flag);
    if has("--dump-config") {
        let matches = matches(dumper(), arguments)?;
        return Ok(Personality::Dump(values(&matches, is_of_dump)));
    }
    if has("--initialization") {
        let matches = matches(daemon(), arguments)?;
        return Ok(Personality::Daemon(daemon::Options {
            ui_port: matches.get_one::<u16>("ui-port").copied(),
            data_directory: matches.get_one::<PathBuf>("data-directory").cloned(),
        }));
    }
    let matches = matches(node(), arguments)?;
    let own = Own::from_arg_matches(&matches).map_err(help)?;
    if let Some(folder) = own.capture_guard {
        return Ok(Personality::CaptureGuard(folder));
    }
    match own {
        Own {
            capture_helper: true,
            ..
        } => Ok(Personality::CaptureHelper),
        Own { launcher: true, .. } => Ok(Personality::Launcher),
        own => Ok(Personality::Node(Node {
            own,
            values: values(&matches, |_| true),
        })),
    }
}

fn matches(command: Command, arguments: &[OsString]) -> Result<ArgMatches, Help> {
    if arguments
        .iter()
        .any(|argument| argument == "--fake-public-key")
    {
        return Err(Help {
            text: format!("MASQNode: {}\n", unknown_key("fake-public-key")),
            is_error: true,
        });
    }
    command.try_get_matches_from(arguments).map_err(help)
}

fn help(error: clap::Error) -> Help {
    let is_error = !matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    Help {
        text: error.render().to_string(),
        is_error,
    }
}

fn base(about: &'static str) -> Command {
    Command::new("MASQNode")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .about(about)
}

fn node() -> Command {
    let command = Own::augment_args(base(NODE))
        .about(NODE)
        .after_help(SOURCES);
    command
        .next_help_heading("Parameters")
        .args(KEYS.iter().map(parameter))
}

fn daemon() -> Command {
    let port = Arg::new("ui-port")
        .long("ui-port")
        .value_name("PORT")
        .value_parser(clap::value_parser!(u16))
        .help("The port for user interfaces; 5333 unless said");
    let folder = Arg::new("data-directory")
        .long("data-directory")
        .value_name("FOLDER")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Where a Node's data directory is, unless the setup says otherwise");
    base(DAEMON).args([selector("initialization"), port, folder])
}

fn dumper() -> Command {
    let keys = KEYS.iter().filter(|key| is_of_dump(key.name));
    base(DUMP)
        .args([
            selector("dump-config"),
            selector("initialization").hide(true),
        ])
        .args(keys.map(parameter))
}

fn is_of_dump(name: &str) -> bool {
    OF_DUMP.contains(&name)
}

fn selector(name: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(clap::ArgAction::SetTrue)
        .help("What this help is about")
}

fn parameter(key: &'static Key) -> Arg {
    let help = match key.default {
        Some(default) => format!("{}; {default} unless said", key.range),
        None => key.range.to_owned(),
    };
    Arg::new(key.name)
        .long(key.name)
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .hide(key.shown == Shown::Hidden)
        .help(help)
}

fn values(matches: &ArgMatches, takes: impl Fn(&str) -> bool) -> Values {
    let given = |key: &Key| {
        let text = matches.get_one::<String>(key.name)?;
        Some((key.name.to_owned(), Secret::new(text.clone())))
    };
    let keys = KEYS.iter().filter(|key| takes(key.name));
    keys.filter_map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Personality, Help> {
        let words = std::iter::once("MASQNode").chain(line.split_whitespace());
        parse(&words.map(OsString::from).collect::<Vec<_>>())
    }

    fn help_of(line: &str) -> Help {
        parsed(line).err().expect("a text instead of work")
    }

    #[test]
    fn the_commands_hold_together() {
        for command in [node(), daemon(), dumper()] {
            command.debug_assert();
        }
    }

    #[test]
    fn every_parameter_is_taken_on_the_command_line() {
        for key in KEYS {
            let line = format!("--{} some-value", key.name);
            let Ok(Personality::Node(node)) = parsed(&line) else {
                panic!("{line}");
            };
            assert_eq!(node.values[key.name].expose(), "some-value");
            assert_eq!(node.values.len(), 1);
        }
    }

    #[test]
    fn each_personality_has_its_help_and_refuses_what_is_not_its() {
        for (line, has, lacks) in [
            ("--help", "--min-hops", "--crash-point"),
            ("--help --initialization", "The Daemon", "--min-hops"),
            ("--dump-config -h", "database", "--min-hops"),
        ] {
            let help = help_of(line);
            assert!(!help.is_error);
            assert!(help.text.contains(has), "{}", help.text);
            assert!(!help.text.contains(lacks), "{}", help.text);
        }
        assert!(!help_of("-V").is_error);
        for line in [
            "--initialization --min-hops 1",
            "--booga",
            "--dump-config --ip 1",
        ] {
            assert!(help_of(line).is_error, "{line}");
        }
    }

    #[test]
    fn dumping_comes_before_the_daemon() {
        let line = "--initialization --dump-config --chain dev";
        assert!(matches!(parsed(line), Ok(Personality::Dump(values)) if values.len() == 1));
        let line = "--initialization --ui-port 5334 --data-directory /d";
        let Ok(Personality::Daemon(options)) = parsed(line) else {
            panic!("not the Daemon");
        };
        assert_eq!(options.ui_port, Some(5334));
        assert_eq!(options.data_directory, Some(PathBuf::from("/d")));
    }

    #[test]
    fn a_key_that_only_pretends_is_refused() {
        let help = help_of("--fake-public-key AAAA");
        assert!(
            help.is_error && help.text.contains("real keys"),
            "{}",
            help.text
        );
    }
}
