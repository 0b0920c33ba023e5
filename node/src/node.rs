//! A running Node: puts links, services and the entry together and keeps them
//! until it is told to end or can no longer do its work.

use self::neighborhood::Needs;
use self::passing::PassingBy;
use crate::app::Apps;
use crate::clock;
use crate::database::{Change, Loaded, Store};
use crate::entry::name_server::NameServer;
use crate::entry::owner::{NoOwners, Owners};
use crate::entry::record::FlowLog;
use crate::entry::{Entry, Parts, Way};
use crate::gateway::Gateway;
use crate::link::quic::{QuicEndpoint, QuicLink};
use crate::mesh::Mesh;
use crate::neighbors;
use crate::outside::servers::{Own, SystemServers};
use crate::outside::sockets::Sockets;
use crate::ready::Readiness;
use crate::rules::Rules;
use crate::serve::Services;
use crate::steering::{Capturer, Fixed};
use crate::{trouble, tun};
use anyhow::{Context, Result, anyhow};
use masq_capture::device::PacketDevice;
use masq_core::config::{CrashPoint, Mode, NodeConfig};
use masq_core::directory::Directory;
use masq_core::exit_policy::ExitPolicy;
use masq_core::failure::Code;
use masq_core::identity::Identity;
use masq_core::names::EntryDns;
use masq_stack::Stack;
use masq_ui_protocol::message::CaptureState;
use std::cell::RefCell;
use std::fs;
use std::future::Future;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local};

mod names;
mod neighborhood;
mod passing;
mod uis;

/// How often what was learned of other Nodes is.
const KEEP_LEARNED: Duration = Duration::from_secs(2);
/// How long neighbors are told of our end.
const FAREWELL: Duration = Duration::from_millis(200);
/// How long the end waits for the database.
const LAST_WRITE: Duration = Duration::from_secs(2);
/// Pause between attempts to open the first circuit.
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// How often the counters of what is dropped are looked at.
const REPORT: Duration = Duration::from_secs(2);

/// The capture that a Node was started with.
pub struct Capture<D> {
    pub device: D,
    pub owners: Rc<dyn Owners>,
    /// Who can change it while it lasts.
    pub capturer: Rc<dyn Capturer>,
    /// Called once; when it returns, nothing goes past the Node any more.
    pub activate: Box<dyn FnOnce() -> Result<()>>,
    /// Resolves when the capture is gone, with the reason.
    pub lost: Pin<Box<dyn Future<Output = String>>>,
}

impl<D> std::fmt::Debug for Capture<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

/// What a Node needs besides its configuration.
#[derive(Debug)]
pub struct Start<D> {
    pub config: NodeConfig,
    pub identity: Identity,
    pub store: Store,
    /// What the store held, but for the identity.
    pub remembered: Loaded,
    pub data_directory: PathBuf,
    /// The UDP socket of the links; none with zero hops.
    pub socket: Option<UdpSocket>,
    pub capture: Option<Capture<D>>,
    /// The sockets of `entry-dns`.
    pub name_server: Option<NameServer>,
    /// Whom the system asked for names before it was led here.
    pub asked_before: Vec<IpAddr>,
    /// Where user interfaces connect, and who hears that they can.
    pub ui: Option<(u16, Readiness)>,
}

/// Runs on this thread until a signal or a loss ends it.
pub fn run<D>(start: Start<D>) -> Result<()>
where
    D: PacketDevice + AsFd + AsRawFd + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("Failed to start the runtime")?;
    LocalSet::new().block_on(&runtime, serve(start))
}

