//! The neighborhood of a real Node: from its configuration and what it
//! remembers, on QUIC links, with new onion keys and addresses over the days.

use crate::clock;
use crate::database::{Change, Store};
use crate::gateway::place::Wishes;
use crate::geoip;
use crate::link::quic::{QuicEndpoint, QuicLink};
use crate::neighborhood::addresses::Watch;
use crate::neighborhood::status::{self, Facts, Report};
use crate::neighborhood::{Memory, Parts, Shell, rotation};
use crate::neighbors;
use crate::outside::sockets::Sockets;
use crate::serve::Services;
use anyhow::{Context, Result};
use masq_core::config::{CountryCode, NodeConfig};
use masq_core::directory::Directory;
use masq_core::failure::Code;
use masq_core::identity::NodeId;
use masq_core::neighborhood::{Config, Contact, Limits, Neighborhood, Now, PastNeighbor};
use masq_core::record::Roles;
use masq_core::route;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// How often the machine's addresses are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often the age of the onion key is.
const ROTATION: Duration = Duration::from_secs(60);
/// A view reaches at least this many links, whatever `min-hops` says.
const LEAST_RADIUS: usize = 3;

pub(super) type NodeShell = Shell<QuicLink, Sockets, QuicEndpoint>;

/// What the neighborhood of a Node needs.
pub(super) struct Needs<'a> {
    pub(super) config: &'a NodeConfig,
    pub(super) services: Rc<Services<QuicLink, Sockets>>,
    pub(super) directory: Rc<RefCell<Directory>>,
    pub(super) endpoint: &'a QuicEndpoint,
    pub(super) past: Vec<PastNeighbor>,
    pub(super) data_directory: PathBuf,
    pub(super) store: Rc<Store>,
    pub(super) wishes: Rc<Wishes>,
}

pub(super) fn start(needs: Needs<'_>) -> Result<Rc<NodeShell>> {
    let Needs {
        config,
        services,
        directory,
        endpoint,
        ..
    } = needs;
    let port = endpoint.port()?;
    let identity = services.identity();
    if let Some(next) = rotation::rotated(&identity, clock::unix_seconds())? {
        needs.store.save_identity(&next)?;
        services.set_identity(Rc::new(next));
    }
    let core = Neighborhood::new(
        services.identity(),
        core_config(config, port, needs.past)?,
        now(),
        rand::random(),
    )
    .with_country_of(Box::new(geoip::country_of));
    let shell = Shell::start(Parts {
        core,
        services: services.clone(),
        directory: directory.clone(),
        dialer: endpoint.clone(),
        clock: now,
        remember: remember_in(needs.store.clone()),
    });
    if config.listens() {
        let accepting = shell.clone();
        let serve = move |link| accepting.clone().accepted(link);
        spawn_local(neighbors::accept(services, endpoint.clone(), serve));
        spawn_local(follow_addresses(shell.clone(), port));
    }
    let has_route = routes(needs.wishes.clone(), directory);
    let (start, wishes) = (
        facts(config, shell.identity().id(), &needs.data_directory),
        needs.wishes,
    );
    let facts_now = move || Facts {
        min_hops: usize::from(wishes.hops.get()),
        ..start.clone()
    };
    spawn_local(status::follow(
        shell.clone(),
        facts_now,
        Some(needs.data_directory),
        has_route,
    ));
    spawn_local(rotate(shell.clone(), needs.store));
    Ok(shell)
}

fn remember_in(store: Rc<Store>) -> Box<dyn Fn(Memory)> {
    Box::new(move |memory| {
        store.queue(match memory {
            Memory::Remember(past) => Change::Neighbor(past),
            Memory::Forget(id) => Change::ForgetNeighbor(id),
        });
    })
}

/// Says in the data directory that the Node has ended.
pub(super) fn last_status(
    config: &NodeConfig,
    wishes: &Wishes,
    shell: &NodeShell,
    data_directory: &Path,
) {
    let facts = Facts {
        min_hops: usize::from(wishes.hops.get()),
        ..facts(config, shell.identity().id(), data_directory)
    };
    let mut report = status::report(shell, &facts);
    report.end();
    report.write(&data_directory.join(status::FILE));
}

