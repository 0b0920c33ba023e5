//! What is measured: a laboratory in which a user's traffic takes a certain way to the load server.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::unistd::Pid;

use super::peers::{self, Peer};
use crate::ZONE;
use crate::host::Host;
use crate::lab::Lab;
use crate::load::Measured;
use crate::mesh::{Mesh, MeshPlan, Site};
use crate::node::{Node, NodePlan};
use crate::process::{self, Process};

const PORT: u16 = 5001;

/// A started subject.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) hops: u8,
    pub(super) user: Host,
    pub(super) target: SocketAddr,
    processes: Vec<(String, Pid)>,
    _server: Process,
    held: Held,
}

/// Whatever must live as long as the measurement.
#[derive(Debug)]
#[expect(dead_code, reason = "held for their drop")]
enum Held {
    Direct(Lab),
    Peer(Peer, Lab),
    ZeroHop(Box<(Node, Site, Lab)>),
    Mesh(Box<Mesh>),
}

/// True if the subject needs nothing that this machine does not have.
pub(super) fn is_installed(name: &str) -> bool {
    matches!(name, "direct" | "ours") || peers::is_installed(name)
}

impl Subject {
    pub(super) fn start(name: &str, hops: u8) -> Result<Self> {
        match (name, hops) {
            ("direct", _) => Self::direct(),
            ("ours", 0) => Self::zero_hop(),
            ("ours", _) => Self::mesh(hops),
            ("redsocks", _) => Self::peer(name, 0, peers::redsocks),
            ("tor", _) => Self::peer(name, 3, peers::tor),
            _ => bail!("{name} is not known"),
        }
    }

    fn direct() -> Result<Self> {
        let mut lab = Lab::new()?;
        let user = lab.host("originator")?;
        let origin = lab.host("origin")?;
        Self::with_server("direct", 0, user, &origin, Vec::new(), Held::Direct(lab))
    }

    fn peer(name: &str, hops: u8, start: fn(&mut Lab, &Host, u16) -> Result<Peer>) -> Result<Self> {
        let mut lab = Lab::new()?;
        let user = lab.host("originator")?;
        let origin = lab.host("origin")?;
        let mut peer = start(&mut lab, &user, PORT)?;
        let processes = std::mem::take(&mut peer.processes);
        Self::with_server(name, hops, user, &origin, processes, Held::Peer(peer, lab))
    }

    fn zero_hop() -> Result<Self> {
        let mut lab = Lab::new()?;
        let site = Site::start(&mut lab)?;
        let user = lab.host("originator")?;
        let mut plan = NodePlan::zero_hop(&user)?;
        plan.set("log-level", "info")
            .set("dns-servers", site.dns.v4().to_string());
        plan.make_identity()?;
        let mut node = plan.start()?;
        node.await_ready(Duration::from_secs(20))?;
        let processes = processes_of(&node, "originator");
        let origin = site.origin.clone();
        Self::with_server(
            "ours",
            0,
            user,
            &origin,
            processes,
            Held::ZeroHop(Box::new((node, site, lab))),
        )
    }

    fn mesh(hops: u8) -> Result<Self> {
        let mesh = Mesh::start(&MeshPlan {
            hops,
            relays: usize::from(hops) - 1,
            exits: 1,
            adjust: |_, plan| {
                plan.set("log-level", "info");
            },
            ..MeshPlan::default()
        })?;
        let mut processes = processes_of(&mesh.originator, "originator");
        for node in mesh.relays.iter().chain(&mesh.exits) {
            processes.extend(processes_of(node, node.host().name()));
        }
        let (user, origin) = (mesh.app().clone(), mesh.site.origin.clone());
        Self::with_server(
            "ours",
            hops,
            user,
            &origin,
            processes,
            Held::Mesh(Box::new(mesh)),
        )
    }

    fn with_server(
        name: &str,
        hops: u8,
        user: Host,
        origin: &Host,
        processes: Vec<(String, Pid)>,
        held: Held,
    ) -> Result<Self> {
        let mut command = origin.command("prlimit")?;
        command
            .args([files().as_str(), "--"])
            .arg(process::tool()?)
            .args(["load", "serve"]);
        let mut server = origin.spawn("load", command)?;
        origin.await_port(&mut server, PORT)?;
        Ok(Self {
            name: name.to_owned(),
            hops,
            user,
            target: (origin.v4(), PORT).into(),
            processes,
            _server: server,
            held,
        })
    }

    /// Runs one client of the traffic generator on the user's host.
    pub(super) fn load(&self, limit: Duration, arguments: &[&str]) -> Result<Measured> {
        let output = process::output_within(self.client(arguments)?, limit)?;
        Ok(serde_json::from_str(&process::text(&output)?)?)
    }

    /// Starts a client that holds its connections until its input ends.
    pub(super) fn hold(&self, arguments: &[&str]) -> Result<std::process::Child> {
        Ok(self
            .client(arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?)
    }

    fn client(&self, arguments: &[&str]) -> Result<std::process::Command> {
        let mut command = self.user.command("prlimit")?;
        command
            .args([files().as_str(), "--"])
            .arg(process::tool()?)
            .arg("load")
            .args(arguments);
        Ok(command)
    }

    /// What a download of `payload` bytes costs on the user's cable; only a mesh's is counted.
    pub(super) fn bytes_received_for(&self, payload: u64) -> Result<Option<u64>> {
        let Held::Mesh(mesh) = &self.held else {
            return Ok(None);
        };
        let before = mesh.counts(&self.user)?;
        let url = format!("http://www.{ZONE}/bytes/{payload}");
        let output = mesh.curl(Duration::from_secs(60), &["-o", "/dev/null", &url])?;
        process::text(&output)?;
        Ok(Some(
            (mesh.counts(&self.user)?.received - before.received).bytes,
        ))
    }

    pub(super) fn carries_datagrams(&self) -> bool {
        !matches!(self.held, Held::Peer(..))
    }

    /// CPU seconds that each process of the subject has used so far.
    pub(super) fn cpu(&self) -> Vec<(String, f64)> {
        let used = |pid| process::cpu_seconds(pid).unwrap_or_default();
        self.processes
            .iter()
            .map(|(label, pid)| (label.clone(), used(*pid)))
            .collect()
    }

    /// Resident bytes of each process of the subject.
    pub(super) fn memory(&self) -> Vec<(String, u64)> {
        let used = |pid| process::resident_bytes(pid).unwrap_or_default();
        self.processes
            .iter()
            .map(|(label, pid)| (label.clone(), used(*pid)))
            .collect()
    }
}

/// As many open files as this process may allow itself: ten thousand connections are more than usual.
fn files() -> String {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let hard = line
        .and_then(|line| line.split_whitespace().nth(4))
        .unwrap_or("4096");
    format!("--nofile={hard}:")
}

fn processes_of(node: &Node, label: &str) -> Vec<(String, Pid)> {
    let helper = node.helper();
    let name = |pid| {
        if Some(pid) == helper {
            format!("{label}-helper")
        } else {
            label.to_owned()
        }
    };
    node.process_ids()
        .into_iter()
        .map(|pid| (name(pid), pid))
        .collect()
}
