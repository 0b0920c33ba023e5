//! What user interfaces may ask of a running Node, put together: who answers,
//! and where each gets its facts from. Time is the Node's clock.

use super::neighborhood::{self, NodeShell};
use crate::clock;
use crate::configurator::{Changed, Configurator};
use crate::database::{Setting, Store};
use crate::entry::Entry;
use crate::gateway::dispatch::{Dispatch, Reply};
use crate::gateway::graph::Place;
use crate::gateway::place::{Surroundings, Wishes};
use crate::gateway::{Gateway, Stages};
use crate::insight::Insight;
use crate::insight::health::{Capture, Neighbors, Vitals};
use crate::link::quic::QuicLink;
use crate::mesh::Mesh;
use crate::outside::sockets::Sockets;
use crate::ready::Readiness;
use crate::steering::{Capturer, Steering};
use anyhow::{Context, Result};
use masq_core::config::{CountryCode, CrashPoint, NodeConfig};
use masq_core::descriptor::Descriptor;
use masq_core::directory::Directory;
use masq_core::identity::NodeId;
use masq_core::neighborhood::{DialFailure, Refusal, Stage, State};
use masq_core::record::Roles;
use masq_core::route::{self, RouteRequest};
use masq_ui_protocol::message::ConnectionStage;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::spawn_local;

type NodeEntry = Entry<QuicLink, Sockets>;

/// The parts of a Node that are looked at.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) config: Rc<NodeConfig>,
    pub(super) own_id: NodeId,
    pub(super) directory: Rc<RefCell<Directory>>,
    pub(super) mesh: Rc<Mesh<QuicLink>>,
    pub(super) wishes: Rc<Wishes>,
    pub(super) store: Rc<Store>,
    pub(super) data_directory: PathBuf,
    /// None without gossip.
    pub(super) shell: Option<Rc<NodeShell>>,
    /// None without capture.
    pub(super) entry: Option<Rc<NodeEntry>>,
    /// Who can change the capture.
    pub(super) capturer: Rc<dyn Capturer>,
    pub(super) started: Instant,
}

/// Listens, where UIs are wanted. Whoever watches the Node hears of a failure.
pub(super) async fn listen(ui: &mut Option<(u16, Readiness)>) -> Result<Option<Gateway>> {
    let Some((port, readiness)) = ui else {
        return Ok(None);
    };
    let gateway = Gateway::listen(*port, users()).await;
    let gateway = gateway.with_context(|| format!("No user interface can use port {port}"));
    if let Err(error) = &gateway {
        readiness.failed("ui-port", &format!("{error:#}"));
    }
    gateway.map(Some)
}

/// Besides root.
#[cfg(target_os = "linux")]
fn users() -> Vec<u32> {
    vec![masq_platform_linux::user_files::user()]
}

#[cfg(not(target_os = "linux"))]
fn users() -> Vec<u32> {
    Vec::new()
}

/// Serves UIs until one tells the Node to end; for ever without any.
pub(super) async fn serve(gateway: Option<&mut Gateway>, parts: Parts) {
    match gateway {
        Some(gateway) => gateway.serve(dispatch(&parts), stages(&parts)).await,
        None => std::future::pending().await,
    }
}

fn stages(parts: &Parts) -> Stages {
    let changes = match (&parts.shell, parts.config.nodes_file.is_some()) {
        (Some(shell), _) => shell.changes(),
        (None, true) => parts.mesh.changes(),
        (None, false) => watch::Sender::new(0).subscribe(),
    };
    let parts = parts.clone();
    Stages {
        now: Box::new(move || stage(&parts)),
        changes,
    }
}

fn stage(parts: &Parts) -> ConnectionStage {
    if let Some(shell) = &parts.shell {
        return match shell.with_core(|core, _| core.stage()) {
            Stage::NotConnected => ConnectionStage::NotConnected,
            Stage::ConnectedToNeighbor => ConnectionStage::ConnectedToNeighbor,
            Stage::RouteFound => ConnectionStage::RouteFound,
        };
    }
    if parts.config.hops() == 0 {
        // Every flow has a way: this Node's own sockets.
        return ConnectionStage::RouteFound;
    }
    if parts.mesh.peers().is_empty() {
        ConnectionStage::NotConnected
    } else if route(parts).is_ok() {
        ConnectionStage::RouteFound
    } else {
        ConnectionStage::ConnectedToNeighbor
    }
}

fn route(parts: &Parts) -> Result<(), route::RouteError> {
    let request = request(&parts.wishes);
    let directory = parts.directory.borrow();
    route::choose(&directory, &request, clock::now(), &mut rand::rng()).map(drop)
}

/// A route that a flow of this Node's apps would take now.
pub(super) fn request(wishes: &Wishes) -> RouteRequest {
    RouteRequest {
        hops: wishes.hops.get(),
        countries: wishes.countries.borrow().clone(),
        unix_time: Some(clock::unix_seconds()),
        ..RouteRequest::default()
    }
}

