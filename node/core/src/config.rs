//! The configuration of a Node, from what an earlier start kept, a flat TOML
//! file, the environment and the command line, parsed into types.
//!
//! Keys have MASQ's names. Each is parsed once into a type that cannot hold a
//! wrong value, then the few rules between keys are applied; every problem is
//! reported at once, each with its place, key, value, reason and remedy. An
//! unknown key is an error that names the nearest known one. Reading the
//! sources and looking up the user's home are the shell's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

mod country;
mod error;
mod keys;
mod money;
mod reader;
mod values;

pub use country::{CountryCode, ExitCountries};
pub use error::{ConfigError, ConfigErrors, Origin};
pub use keys::{KEYS, Key, Shown, key_of};
pub use money::{CrashPoint, MappingProtocol, PaymentThresholds, ScanIntervals};
pub(crate) use values::countries;
pub use values::{Chain, HopCount, LogLevel, Mode, Neighbor, Port, RealUser, TunName};

use crate::record::{EarningAddress, Rates};
use crate::secret::Secret;
use reader::Reader;
pub use reader::unknown_key;

/// The longest value that is taken from anywhere but a file.
pub const MAX_VALUE: usize = 64 << 10;

/// Where values come from; of two for one key the later field's counts.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What an earlier start kept.
    pub database: BTreeMap<String, Secret>,
    /// The text of the configuration file.
    pub file: Option<String>,
    /// By key, without the `MASQ_` of the variables.
    pub environment: BTreeMap<String, Secret>,
    /// By key, without dashes before it.
    pub command_line: BTreeMap<String, Secret>,
}

impl Sources {
    /// The variables of the environment that are meant for a Node, by key. Other
    /// programs of the project have variables of their own, which are not.
    pub fn environment(
        variables: impl Iterator<Item = (String, String)>,
    ) -> BTreeMap<String, Secret> {
        let ours = |(name, value): (String, String)| {
            let key = KEYS.iter().find(|key| environment_name(key.name) == name)?;
            Some((key.name.to_owned(), Secret::new(value)))
        };
        variables.filter_map(ours).collect()
    }
}

/// The variable of a key: `MASQ_MIN_HOPS` for `min-hops`.
pub fn environment_name(key: &str) -> String {
    format!("MASQ_{}", key.to_ascii_uppercase().replace('-', "_"))
}

/// What a configuration file says, key by key, and what in it says nothing.
#[derive(Debug, Default)]
pub struct FileValues {
    pub values: BTreeMap<&'static str, Secret>,
    pub errors: Vec<ConfigError>,
}

/// Reads a file's text without asking whether the values are right.
pub fn values_of_file(text: &str) -> FileValues {
    Reader::new(&Sources {
        file: Some(text.to_owned()),
        ..Sources::default()
    })
    .into_values()
}

