//! The switch of the system's resolver: who owns it ([`mod@detect`]), what is
//! changed and how that is undone ([`plan`]), in which order ([`engine`]).
//!
//! Pure: the system is a trait ([`engine::System`]); `platform-linux` has the
//! real one.

#![forbid(unsafe_code)]

pub mod detect;
pub mod engine;
pub mod environment;
pub mod plan;
pub mod record;
pub mod resolv_conf;
pub mod upstream;

pub use detect::{Decision, Manager, detect};
pub use engine::{Report, System, Utility};
pub use environment::Environment;
pub use record::Record;

use std::net::{IpAddr, Ipv4Addr};

/// Where a Node with `entry-dns` listens.
pub const NODE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where it listens as well, for systems whose own forwarder sits on the
/// first: 127 and three letters of MASQ in ASCII.
pub const NODE_BESIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 65, 83, 81));

/// Servers in their order, without those that came before.
pub fn each_once(servers: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for server in servers {
        if !found.contains(&server) {
            found.push(server);
        }
    }
    found
}

/// Why a command could not be carried out; printed after "Cannot ACTION: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Refused(String),
    #[error("{0}; run it as root, for example with sudo")]
    NotPermitted(String),
    #[error("{what}: {why}")]
    System { what: String, why: String },
    #[error(
        "the journal {place} cannot be used: {why}; make it writable for root, or name another directory"
    )]
    Journal { place: String, why: String },
    #[error("{manager} took the change, but the resolver did not follow within {seconds} s")]
    NotFollowed { manager: String, seconds: u64 },
}
