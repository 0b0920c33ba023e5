//! The configuration of a Node: a flat TOML file parsed into types.
//!
//! Keys have MASQ's names. Each is parsed once into a type that cannot hold a
//! wrong value, then the few rules between keys are applied; every problem of
//! a file is reported at once, each with key, value, reason and remedy. An
//! unknown key is an error that names the nearest known one. Reading the file
//! and looking up the user's home are the shell's.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

mod country;
mod error;
mod keys;
mod reader;
mod values;

pub use country::{CountryCode, ExitCountries};
pub use error::{ConfigError, ConfigErrors};
pub use keys::{KEYS, Key};
pub use values::{Chain, HopCount, LogLevel, Mode, Neighbor, Port, RealUser, TunName};

use crate::record::Rates;
use reader::Reader;

/// All that a Node is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Which network of Nodes this one belongs to.
    pub chain: Chain,
    /// What the Node does for others and for its user.
    pub mode: Mode,
    /// Where the Node keeps its identity and its state; see [`NodeConfig::data_directory_under`].
    pub data_directory: Option<PathBuf>,
    /// The address at which other Nodes reach this one.
    pub ip: Option<IpAddr>,
    /// The UDP port of the links; chosen by the shell when absent.
    pub clandestine_port: Option<Port>,
    /// The Nodes to link with.
    pub neighbors: Vec<Neighbor>,
    /// How many Nodes a flow passes, the exit included.
    pub min_hops: HopCount,
    /// A file of Node records, JSON lines.
    pub nodes_file: Option<PathBuf>,
    /// What the exit asks; empty stands for the system's own resolver.
    pub dns_servers: Vec<SocketAddr>,
    /// The least grave level that is logged.
    pub log_level: LogLevel,
    /// Whom the Node becomes before it reads from the network.
    pub real_user: RealUser,
    /// Whether to capture this machine's traffic.
    pub capture: bool,
    /// Whether the Node serves as an exit for others.
    pub exit: bool,
    /// Whether the exit lets private addresses pass; for laboratories.
    pub exit_allow_private: bool,
    /// Ports that the exit refuses.
    pub exit_blocked_ports: Vec<u16>,
    /// The country of this Node, which its record shows.
    pub country: Option<CountryCode>,
    /// The countries in which flows shall leave the mesh.
    pub exit_countries: ExitCountries,
    /// What the Node asks for its services; nothing where it has none.
    pub rates: Rates,
    /// The file that gets one JSON line a flow.
    pub flow_log: Option<PathBuf>,
    /// Where changes to the system are written before they are made.
    pub journal_directory: PathBuf,
    /// The name of the TUN device.
    pub tun_name: TunName,
}

impl NodeConfig {
    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<NodeConfig, ConfigErrors> {
        let mut reader = Reader::new(text);
        let mode = reader.required("neighborhood-mode", values::mode);
        let chain = reader.required("chain", values::chain);
        let mut config = NodeConfig {
            chain,
            mode,
            data_directory: reader.optional("data-directory", values::path),
            ip: reader.optional("ip", |text| values::ip(text, chain)),
            clandestine_port: reader.optional("clandestine-port", values::port),
            neighbors: reader
                .optional("neighbors", |text| values::neighbors(text, chain))
                .unwrap_or_default(),
            min_hops: reader.required("min-hops", values::hops),
            nodes_file: reader.optional("nodes-file", values::path),
            dns_servers: reader
                .optional("dns-servers", values::dns_servers)
                .unwrap_or_default(),
            log_level: reader.required("log-level", values::log_level),
            real_user: reader
                .optional("real-user", values::real_user)
                .unwrap_or_default(),
            capture: reader.required("capture", values::switch),
            exit: false,
            exit_allow_private: reader.required("exit-allow-private", values::switch),
            exit_blocked_ports: reader.required("exit-blocked-ports", values::ports),
            country: reader.optional("country", values::country),
            exit_countries: ExitCountries {
                groups: reader
                    .optional("exit-country", values::countries)
                    .unwrap_or_default(),
                fallback: reader.required("fallback-routing", values::switch),
            },
            rates: reader.required("rate-pack", values::rate_pack),
            flow_log: reader.optional("flow-log", values::path),
            journal_directory: reader.required("journal-directory", values::path),
            tun_name: reader.required("tun-name", values::tun_name),
        };
        let exit = reader.optional("exit", values::switch);
        config.exit = exit.unwrap_or(mode == Mode::Standard);
        if !config.relays() {
            config.rates = Rates::default();
        }
        check_rules(&mut reader, &config, exit);
        reader.finish(config)
    }

