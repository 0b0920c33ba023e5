//! One real `MASQNode` on a host: identity, configuration file, start, log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::flow_log::{self, Flow};
use crate::host::Host;
use crate::process::{self, Process};
use crate::wait;
use crate::wire::MESH_PORT;

/// Whom a Node of the laboratory becomes after it has its descriptors.
pub const USER: &str = "65534:65534";

/// What a Node will be configured as.
#[derive(Clone, Debug)]
pub struct NodePlan {
    pub host: Host,
    pub settings: BTreeMap<String, toml::Value>,
}

impl NodePlan {
    /// A Node that serves others and captures nothing.
    pub fn serving(host: &Host) -> Result<Self> {
        let mut plan = Self::common(host)?;
        plan.set("neighborhood-mode", "standard");
        plan.set("capture", false);
        plan.set("ip", host.v4().to_string());
        plan.set("clandestine-port", i64::from(MESH_PORT));
        Ok(plan)
    }

    /// A Node that captures its host and serves nobody.
    pub fn capturing(host: &Host, hops: u8) -> Result<Self> {
        let mut plan = Self::common(host)?;
        plan.set("neighborhood-mode", "consume-only");
        plan.set("capture", true);
        plan.set("min-hops", i64::from(hops));
        plan.set("ip", host.v4().to_string());
        plan.set("clandestine-port", i64::from(MESH_PORT));
        Ok(plan)
    }

    /// A Node that captures its host and needs no other Node.
    pub fn zero_hop(host: &Host) -> Result<Self> {
        let mut plan = Self::common(host)?;
        plan.set("neighborhood-mode", "zero-hop");
        plan.set("capture", true);
        Ok(plan)
    }

    pub fn set(&mut self, key: &str, value: impl Into<toml::Value>) -> &mut Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    fn common(host: &Host) -> Result<Self> {
        let folder = host.folder()?;
        let mut plan = Self {
            host: host.clone(),
            settings: BTreeMap::new(),
        };
        plan.set("chain", "dev")
            .set("data-directory", path_text(&folder.join("data")))
            .set("flow-log", path_text(&folder.join("data/flows.jsonl")))
            .set("journal-directory", path_text(&folder.join("journal")))
            .set("real-user", format!("{USER}:/"))
            .set("log-level", "debug");
        Ok(plan)
    }

    fn data(&self) -> Result<PathBuf> {
        Ok(self.host.folder()?.join("data"))
    }

    /// Writes the configuration file and answers its path.
    pub fn write(&self) -> Result<PathBuf> {
        let text = toml::to_string(&self.settings).context("Failed to write the configuration")?;
        self.host.write("node.toml", text)
    }

    /// Makes the identity; the record that it prints is not complete yet.
    pub fn make_identity(&self) -> Result<()> {
        let data = self.data()?;
        if data.join("node-data.db").exists() {
            return Ok(());
        }
        fs::create_dir_all(&data)?;
        let data_text = path_text(&data);
        self.ask(&["--new-identity", &data_text])?;
        crate::namespace::run_quiet("chown", &["-R", USER, &data_text], None)
    }

    /// `masq://dev:KEY@IP:PORT` of this Node.
    pub fn descriptor(&self) -> Result<String> {
        let file = path_text(&self.write()?);
        Ok(self
            .ask(&["--print-descriptor", "--config-file", &file])?
            .trim()
            .to_owned())
    }

    /// The Node's record, one line of JSON.
    pub fn record(&self) -> Result<String> {
        let file = path_text(&self.write()?);
        Ok(self
            .ask(&["--print-record", "--config-file", &file])?
            .trim()
            .to_owned())
    }

    /// Starts the Node; it is not ready yet.
    pub fn start(self) -> Result<Node> {
        let file = path_text(&self.write()?);
        let mut node = self.launch(None)?;
        node.id = node
            .plan
            .ask(&["--print-record", "--config-file", &file])
            .ok()
            .and_then(id_of);
        Ok(node)
    }

    /// Starts the Node without asking for its record.
    pub fn launch(self, id: Option<String>) -> Result<Node> {
        let file = self.write()?;
        let mut command = self.host.command(process::binary("MASQNode")?)?;
        command.arg("--config-file").arg(&file);
        let process = self.host.spawn("node", command)?;
        Ok(Node {
            plan: self,
            process,
            id,
        })
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.host.command(process::binary("MASQNode")?)?;
        command.args(arguments);
        let output = process::output_within(command, Duration::from_secs(10))?;
        process::text(&output).with_context(|| format!("MASQNode {}", arguments.join(" ")))
    }
}

/// What tests read of `status.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    pub pid: i32,
    pub stage: Option<String>,
    pub descriptor: Option<String>,
    pub neighbors: Vec<NeighborStatus>,
    pub records: usize,
    pub circuits: usize,
    pub gossip: Gossip,
    pub links: LinkBytes,
}

