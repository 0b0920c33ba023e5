//! The types of the values and how each is read from its text.
//!
//! A parser says only why a text is wrong; the key's range is added by the reader.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::CountryCode;
use crate::descriptor::{Descriptor, DescriptorError};
use crate::record::{MAX_RATE, Rates};

/// The chain that payments use, which also separates networks of Nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chain {
    /// Base.
    BaseMainnet,
    /// Base's test network.
    BaseSepolia,
    /// Polygon.
    PolygonMainnet,
    /// Polygon's test network.
    PolygonAmoy,
    /// Ethereum.
    EthMainnet,
    /// A test network of Ethereum that is gone.
    EthRopsten,
    /// A private network.
    Dev,
}

impl Chain {
    /// All chains.
    pub const ALL: [Chain; 7] = [
        Chain::BaseMainnet,
        Chain::BaseSepolia,
        Chain::PolygonMainnet,
        Chain::PolygonAmoy,
        Chain::EthMainnet,
        Chain::EthRopsten,
        Chain::Dev,
    ];

    /// The name in configuration files and descriptors.
    pub const fn name(self) -> &'static str {
        match self {
            Chain::BaseMainnet => "base-mainnet",
            Chain::BaseSepolia => "base-sepolia",
            Chain::PolygonMainnet => "polygon-mainnet",
            Chain::PolygonAmoy => "polygon-amoy",
            Chain::EthMainnet => "eth-mainnet",
            Chain::EthRopsten => "eth-ropsten",
            Chain::Dev => "dev",
        }
    }
}

/// What a Node does for others and for its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything, and accepts links.
    Standard,
    /// Uses the mesh and relays for others, but accepts no links.
    OriginateOnly,
    /// Only uses the mesh.
    ConsumeOnly,
    /// Talks to the Internet by itself.
    ZeroHop,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 4] = [
        Mode::Standard,
        Mode::OriginateOnly,
        Mode::ConsumeOnly,
        Mode::ZeroHop,
    ];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Standard => "standard",
            Mode::OriginateOnly => "originate-only",
            Mode::ConsumeOnly => "consume-only",
            Mode::ZeroHop => "zero-hop",
        }
    }
}

/// The least grave level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// What ended something.
    Error,
    /// What someone should look at.
    Warn,
    /// What a user would want.
    Info,
    /// Names, addresses, processes.
    Debug,
    /// Every packet.
    Trace,
}

impl LogLevel {
    /// All levels.
    pub const ALL: [LogLevel; 6] = [
        LogLevel::Off,
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ];

    /// The name in configuration files, which is also `tracing`'s.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

macro_rules! display_by_name {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }
    )*};
}

display_by_name!(Chain, Mode, LogLevel);

/// How many Nodes a flow passes: 1 to 6, the exit included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopCount(u8);

impl HopCount {
    /// The most Nodes on a route.
    pub const MAX: usize = 6;

    /// A count of 1 to 6.
    pub fn new(count: usize) -> Option<HopCount> {
        let count = u8::try_from(count).ok()?;
        (1..=6).contains(&count).then_some(HopCount(count))
    }

    /// The count.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

/// A UDP port for links: 1025 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port(u16);

impl Port {
    /// A port that needs no privilege.
    pub fn new(port: u16) -> Option<Port> {
        (port >= 1025).then_some(Port(port))
    }

    /// The port in host order.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Whom the Node becomes; what is absent is the shell's to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RealUser {
    /// The user's number, never 0.
    pub uid: Option<u32>,
    /// The group's number, never 0.
    pub gid: Option<u32>,
    /// The user's home.
    pub home: Option<PathBuf>,
}

/// The name of a network device: at most 15 bytes, as Linux has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunName(String);

impl TunName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A Node to link with: a descriptor of this Node's own chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    text: String,
    descriptor: Descriptor,
}

impl Neighbor {
    /// The descriptor as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }
}

pub(super) fn chain(text: &str) -> Result<Chain, String> {
    one_of(&Chain::ALL, Chain::name, text)
}

pub(super) fn mode(text: &str) -> Result<Mode, String> {
    one_of(&Mode::ALL, Mode::name, text)
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    one_of(&LogLevel::ALL, LogLevel::name, text)
}

