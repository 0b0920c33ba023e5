//! Linux: the capture helper as a process of its own, sockets made while they
//! can still be made, then no more privilege.

use super::{Ui, data_directory};
use anyhow::{Context, Result, bail};
use masq_capture::Network;
use masq_capture::helper::Parameters;
use masq_capture::states::{LocalNetwork, OnFailure};
use masq_core::config::NodeConfig;
use masq_core::fake_ip;
use masq_core::record::EarningAddress;
use masq_dns::Record;
use masq_node::database::Store;
use masq_node::entry::name_server::NameServer;
use masq_node::node::{self, Capture, Start};
use masq_node::{captured, clock, configurator, log};
use masq_platform_linux::{TunDevice, privileges, spawn_helper, user_files};
use rand::Rng;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes that the kernel holds for the links in each direction.
const SOCKET_BUFFER: usize = 4 << 20;
/// Where the original MASQ Node looks for a port.
const CHOSEN_PORTS: std::ops::Range<u16> = 1_025..9_999;
const PORT_TRIES: usize = 100;

pub(crate) fn capture_helper() -> ExitCode {
    masq_node::helper::run()
}

pub(crate) fn capture_guard(journal_directory: &Path) -> ExitCode {
    masq_node::helper::guard(journal_directory)
}

/// Whoever watches the Node hears why it cannot start.
pub(crate) fn node(config: NodeConfig, tun: Option<i32>, ui: Option<Ui>) -> Result<()> {
    let mut ui = ui.map(|ui| (ui.port, ui.readiness));
    match prepare(config, tun) {
        Ok(start) => node::run(Start { ui, ..start }),
        Err(error) => {
            if let Some((_, readiness)) = &mut ui {
                readiness.failed("node", &format!("{error:#}"));
            }
            Err(error)
        }
    }
}

/// All that comes before the Node works.
fn prepare(mut config: NodeConfig, tun: Option<i32>) -> Result<Start<TunDevice>> {
    privileges::fix_malloc_threshold();
    privileges::raise_nofile_limit().context("Failed to raise the limit of open files")?;
    let root = user_files::is_root();
    let capture = match tun {
        Some(number) => Some(captured::adopted(
            TunDevice::from_inherited(number).context("Failed to take over the TUN")?,
        )),
        None if !config.capture => None,
        None if !root => bail!(
            "Capturing the whole machine needs root: start with sudo, use masq run for one \
             program, or set capture = false"
        ),
        None => Some(capture(&config)?),
    };
    let sockets = if config.hops() == 0 && !config.listens() {
        None
    } else {
        Some(LinkSockets::prepare()?)
    };
    let name_server = if config.entry_dns {
        Some(name_server()?)
    } else {
        None
    };
    let asked_before = asked_before(&config.journal_directory);
    if root {
        let user = real_user(&config)?;
        let data = data_directory(&config)?;
        user_files::make_directory(&data, user.uid, user.gid)
            .with_context(|| format!("Failed to prepare {}", data.display()))?;
        privileges::drop_privileges(user.uid, user.gid, &user.home)?;
    }
    let data_directory = data_directory(&config)?;
    if let Err(error) = log::open_file(&data_directory) {
        tracing::warn!(%error, "the log is not kept in the data directory");
    }
    let (store, mut remembered) = Store::open(&data_directory)?;
    let wallets = configurator::start_with(&store, &config)?;
    config.earning_wallet = wallets
        .earning
        .map(|wallet| EarningAddress(*wallet.as_bytes()));
    config.db_password = None;
    if config.new_public_key == Some(true) {
        remembered.identity = None;
    }
    let identity = store.identity(&mut remembered, clock::unix_seconds())?;
    let socket = match sockets {
        Some(sockets) => Some(link_socket(&sockets, &config, &store, remembered.port)?),
        None => None,
    };
    Ok(Start {
        config,
        identity,
        store,
        remembered,
        data_directory,
        socket,
        capture,
        name_server,
        asked_before,
        ui: None,
    })
}

/// The sockets of `entry-dns`; where one address is another's, the others do.
fn name_server() -> Result<NameServer> {
    let server = NameServer::bind();
    if let (true, Some((address, error))) =
        (server.addresses().is_empty(), server.refused().first())
    {
        let remedy = if error.kind() == ErrorKind::PermissionDenied {
            "entry-dns needs root: start with sudo"
        } else {
            "set entry-dns = false, or end the program that listens there"
        };
        bail!("No DNS question can be heard on port 53 of {address}: {error}; {remedy}");
    }
    Ok(server)
}