async fn serve<D>(start: Start<D>) -> Result<()>
where
    D: PacketDevice + AsFd + AsRawFd + 'static,
{
    let Start {
        config,
        identity,
        store,
        remembered,
        data_directory,
        socket,
        capture,
        name_server,
        asked_before,
        mut ui,
    } = start;
    let mut ended = std::pin::pin!(end_signal()?);
    let own_id = identity.id();
    crash_at_start(config.crash_point)?;
    let started = clock::now();
    let mut gateway = uis::listen(&mut ui).await?;
    tracing::info!(event = "starting", id = %own_id, mode = config.mode.name());
    let store = Rc::new(store);
    let directory = Rc::new(RefCell::new(directory(&config, &identity)?));
    directory.borrow_mut().restore(
        remembered.guards,
        remembered.reputation,
        clock::unix_seconds(),
    );
    spawn_local(keep_learned(directory.clone(), store.clone()));
    let wishes = uis::wishes(&config);
    let endpoint = socket
        .map(|socket| QuicEndpoint::new(&identity, socket, config.listens()))
        .transpose()?;
    let mesh = Rc::new(Mesh::<QuicLink>::default());
    let addresses = name_server.as_ref().map(NameServer::addresses);
    let system = SystemServers::new(Own {
        addresses: addresses.unwrap_or_default(),
        captures: capture.is_some(),
        before: asked_before,
    });
    let outside = Rc::new(Sockets::new(&config.dns_servers, system));
    let services = Rc::new(Services::new(
        identity,
        mesh.clone(),
        outside,
        exit_policy(&config),
        (config.relays(), config.exit),
        clock::unix_seconds,
    ));
    let shell = match &endpoint {
        None => {
            neighborhood::status_alone(&config, own_id, &data_directory, true);
            None
        }
        Some(endpoint) if config.nodes_file.is_some() => {
            neighborhood::forget_status(&data_directory);
            links(&config, &services, endpoint)?;
            None
        }
        Some(endpoint) => Some(neighborhood::start(Needs {
            config: &config,
            services: services.clone(),
            directory: directory.clone(),
            endpoint,
            past: remembered.neighbors,
            data_directory: data_directory.clone(),
            store: store.clone(),
            wishes: wishes.clone(),
        })?),
    };

    let owners = capture.as_ref().map(|capture| capture.owners.clone());
    let entry = if capture.is_none() && name_server.is_none() {
        None
    } else {
        Some(entry(
            &config,
            &data_directory,
            services.clone(),
            directory.clone(),
            owners,
        )?)
    };
    if let (Some(entry), Some(name_server)) = (&entry, name_server) {
        answer_names(name_server, entry)?;
    }
    if let Some(entry) = &entry {
        spawn_local(entry.clone().keep_pace());
        spawn_local(names::keep(entry.clone(), data_directory.clone()));
        if shell.is_none() {
            spawn_local(follow_links(entry.clone(), mesh.clone()));
        }
    }
    let capturer = match &capture {
        Some(capture) => capture.capturer.clone(),
        None => Rc::new(Fixed(CaptureState::Off)),
    };
    let port = gateway.as_ref().map(Gateway::port);
    let asked = uis::serve(
        gateway.as_mut(),
        uis::Parts {
            config: Rc::new(config.clone()),
            own_id,
            directory: directory.clone(),
            mesh: mesh.clone(),
            wishes: wishes.clone(),
            store: store.clone(),
            data_directory: data_directory.clone(),
            shell: shell.clone(),
            entry: entry.clone(),
            capturer: capturer.clone(),
            started,
        },
    );
    // Whoever is told that the Node runs may rely on it: nothing goes past it.
    let captures = move || {
        if let (Some((_, readiness)), Some(port)) = (&mut ui, port) {
            readiness.ready(port);
        }
    };
    let result = tokio::select! {
        result = work(&config, entry.as_ref(), &mesh, capture, captures) => result,
        asked = &mut ended => asked,
        () = asked => Ok(()),
    };
    if result.is_ok() {
        // Only who was told to end lets traffic go its usual way.
        capturer.release();
    }
    if let Some(entry) = entry {
        entry.close();
        names::write(&entry, &data_directory);
    }
    if let Some(shell) = shell {
        shell.stop();
        neighborhood::last_status(&config, &wishes, &shell, &data_directory);
    }
    if endpoint.is_none() {
        neighborhood::status_alone(&config, own_id, &data_directory, false);
    }
    learned(&directory, &store);
    let leave_mesh = async {
        if let Some(endpoint) = endpoint {
            endpoint.close();
            // Neighbors that do not hear of it notice by themselves.
            let _ = tokio::time::timeout(FAREWELL, endpoint.flush()).await;
        }
    };
    let leave_uis = async {
        if let Some(gateway) = gateway {
            gateway.close(FAREWELL).await;
        }
    };
    tokio::join!(leave_mesh, leave_uis);
    if let Err(error) = store.flush(LAST_WRITE) {
        tracing::warn!(code = %error.code, "what was learned last is lost: {error}");
    }
    tracing::info!(event = "ended");
    result
}

/// For those who want to see what a crash does.
fn crash_at_start(point: CrashPoint) -> Result<()> {
    match point {
        CrashPoint::Panic => panic!("crash-point = panic"),
        CrashPoint::Error => Err(anyhow!("crash-point = error")),
        CrashPoint::Message | CrashPoint::None => Ok(()),
    }
}

