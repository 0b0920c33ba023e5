//! The Node as this machine's resolver (`entry-dns`): questions that come to
//! its own sockets on loopback, for programs that are not captured.

use super::dns::{self, Next};
use super::{DNS_PORT, Entry};
use crate::link::Link;
use crate::outside::Outside;
use masq_capture::Protocol;
use masq_core::failure::Code;
use masq_core::names::{MAX_QUERY, TcpQueries, Transport, tcp_frame};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

/// Connections at one time.
const CONNECTIONS: usize = 128;
/// Bytes of a connection that are read at once.
const CHUNK: usize = 2_048;
/// After an error of the system, which may stay for a while.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the Node answers, the place for which the resolver is switched first.
pub const ADDRESSES: [IpAddr; 3] = [
    masq_dns::NODE,
    masq_dns::NODE_BESIDE,
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Sockets that are bound and not heard yet.
#[derive(Debug)]
pub struct NameServer {
    places: Vec<Place>,
    refused: Vec<(IpAddr, io::Error)>,
}

#[derive(Debug)]
struct Place {
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
    address: IpAddr,
}

impl NameServer {
    /// Binds each address that is free.
    pub fn bind() -> NameServer {
        let (mut places, mut refused) = (Vec::new(), Vec::new());
        for address in ADDRESSES {
            match place(address) {
                Ok(place) => places.push(place),
                Err(error) => refused.push((address, error)),
            }
        }
        NameServer { places, refused }
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        self.places.iter().map(|place| place.address).collect()
    }

    /// The addresses that another program has, or that the system refuses.
    pub fn refused(&self) -> &[(IpAddr, io::Error)] {
        &self.refused
    }

    /// Answers from now on.
    pub fn serve<L: Link, O: Outside>(self, entry: &Rc<Entry<L, O>>) -> io::Result<()> {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        for place in self.places {
            let udp = Rc::new(UdpSocket::from_std(place.udp)?);
            let tcp = TcpListener::from_std(place.tcp)?;
            spawn_local(hear_datagrams(entry.clone(), udp));
            spawn_local(hear_connections(entry.clone(), tcp, connections.clone()));
        }
        Ok(())
    }
}

fn place(address: IpAddr) -> io::Result<Place> {
    let at = SocketAddr::new(address, DNS_PORT);
    let udp = std::net::UdpSocket::bind(at)?;
    let tcp = std::net::TcpListener::bind(at)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok(Place { udp, tcp, address })
}

async fn hear_datagrams<L: Link, O: Outside>(entry: Rc<Entry<L, O>>, socket: Rc<UdpSocket>) {
    // One byte more than is taken, so that a longer one shows.
    let mut buffer = vec![0; MAX_QUERY + 1];
    loop {
        let Ok((size, source)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let query = &buffer[..size];
        match dns::take(&entry, query, Transport::Udp) {
            Next::Answer(answer) => {
                // Whoever does not wait for it any more needs none.
                let _ = socket.try_send_to(&answer, source);
            }
            Next::Nothing => {}
            Next::Ask(question, whom) => match dns::Turn::take(&entry) {
                None => {
                    entry.troubles().note(Code::TooManyFlows, "query refused");
                    let _ = socket.try_send_to(&question.fail(Code::TooManyFlows), source);
                }
                Some(turn) => {
                    let (entry, socket) = (entry.clone(), socket.clone());
                    spawn_local(async move {
                        let _turn = turn;
                        let Ok(own) = socket.local_addr() else {
                            return;
                        };
                        let ends = (source, own);
                        let answer = match entry.owner(Protocol::Udp, ends).await {
                            Ok(owner) => dns::resolve(&entry, (ends, owner), &question, whom).await,
                            Err(failure) => question.fail(failure.code),
                        };
                        let _ = socket.send_to(&answer, source).await;
                    });
                }
            },
        }
    }
}

async fn hear_connections<L: Link, O: Outside>(
    entry: Rc<Entry<L, O>>,
    listener: TcpListener,
    connections: Arc<Semaphore>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            entry
                .troubles()
                .note(Code::TooManyFlows, "connection refused");
            continue;
        };
        let entry = entry.clone();
        spawn_local(async move {
            let _permit = permit;
            // A connection that breaks has nobody left to be told.
            let _ = converse(&entry, stream).await;
        });
    }
}

async fn converse<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    mut stream: TcpStream,
) -> io::Result<()> {
    let ends = (stream.peer_addr()?, stream.local_addr()?);
    let Ok(owner) = entry.owner(Protocol::Tcp, ends).await else {
        return Ok(());
    };
    let mut queries = TcpQueries::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = tokio::time::timeout(dns::TCP_IDLE, stream.read(&mut chunk));
        let size = match read.await {
            Ok(size) => size?,
            Err(_) => return Ok(()),
        };
        if size == 0 {
            return Ok(());
        }
        let mut rest = &chunk[..size];
        while !rest.is_empty() {
            let Ok((taken, query)) = queries.push(rest) else {
                entry
                    .troubles()
                    .note(Code::MalformedQuery, "query too long");
                return Ok(());
            };
            rest = &rest[taken..];
            let Some(query) = query else {
                continue;
            };
            let answer = match dns::take(entry, &query, Transport::Tcp) {
                Next::Answer(answer) => answer,
                Next::Nothing => return Ok(()),
                Next::Ask(question, whom) => {
                    dns::resolve(entry, (ends, owner.clone()), &question, whom).await
                }
            };
            stream.write_all(&tcp_frame(&answer)).await?;
        }
    }
}
