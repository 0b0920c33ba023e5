//! `MASQNode`: the Node, its capture helper, and what a Node says of itself.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::Parser;
use masq_core::config::{LogLevel, NodeConfig};
use masq_core::descriptor::Descriptor;
use masq_core::record::{Content, NodeRecord, Roles};
use masq_node::{clock, daemon, database, gateway};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

mod start;

/// A Node of the MASQ mesh: carries the traffic of this machine's apps over
/// other Nodes, and that of others as a relay or an exit.
///
/// Started as root it captures the traffic of the whole machine and then works
/// as the user that `real-user` names; to capture one program only, without
/// root, use `masq run`.
#[derive(Debug, Parser)]
#[command(name = "MASQNode", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file; docs/example-config.toml lists every key
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Make the keys of a new Node in this folder and print its id
    #[arg(long, value_name = "FOLDER", conflicts_with = "config_file")]
    new_identity: Option<PathBuf>,

    /// Print what this Node tells others of itself, one line of JSON, and end
    #[arg(long, requires = "config_file")]
    print_record: bool,

    /// Print the descriptor by which others reach this Node, and end
    #[arg(long, requires = "config_file", conflicts_with = "print_record")]
    print_descriptor: bool,

    /// Carry the packets of a TUN that was inherited under this number
    #[arg(long, value_name = "NUMBER", requires = "config_file")]
    tun_fd: Option<i32>,

    /// Be the Daemon: serve user interfaces, and start the Node when one asks
    #[arg(long, conflicts_with_all = ["config_file", "new_identity"])]
    initialization: bool,

    /// The port for user interfaces
    #[arg(long, value_name = "PORT")]
    ui_port: Option<u16>,

    /// Say into this inherited pipe that the Node is ready
    #[arg(long, hide = true, value_name = "NUMBER")]
    ready_fd: Option<i32>,

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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.capture_helper {
        return start::capture_helper();
    }
    if let Some(folder) = &arguments.capture_guard {
        return start::capture_guard(folder);
    }
    if arguments.launcher {
        return daemon::launcher();
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.initialization {
        log_to_stderr(LogLevel::Info);
        return daemon::run(daemon::Options {
            ui_port: arguments.ui_port,
            data_directory: None,
        });
    }
    if let Some(folder) = &arguments.new_identity {
        let identity = database::identity::create(folder, clock::unix_seconds())?;
        say(&identity.id().to_string());
        return Ok(());
    }
    let Some(path) = &arguments.config_file else {
        bail!("Name a configuration file with --config-file; --help tells more");
    };
    let config = read_config(path)?;
    if arguments.print_record {
        say(&record(&config)?.to_json());
        return Ok(());
    }
    if arguments.print_descriptor {
        say(&descriptor(&config)?.to_string());
        return Ok(());
    }
    log_to_stderr(config.log_level);
    let ui = arguments.ui_port.map(|port| (port, arguments.ready_fd));
    start::node(config, arguments.tun_fd, ui)
}

fn read_config(path: &Path) -> Result<NodeConfig> {
    // Nothing that is started later inherits it.
    #[cfg(target_os = "linux")]
    let _inherited = masq_platform_linux::inherited::number_of(path)
        .map(masq_platform_linux::inherited::file)
        .transpose()?;
    let text = fs::read_to_string(path)
        .with_context(|| format!("Failed to read the configuration file {}", path.display()))?;
    let config = NodeConfig::parse(&text)
        .with_context(|| format!("The configuration file {} is wrong", path.display()))?;
    let file = std::path::absolute(path)?;
    Ok(config.with_paths_below(file.parent().unwrap_or(Path::new("/"))))
}

/// What this Node says of itself; the neighbors are the configured ones.
fn record(config: &NodeConfig) -> Result<NodeRecord> {
    let now = clock::unix_seconds();
    let identity = database::identity::load_or_create(&start::data_directory(config)?, now)?;
    let mut neighbors = Vec::new();
    for neighbor in &config.neighbors {
        neighbors.push(neighbor.descriptor().id());
    }
    neighbors.retain(|id| *id != identity.id());
    let content = Content {
        version: now * 1_000,
        roles: Roles {
            relay: config.relays(),
            exit: config.exit,
        },
        accepts: config.listens(),
        country: start::country(config)?,
        rates: config.rates,
        earning: None,
        neighbors,
    };
    Ok(NodeRecord::sign(&identity, content)?)
}

fn descriptor(config: &NodeConfig) -> Result<Descriptor> {
    let now = clock::unix_seconds();
    let address = config.public_address()?;
    let identity = database::identity::load_or_create(&start::data_directory(config)?, now)?;
    Ok(Descriptor::new(
        config.chain,
        identity.id(),
        address.ip(),
        vec![address.port()],
    )?)
}

fn log_to_stderr(level: LogLevel) {
    let libraries = "quinn=warn,quinn_proto=error,quinn_udp=error,rustls=warn,hickory_net=error,\
                     hickory_proto=error,hickory_resolver=error,smoltcp=warn";
    let filter = EnvFilter::new(format!("{},{libraries}", level.name()));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(gateway::log::layer())
        .init();
}

#[expect(
    clippy::print_stdout,
    reason = "the answer to a question on the command line"
)]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "why the program ends")]
fn say_error(error: &anyhow::Error) {
    eprintln!("MASQNode: {error:#}");
}