/// Whom the system asked before `dns_utility` switched its resolver. Only root
/// may read that, and only a Node that starts meanwhile needs it.
fn asked_before(journal: &Path) -> Vec<IpAddr> {
    let Ok(bytes) = std::fs::read(journal.join(masq_dns::record::FILE)) else {
        return Vec::new();
    };
    match Record::from_bytes(&bytes) {
        Ok(record) => record.upstream,
        Err(error) => {
            tracing::warn!(%error, "the record of the switched resolver cannot be read");
            Vec::new()
        }
    }
}

fn capture(config: &NodeConfig) -> Result<Capture<TunDevice>> {
    let program = std::env::current_exe().context("Failed to find this program's file")?;
    let parameters = Parameters {
        tun_name: config.tun_name.as_str().to_string(),
        journal_directory: config.journal_directory.clone(),
        node_pid: std::process::id(),
        excluded: Vec::new(),
        captured: fake_ip::ranges()
            .into_iter()
            .filter_map(|(ip, length)| Network::new(ip, length))
            .collect(),
        on_failure: if config.blocks_on_failure {
            OnFailure::Block
        } else {
            OnFailure::Direct
        },
        local_network: if config.local_network {
            LocalNetwork::Allow
        } else {
            LocalNetwork::Block
        },
    };
    let (client, tun) = spawn_helper(&program, &parameters)
        .context("The traffic of this machine cannot be captured")?;
    tracing::info!(
        event = "capturing",
        tun = tun.description.name,
        helper = client.pid()
    );
    Ok(captured::by_helper(client, tun.device))
}

/// UDP sockets for the links that are not bound yet: their buffers need a
/// privilege, and their port is known after it is dropped.
struct LinkSockets {
    both: Option<UdpSocket>,
    v4: UdpSocket,
}

impl LinkSockets {
    fn prepare() -> Result<Self> {
        let prepare = |domain| {
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            if domain == Domain::IPV6 {
                socket.set_only_v6(false)?;
            }
            let socket = UdpSocket::from(socket);
            // Less than asked for costs speed and nothing else.
            let _ = user_files::force_socket_buffers(&socket, SOCKET_BUFFER);
            std::io::Result::Ok(socket)
        };
        Ok(Self {
            both: prepare(Domain::IPV6).ok(),
            v4: prepare(Domain::IPV4).context("Failed to make the UDP socket of the links")?,
        })
    }

    /// For both families where the kernel has both.
    fn bind(&self, port: u16) -> std::io::Result<UdpSocket> {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        if let Some(both) = &self.both {
            match SockRef::from(both).bind(&any.into()) {
                Ok(()) => return both.try_clone(),
                Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
                Err(_) => {}
            }
        }
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        SockRef::from(&self.v4).bind(&any.into())?;
        self.v4.try_clone()
    }
}

/// The socket of the links, on the configured port, else on the one that was
/// chosen at the first start and is kept for ever, as neighbors know it.
fn link_socket(
    sockets: &LinkSockets,
    config: &NodeConfig,
    store: &Store,
    kept: Option<u16>,
) -> Result<UdpSocket> {
    let bind = |port| {
        sockets.bind(port).with_context(|| {
            format!("Failed to bind UDP port {port} for links: is another Node using it?")
        })
    };
    if !config.listens() {
        return bind(0);
    }
    if let Some(port) = config.clandestine_port {
        return bind(port.get());
    }
    if let Some(kept) = kept {
        match sockets.bind(kept) {
            Ok(socket) => return Ok(socket),
            Err(error) => tracing::warn!(port = kept, %error, "the kept port is taken: another"),
        }
    }
    for _ in 0..PORT_TRIES {
        let port = rand::rng().random_range(CHOSEN_PORTS);
        if let Ok(socket) = sockets.bind(port) {
            store.save_port(port)?;
            tracing::info!(event = "port-chosen", port);
            return Ok(socket);
        }
    }
    bail!("No free UDP port from 1025 to 9998 for links: set clandestine-port")
}

struct User {
    uid: u32,
    gid: u32,
    home: PathBuf,
}

/// Whom the Node works as: `real-user`, else whoever called sudo.
fn real_user(config: &NodeConfig) -> Result<User> {
    let from_sudo = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let uid = config.real_user.uid.or_else(|| from_sudo("SUDO_UID"));
    let gid = config.real_user.gid.or_else(|| from_sudo("SUDO_GID"));
    let (Some(uid), Some(gid)) = (uid, gid) else {
        bail!(
            "The Node does not work as root, and nobody said as whom instead: start it with sudo, \
             or set real-user = \"uid:gid:home\" in the configuration file"
        );
    };
    let home = config.real_user.home.clone();
    Ok(User {
        uid,
        gid,
        home: home.unwrap_or_else(|| PathBuf::from("/")),
    })
}