/// Carries flows, as far as they are captured; `captures` is called once they are.
async fn work<D>(
    config: &NodeConfig,
    entry: Option<&Rc<Entry<QuicLink, Sockets>>>,
    mesh: &Rc<Mesh<QuicLink>>,
    capture: Option<Capture<D>>,
    captures: impl FnOnce(),
) -> Result<()>
where
    D: PacketDevice + AsFd + AsRawFd + 'static,
{
    match (entry, capture) {
        (Some(entry), Some(capture)) => captured(config, entry, mesh, capture, captures).await,
        (None, _) | (Some(_), None) => {
            captures();
            tracing::info!(event = "ready");
            std::future::pending().await
        }
    }
}

/// Carries the captured flows until the capture is lost.
async fn captured<D>(
    config: &NodeConfig,
    entry: &Rc<Entry<QuicLink, Sockets>>,
    mesh: &Rc<Mesh<QuicLink>>,
    capture: Capture<D>,
    captures: impl FnOnce(),
) -> Result<()>
where
    D: PacketDevice + AsFd + AsRawFd + 'static,
{
    let stack = masq_stack::Config {
        mtu: capture.device.mtu(),
        transmit_checksums: !capture.device.completes_checksums(),
        random_seed: rand::random(),
        ..masq_stack::Config::default()
    };
    let apps = Apps::new(Stack::new(stack, clock::now()), clock::now);
    let reporter = report_drops(apps.clone(), entry.clone());
    let packets = tun::run(capture.device, apps, |arrival| entry.arrive(arrival));
    (capture.activate)()?;
    let passing = PassingBy::new(capture.capturer);
    let follows = passing.clone();
    entry.watch_rules(move |rules| follows.follow(rules));
    captures();
    let mut changes = mesh.changes();
    let needs_links = config.hops() > 0;
    let ready = async {
        while needs_links && mesh.peers().is_empty() && changes.changed().await.is_ok() {}
        while let Err(failure) = entry.probe().await {
            tracing::debug!(code = %failure.code, detail = %failure.detail, "no circuit yet");
            tokio::time::sleep(PROBE_PAUSE).await;
        }
        tracing::info!(event = "ready");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = packets => result.context("The TUN failed"),
        reason = capture.lost => Err(anyhow!("The capture is lost: {reason}")),
        () = ready => Ok(()),
        () = reporter => Ok(()),
        () = passing.keep() => Ok(()),
    }
}

/// A static mesh: a link with each configured neighbor, no gossip.
fn links(
    config: &NodeConfig,
    services: &Rc<Services<QuicLink, Sockets>>,
    endpoint: &QuicEndpoint,
) -> Result<()> {
    if config.listens() {
        let serving = services.clone();
        let serve = move |link| neighbors::serve_link(serving.clone(), link);
        spawn_local(neighbors::accept(services.clone(), endpoint.clone(), serve));
    }
    for neighbor in &config.neighbors {
        let descriptor = neighbor.descriptor();
        let address = descriptor.addresses().next();
        let address = address.context("A descriptor has no port")?;
        let own = services.identity().id();
        if descriptor.id() == own {
            continue;
        }
        spawn_local(neighbors::keep(
            services.clone(),
            endpoint.clone(),
            descriptor.id(),
            address,
            neighbors::patience(&own, &descriptor.id(), config.listens()),
        ));
    }
    Ok(())
}

/// What is known of other Nodes: the static list until gossip fills it.
fn directory(config: &NodeConfig, identity: &Identity) -> Result<Directory> {
    let mut directory = Directory::new(identity.id());
    if let Some(path) = &config.nodes_file {
        let text = fs::read_to_string(path)
            .with_context(|| format!("Failed to read nodes-file {}", path.display()))?;
        let loaded = directory
            .load(&text)
            .with_context(|| format!("nodes-file {}", path.display()))?;
        for refused in &loaded.refused {
            tracing::warn!(code = %Code::MalformedRecord, "nodes-file: {refused}");
        }
    }
    Ok(directory)
}

fn exit_policy(config: &NodeConfig) -> ExitPolicy {
    let mut own = own_addresses();
    own.extend(config.ip);
    ExitPolicy::new(config.exit_allow_private, &config.exit_blocked_ports, &own)
}

/// The addresses of this machine's interfaces.
#[cfg(target_os = "linux")]
fn own_addresses() -> Vec<IpAddr> {
    masq_platform_linux::interfaces::addresses().unwrap_or_else(|error| {
        tracing::warn!(%error, "this machine's addresses are unknown to the exit policy");
        Vec::new()
    })
}