fn dispatch(parts: &Parts) -> Dispatch {
    let surroundings = Rc::new(surroundings(parts));
    let mut dispatch = Dispatch::new(parts.config.crash_point == CrashPoint::Message);
    let place = surroundings.clone();
    dispatch.add(move |frame, _| place.handle(frame));
    let mut configurator = Configurator::new(&parts.config, parts.store.clone());
    dispatch.add(move |frame, now| {
        let reply = configurator.handle(frame.clone(), now)?;
        match reply.changed {
            Some(Changed::MinHops(hops)) => surroundings.set_hops(hops),
            None => {}
        }
        Some(Reply {
            answer: reply.answer,
            others: reply.others,
        })
    });
    let routed = parts.clone();
    let has_way = move || routed.config.hops() == 0 || route(&routed).is_ok();
    let steering = Rc::new(Steering::new(parts.capturer.clone(), Box::new(has_way)));
    spawn_local(steering.clone().keep());
    dispatch.add(move |frame, now| steering.handle(frame, now).map(Reply::from));
    let vital_parts = parts.clone();
    let mut insight = Insight::new(parts.entry.clone(), Box::new(move || vitals(&vital_parts)));
    dispatch.add(move |frame, now| insight.handle(frame.clone(), now).map(Reply::from));
    dispatch
}

fn surroundings(parts: &Parts) -> Surroundings {
    let (staged, described, placed, wished) =
        (parts.clone(), parts.clone(), parts.clone(), parts.clone());
    Surroundings {
        stage: Box::new(move || stage(&staged)),
        descriptor: Box::new(move || descriptor(&described)),
        directory: parts.directory.clone(),
        own: Box::new(move || own(&placed)),
        wishes: parts.wishes.clone(),
        wished: Box::new(move |wishes| {
            if let Some(entry) = &wished.entry {
                entry.set_hops(wishes.hops.get());
                entry.set_exit_countries(wishes.countries.borrow().clone());
            }
            match &wished.shell {
                Some(shell) => shell.look_again(),
                None => wished.mesh.look_again(),
            }
        }),
    }
}

fn descriptor(parts: &Parts) -> Option<String> {
    if let Some(shell) = &parts.shell {
        return shell.with_core(|core, _| Some(core.own_descriptor()?.to_string()));
    }
    let address = parts.config.public_address().ok()?;
    let ports = vec![address.port()];
    let chain = parts.config.chain;
    let descriptor = Descriptor::new(chain, parts.own_id, address.ip(), ports).ok()?;
    Some(descriptor.to_string())
}

fn own(parts: &Parts) -> Place {
    if let Some(shell) = &parts.shell {
        return shell.with_core(|core, _| Place::from(&**core.own_record()));
    }
    let config = &parts.config;
    Place {
        id: parts.own_id,
        roles: Roles {
            relay: config.relays(),
            exit: config.exit,
        },
        country: config
            .country
            .or_else(|| CountryCode::new("ZZ"))
            .expect("ZZ are two letters"),
        neighbors: parts.mesh.peers(),
    }
}

fn vitals(parts: &Parts) -> Vitals {
    let config = &parts.config;
    let running = clock::now().saturating_duration_since(parts.started);
    let status = parts
        .shell
        .as_ref()
        .map(|shell| shell.with_core(|core, now| core.status(now)));
    let tried = status.iter().flat_map(|status| &status.neighbors);
    let mut neighbors = Neighbors {
        links: parts.mesh.peers().len(),
        ..Neighbors::default()
    };
    for other in tried.filter(|other| other.state != State::Client) {
        neighbors.known += 1;
        let unheard = other.state == State::Dialling || other.said == DialFailure::TimedOut.said();
        neighbors.silent += usize::from(unheard);
        neighbors.refused_by_time += usize::from(other.said == Refusal::Clock.said());
    }
    let hops = usize::from(parts.wishes.hops.get());
    let no_route = (hops > 0).then(|| route(parts).err()).flatten();
    Vitals {
        hops,
        stage: status.map(|status| status.stage),
        running,
        clock_unix: clock::unix_seconds(),
        neighbors,
        no_route: no_route.map(|error| (error.code(), error.to_string())),
        capture: match parts.entry {
            Some(_) => Capture::Active,
            None => Capture::Off,
        },
        serves: config.relays(),
        earning_wallet: Some(
            config.earning_wallet.is_some() || holds(&parts.store, Setting::EarningWalletAddress),
        ),
        // Whether it can be read without the password is not asked.
        consuming_wallet: Some(
            config.consuming_private_key.is_some()
                || holds(&parts.store, Setting::ConsumingWalletPrivateKey),
        ),
        free_bytes: free_bytes(&parts.data_directory),
    }
}

fn holds(store: &Store, setting: Setting) -> bool {
    matches!(store.setting(setting), Ok(Some(_)))
}

#[cfg(target_os = "linux")]
fn free_bytes(folder: &Path) -> Option<u64> {
    masq_platform_linux::user_files::free_bytes(folder).ok()
}

#[cfg(not(target_os = "linux"))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The wishes that a Node starts with.
pub(super) fn wishes(config: &NodeConfig) -> Rc<Wishes> {
    Rc::new(Wishes {
        hops: neighborhood::hops(config).into(),
        countries: config.exit_countries.clone().into(),
    })
}
