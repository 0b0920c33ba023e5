//! The process behind a flow.
//!
//! An exact socket query answers number, inode and user in microseconds; who
//! made a socket of this number the kernel has noted. Where it has not,
//! processes are searched for the inode ([`search`]). What is said of a process
//! is found out once ([`describe`]). A source address that is not this
//! machine's means that the flow is forwarded. Caches are bounded.

use std::io;
use std::path::PathBuf;

use masq_capture::{FiveTuple, FlowOwner, Owned, Protocol};

use crate::cgroup::Hierarchy;

mod accounts;
pub(crate) mod describe;
mod echo;
mod forwarded;
mod place;
mod recorder;
mod script;
mod search;
mod socket;

pub use accounts::user_number;
use describe::Descriptions;
use forwarded::Forwarded;
use recorder::{Maker, Recorder};
use search::Search;
pub use socket::{Socket, SocketQuery};

/// Looks up owners; one for a network namespace.
#[derive(Debug)]
pub struct Owners {
    query: SocketQuery,
    recorder: Option<Recorder>,
    proc: PathBuf,
    search: Search,
    descriptions: Descriptions,
    forwarded: Forwarded,
}

/// Sockets that can have sent an echo request and are looked into.
const ECHO_SOCKETS: usize = 16;

impl Owners {
    /// Asks about sockets of the calling thread's network namespace.
    pub fn new() -> io::Result<Owners> {
        Ok(Owners {
            query: SocketQuery::open()?,
            recorder: None,
            proc: PathBuf::from("/proc"),
            search: Search::default(),
            descriptions: Descriptions::new(),
            forwarded: Forwarded::default(),
        })
    }

    /// Has the kernel note who makes a socket from here on.
    pub fn record(&mut self, hierarchy: &Hierarchy) -> io::Result<()> {
        self.recorder = Some(Recorder::attach(hierarchy)?);
        Ok(())
    }

    /// Whose the flow is. Where no socket has it, its source tells whether it
    /// is one of this machine.
    pub fn look_up(&mut self, tuple: &FiveTuple) -> Owned {
        let owner = match tuple.protocol {
            Protocol::Tcp | Protocol::Udp => self.by_socket(tuple),
            Protocol::Icmp => self.by_echo(tuple),
        };
        if let Some(owner) = owner {
            return Owned::By(Box::new(owner));
        }
        match self.forwarded.source(&self.proc, tuple.source.ip()) {
            Some(container) => Owned::Forwarded(container),
            None => Owned::Unknown,
        }
    }

    fn by_socket(&mut self, tuple: &FiveTuple) -> Option<FlowOwner> {
        let socket = self.query.find(tuple).ok()??;
        let recorder = self.recorder.as_ref();
        if let Some(maker) = recorder.and_then(|recorder| recorder.maker(socket.cookie)) {
            return Some(self.describe_maker(maker));
        }
        let pid = self.search.find(&self.proc, socket.inode, socket.uid)?;
        self.describe(pid, socket.uid)
    }

    /// Where several processes have raw sockets, none of them is said to be it.
    fn by_echo(&mut self, tuple: &FiveTuple) -> Option<FlowOwner> {
        let sockets = echo::sockets(&self.proc, tuple.source.port(), tuple.source.is_ipv6());
        if sockets.len() > ECHO_SOCKETS {
            return None;
        }
        let mut owner = None;
        for socket in sockets {
            let pid = self.search.find(&self.proc, socket.inode, socket.uid)?;
            if owner.is_some_and(|(other, _)| other != pid) {
                return None;
            }
            owner = Some((pid, socket.uid));
        }
        let (pid, uid) = owner?;
        self.describe(pid, uid)
    }

    fn describe(&mut self, pid: u32, uid: u32) -> Option<FlowOwner> {
        self.descriptions.describe(&self.proc, pid, uid)
    }

    /// The maker may have ended, and its number may be another's by now.
    fn describe_maker(&mut self, maker: Maker) -> FlowOwner {
        let (pid, uid) = (maker.pid, maker.uid);
        if search::runs_as(&self.proc.join(pid.to_string()), uid)
            && let Some(owner) = self.describe(pid, uid)
        {
            return owner;
        }
        let accounts = &mut self.descriptions.accounts;
        FlowOwner {
            pid,
            uid,
            user: accounts.user(uid),
            groups: accounts.groups_of(uid),
            name: maker.name,
            ..FlowOwner::default()
        }
    }
}

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
