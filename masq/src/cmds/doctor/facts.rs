//! What the doctor has to know of a machine.

/// What the machine looks like; None where it could not be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) linux: bool,
    pub(super) root: bool,
    pub(super) daemon: Daemon,
    /// Codes of the Node's health, and whether each is an error; None when no Node answers.
    pub(super) health: Option<Vec<(String, bool)>>,
    pub(super) node_processes: usize,
    pub(super) tun: Tun,
    /// What `nft --version` says.
    pub(super) nft: Option<String>,
    /// What `ip -V` says.
    pub(super) ip: Option<String>,
    pub(super) journal: Journal,
    /// Why traffic is refused though no Node carries it.
    pub(super) blocked: Option<String>,
    /// Interfaces of other tunnels.
    pub(super) tunnels: Vec<String>,
    pub(super) resolv_conf: Option<String>,
    /// 0 or 1, as the kernel says it.
    pub(super) ipv6_disabled: Option<String>,
    pub(super) now_unix: u64,
    pub(super) cgroup2: bool,
    pub(super) data: Data,
    pub(super) log: Option<Log>,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Daemon {
    Answers,
    #[default]
    Absent,
    /// It does not let this user in.
    Refuses,
    Fails(String),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Tun {
    #[default]
    Missing,
    Forbidden,
    Usable,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Journal {
    /// Root alone may see.
    #[default]
    Hidden,
    Entries(usize),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// None where no Node of this user was ever started.
    pub(super) folder: Option<String>,
    /// Its permission bits.
    pub(super) mode: Option<u32>,
    pub(super) writable: bool,
    pub(super) free_bytes: Option<u64>,
}

/// The end of the Node's log.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) path: String,
    /// Lines of errors and warnings, oldest first.
    pub(super) errors: Vec<String>,
}