    /// The same with every relative path hung below `directory`, that of the file.
    #[must_use]
    pub fn with_paths_below(mut self, directory: &Path) -> NodeConfig {
        let optional = [
            &mut self.data_directory,
            &mut self.nodes_file,
            &mut self.flow_log,
        ];
        for path in optional.into_iter().flatten() {
            *path = directory.join(&*path);
        }
        self.journal_directory = directory.join(&self.journal_directory);
        self
    }

    /// The data directory: as told, else `MASQ/CHAIN` below the user's local data directory.
    pub fn data_directory_under(&self, local_data: &Path) -> PathBuf {
        match &self.data_directory {
            Some(directory) => directory.clone(),
            None => local_data.join("MASQ").join(self.chain.name()),
        }
    }

    /// How many Nodes a flow passes: none in zero-hop mode.
    pub fn hops(&self) -> usize {
        match self.mode {
            Mode::ZeroHop => 0,
            Mode::Standard | Mode::OriginateOnly | Mode::ConsumeOnly => self.min_hops.get(),
        }
    }

    /// Whether the Node accepts links from others.
    pub fn listens(&self) -> bool {
        self.mode == Mode::Standard
    }

    /// Whether the Node passes on the traffic of others.
    pub fn relays(&self) -> bool {
        matches!(self.mode, Mode::Standard | Mode::OriginateOnly)
    }

    /// The address and port that the descriptor of this Node shows.
    pub fn public_address(&self) -> Result<SocketAddr, ConfigError> {
        let remedy = |key: &'static str, example: &str| {
            ConfigError::new(key, "", "a descriptor needs it").remedy(format!(
                "set {key} in the configuration file, for example {key} = {example}"
            ))
        };
        if !self.listens() {
            let why = "only a Node in standard mode accepts links and has a descriptor";
            return Err(ConfigError::new("neighborhood-mode", self.mode.name(), why)
                .remedy("set neighborhood-mode = \"standard\""));
        }
        let ip = self.ip.ok_or_else(|| remedy("ip", "\"203.0.113.7\""))?;
        let port = self
            .clandestine_port
            .ok_or_else(|| remedy("clandestine-port", "4747"))?;
        Ok(SocketAddr::new(ip, port.get()))
    }
}

/// The rules between keys, each with the key that breaks it.
fn check_rules(reader: &mut Reader<'_>, config: &NodeConfig, exit: Option<bool>) {
    let mode = config.mode;
    let in_mode = |what: &str| format!("{what} in {} mode", mode.name());
    match mode {
        Mode::ZeroHop => {
            let why = in_mode("no other Node takes part");
            for key in [
                "ip",
                "neighbors",
                "nodes-file",
                "min-hops",
                "exit-country",
                "fallback-routing",
                "rate-pack",
            ] {
                reader.forbid(
                    key,
                    &why,
                    "remove the key, or set another neighborhood-mode",
                );
            }
        }
        Mode::ConsumeOnly => {
            let why = in_mode("the Node is never an exit, so it resolves no names for others");
            let remedy = "remove the key, or set another neighborhood-mode";
            reader.forbid("dns-servers", &why, remedy);
            let why = in_mode("the Node serves nobody, so it asks for nothing");
            reader.forbid("rate-pack", &why, remedy);
        }
        Mode::Standard | Mode::OriginateOnly => {}
    }
    if matches!(mode, Mode::OriginateOnly | Mode::ConsumeOnly) {
        let why =
            in_mode("links are only made, never accepted, so there must be Nodes to link with");
        reader.demand("neighbors", &why);
    }
    if exit == Some(true) && matches!(mode, Mode::ZeroHop | Mode::ConsumeOnly) {
        let why = in_mode("the Node does nothing for others");
        reader.forbid(
            "exit",
            &why,
            "set exit = false or remove the key, or set another neighborhood-mode",
        );
    }
    if exit == Some(false) && mode != Mode::ZeroHop {
        let why = "the Node is told not to be an exit (exit = false)";
        for key in ["exit-allow-private", "exit-blocked-ports"] {
            reader.forbid(key, why, "remove the key, or set exit = true");
        }
    }
}

#[cfg(test)]
mod tests;
