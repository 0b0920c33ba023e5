//! One alternative of one condition: an app, a user, a destination.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::facts::{Facts, Program, Subject, file_name};
use super::glob::{Glob, Kind};
use super::list::List;
use crate::destination::HostName;

/// What local networks and their names are, by the word `local-networks`.
pub const LOCAL_NETWORKS: &str = "local-networks";

/// Networks that no route of the Internet leads to.
const LOCAL_RANGES: [&str; 6] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// Names that only a local network answers.
const LOCAL_NAMES: [&str; 3] = ["local", "home.arpa", "lan"];

/// An app: by the path of its file or by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppPattern {
    /// The program could not be found out.
    Unknown,
    /// The path of the executable file.
    Path(Glob),
    /// The name of the executable file, or the program's short name.
    Name(Glob),
}

impl AppPattern {
    pub(super) fn parse(text: &str) -> Result<AppPattern, String> {
        if text == "unknown" {
            return Ok(AppPattern::Unknown);
        }
        if text.contains('/') {
            if !text.starts_with(['/', '*']) {
                return Err("a path begins with / or with **/".to_owned());
            }
            return Glob::parse(text, Kind::Path).map(AppPattern::Path);
        }
        Glob::parse(text, Kind::Flat).map(AppPattern::Name)
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            AppPattern::Unknown => "unknown",
            AppPattern::Path(glob) | AppPattern::Name(glob) => glob.as_str(),
        }
    }

    /// Of a program that is known.
    pub(super) fn matches(&self, path: Option<&str>, name: Option<&str>) -> bool {
        match self {
            AppPattern::Unknown => false,
            AppPattern::Path(glob) => path.is_some_and(|path| glob.matches(path)),
            AppPattern::Name(glob) => {
                path.is_some_and(|path| glob.matches(file_name(path)))
                    || name.is_some_and(|name| glob.matches(name))
            }
        }
    }

    pub(super) fn matches_program(&self, program: &Program) -> bool {
        self.matches(program.path.as_deref(), program.name.as_deref())
    }
}

/// A user or a group: by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdPattern {
    /// Its number.
    Number(u32),
    /// Its name.
    Name(String),
}

impl IdPattern {
    pub(super) fn parse(text: &str) -> Result<IdPattern, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            let number = text
                .parse()
                .map_err(|_| "too large for a number".to_owned());
            return number.map(IdPattern::Number);
        }
        let fits = |letter: char| !letter.is_control() && !letter.is_whitespace();
        if text.is_empty()
            || text.len() > 256
            || !text.chars().all(fits)
            || text.contains([':', '*'])
        {
            return Err("neither a name nor a number".to_owned());
        }
        Ok(IdPattern::Name(text.to_owned()))
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            IdPattern::Number(number) => number.to_string(),
            IdPattern::Name(name) => name.clone(),
        }
    }

    pub(super) fn matches(&self, number: Option<u32>, name: Option<&str>) -> bool {
        match self {
            IdPattern::Number(wanted) => number == Some(*wanted),
            IdPattern::Name(wanted) => name == Some(wanted),
        }
    }
}

/// A control group and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPattern(pub(super) Glob);

impl CgroupPattern {
    pub(super) fn parse(text: &str) -> Result<CgroupPattern, String> {
        let trimmed = text.trim_matches('/');
        if trimmed.is_empty() {
            return Err("the root holds every program".to_owned());
        }
        Glob::parse(trimmed, Kind::Path).map(CgroupPattern)
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        ancestors(path.trim_matches('/')).any(|path| self.0.matches(path))
    }
}

/// A path, and every folder that it is in, the nearest first.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rfind('/')
            .map(|end| &path[..end])
            .filter(|rest| !rest.is_empty())
    })
}

/// The unit's name, with `.service` where it has no dot.
pub(super) fn unit(text: &str) -> Result<Glob, String> {
    if text.contains('/') {
        return Err("a unit's name has no /".to_owned());
    }
    if text.contains('.') {
        Glob::parse(text, Kind::Flat)
    } else {
        Glob::parse(&format!("{text}.service"), Kind::Flat)
    }
}

/// Fewer digits of a container's number than this are a name.
pub(super) const SHORT_ID: usize = 12;