pub(super) fn one_of<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    text: &str,
) -> Result<T, String> {
    let found = all
        .iter()
        .copied()
        .find(|value| name(*value).eq_ignore_ascii_case(text));
    found.ok_or_else(|| "not one of the known words".to_owned())
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("not a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

pub(super) fn ip(text: &str, chain: Chain) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "not an IP address".to_owned())?;
    let address = address.to_canonical();
    let (one_machine, many) = match address {
        IpAddr::V4(v4) => (v4.is_loopback(), v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => (v6.is_loopback(), v6.is_multicast()),
    };
    if address.is_unspecified() || many {
        return Err("stands for no single machine".to_owned());
    }
    if one_machine && chain != Chain::Dev {
        return Err(
            "other Nodes cannot reach a loopback address (only chain dev allows it)".to_owned(),
        );
    }
    Ok(address)
}

pub(super) fn port(text: &str) -> Result<Port, String> {
    let port: u16 = text.parse().map_err(|_| "not a port".to_owned())?;
    Port::new(port)
        .ok_or_else(|| "below 1025, which needs a privilege that the Node gives up".to_owned())
}

pub(super) fn ports(text: &str) -> Result<Vec<u16>, String> {
    if text.is_empty() || text == "none" {
        return Ok(Vec::new());
    }
    list(text, |part| match part.parse::<u16>() {
        Ok(port) if port != 0 => Ok(port),
        Ok(_) | Err(_) => Err(format!("{part:?} is not a port")),
    })
}

pub(super) fn hops(text: &str) -> Result<HopCount, String> {
    let count: usize = text.parse().map_err(|_| "not a whole number".to_owned())?;
    HopCount::new(count).ok_or_else(|| "out of range".to_owned())
}

pub(super) fn dns_servers(text: &str) -> Result<Vec<SocketAddr>, String> {
    list(text, |part| {
        if let Ok(address) = part.parse::<SocketAddr>() {
            return if address.port() == 0 {
                Err(format!("{part:?} has port 0"))
            } else {
                Ok(address)
            };
        }
        let bare = part.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = bare
            .parse()
            .map_err(|_| format!("{part:?} is not an IP address"))?;
        Ok(SocketAddr::new(address, 53))
    })
}

pub(super) fn real_user(text: &str) -> Result<RealUser, String> {
    let mut parts = text.splitn(3, ':');
    let (Some(uid), Some(gid), Some(home)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("two colons are needed".to_owned());
    };
    let number = |what: &str, text: &str| match text {
        "" => Ok(None),
        "0" => Err(format!(
            "the {what} is root's; the Node must not run as root"
        )),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("the {what} is not a number")),
    };
    let home = if home.is_empty() {
        None
    } else {
        Some(path(home)?)
    };
    Ok(RealUser {
        uid: number("uid", uid)?,
        gid: number("gid", gid)?,
        home,
    })
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// Whether `yes` stands there and not `no`.
pub(super) fn either(text: &str, yes: &str, no: &str) -> Result<bool, String> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => Err(format!("neither {yes} nor {no}")),
    }
}

pub(super) fn country(text: &str) -> Result<CountryCode, String> {
    CountryCode::assigned(text).ok_or_else(|| format!("{text:?} is no country of ISO 3166-1"))
}

/// `CZ,PL|SK`: commas between equals, `|` before the next in preference.
pub(crate) fn countries(text: &str) -> Result<Vec<Vec<CountryCode>>, String> {
    let groups = text.split('|').map(|group| list(group, country));
    let groups: Vec<Vec<CountryCode>> = groups.collect::<Result<_, String>>()?;
    let mut seen = BTreeSet::new();
    match groups.iter().flatten().find(|code| !seen.insert(**code)) {
        Some(twice) => Err(format!("{twice} stands there twice")),
        None => Ok(groups),
    }
}

/// `routing byte|routing service|exit byte|exit service`.
pub(super) fn rate_pack(text: &str) -> Result<Rates, String> {
    let [routing_byte, routing_service, exit_byte, exit_service] =
        super::money::numbers(text, 0..=MAX_RATE)?;
    Ok(Rates {
        routing_byte,
        routing_service,
        exit_byte,
        exit_service,
    })
}

pub(super) fn tun_name(text: &str) -> Result<TunName, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good =
        (1..=15).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..");
    if good {
        Ok(TunName(text.to_owned()))
    } else {
        Err("not a device name".to_owned())
    }
}

pub(super) fn neighbors(text: &str, chain: Chain) -> Result<Vec<Neighbor>, String> {
    list(text, |part| neighbor(part, chain))
}

fn neighbor(text: &str, chain: Chain) -> Result<Neighbor, String> {
    let descriptor: Descriptor = text
        .parse()
        .map_err(|error: DescriptorError| error.to_string())?;
    if descriptor.chain() != chain {
        let theirs = descriptor.chain();
        return Err(format!(
            "{text:?} is of chain {theirs}, this Node of {chain}"
        ));
    }
    Ok(Neighbor {
        text: text.to_owned(),
        descriptor,
    })
}

/// The parts between commas, each trimmed; an empty part is an error.
fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',')
        .map(|part| match part.trim() {
            "" => Err("empty, or with an empty part between commas".to_owned()),
            part => parse(part),
        })
        .collect()
}
