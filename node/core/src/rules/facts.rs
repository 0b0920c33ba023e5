//! What is known of a flow when its rule is looked for, and what is done with it.

use std::fmt;
use std::net::IpAddr;

use crate::config::{CountryCode, ExitCountries, HopCount};
use crate::destination::HostName;

/// A flow as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The program at its end; none when that could not be found out.
    pub subject: Option<Subject>,
    /// The name that the app asked for; none when it used an address.
    pub name: Option<HostName>,
    /// The address that the app used; none when it is one that stands for a name.
    pub address: Option<IpAddr>,
    /// The country of the destination's address, where it is known.
    pub country: Option<CountryCode>,
    /// The destination's port; none where the protocol has no ports.
    pub port: Option<u16>,
    /// What it speaks.
    pub protocol: Protocol,
}

/// What a flow speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
}

/// A program that is known. What it does not have is absent: a program in no container has no container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The path of its executable file, without what the kernel adds when the file is gone.
    pub path: Option<String>,
    /// Its short name (`comm`), at most 15 bytes on Linux.
    pub name: Option<String>,
    /// The path of the script, when it is an interpreter that runs one.
    pub script: Option<String>,
    /// The number of its user.
    pub uid: Option<u32>,
    /// The name of its user.
    pub user: Option<String>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// The path of its control group from the root of the hierarchy, with or without a `/` before it.
    pub cgroup: Option<String>,
    /// Its systemd unit: `ssh.service`.
    pub unit: Option<String>,
    /// The number of its container, in full.
    pub container_id: Option<String>,
    /// The name of its container.
    pub container_name: Option<String>,
    /// The programs that started it, the nearest first.
    pub parents: Vec<Program>,
}

/// A group of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub gid: u32,
    /// Its name.
    pub name: Option<String>,
}

/// A program that started another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The path of its executable file.
    pub path: Option<String>,
    /// Its short name.
    pub name: Option<String>,
}

/// What is done with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It goes over the mesh; what is absent is as the Node is set.
    Mesh {
        /// How many Nodes it passes.
        hops: Option<HopCount>,
        /// In which countries it leaves the mesh.
        exit_countries: Option<ExitCountries>,
        /// Flows share a circuit only with flows of the same group.
        isolation: Option<String>,
    },
    /// It goes past the mesh.
    Direct,
    /// It is refused at once.
    Block,
}

impl Action {
    /// The mesh as the Node is set.
    pub const MESH: Action = Action::Mesh {
        hops: None,
        exit_countries: None,
        isolation: None,
    };

    /// The word in `rules.toml`.
    pub const fn name(&self) -> &'static str {
        match self {
            Action::Mesh { .. } => "mesh",
            Action::Direct => "direct",
            Action::Block => "block",
        }
    }
}

/// `mesh hops:3 exit:CZ,PL|SK isolation:bank`
impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        if let Action::Mesh {
            hops,
            exit_countries,
            isolation,
        } = self
        {
            if let Some(hops) = hops {
                write!(formatter, " hops:{}", hops.get())?;
            }
            if let Some(countries) = exit_countries {
                write!(formatter, " exit:{countries}")?;
            }
            if let Some(group) = isolation {
                write!(formatter, " isolation:{group}")?;
            }
        }
        Ok(())
    }
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp];

    /// The word in `rules.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Subject {
    /// The file's name, else the short name: what a person would call it.
    pub fn called(&self) -> &str {
        let file = self.path.as_deref().map(file_name);
        file.or(self.name.as_deref()).unwrap_or("?")
    }
}

/// What stands behind the last `/`.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
