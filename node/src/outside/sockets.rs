//! The Internet through this machine's own sockets.

use super::servers::SystemServers;
use super::{Outside, OutsideTcp, OutsideUdp};
use crate::clock;
use bytes::BytesMut;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use masq_core::failure::{Code, Failure};
use masq_core::fake_ip;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
const RESOLVE_ATTEMPTS: usize = 2;
const CACHED_NAMES: u64 = 4_096;
/// Largest DNS message over UDP that is accepted (RFC 6891 section 6.2.5).
const DNS_UDP_SIZE: usize = 4_096;
/// Bytes of a DNS header (RFC 1035 section 4.1.1).
const DNS_HEADER: usize = 12;
const LARGEST_DATAGRAM: usize = 65_535;
const ECHO_TIMEOUT: Duration = Duration::from_secs(3);

thread_local! {
    /// Where datagrams arrive: one buffer for all flows, not one for each.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; LARGEST_DATAGRAM]);
}

pub struct Sockets {
    /// Whom an exit asks; empty stands for the system's own.
    told: Vec<SocketAddr>,
    system: SystemServers,
    resolver: RefCell<Option<Resolver>>,
}

/// A resolver with a cache, and whom it asks.
struct Resolver {
    servers: Vec<SocketAddr>,
    asks: TokioResolver,
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sockets")
            .field("told", &self.told)
            .field("system", &self.system)
            .finish_non_exhaustive()
    }
}

impl Sockets {
    /// Resolves with `told`, or with the system's servers where there are none.
    pub fn new(told: &[SocketAddr], system: SystemServers) -> Self {
        Self {
            told: told.to_vec(),
            system,
            resolver: RefCell::new(None),
        }
    }

    fn servers(&self) -> Vec<SocketAddr> {
        if self.told.is_empty() {
            self.system.now(clock::now())
        } else {
            self.told.clone()
        }
    }

    /// The resolver that asks the servers of now.
    fn resolver(&self) -> Result<TokioResolver, Failure> {
        let servers = self.servers();
        if servers.is_empty() {
            return Err(no_server());
        }
        if let Some(resolver) = &*self.resolver.borrow()
            && resolver.servers == servers
        {
            return Ok(resolver.asks.clone());
        }
        let asks = resolver_of(&servers)
            .map_err(|error| Failure::new(Code::ResolverFailed, error.to_string()))?;
        *self.resolver.borrow_mut() = Some(Resolver {
            servers,
            asks: asks.clone(),
        });
        Ok(asks)
    }

    /// Asks one server after another, each under an id that nobody can guess.
    async fn ask_all(servers: &[SocketAddr], message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut query = message.to_vec();
        let Some(id) = query
            .first_chunk_mut::<2>()
            .filter(|_| message.len() >= DNS_HEADER)
        else {
            return Err(Failure::new(Code::MalformedQuery, "no DNS header"));
        };
        let asked = std::mem::replace(id, rand::random());
        let mut last = no_server();
        for server in servers {
            match tokio::time::timeout(RESOLVE_TIMEOUT, Self::ask(*server, &query)).await {
                Ok(Ok(mut answer)) => {
                    answer[..2].copy_from_slice(&asked);
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    last = Failure::new(Code::ResolverFailed, format!("{server}: {error}"));
                }
                Err(_) => {
                    last = Failure::new(Code::ResolverFailed, format!("{server}: no answer"));
                }
            }
        }
        Err(last)
    }

    async fn ask(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
        let socket = UdpSocket::bind(any(server)).await?;
        socket.connect(server).await?;
        socket.send(message).await?;
        let mut buffer = vec![0; DNS_UDP_SIZE];
        loop {
            let size = socket.recv(&mut buffer).await?;
            let answer = &buffer[..size];
            if size < DNS_HEADER || answer[..2] != message[..2] {
                continue;
            }
            // TC (RFC 1035 section 4.1.1): the whole answer is had over TCP.
            if answer[2] & 0x02 != 0 {
                return Self::ask_tcp(server, message).await;
            }
            return Ok(answer.to_vec());
        }
    }

    async fn ask_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
        let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut stream = TcpStream::connect(server).await?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(message);
        stream.write_all(&framed).await?;
        let size = usize::from(stream.read_u16().await?);
        let mut answer = vec![0; size];
        stream.read_exact(&mut answer).await?;
        if size < DNS_HEADER || answer[..2] != message[..2] {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(answer)
    }
}

