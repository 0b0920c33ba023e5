//! The journal of the switch: what was there, written before anything is
//! touched, forgotten after it is back. Unlike the journal of a capture it
//! outlives a reboot, because resolv.conf does.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::detect::Manager;
use crate::environment::{GlobalDns, Link, Snapshot};

/// The file of a record in the directory of the journal.
pub const FILE: &str = "resolver.json";

/// What a later version must still be able to read.
const VERSION: u32 = 1;

/// One switch that was, or was about to be, made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub boot: String,
    pub manager: Manager,
    pub server: IpAddr,
    /// `/etc/resolv.conf` before.
    pub resolv_conf: Snapshot,
    /// What a link led to, as far as it could be read.
    pub content: Option<Vec<u8>>,
    /// What a file switch writes there.
    pub wrote: Option<Vec<u8>>,
    /// Links before, as systemd-resolved had them.
    #[serde(default)]
    pub links: Vec<Link>,
    /// NetworkManager's global configuration before.
    #[serde(default)]
    pub global: GlobalDns,
    /// Whom all of them asked in the end: whom a Node asks meanwhile.
    #[serde(default)]
    pub upstream: Vec<IpAddr>,
}

impl Record {
    pub fn new(boot: String, manager: Manager, server: IpAddr) -> Record {
        Record {
            version: VERSION,
            boot,
            manager,
            server,
            resolv_conf: Snapshot::Missing,
            content: None,
            wrote: None,
            links: Vec::new(),
            global: GlobalDns::default(),
            upstream: Vec::new(),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a record is plain data with UTF-8 paths");
        bytes.push(b'\n');
        bytes
    }

    /// An error says why the bytes are no record of ours.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, String> {
        let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.version > VERSION {
            return Err(format!(
                "it was written by a later version ({})",
                record.version
            ));
        }
        Ok(record)
    }
}
