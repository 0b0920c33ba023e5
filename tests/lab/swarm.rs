//! A mesh that finds itself: each Node gets the descriptor of one other, and no list of Nodes.
//!
//! Node `n1` is the first; it knows nobody. All are relays and exits unless changed, on hosts `n1`, `n2` and
//! so on.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::host::Host;
use crate::lab::Lab;
use crate::node::{Node, NodePlan};
use crate::wire;

/// The Nodes of a mesh; dropping it ends them, and dropping the laboratory what they stood in.
#[derive(Debug)]
pub struct Swarm {
    pub nodes: Vec<Node>,
    /// When the last of them was started.
    pub complete: Instant,
}

/// A Node with its identity made, and how others reach it.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub plan: NodePlan,
    pub descriptor: String,
}

impl Prepared {
    /// Names the one Node that this one is told of.
    pub fn knowing(mut self, other: &str) -> Self {
        self.plan.set("neighbors", other);
        self
    }

    pub fn id(&self) -> Option<String> {
        let (_, rest) = self.descriptor.strip_prefix("masq://")?.split_once(':')?;
        Some(rest.split_once('@')?.0.to_owned())
    }

    pub fn launch(self) -> Result<Node> {
        let id = self.id();
        self.plan.launch(id)
    }
}

/// A Node that serves, on a host of this name.
pub fn prepare(lab: &mut Lab, name: &str) -> Result<Prepared> {
    prepare_as(lab, name, |_| {})
}

/// The same with other settings.
pub fn prepare_as(
    lab: &mut Lab,
    name: &str,
    adjust: impl FnOnce(&mut NodePlan),
) -> Result<Prepared> {
    let resolver = lab.host("dns")?.v4();
    let host = lab.host(name)?;
    let mut plan = NodePlan::serving(&host)?;
    plan.set("dns-servers", resolver.to_string())
        .set("log-level", "info");
    finish(plan, adjust)
}

/// A Node that captures its host, and serves nobody unless changed.
pub fn prepare_captured(
    lab: &mut Lab,
    name: &str,
    adjust: impl FnOnce(&mut NodePlan),
) -> Result<Prepared> {
    let host = lab.host(name)?;
    finish(NodePlan::capturing(&host, 3)?, adjust)
}

fn finish(mut plan: NodePlan, adjust: impl FnOnce(&mut NodePlan)) -> Result<Prepared> {
    adjust(&mut plan);
    plan.make_identity()?;
    // A descriptor needs an address, and modes without one refuse the key.
    let mut reached = plan.clone();
    reached
        .set("ip", plan.host.v4().to_string())
        .set("neighborhood-mode", "standard")
        .set("clandestine-port", i64::from(wire::MESH_PORT));
    reached.settings.remove("neighbors");
    let descriptor = reached.descriptor()?;
    Ok(Prepared { plan, descriptor })
}

impl Swarm {
    /// `count` Nodes, each told of the one whose number `teller` answers; numbers begin at 1.
    pub fn start(lab: &mut Lab, count: usize, teller: fn(usize) -> usize) -> Result<Self> {
        Self::start_as(lab, count, teller, |_, _| {})
    }

    /// The same with settings changed by number.
    pub fn start_as(
        lab: &mut Lab,
        count: usize,
        teller: fn(usize) -> usize,
        adjust: impl Fn(usize, &mut NodePlan),
    ) -> Result<Self> {
        let mut prepared = Vec::new();
        for number in 1..=count {
            let node = prepare_as(lab, &format!("n{number}"), |plan| adjust(number, plan));
            prepared.push(node.with_context(|| format!("Node {number}"))?);
        }
        let descriptors: Vec<String> = prepared.iter().map(|one| one.descriptor.clone()).collect();
        let mut nodes = Vec::new();
        for (index, one) in prepared.into_iter().enumerate() {
            let one = match index {
                0 => one,
                _ => one.knowing(&descriptors[teller(index + 1) - 1]),
            };
            nodes.push(one.launch()?);
        }
        Ok(Self {
            nodes,
            complete: Instant::now(),
        })
    }

    /// Waits until every Node has reached a stage; the times are those since the last start.
    pub fn await_stage(&self, stage: &str, limit: Duration) -> Result<Vec<Duration>> {
        let mut times: Vec<Option<Duration>> = vec![None; self.nodes.len()];
        let what = format!("stage {stage} of {} Nodes", self.nodes.len());
        let reached = crate::wait::until(&what, limit, || {
            for (time, node) in times.iter_mut().zip(&self.nodes) {
                if time.is_none() && node.stage() == stage {
                    *time = Some(self.complete.elapsed());
                }
            }
            times.iter().all(Option::is_some)
        });
        reached.with_context(|| self.picture())?;
        Ok(times.into_iter().flatten().collect())
    }

    /// One line a Node: stage, neighbors, records.
    pub fn picture(&self) -> String {
        let line = |node: &Node| {
            let Some(status) = node.status() else {
                return format!("{}: no status\n", node.host().name());
            };
            let names: Vec<String> = status
                .neighbors
                .iter()
                .map(|one| format!("{} {} {:?}", self.name_of(&one.id), one.state, one.said))
                .collect();
            format!(
                "{}: {:?}, {} records, {}\n",
                node.host().name(),
                status.stage,
                status.records,
                names.join("; ")
            )
        };
        self.nodes.iter().map(line).collect()
    }

    fn name_of(&self, id: &str) -> String {
        let found = self.nodes.iter().find(|node| node.id() == Some(id));
        found.map_or_else(
            || id.chars().take(8).collect(),
            |node| node.host().name().to_owned(),
        )
    }

    pub fn hosts(&self) -> Vec<&Host> {
        self.nodes.iter().map(Node::host).collect()
    }

    /// The Node that has this address.
    pub fn at(&self, address: Ipv4Addr) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.host().v4() == address)
    }
}