#[derive(Clone, Debug, Deserialize)]
pub struct NeighborStatus {
    pub id: String,
    pub state: String,
    pub said: String,
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Gossip {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub messages_out: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct LinkBytes {
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

impl Status {
    /// The ids of those that are neighbors now.
    pub fn neighbor_ids(&self) -> Vec<&str> {
        let neighbors = self.neighbors.iter();
        neighbors
            .filter(|one| one.state == "neighbor")
            .map(|one| one.id.as_str())
            .collect()
    }
}

/// A started Node.
#[derive(Debug)]
pub struct Node {
    plan: NodePlan,
    process: Process,
    id: Option<String>,
}

impl Node {
    pub fn host(&self) -> &Host {
        &self.plan.host
    }

    /// The Node's id, as its record prints it.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The id as flow logs print it.
    pub fn short_id(&self) -> String {
        self.id
            .as_deref()
            .unwrap_or_default()
            .chars()
            .take(8)
            .collect()
    }

    pub fn plan(&mut self) -> &mut NodePlan {
        &mut self.plan
    }

    /// What this very process last said of itself in `status.json`.
    pub fn status(&self) -> Option<Status> {
        let text = fs::read(self.plan.data().ok()?.join("status.json")).ok()?;
        let status: Status = serde_json::from_slice(&text).ok()?;
        (status.pid == self.process.pid().as_raw()).then_some(status)
    }

    pub fn stage(&self) -> String {
        let stage = self.status().and_then(|status| status.stage);
        stage.unwrap_or_default()
    }

    pub fn await_stage(&self, stage: &str, limit: Duration) -> Result<Duration> {
        let what = format!("stage {stage} of {}", self.host().name());
        wait::until(&what, limit, || self.stage() == stage)
            .with_context(|| process::tail(&self.process.log(), 25))
    }

    /// Waits until the Node is at any other stage than this.
    pub fn await_stage_but(&self, stage: &str, limit: Duration) -> Result<Duration> {
        let what = format!("{} to leave stage {stage}", self.host().name());
        wait::until(&what, limit, || {
            let now = self.stage();
            !now.is_empty() && now != stage
        })
        .with_context(|| process::tail(&self.process.log(), 25))
    }

    /// How others reach this Node.
    pub fn descriptor(&self, limit: Duration) -> Result<String> {
        let what = format!("the descriptor of {}", self.host().name());
        wait::until_some(&what, limit, || self.status()?.descriptor).map(|(text, _)| text)
    }

    /// Waits until the log tells of a stage, which is sooner than the file does.
    pub fn await_logged(&mut self, stage: &str, limit: Duration) -> Result<Duration> {
        let what = format!("at {stage}");
        self.process.await_log(&what, limit, |line| {
            line.contains("connection-status") && line.contains(stage)
        })
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub fn await_ready(&mut self, limit: Duration) -> Result<Duration> {
        self.process.await_log("ready", limit, |line| {
            line.contains("event=ready")
                || line.contains("event=\"ready\"")
                || line.contains("\"event\":\"ready\"")
        })
    }

    /// Waits until the Node has had links with so many others.
    pub fn await_links(&self, count: usize, limit: Duration) -> Result<()> {
        let peers = || {
            let log = self.process.log();
            let lines = log.lines().filter(|line| line.contains("link-up"));
            let peers: BTreeSet<String> = lines
                .filter_map(|line| Some(line.split("peer=").nth(1)?.split(' ').next()?.to_owned()))
                .collect();
            peers.len()
        };
        let what = format!("{count} links of {}", self.host().name());
        wait::until(&what, limit, || peers() >= count).map(drop)
    }

    pub fn flow_log_path(&self) -> Result<PathBuf> {
        Ok(self.plan.data()?.join("flows.jsonl"))
    }

    pub fn flows(&self) -> Result<Vec<Flow>> {
        Ok(flow_log::read(&self.flow_log_path()?))
    }

    /// The Node's parts: itself and its capture helper, every process named `MASQNode` on the host.
    pub fn process_ids(&self) -> Vec<nix::unistd::Pid> {
        crate::namespace::processes_in(self.host().namespace())
            .into_iter()
            .filter(|pid| {
                fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    line.split('\0')
                        .next()
                        .is_some_and(|program| program.ends_with("MASQNode"))
                })
            })
            .collect()
    }

    /// The capture helper's process.
    pub fn helper(&self) -> Option<nix::unistd::Pid> {
        self.host().capture_helper()
    }

    /// Asks the Node to end and waits for it.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(Duration::from_secs(5)).map(drop)
    }

    /// `kill -9` of the Node itself; its helper, if it has one, ends by itself.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts the Node again after its end, with the same configuration.
    pub fn restart(&mut self) -> Result<()> {
        *self = self.plan.clone().launch(self.id.clone())?;
        Ok(())
    }
}

fn id_of(record: String) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(&record).ok()?;
    Some(record["id"].as_str()?.to_owned())
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