impl Outside for Sockets {
    type Tcp = Connection;
    type Udp = Datagrams;

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        // Absolute: the search list is the system's business, not the app's.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        match self.resolver()?.lookup_ip(absolute).await {
            Ok(found) if found.iter().any(fake_ip::is_fake) => Err(Failure::new(
                Code::ResolverFailed,
                format!(
                    "{name}: this system's resolver asks the Node itself; name its servers in \
                     dns-servers"
                ),
            )),
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(Failure::new(
                Code::NameNotFound,
                format!("{name} does not resolve"),
            )),
            Err(error) => Err(Failure::new(
                Code::ResolverFailed,
                format!("{name}: {error}"),
            )),
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<Connection, Failure> {
        let attempt = async {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_nodelay(true)?;
            socket.connect(address).await
        };
        match attempt.await {
            Ok(stream) => Ok(Connection {
                stream,
                peer: address,
            }),
            Err(error) => Err(failure(&error, address)),
        }
    }

    async fn udp(&self, address: SocketAddr) -> Result<Datagrams, Failure> {
        let attempt = async {
            let socket = UdpSocket::bind(any(address)).await?;
            socket.connect(address).await?;
            // Sending never waits, and a new socket is not known to be writable before this.
            socket.writable().await?;
            Ok(socket)
        };
        match attempt.await {
            Ok(socket) => Ok(Datagrams {
                socket,
                peer: address,
            }),
            Err(error) => Err(failure(&error, address)),
        }
    }

    async fn query(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        Self::ask_all(&self.servers(), message).await
    }

    async fn query_local(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        Self::ask_all(&self.system.now(clock::now()), message).await
    }

    async fn echo(&self, address: IpAddr, payload: &[u8]) -> Result<Duration, Failure> {
        let target = SocketAddr::new(address, 0);
        let attempt = async {
            let socket = echo_socket(target)?;
            let mut message = vec![if address.is_ipv4() { 8 } else { 128 }, 0, 0, 0, 0, 0, 0, 1];
            message.extend_from_slice(payload);
            let start = tokio::time::Instant::now();
            socket.send(&message).await?;
            let mut answer = vec![0; message.len() + 64];
            loop {
                let size = socket.recv(&mut answer).await?;
                let kind = if address.is_ipv4() { 0 } else { 129 };
                if size >= 8 && answer[0] == kind {
                    return Ok(start.elapsed());
                }
            }
        };
        match tokio::time::timeout(ECHO_TIMEOUT, attempt).await {
            Ok(Ok(time)) => Ok(time),
            Ok(Err(error)) => Err(failure(&error, target)),
            Err(_) => Err(Failure::new(
                Code::TimedOut,
                format!("{address} does not answer an echo request"),
            )),
        }
    }
}

/// The servers that the system asks; none where it does not say.
fn resolver_of(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let configs = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    let config = ResolverConfig::from_name_servers(configs.collect());
    let mut options = ResolverOpts::default();
    options.timeout = RESOLVE_TIMEOUT;
    options.attempts = RESOLVE_ATTEMPTS;
    options.cache_size = CACHED_NAMES;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
}

fn no_server() -> Failure {
    let why = "no DNS server is known; name some in dns-servers";
    Failure::new(Code::ResolverFailed, why)
}

/// An unprivileged ping socket (`net.ipv4.ping_group_range`).
fn echo_socket(target: SocketAddr) -> io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let (domain, protocol) = if target.is_ipv4() {
        (Domain::IPV4, Protocol::ICMPV4)
    } else {
        (Domain::IPV6, Protocol::ICMPV6)
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.connect(&target.into())?;
    UdpSocket::from_std(socket.into())
}

fn any(target: SocketAddr) -> SocketAddr {
    if target.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    }
}

/// What an operating-system error on the way to `address` means to the app.
fn failure(error: &io::Error, address: SocketAddr) -> Failure {
    use io::ErrorKind as Kind;
    let code = if error.kind() == Kind::ConnectionRefused {
        Code::Refused
    } else if error.kind() == Kind::TimedOut {
        Code::TimedOut
    } else if error.kind() == Kind::ConnectionReset {
        Code::RemoteReset
    } else if is_exhausted(error) {
        Code::Resources
    } else {
        Code::Unreachable
    };
    Failure::new(code, format!("{address}: {error}"))
}

/// EMFILE and ENFILE: our own limit, not the destination's fault.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl OutsideTcp for Connection {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    fn abort(&self) {
        // Best effort: where it fails the connection ends with FIN.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    peer: SocketAddr,
}

impl OutsideUdp for Datagrams {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn send(&self, payload: &[u8]) -> Result<(), Failure> {
        match self.socket.try_send(payload) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(failure(&error, self.peer)),
        }
    }

    async fn recv(&self) -> Result<BytesMut, Failure> {
        loop {
            let received = match self.socket.readable().await {
                Ok(()) => SCRATCH.with_borrow_mut(|scratch| {
                    let size = self.socket.try_recv(scratch)?;
                    Ok(BytesMut::from(&scratch[..size]))
                }),
                Err(error) => Err(error),
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failure(&error, self.peer)),
                Ok(payload) => return Ok(payload),
            }
        }
    }
}