/// Writes the status of a Node that has no part in a mesh.
pub(super) fn status_alone(config: &NodeConfig, id: NodeId, data_directory: &Path, running: bool) {
    let mut report = Report::alone(facts(config, id, data_directory), clock::unix_seconds());
    report.running = running;
    report.write(&data_directory.join(status::FILE));
}

/// A static mesh has no status; an old one would mislead.
pub(super) fn forget_status(data_directory: &Path) {
    // Most have none.
    let _ = std::fs::remove_file(data_directory.join(status::FILE));
}

fn now() -> Now {
    Now {
        instant: clock::now(),
        unix_ms: clock::unix_milliseconds(),
    }
}

fn core_config(config: &NodeConfig, port: u16, past: Vec<PastNeighbor>) -> Result<Config> {
    let contact = Contact {
        ip: config.ip,
        ports: vec![port],
    };
    let told = config.country;
    let country = match told.or(config.ip.and_then(geoip::country_of)) {
        Some(country) => country,
        None => CountryCode::new("ZZ").context("ZZ is a country code")?,
    };
    let seeds = config.neighbors.iter();
    Ok(Config {
        chain: config.chain,
        roles: Roles {
            relay: config.relays(),
            exit: config.exit,
        },
        accepts: config.listens(),
        contact: config.listens().then_some(contact),
        country,
        rates: config.rates,
        earning: config.earning_wallet,
        seeds: seeds.map(|seed| seed.descriptor().clone()).collect(),
        past,
        radius: u8::try_from(config.hops().max(LEAST_RADIUS)).unwrap_or(u8::MAX),
        limits: Limits::default(),
    })
}

fn facts(config: &NodeConfig, id: NodeId, data_directory: &Path) -> Facts {
    let rules = config.rules_file_in(data_directory);
    Facts {
        id: id.to_string(),
        mode: config.mode.name(),
        chain: config.chain.name(),
        min_hops: config.hops(),
        rules_file: std::path::absolute(&rules).unwrap_or(rules),
        pid: std::process::id(),
    }
}

/// Over how many Nodes a flow goes as the Node starts.
pub(super) fn hops(config: &NodeConfig) -> u8 {
    u8::try_from(config.hops()).unwrap_or(u8::MAX)
}

/// Whether a flow of this Node's apps would find a way now.
fn routes(wishes: Rc<Wishes>, directory: Rc<RefCell<Directory>>) -> impl Fn() -> bool + 'static {
    move || {
        let request = super::uis::request(&wishes);
        let directory = directory.borrow();
        let route = route::choose(&directory, &request, clock::now(), &mut rand::rng());
        if let Err(error) = &route {
            tracing::debug!(%error, "no route");
        }
        route.is_ok()
    }
}

/// Tells the core when this machine has another address.
async fn follow_addresses(shell: Rc<NodeShell>, port: u16) {
    let mut watch = Watch::default();
    loop {
        let own = shell.with_core(|core, _| Some(core.own_descriptor()?.ip()));
        let addresses = super::own_addresses();
        if let Some(ip) = own.and_then(|own| watch.moved(own, &addresses)) {
            tracing::info!(event = "interface-address-changed", %ip);
            shell.set_contact(Some(Contact {
                ip: Some(ip),
                ports: vec![port],
            }));
        }
        sleep(LOOK).await;
    }
}

/// Replaces the onion key in time; a new one is kept before anybody hears of it.
async fn rotate(shell: Rc<NodeShell>, store: Rc<Store>) {
    loop {
        sleep(ROTATION).await;
        let identity = shell.identity();
        match rotation::rotated(&identity, clock::unix_seconds()) {
            Ok(None) => {}
            Ok(Some(next)) => match store.save_identity(&next) {
                Ok(()) => {
                    tracing::info!(event = "onion-key-changed");
                    shell.set_identity(Rc::new(next));
                }
                Err(error) => tracing::warn!(code = %error.code, "the onion key stays: {error}"),
            },
            Err(error) => tracing::warn!(code = %Code::Bug, "the onion key stays: {error}"),
        }
    }
}
