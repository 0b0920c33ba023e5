//! Linux: the capture helper as a process of its own, sockets made while they
//! can still be made, then no more privilege.

use super::data_directory;
use anyhow::{Context, Result, bail};
use masq_capture::Network;
use masq_capture::helper::Parameters;
use masq_core::config::NodeConfig;
use masq_core::fake_ip;
use masq_node::database::Store;
use masq_node::node::{self, Capture, Start};
use masq_node::{captured, clock};
use masq_platform_linux::{TunDevice, privileges, spawn_helper, user_files};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes that the kernel holds for the links in each direction.
const SOCKET_BUFFER: usize = 4 << 20;

pub(crate) fn capture_helper() -> ExitCode {
    masq_node::helper::run()
}

pub(crate) fn capture_guard(journal_directory: &Path) -> ExitCode {
    masq_node::helper::guard(journal_directory)
}

pub(crate) fn node(config: NodeConfig, tun: Option<i32>) -> Result<()> {
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
    let socket = if config.hops() == 0 && !config.listens() {
        None
    } else {
        Some(link_socket(&config)?)
    };
    if root {
        let user = real_user(&config)?;
        let data = data_directory(&config)?;
        user_files::make_directory(&data, user.uid, user.gid)
            .with_context(|| format!("Failed to prepare {}", data.display()))?;
        privileges::drop_privileges(user.uid, user.gid, &user.home)?;
    }
    let data_directory = data_directory(&config)?;
    let (store, mut remembered) = Store::open(&data_directory)?;
    let identity = store.identity(&mut remembered, clock::unix_seconds())?;
    node::run(Start {
        config,
        identity,
        store,
        remembered,
        data_directory,
        socket,
        capture,
    })
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

/// The UDP socket of the links, for both families where the kernel has both.
fn link_socket(config: &NodeConfig) -> Result<UdpSocket> {
    let port = match (config.listens(), config.clandestine_port) {
        (true, Some(port)) => port.get(),
        (true, None) | (false, _) => 0,
    };
    let socket = bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
        .or_else(|_| bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))))
        .with_context(|| {
            format!("Failed to bind UDP port {port} for links: is another Node using it?")
        })?;
    Ok(socket)
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    // Less than asked for costs speed and nothing else.
    let _ = user_files::force_socket_buffers(&socket, SOCKET_BUFFER);
    Ok(socket)
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
