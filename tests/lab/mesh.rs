//! A private mesh: an originator with its captured host, two relays, two exits, an origin and its DNS.
//!
//! The originator's neighbors are the relays; relays and exits all know each other, so that a way of one
//! to four hops exists and another one when a Node is gone.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::ZONE;
use crate::authority::{self, Files};
use crate::host::Host;
use crate::lab::Lab;
use crate::node::{Node, NodePlan, path_text};
use crate::process::{self, Process};
use crate::wire::{self, Counts};

const READY: Duration = Duration::from_secs(20);

/// What a mesh is to look like.
#[derive(Clone, Debug)]
pub struct MeshPlan {
    pub hops: u8,
    pub relays: usize,
    pub exits: usize,
    /// Every Node but the first is told of that one, and finds the others; there is no list of Nodes.
    pub finds_itself: bool,
    /// Changes every Node's settings before it starts; the name is the host's.
    pub adjust: fn(&str, &mut NodePlan),
}

impl Default for MeshPlan {
    fn default() -> Self {
        Self {
            hops: 3,
            relays: 2,
            exits: 2,
            finds_itself: false,
            adjust: |_, _| {},
        }
    }
}

/// A running mesh; dropping it removes its laboratory.
#[derive(Debug)]
pub struct Mesh {
    pub originator: Node,
    pub relays: Vec<Node>,
    pub exits: Vec<Node>,
    pub site: Site,
    pub lab: Lab,
}

/// What is reached through the mesh: the origin's services and the zone that names them.
#[derive(Debug)]
pub struct Site {
    pub origin: Host,
    pub dns: Host,
    pub files: Files,
    origin_process: Process,
    dns_process: Process,
}

impl Site {
    /// Starts the origin and its name server in a laboratory.
    pub fn start(lab: &mut Lab) -> Result<Self> {
        let dns = lab.host("dns")?;
        let origin = lab.host("origin")?;
        let private: IpAddr = [10, 77, 0, 1].into();
        lab.add_address(&origin, private)?;
        let names = vec![
            ZONE.to_owned(),
            format!("*.{ZONE}"),
            origin.v4().to_string(),
            origin.v6().to_string(),
        ];
        let files = authority::create(lab.folder(), &names)?;

        let tool = process::tool()?;
        let mut command = origin.command(&tool)?;
        command
            .arg("origin")
            .arg("--certificate")
            .arg(&files.certificate)
            .arg("--key")
            .arg(&files.key);
        let mut origin_process = origin.spawn("origin", command)?;
        let mut command = dns.command(&tool)?;
        command.args([
            "dns",
            "--v4",
            &origin.v4().to_string(),
            "--v6",
            &origin.v6().to_string(),
        ]);
        let mut dns_process = dns.spawn("dns", command)?;
        origin.await_port(&mut origin_process, 443)?;
        dns.await_port(&mut dns_process, 53)?;
        Ok(Self {
            origin,
            dns,
            files,
            origin_process,
            dns_process,
        })
    }

    pub fn processes(&self) -> [&Process; 2] {
        [&self.origin_process, &self.dns_process]
    }

    /// What the DNS server was asked, one line a question.
    pub fn questions(&self) -> String {
        self.dns_process.log()
    }

    /// How many TCP connections are open at the origin.
    pub fn open_connections(&self) -> Result<usize> {
        let output = self.origin.run(
            Duration::from_secs(5),
            "ss",
            &["-Htn", "state", "established"],
        )?;
        Ok(process::text(&output)?.lines().count())
    }
}

