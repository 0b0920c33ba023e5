//! What an app sees when its flow fails: the Node answers in the place of the site.
//!
//! A request on port 80 gets a page that says at once that it is the Node
//! speaking, a TLS handshake the alert that fits, all else a reset; a datagram
//! an ICMP message. Nothing is ever added to a flow that has carried bytes
//! from the real site: the caller asks only before the first of them.

use crate::failure::{Code, Failure, Place};
use crate::flow_kind;

mod page;

/// How to end a TCP flow of which the app has received nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A whole HTTP response, then a normal end.
    Page(Vec<u8>),
    /// A TLS record with a fatal alert (RFC 8446 section 6), then a normal end.
    TlsAlert([u8; 7]),
    /// A reset.
    Reset,
}

/// Which ICMP or ICMPv6 "destination unreachable" answers a refused packet
/// (RFC 792; RFC 1812 section 5.2.7.1; RFC 4443 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// No way to the network: code 0 in both.
    NetUnreachable,
    /// The host does not answer: code 1, in ICMPv6 code 3.
    HostUnreachable,
    /// Nothing listens on the port: code 3, in ICMPv6 code 4.
    PortUnreachable,
    /// Forbidden: code 13, in ICMPv6 code 1.
    AdminProhibited,
}

/// The version of TLS that is written in a record whatever is negotiated (RFC 8446 section 5.1).
const TLS_VERSION: [u8; 2] = [3, 3];

/// How to end a TCP flow to `port` of which the app has sent `first_bytes`, or nothing yet.
pub fn ending(port: u16, first_bytes: &[u8], failure: &Failure) -> Ending {
    ending_for(None, port, first_bytes, failure)
}

/// The same, with the name that the app wanted, which the page then shows.
pub fn ending_for(name: Option<&str>, port: u16, first_bytes: &[u8], failure: &Failure) -> Ending {
    if speaks_tls(port, first_bytes) {
        return Ending::TlsAlert(tls_alert(failure.code));
    }
    if speaks_http(port, first_bytes) {
        return Ending::Page(http_page(name, failure));
    }
    Ending::Reset
}

/// A fatal alert: unrecognized_name (RFC 6066 section 3) when the name did not
/// resolve, otherwise internal_error (RFC 8446 section 6.2).
pub fn tls_alert(code: Code) -> [u8; 7] {
    let description = if is_unresolved(code) { 0x70 } else { 0x50 };
    let [major, minor] = TLS_VERSION;
    [21, major, minor, 0, 2, 2, description]
}

/// A whole HTTP/1.1 response with status 503 (402 where payment is missing) about a failure.
pub fn http_page(name: Option<&str>, failure: &Failure) -> Vec<u8> {
    page::response(name, failure)
}

/// Which ICMP message answers a datagram, or a SYN that is refused before it is accepted.
pub fn icmp_kind(code: Code) -> IcmpKind {
    if matches!(code, Code::Refused | Code::RemoteReset) {
        return IcmpKind::PortUnreachable;
    }
    if matches!(code, Code::Policy | Code::Blocked) {
        return IcmpKind::AdminProhibited;
    }
    if matches!(code, Code::NoIpv6 | Code::ExitNoFamily) {
        return IcmpKind::NetUnreachable;
    }
    match code.place() {
        Place::Mesh => IcmpKind::NetUnreachable,
        Place::Payment => IcmpKind::AdminProhibited,
        Place::Local | Place::Platform | Place::Exit | Place::Remote | Place::Bug => {
            IcmpKind::HostUnreachable
        }
    }
}

/// Whether the name is what failed.
fn is_unresolved(code: Code) -> bool {
    matches!(
        code,
        Code::NameNotFound | Code::NameHasNoAddress | Code::ResolverFailed
    )
}

fn speaks_tls(port: u16, first_bytes: &[u8]) -> bool {
    if first_bytes.is_empty() {
        port == 443
    } else {
        flow_kind::is_client_hello(first_bytes)
    }
}

/// On other ports a page could be taken for an answer of another protocol.
fn speaks_http(port: u16, first_bytes: &[u8]) -> bool {
    port == 80
        && (first_bytes.is_empty()
            || matches!(flow_kind::sniff(first_bytes), flow_kind::FlowKind::Http(_)))
}

#[cfg(test)]
mod tests;