#[cfg(not(target_os = "linux"))]
fn own_addresses() -> Vec<IpAddr> {
    Vec::new()
}

/// Answers as the machine's resolver, and says where it cannot.
fn answer_names(name_server: NameServer, entry: &Rc<Entry<QuicLink, Sockets>>) -> Result<()> {
    for (address, error) in name_server.refused() {
        tracing::warn!(%address, %error, "entry-dns does not answer there");
    }
    let addresses = name_server.addresses();
    tracing::info!(event = "entry-dns", ?addresses);
    name_server
        .serve(entry)
        .context("Failed to listen for DNS questions")
}

fn entry(
    config: &NodeConfig,
    data_directory: &Path,
    services: Rc<Services<QuicLink, Sockets>>,
    directory: Rc<RefCell<Directory>>,
    captured: Option<Rc<dyn Owners>>,
) -> Result<Rc<Entry<QuicLink, Sockets>>> {
    let file = config.rules_file_in(data_directory);
    let rules = Rules::load(&file)
        .map_err(|reasons| anyhow!("The rules in {} are wrong:\n{reasons}", file.display()))?;
    let now = clock::now();
    let fake_ips = names::restored(data_directory, now);
    let log = match &config.flow_log {
        Some(path) => FlowLog::open(path, clock::unix_milliseconds)
            .with_context(|| format!("Failed to open flow-log {}", path.display()))?,
        None => FlowLog::none(clock::unix_milliseconds),
    };
    let way = match config.mode {
        Mode::ZeroHop => Way::Direct,
        Mode::Standard | Mode::OriginateOnly | Mode::ConsumeOnly => Way::Mesh {
            hops: neighborhood::hops(config),
        },
    };
    Ok(Entry::new(Parts {
        services,
        way,
        directory,
        dns: if captured.is_some() {
            EntryDns::new(fake_ips, true)
        } else {
            EntryDns::of_real_addresses(fake_ips)
        },
        log,
        direct_policy: ExitPolicy::new(true, &[], &[]),
        exit_countries: config.exit_countries.clone(),
        owners: captured.unwrap_or_else(|| Rc::new(NoOwners)),
        rules,
        clock: clock::now,
    }))
}

/// Logs what the stack and the resolver count as dropped or refused.
async fn report_drops(apps: Rc<Apps>, entry: Rc<Entry<QuicLink, Sockets>>) {
    let (mut stack, mut names) = (Default::default(), Default::default());
    loop {
        tokio::time::sleep(REPORT).await;
        let seen = apps.with(|stack| stack.counters().clone());
        let asked = entry.dns_counters();
        let troubles = trouble::of_stack(&stack, &seen)
            .into_iter()
            .chain(trouble::of_names(&names, &asked));
        for (code, what, count) in troubles {
            entry.troubles().note_many(code, what, count);
        }
        (stack, names) = (seen, asked);
    }
}

/// Routes begin with links that are up.
async fn follow_links(entry: Rc<Entry<QuicLink, Sockets>>, mesh: Rc<Mesh<QuicLink>>) {
    let mut changes = mesh.changes();
    loop {
        entry.with_directory(|directory| directory.set_links(&mesh.peers()));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Guards and reputations are worth keeping whatever ends this process.
async fn keep_learned(directory: Rc<RefCell<Directory>>, store: Rc<Store>) {
    loop {
        tokio::time::sleep(KEEP_LEARNED).await;
        learned(&directory, &store);
    }
}

fn learned(directory: &RefCell<Directory>, store: &Store) {
    let mut directory = directory.borrow_mut();
    if let Some(guards) = directory.take_guard_changes() {
        store.queue(Change::Guards(guards));
    }
    let reputation = directory.take_reputation_changes();
    if !reputation.is_empty() {
        store.queue(Change::Reputation(reputation));
    }
}

#[cfg(unix)]
fn end_signal() -> Result<impl Future<Output = Result<()>>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut orphaned = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            _ = orphaned.recv() => Err(anyhow!("whoever started this Node is gone")),
        }
    })
}

#[cfg(not(unix))]
fn end_signal() -> Result<impl Future<Output = Result<()>>> {
    Ok(async {
        // Without a console there is nobody to press Ctrl-C.
        let _ = tokio::signal::ctrl_c().await;
        Ok(())
    })
}