impl Mesh {
    pub fn start(plan: &MeshPlan) -> Result<Self> {
        let mut lab = Lab::new()?;
        let site = Site::start(&mut lab)?;
        let resolver = site.dns.v4().to_string();

        let mut serving = Vec::new();
        for (role, count) in [("relay", plan.relays), ("exit", plan.exits)] {
            for number in 1..=count {
                let host = lab.host(&format!("{role}{number}"))?;
                let mut node = NodePlan::serving(&host)?;
                node.set("exit", role == "exit")
                    .set("dns-servers", resolver.clone());
                (plan.adjust)(host.name(), &mut node);
                serving.push(node);
            }
        }
        let host = lab.host("originator")?;
        let mut originator = NodePlan::capturing(&host, plan.hops)?;
        (plan.adjust)(host.name(), &mut originator);

        let nodes_file = if plan.finds_itself {
            tell_of_the_first(&mut serving, &mut originator)?;
            None
        } else {
            let file = introduce(&lab, &mut serving, &mut originator, plan.relays)?;
            Some(path_text(&file))
        };
        let neighbors: Vec<Host> = first_hops(&serving, plan)
            .iter()
            .map(|node| node.host.clone())
            .collect();
        for host in lab.hosts() {
            let known: Vec<&Host> = if host.name() == "originator" {
                neighbors.iter().collect()
            } else {
                serving
                    .iter()
                    .map(|node| &node.host)
                    .chain([&originator.host])
                    .collect()
            };
            wire::watch(&lab.wan(), host, &known)?;
        }

        let mut started = Vec::new();
        for mut node in serving {
            if let Some(file) = &nodes_file {
                node.set("nodes-file", file.clone());
            }
            started.push(node.start()?);
        }
        if let Some(file) = &nodes_file {
            originator.set("nodes-file", file.clone());
        }
        let mut originator = originator.start()?;
        let others = started.len() - 1;
        for node in &mut started {
            node.await_ready(READY)?;
            node.await_links(others, READY)?;
        }
        originator.await_ready(READY)?;
        let exits = started.split_off(plan.relays);
        Ok(Self {
            originator,
            relays: started,
            exits,
            site,
            lab,
        })
    }

    /// The captured host.
    pub fn app(&self) -> &Host {
        self.originator.host()
    }

    /// The wire's counters of a host.
    pub fn counts(&self, host: &Host) -> Result<Counts> {
        wire::read(&self.lab.wan(), host)
    }

    /// Runs `curl` on the captured host, trusting the laboratory's authority; answers its output.
    pub fn curl(&self, limit: Duration, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = self.app().command("curl")?;
        command
            .args(["--silent", "--show-error", "--cacert"])
            .arg(&self.site.files.authority)
            .args(arguments);
        process::output_within(command, limit)
    }

    pub fn nodes(&mut self) -> impl Iterator<Item = &mut Node> {
        [&mut self.originator]
            .into_iter()
            .chain(&mut self.relays)
            .chain(&mut self.exits)
    }
}

fn first_hops<'a>(serving: &'a [NodePlan], plan: &MeshPlan) -> &'a [NodePlan] {
    if plan.relays == 0 || plan.finds_itself {
        serving
    } else {
        &serving[..plan.relays]
    }
}

/// Gives every Node its identity, and all but the first of those that serve the descriptor of that one.
fn tell_of_the_first(serving: &mut [NodePlan], originator: &mut NodePlan) -> Result<()> {
    let (first, others) = serving
        .split_first_mut()
        .context("A mesh has a Node that serves")?;
    first.make_identity()?;
    let descriptor = first.descriptor()?;
    for node in others.iter_mut().chain([originator]) {
        node.make_identity()?;
        node.set("neighbors", descriptor.clone());
    }
    Ok(())
}

/// Gives every Node its identity, its neighbors, and the list of all Nodes.
fn introduce(
    lab: &Lab,
    serving: &mut [NodePlan],
    originator: &mut NodePlan,
    relays: usize,
) -> Result<PathBuf> {
    for node in serving.iter().chain([&*originator]) {
        node.make_identity()
            .with_context(|| format!("the identity of {}", node.host.name()))?;
    }
    let descriptors = serving
        .iter()
        .map(NodePlan::descriptor)
        .collect::<Result<Vec<_>>>()?;
    for (index, node) in serving.iter_mut().enumerate() {
        let others: Vec<&str> = descriptors
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, text)| text.as_str())
            .collect();
        if !others.is_empty() {
            node.set("neighbors", others.join(","));
        }
    }
    let first = if relays == 0 {
        &descriptors[..]
    } else {
        &descriptors[..relays]
    };
    originator.set("neighbors", first.join(","));
    let mut records = Vec::new();
    for node in serving.iter().chain([&*originator]) {
        records.push(node.record()?);
    }
    let path = lab.folder().join("nodes.jsonl");
    std::fs::write(&path, records.join("\n") + "\n")?;
    Ok(path)
}
