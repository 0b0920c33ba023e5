//! Another program's tunnel: WireGuard between a host and a server that leads on what comes out of it.
//!
//! The programs are Debian's `wireguard-go`, `wg` and `wg-quick`, which `cargo xtask setup` unpacks. Their
//! control sockets lie in one folder for the whole machine, so interfaces have names of their own.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host::Host;
use crate::lab::{Lab, UPLINK, set};
use crate::{process, require, wire};

/// The server within the tunnel.
pub const INSIDE4: &str = "10.99.0.1";
pub const INSIDE6: &str = "fd99::1";
const PORT: u16 = 51_900;
const LIMIT: Duration = Duration::from_secs(30);

/// A server that waits, and the configuration of a host that does not use it yet.
#[derive(Debug)]
pub struct Tunnel {
    pub server: Host,
    client: Host,
    wan: String,
    interface: String,
}

/// Whether the programs are there; a test without them is skipped.
pub fn are_there() -> bool {
    let programs = process::target_folder().map(|target| target.join("tunnels/usr/bin"));
    if programs.is_some_and(|folder| folder.join("wg-quick").is_file()) {
        return true;
    }
    require::skip("needs wireguard-go (`cargo xtask setup`)")
}

impl Tunnel {
    /// Makes the server of `client`, which shall reach `allowed` through it.
    pub fn new(lab: &mut Lab, client: &Host, allowed: &str) -> Result<Self> {
        let server = lab.host("vpn")?;
        wire::watch_pair(&lab.wan(), client, &server)?;
        let number = std::process::id() % 1_000_000;
        let tunnel = Self {
            client: client.clone(),
            wan: lab.wan(),
            interface: format!("wgc{number}"),
            server,
        };
        let there = format!("wgs{number}");
        let key = |host: &Host| tunnel.on(host, "wg genkey");
        let (server_key, client_key) = (key(&tunnel.server)?, key(&tunnel.server)?);
        let public = |key: &str| tunnel.on(&tunnel.server, &format!("echo {key} | wg pubkey"));
        let (server_public, client_public) = (public(&server_key)?, public(&client_key)?);
        let name = format!("{there}.conf");
        let file = tunnel.server.write(
            name,
            format!(
                "[Interface]\nPrivateKey = {server_key}\nListenPort = {PORT}\n\
                 [Peer]\nPublicKey = {client_public}\n\
                 AllowedIPs = 10.99.0.2/32, fd99::2/128, 100.99.0.2/32, fd7a:115c:a1e0::2/128\n"
            ),
        )?;
        tunnel.server.inside(|| -> Result<()> {
            set("net/ipv4/ip_forward", "1")?;
            set("net/ipv6/conf/all/forwarding", "1")
        })??;
        let file = file.to_string_lossy().into_owned();
        tunnel.on(
            &tunnel.server,
            &format!(
                "wireguard-go {there} && wg setconf {there} {file} && ip link set {there} mtu 1420 up && \
                 ip addr add {INSIDE4}/24 dev {there} && ip addr add {INSIDE6}/64 dev {there} && \
                 ip addr add 100.99.0.1/24 dev {there} && \
                 ip addr add fd7a:115c:a1e0::1/64 dev {there} && \
                 nft 'add table inet nat {{ chain post {{ type nat hook postrouting priority 100; \
                 oifname \"{UPLINK}\" masquerade; }}; }}'"
            ),
        )?;
        tunnel.client.write(
            format!("{}.conf", tunnel.interface),
            format!(
                "[Interface]\nPrivateKey = {client_key}\nAddress = 10.99.0.2/24, fd99::2/64\nMTU = 1420\n\
                 [Peer]\nPublicKey = {server_public}\nEndpoint = {}:{PORT}\nAllowedIPs = {allowed}\n\
                 PersistentKeepalive = 1\n",
                tunnel.server.v4()
            ),
        )?;
        Ok(tunnel)
    }

    /// `wg-quick up`.
    pub fn up(&self) -> Result<()> {
        self.quick("up")
    }

    /// `wg-quick down`.
    pub fn down(&self) -> Result<()> {
        self.quick("down")
    }

    fn quick(&self, word: &str) -> Result<()> {
        let file = self.client.folder()?;
        let file = file.join(format!("{}.conf", self.interface));
        let said = self.on(&self.client, &format!("wg-quick {word} {}", file.display()));
        said.map(drop)
    }

    /// The interface alone, with the packets of the tunnel marked, and none of wg-quick's routes: `lines` are
    /// for `ip`, with `DEV` for the interface.
    pub fn up_by_hand(&self, mark: &str, lines: &[&str]) -> Result<()> {
        let file = self.client.folder()?;
        let file = file.join(format!("{}.conf", self.interface));
        let device = &self.interface;
        let mut script = format!(
            "wireguard-go {device} && wg-quick strip {} > {}.stripped && wg setconf {device} {}.stripped && \
             wg set {device} fwmark {mark} && ip link set {device} mtu 1280 up",
            file.display(),
            file.display(),
            file.display()
        );
        for line in lines {
            script += &format!(" && ip {}", line.replace("DEV", device));
        }
        self.on(&self.client, &script).map(drop)
    }

    /// Packets from the host to the server, so of the tunnel.
    pub fn packets(&self) -> Result<u64> {
        Ok(wire::read_pair(&self.wan, &self.client, &self.server)?.packets)
    }

    /// What a script prints on a host.
    pub fn on(&self, host: &Host, script: &str) -> Result<String> {
        let programs = process::target_folder().context("a target folder")?;
        let programs = programs.join("tunnels/usr/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = host.command("bash")?;
        command
            .env("PATH", format!("{}:{path}:/usr/sbin", programs.display()))
            .args(["-c", script]);
        let output: Output = process::output_within(command, LIMIT)?;
        process::text(&output).map(|text| text.trim().to_owned())
    }
}