/// Whether a text may stand for one key, apart from rules between keys.
pub fn check(name: &str, text: &str, chain: Chain) -> Result<(), ConfigError> {
    let Some(key) = key_of(name) else {
        return Err(unknown_key(name));
    };
    if text.len() > MAX_VALUE {
        return Err(ConfigError::new(name, "", "too long").remedy(key.range));
    }
    let mut sources = Sources::default();
    let mut put = |name: &str, text: &str| {
        let text = Secret::new(text.to_owned());
        sources.command_line.insert(name.to_owned(), text);
    };
    put("chain", chain.name());
    put(name, text);
    match NodeConfig::from_sources(&sources) {
        Ok(_) => Ok(()),
        Err(errors) => match errors.0.into_iter().find(|error| error.key == name) {
            Some(mut error) => {
                error.origin = None;
                Err(error)
            }
            None => Ok(()),
        },
    }
}

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
    /// Whether traffic is refused after an end that nobody asked for.
    pub blocks_on_failure: bool,
    /// Whether apps reach the networks around this machine.
    pub local_network: bool,
    /// Whether programs that are not captured may use the Node as their resolver.
    pub entry_dns: bool,
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
    /// The rules per app and destination; see [`NodeConfig::rules_file_in`].
    pub rules_file: Option<PathBuf>,
    /// The file that gets one JSON line a flow.
    pub flow_log: Option<PathBuf>,
    /// Where changes to the system are written before they are made.
    pub journal_directory: PathBuf,
    /// The name of the TUN device.
    pub tun_name: TunName,
    /// The service through which the chain is read and paid on.
    pub blockchain_service_url: Option<String>,
    /// Who earns; without it the Node serves for nothing.
    pub earning_wallet: Option<EarningAddress>,
    /// The key that pays, for this run only.
    pub consuming_private_key: Option<Secret>,
    /// What the secrets in the database are encrypted with.
    pub db_password: Option<Secret>,
    /// In gwei.
    pub gas_price: u64,
    /// When debts are paid.
    pub payment_thresholds: PaymentThresholds,
    /// How often the chain is looked at.
    pub scan_intervals: ScanIntervals,
    /// Whether the chain is looked at without being asked to.
    pub scans: bool,
    /// How the router is asked for a port.
    pub mapping_protocol: Option<MappingProtocol>,
    /// Whether to begin with a new identity.
    pub new_public_key: Option<bool>,
    /// Where the Node fails on purpose.
    pub crash_point: CrashPoint,
}

impl NodeConfig {
    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<NodeConfig, ConfigErrors> {
        Self::from_sources(&Sources {
            file: Some(text.to_owned()),
            ..Sources::default()
        })
    }

    /// Reads all sources.
    pub fn from_sources(sources: &Sources) -> Result<NodeConfig, ConfigErrors> {
        let mut reader = Reader::new(sources);
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
            blocks_on_failure: reader
                .required("on-failure", |text| values::either(text, "block", "direct")),
            local_network: reader.required("local-network", |text| {
                values::either(text, "allow", "block")
            }),
            entry_dns: reader.required("entry-dns", values::switch),
            exit: false,
            exit_allow_private: reader.required("exit-allow-private", values::switch),
            exit_blocked_ports: reader.required("exit-blocked-ports", values::ports),
            country: reader.optional("country", values::country),
            exit_countries: ExitCountries {
                groups: reader
                    .optional("exit-country", countries)
                    .unwrap_or_default(),
                fallback: reader.required("fallback-routing", values::switch),
            },
            rates: reader.required("rate-pack", values::rate_pack),
            rules_file: reader.optional("rules-file", values::path),
            flow_log: reader.optional("flow-log", values::path),
            journal_directory: reader.required("journal-directory", values::path),
            tun_name: reader.required("tun-name", values::tun_name),
            blockchain_service_url: reader.optional("blockchain-service-url", money::url),
            earning_wallet: reader.optional("earning-wallet", money::earning_wallet),
            consuming_private_key: reader.optional("consuming-private-key", money::private_key),
            db_password: reader.optional("db-password", money::password),
            gas_price: reader.required("gas-price", money::gas_price),
            payment_thresholds: reader.required("payment-thresholds", money::payment_thresholds),
            scan_intervals: reader.required("scan-intervals", money::scan_intervals),
            scans: reader.required("scans", money::on_off),
            mapping_protocol: reader.optional("mapping-protocol", money::mapping_protocol),
            new_public_key: reader.optional("new-public-key", money::on_off),
            crash_point: reader.required("crash-point", money::crash_point),
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
            &mut self.rules_file,
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

    /// The file of rules: as told, else `rules.toml` in the data directory.
    pub fn rules_file_in(&self, data_directory: &Path) -> PathBuf {
        match &self.rules_file {
            Some(file) => file.clone(),
            None => data_directory.join("rules.toml"),
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
fn check_rules(reader: &mut Reader, config: &NodeConfig, exit: Option<bool>) {
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
