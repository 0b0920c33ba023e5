//! Which way a name goes: fake address, exit, the local network, or an answer at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{Name, RData, RecordType};

use super::reverse::{self, Reverse};
use super::wire_name;
use crate::destination::HostName;
use crate::fake_ip;

/// Names of the local network, which an exit knows nothing about: RFC 6762
/// (local), RFC 8375 (home.arpa), ICANN 2024 (internal), RFC 6762 appendix G (the rest).
const LOCAL: [&[&str]; 10] = [
    &["local"],
    &["home", "arpa"],
    &["internal"],
    &["intranet"],
    &["private"],
    &["corp"],
    &["home"],
    &["lan"],
    &["localdomain"],
    &["workgroup"],
];

/// Names that exist nowhere in the DNS: RFC 7686, RFC 6761 section 6.4, RFC 9476.
const NOWHERE: [&str; 3] = ["onion", "invalid", "alt"];

/// Names whose absence tells a browser or a system not to resolve by its own
/// encrypted resolver: Firefox's canary and those of iCloud Private Relay.
const CANARIES: [&[&str]; 3] = [
    &["use-application-dns", "net"],
    &["mask", "icloud", "com"],
    &["mask-h2", "icloud", "com"],
];

/// Where a question goes.
#[derive(Debug, PartialEq)]
pub(super) enum Way {
    /// The fake addresses of a name.
    Fake(HostName),
    /// The name of a fake address.
    FakeReverse(IpAddr),
    /// These records; none of them stands for "no data of this type".
    Known(Vec<RData>),
    /// The name does not exist.
    Missing,
    /// The minimal answer to ANY.
    Minimal,
    /// An exit resolves it.
    Exit,
    /// The system's own resolver is asked.
    Local,
}

/// The labels of a name in lower case, which may hold any bytes.
pub(super) struct Labels(Vec<Vec<u8>>);

impl Labels {
    pub(super) fn of(name: &Name) -> Labels {
        Labels(name.iter().map(<[u8]>::to_ascii_lowercase).collect())
    }

    pub(super) fn as_slice(&self) -> &[Vec<u8>] {
        &self.0
    }

    fn is_within(&self, suffix: &[&str]) -> bool {
        let Some(start) = self.0.len().checked_sub(suffix.len()) else {
            return false;
        };
        self.0
            .iter()
            .skip(start)
            .zip(suffix)
            .all(|(label, wanted)| label == wanted.as_bytes())
    }

    /// The name, if it is one that a host can have.
    fn host_name(&self) -> Option<HostName> {
        let labels: Option<Vec<&str>> = self
            .0
            .iter()
            .map(|label| {
                std::str::from_utf8(label)
                    .ok()
                    .filter(|label| !label.contains('.'))
            })
            .collect();
        HostName::parse(&labels?.join(".")).ok()
    }
}

pub(super) fn way(labels: &Labels, record_type: RecordType) -> Way {
    if let Some(way) = special(labels, record_type) {
        return way;
    }
    if let Some(reverse) = reverse::parse(labels.as_slice()) {
        return reverse_way(&reverse, record_type);
    }
    if record_type == RecordType::ANY {
        return Way::Minimal;
    }
    let of_zone = matches!(
        record_type,
        RecordType::NS | RecordType::SOA | RecordType::DS | RecordType::DNSKEY
    );
    match labels.as_slice() {
        [] if of_zone => return Way::Exit,
        [] => return Way::Known(Vec::new()),
        // Top-level domains have zone records; hosts with one label are local.
        [_] if of_zone => return Way::Exit,
        [_] => return Way::Local,
        _ => {}
    }
    if LOCAL.iter().any(|suffix| labels.is_within(suffix)) {
        return Way::Local;
    }
    if !matches!(record_type, RecordType::A | RecordType::AAAA) {
        return Way::Exit;
    }
    match labels.host_name() {
        Some(name) => Way::Fake(name),
        None => Way::Missing,
    }
}

/// Names that mean something to every resolver.
fn special(labels: &Labels, record_type: RecordType) -> Option<Way> {
    if labels.is_within(&["localhost"]) {
        return Some(Way::Known(match record_type {
            RecordType::A => vec![RData::A(A(Ipv4Addr::LOCALHOST))],
            RecordType::AAAA => vec![RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))],
            _ => Vec::new(),
        }));
    }
    let nowhere = NOWHERE.iter().any(|name| labels.is_within(&[name]));
    if nowhere || CANARIES.iter().any(|name| labels.is_within(name)) {
        return Some(Way::Missing);
    }
    // Designated resolvers (RFC 9462 section 4): there is none to move to.
    if labels.is_within(&["resolver", "arpa"]) {
        return Some(Way::Known(Vec::new()));
    }
    // NAT64 discovery (RFC 8880 section 7.1): there is none here.
    if labels.is_within(&["ipv4only", "arpa"]) {
        return Some(Way::Known(match record_type {
            RecordType::A => [170, 171]
                .map(|last| RData::A(A(Ipv4Addr::new(192, 0, 0, last))))
                .to_vec(),
            _ => Vec::new(),
        }));
    }
    None
}

fn reverse_way(reverse: &Reverse, record_type: RecordType) -> Way {
    if let Some(address) = reverse.address {
        if fake_ip::is_fake(address) {
            return Way::FakeReverse(address);
        }
        if address.is_loopback() && record_type == RecordType::PTR {
            let localhost = HostName::parse("localhost").expect("localhost is a name");
            return Way::Known(vec![RData::PTR(PTR(wire_name(&localhost)))]);
        }
    }
    if reverse.is_local {
        Way::Local
    } else {
        Way::Exit
    }
}
