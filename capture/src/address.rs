//! Networks in CIDR notation and the ranges that capture treats apart.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address family.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The option that selects the family for `ip`.
    pub fn option(self) -> &'static str {
        match self {
            Family::V4 => "-4",
            Family::V6 => "-6",
        }
    }
}

/// A network: an address and the length of its prefix.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// None when the prefix is longer than the address or host bits are set.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Network> {
        let network = Network { address, prefix };
        let fits = match address {
            IpAddr::V4(address) => {
                prefix <= 32
                    && address
                        .to_bits()
                        .checked_shl(u32::from(prefix))
                        .unwrap_or(0)
                        == 0
            }
            IpAddr::V6(address) => {
                prefix <= 128
                    && address
                        .to_bits()
                        .checked_shl(u32::from(prefix))
                        .unwrap_or(0)
                        == 0
            }
        };
        fits.then_some(network)
    }

    const fn v4(octets: [u8; 4], prefix: u8) -> Network {
        let [a, b, c, d] = octets;
        Network {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            prefix,
        }
    }

    const fn v6(first: u16, prefix: u8) -> Network {
        Network {
            address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)),
            prefix,
        }
    }

    pub fn contains(self, address: IpAddr) -> bool {
        // A shift by the whole width leaves nothing to compare.
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let rest = 32_u32.saturating_sub(self.prefix.into());
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let rest = 128_u32.saturating_sub(self.prefix.into());
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    pub fn family(self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// The text is not a network in CIDR notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network; write ADDRESS/PREFIX with no host bit set, like 192.168.7.0/24")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(error)?;
        let address = address.parse().map_err(|_| error())?;
        let prefix = prefix.parse().map_err(|_| error())?;
        Network::new(address, prefix).ok_or_else(error)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Network, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

/// Local networks: reached directly where the main table has a route to them
/// that is not the default (RFC 1918, RFC 3927, RFC 4193, RFC 4291).
pub const LOCAL: [Network; 6] = [
    Network::v4([10, 0, 0, 0], 8),
    Network::v4([172, 16, 0, 0], 12),
    Network::v4([192, 168, 0, 0], 16),
    Network::v4([169, 254, 0, 0], 16),
    Network::v6(0xfc00, 7),
    Network::v6(0xfe80, 10),
];

/// Shared by providers and by Tailscale's networks (RFC 6598): local only where
/// a tunnel says so.
pub const SHARED: [Network; 1] = [Network::v4([100, 64, 0, 0], 10)];

/// Multicast and broadcast: never captured, they end on the local link.
pub const LINK: [Network; 3] = [
    Network::v4([224, 0, 0, 0], 4),
    Network::v4([255, 255, 255, 255], 32),
    Network::v6(0xff00, 8),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("1.2.3.4/32", "1.2.3.4", true),
            ("1.2.3.4/32", "1.2.3.5", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "1.2.3.4", false),
        ];
        for (network, address, within) in cases {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(
                parsed.contains(address.parse().unwrap()),
                within,
                "{network} {address}"
            );
        }
    }

    #[test]
    fn networks_are_read_and_written() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "fd00::/8",
            "1.2.3.4/32",
            "::1/128",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "fd00::1/8",
            "10.0.0.0",
            "a/8",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_known_ranges_have_no_host_bits() {
        for network in LOCAL.into_iter().chain(LINK) {
            assert_eq!(Network::new(network.address, network.prefix), Some(network));
        }
    }
}
