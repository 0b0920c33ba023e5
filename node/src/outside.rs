//! The Internet as an exit sees it: names, TCP, UDP and DNS questions.
//!
//! [`sockets`] is the real one. Simulations bring their own, so that an exit's
//! behaviour can be tried in virtual time.

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use masq_core::destination::Destination;
use masq_core::exit_policy::{ExitPolicy, Protocol};
use masq_core::failure::{Code, Failure};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

pub mod servers;
pub mod sockets;

/// Pause before the next address is tried beside the earlier ones
/// (RFC 8305 section 5, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const MAX_ATTEMPTS: usize = 8;

/// A TCP connection with a destination.
pub trait OutsideTcp: AsyncRead + AsyncWrite + Unpin + 'static {
    fn peer(&self) -> SocketAddr;
    /// Ready when a read would not wait, or when that is not known.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// The connection, when dropped, ends with RST instead of FIN.
    fn abort(&self);
}

/// A UDP socket that talks with one destination.
pub trait OutsideUdp: 'static {
    fn peer(&self) -> SocketAddr;
    /// Sends at once or loses the datagram, as UDP may. An error is what ICMP
    /// told of an earlier one.
    fn send(&self, payload: &[u8]) -> Result<(), Failure>;
    /// The next datagram. A flow that waits for one holds no buffer.
    fn recv(&self) -> impl Future<Output = Result<BytesMut, Failure>>;
}

pub trait Outside: 'static {
    type Tcp: OutsideTcp;
    type Udp: OutsideUdp;

    fn resolve(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, Failure>>;
    fn connect(&self, address: SocketAddr) -> impl Future<Output = Result<Self::Tcp, Failure>>;
    fn udp(&self, address: SocketAddr) -> impl Future<Output = Result<Self::Udp, Failure>>;
    /// Asks a resolver of the exit: a DNS message in, a DNS message out.
    fn query(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, Failure>>;
    /// Asks this system's own resolver, for names of its own network.
    fn query_local(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, Failure>>;
    /// Whether the address answers an ICMP echo request within some seconds.
    fn echo(
        &self,
        address: IpAddr,
        payload: &[u8],
    ) -> impl Future<Output = Result<Duration, Failure>>;
}

/// Addresses of a destination that the policy lets through, in the order to
/// try them. A name is judged by every address it resolves to, so that no name
/// can point an exit at its own network.
pub async fn addresses<O: Outside>(
    outside: &O,
    policy: &ExitPolicy,
    destination: &Destination,
    protocol: Protocol,
) -> Result<Vec<SocketAddr>, Failure> {
    let found = match destination {
        Destination::Address(address) => vec![*address],
        Destination::Name { name, port } => {
            let addresses = outside.resolve(name.as_str()).await?;
            interleave(addresses)
                .into_iter()
                .map(|ip| SocketAddr::new(ip, *port))
                .collect()
        }
    };
    let mut allowed = Vec::with_capacity(found.len());
    let mut refusal = None;
    for address in found {
        match policy.check(address, protocol) {
            Ok(()) => allowed.push(address),
            Err(failure) => refusal = Some(failure),
        }
    }
    match (allowed.is_empty(), refusal) {
        (false, _) => Ok(allowed),
        (true, Some(failure)) => Err(failure),
        (true, None) => Err(Failure::new(
            Code::NameHasNoAddress,
            format!("{destination} has no address"),
        )),
    }
}

/// Connects with the first address that answers (RFC 8305).
pub async fn connect<O: Outside>(outside: &O, addresses: &[SocketAddr]) -> Result<O::Tcp, Failure> {
    let race = async {
        let mut attempts = FuturesUnordered::new();
        let mut waiting = addresses.iter().take(MAX_ATTEMPTS);
        let mut last = None;
        loop {
            if let Some(address) = waiting.next() {
                attempts.push(outside.connect(*address));
            } else if attempts.is_empty() {
                return Err(last.unwrap_or_else(|| {
                    Failure::new(Code::Unreachable, "no address to connect with".to_string())
                }));
            }
            let pause = async {
                if waiting.len() == 0 {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(ATTEMPT_DELAY).await;
            };
            tokio::select! {
                biased;
                result = attempts.next(), if !attempts.is_empty() => match result {
                    Some(Ok(stream)) => return Ok(stream),
                    Some(Err(failure)) => last = Some(failure),
                    None => {}
                },
                () = pause => {}
            }
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, race)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::new(
                Code::TimedOut,
                format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            ))
        })
}

/// Alternates the families, keeping the resolver's first choice first
/// (RFC 8305 section 4).
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|ip| ip.is_ipv6() == first_is_v6);
    let mut out = Vec::with_capacity(first.len() + second.len());
    first.reverse();
    second.reverse();
    while !(first.is_empty() && second.is_empty()) {
        out.extend(first.pop());
        out.extend(second.pop());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_from_the_first_choice() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let order = interleave(vec![
            ip("2001:db8::1"),
            ip("2001:db8::2"),
            ip("192.0.2.1"),
            ip("192.0.2.2"),
            ip("192.0.2.3"),
        ]);
        let families: Vec<bool> = order.iter().map(IpAddr::is_ipv6).collect();
        assert_eq!(families, [true, false, true, false, false]);
        assert_eq!(order[0], ip("2001:db8::1"));
        assert_eq!(order[1], ip("192.0.2.1"));
    }
}
