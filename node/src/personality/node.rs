//! The Node's own personality: read the configuration, log, start; or print
//! what this Node says of itself.

use super::arguments::{Own, Values};
use super::{say, sources};
use crate::start::{self, Ui};
use anyhow::Result;
use masq_core::config::{ConfigErrors, NodeConfig, Shown, key_of};
use masq_core::descriptor::Descriptor;
use masq_core::record::{Content, NodeRecord, Roles};
use masq_node::ready::Readiness;
use masq_node::{clock, database, gateway, log};

pub(super) fn run(own: Own, values: Values) -> Result<()> {
    if let Some(folder) = &own.new_identity {
        let identity = database::identity::create(folder, clock::unix_seconds())?;
        say(&format!("{}\n", identity.id()));
        return Ok(());
    }
    let mut readiness = readiness(own.ready_fd)?;
    let secrets: Vec<_> = values
        .keys()
        .filter(|name| is_secret(name))
        .cloned()
        .collect();
    let config = match sources::read(own.config_file.as_deref(), values) {
        Ok(config) => config,
        Err(error) => {
            tell(&mut readiness, &error);
            return Err(error);
        }
    };
    if own.print_record {
        say(&format!("{}\n", record(&config)?.to_json()));
        return Ok(());
    }
    if own.print_descriptor {
        say(&format!("{}\n", descriptor(&config)?));
        return Ok(());
    }
    // Without a Daemon whoever started the Node keeps its lines.
    let place = match own.ready_fd {
        Some(_) => log::Place::StderrAndFile,
        None => log::Place::Stderr,
    };
    log::init(config.log_level, place, gateway::log::layer());
    for name in secrets {
        tracing::warn!(
            "{name} is on the command line, which other users of this machine can read; give it \
             in the environment or in a file of yours alone"
        );
    }
    let ui = own.ui_port.map(|port| Ui { port, readiness });
    start::node(config, own.tun_fd, ui)
}

fn is_secret(name: &str) -> bool {
    key_of(name).is_some_and(|key| key.shown == Shown::Masked)
}

#[cfg(target_os = "linux")]
fn readiness(number: Option<i32>) -> Result<Readiness> {
    match number {
        Some(number) => Ok(Readiness::inherited(number)?),
        None => Ok(Readiness::default()),
    }
}

#[cfg(not(target_os = "linux"))]
fn readiness(_: Option<i32>) -> Result<Readiness> {
    Ok(Readiness::default())
}

/// The Daemon shows every reason to its user interfaces.
fn tell(readiness: &mut Readiness, error: &anyhow::Error) {
    match error.downcast_ref::<ConfigErrors>() {
        Some(ConfigErrors(errors)) => {
            for error in errors {
                readiness.failed(&error.key, &error.reason());
            }
        }
        None => readiness.failed("node", &format!("{error:#}")),
    }
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
        earning: config.earning_wallet,
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