/// Whether a text can be the beginning of a container's number.
pub(super) fn is_container_id(text: &str) -> bool {
    (SHORT_ID..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn matches_container(pattern: &Glob, subject: &Subject) -> bool {
    let by_id = subject
        .container_id
        .as_deref()
        .is_some_and(|id| is_container_id(pattern.as_str()) && id.starts_with(pattern.as_str()));
    by_id
        || subject
            .container_name
            .as_deref()
            .is_some_and(|name| pattern.matches(name))
}

/// Where a flow goes.
#[derive(Debug, Clone)]
pub enum DestPattern {
    /// Exactly this name.
    Name(HostName),
    /// Names below this one; the name itself too with `itself`.
    Suffix {
        /// Without a dot before it.
        suffix: HostName,
        /// Written `.example.org`, not `*.example.org`.
        itself: bool,
    },
    /// Names that look like this.
    Glob(Glob),
    /// Addresses from one to another, both of one family.
    Range(Range),
    /// Local networks and the names that are answered there.
    LocalNetworks,
    /// What a file lists.
    List(Arc<List>),
}

/// Addresses of one family, first and last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Whether it is of IPv6.
    pub(super) six: bool,
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Range {
    /// Reads `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1-10.0.0.9`; none if it looks like no address at all.
    pub(super) fn parse(text: &str) -> Option<Result<Range, String>> {
        let address = |text: &str| text.trim().parse::<IpAddr>().ok();
        if let Some(one) = address(text) {
            let (six, bits) = bits_of(one);
            return Some(Ok(Range {
                six,
                first: bits,
                last: bits,
            }));
        }
        if let Some((base, length)) = text.split_once('/') {
            return address(base).map(|base| Range::of_network(base, length));
        }
        let (first, last) = text.split_once('-')?;
        let first = address(first)?;
        let Some(last) = address(last) else {
            return Some(Err("the end of the range is not an address".to_owned()));
        };
        let ((six, first), (last_six, last)) = (bits_of(first), bits_of(last));
        Some(if six != last_six {
            Err("one end is IPv4, the other IPv6".to_owned())
        } else if first > last {
            Err("the range ends before it begins".to_owned())
        } else {
            Ok(Range { six, first, last })
        })
    }

    fn of_network(base: IpAddr, length: &str) -> Result<Range, String> {
        let mapped = base.is_ipv6() && base.to_canonical().is_ipv4();
        let (six, bits) = bits_of(base);
        let width: u32 = if six { 128 } else { 32 };
        let length: u32 = length
            .parse()
            .map_err(|_| "the length of the network is not a number")?;
        let length = if mapped {
            length.wrapping_sub(96)
        } else {
            length
        };
        if length > width {
            return Err(format!("the network is longer than {width} bits"));
        }
        let host = if length == width {
            0
        } else {
            u128::MAX >> (128 - (width - length))
        };
        if bits & host != 0 {
            let first = address_of(six, bits & !host);
            return Err(format!(
                "bits behind the network's length are set; the network is {first}/{length}"
            ));
        }
        Ok(Range {
            six,
            first: bits,
            last: bits | host,
        })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let (six, bits) = bits_of(address);
        six == self.six && (self.first..=self.last).contains(&bits)
    }
}

/// The family and the number of an address; a mapped one is the IPv4 address it stands for.
pub(super) fn bits_of(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(four) => (false, u32::from(four).into()),
        IpAddr::V6(six) => (true, six.into()),
    }
}

pub(super) fn address_of(six: bool, bits: u128) -> IpAddr {
    if six {
        IpAddr::V6(Ipv6Addr::from(bits))
    } else {
        IpAddr::V4(Ipv4Addr::from(bits as u32))
    }
}

impl DestPattern {
    /// Reads all but a list.
    pub(super) fn parse(text: &str) -> Result<DestPattern, String> {
        if text == LOCAL_NETWORKS {
            return Ok(DestPattern::LocalNetworks);
        }
        if let Some(range) = Range::parse(text) {
            return range.map(DestPattern::Range);
        }
        if text.contains("://") {
            return Err("a URL; only its host can stand here".to_owned());
        }
        let suffix = |text: &str, itself| {
            let suffix = HostName::parse(text).map_err(|error| error.to_string())?;
            Ok(DestPattern::Suffix { suffix, itself })
        };
        if let Some(rest) = text.strip_prefix('.') {
            return suffix(rest, true);
        }
        if let Some(rest) = text.strip_prefix("*.")
            && !rest.contains(['*', '?'])
        {
            return suffix(rest, false);
        }
        if text.contains(['*', '?']) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
            if !text.bytes().all(plain) {
                return Err("a pattern of names has letters, digits, - _ . * ? only".to_owned());
            }
            let text = text.to_ascii_lowercase();
            return Glob::parse(&text, Kind::Flat).map(DestPattern::Glob);
        }
        let name = HostName::parse(text).map_err(|error| match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => {
                format!("a port stands in a key of its own: port = {port}")
            }
            _ => error.to_string(),
        })?;
        Ok(DestPattern::Name(name))
    }

    pub(super) fn matches(&self, facts: &Facts) -> bool {
        let name = facts.name.as_ref();
        match self {
            DestPattern::Name(wanted) => name == Some(wanted),
            DestPattern::Suffix { suffix, itself } => name
                .is_some_and(|name| name.is_within(suffix.as_str()) && (*itself || name != suffix)),
            DestPattern::Glob(glob) => name.is_some_and(|name| glob.matches(name.as_str())),
            DestPattern::Range(range) => {
                facts.address.is_some_and(|address| range.contains(address))
            }
            DestPattern::LocalNetworks => is_local(facts),
            DestPattern::List(list) => list.contains(facts),
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            DestPattern::Name(name) => name.to_string(),
            DestPattern::Suffix {
                suffix,
                itself: true,
            } => format!(".{suffix}"),
            DestPattern::Suffix {
                suffix,
                itself: false,
            } => format!("*.{suffix}"),
            DestPattern::Glob(glob) => glob.as_str().to_owned(),
            DestPattern::Range(range) => {
                let (first, last) = (
                    address_of(range.six, range.first),
                    address_of(range.six, range.last),
                );
                if first == last {
                    first.to_string()
                } else {
                    format!("{first}-{last}")
                }
            }
            DestPattern::LocalNetworks => LOCAL_NETWORKS.to_owned(),
            DestPattern::List(list) => format!("list:{}", list.path()),
        }
    }

    /// What it is made of, where it only stands for others.
    pub(super) fn local_networks() -> impl Iterator<Item = DestPattern> {
        let names = LOCAL_NAMES.iter().map(|name| format!(".{name}"));
        let ranges = LOCAL_RANGES.iter().map(|range| (*range).to_owned());
        names
            .chain(ranges)
            .filter_map(|text| DestPattern::parse(&text).ok())
    }
}

fn is_local(facts: &Facts) -> bool {
    let by_name = |name: &HostName| LOCAL_NAMES.iter().any(|local| name.is_within(local));
    let by_address = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(four) => four.is_private() || four.is_link_local(),
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
    };
    facts.name.as_ref().is_some_and(by_name) || facts.address.is_some_and(by_address)
}
