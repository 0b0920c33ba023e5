//! The laboratory: a small Internet of network namespaces on one machine, made and removed by itself.
//!
//! [`Lab`] owns one router namespace (`wan`) and one namespace a host; every host has its own IPv4 and
//! IPv6 subnet out of the documentation ranges (RFC 5737, RFC 3849), so that no host is another's local
//! network. [`Mesh`] starts real `MASQNode` processes in it, [`origin`] is what they reach, [`wire`] counts
//! what crosses the router, and [`load`] makes traffic.
//!
//! Everything here is a shell: it reads the clock, starts processes and blocks. Nothing of it outlives its
//! owner: see [`janitor`].

#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a laboratory is all shell: it waits for real processes"
)]

pub mod authority;
pub mod bench;
pub mod containers;
pub mod content;
pub mod control;
pub mod demo;
pub mod flow_log;
pub mod host;
pub mod janitor;
pub mod lab;
pub mod load;
pub mod mesh;
pub mod namespace;
pub mod node;
pub mod origin;
pub mod process;
pub mod require;
pub mod swarm;
pub mod tunnels;
pub mod wait;
pub mod wire;

pub use containers::Containers;
pub use control::Control;
pub use host::Host;
pub use lab::Lab;
pub use mesh::{Mesh, MeshPlan};
pub use node::{Node, NodePlan};
pub use process::Process;
pub use swarm::Swarm;

/// The zone that the laboratory's DNS server answers for.
pub const ZONE: &str = "example.test";
