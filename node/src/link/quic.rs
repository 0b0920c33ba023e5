//! Links on QUIC (RFC 9000, RFC 9221 datagrams) with quinn: TLS 1.3, ALPN
//! `h3`, both certificates pinned to Node ids.
//!
//! Windows: a stream may hold `STREAM_WINDOW` bytes that its reader has not
//! taken, which is what bounds a relay's memory for each circuit; a link holds
//! `LINK_WINDOW` over all its streams.

use super::messages::Messages;
use super::tls::{Credentials, TlsError, peer_id};
use super::{Link, LinkError, LinkRecv, LinkSend, StreamError, Traffic};
use crate::neighborhood::Dial;
use bytes::{Bytes, BytesMut};
use masq_core::identity::{Identity, NodeId};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{
    ConnectError, ConnectionError, Endpoint, EndpointConfig, RecvStream, SendStream,
    TransportConfig, VarInt,
};
use rustls::pki_types::CertificateDer;
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Bytes in flight or unread on one stream.
const STREAM_WINDOW: u32 = 768 * 1024;
/// Bytes in flight or unread on all streams of a link together: what a few
/// hundred flows that nobody reads may hold before they hold up the others, so
/// it is large, and [`QuicLink::share_window`] divides it when links are many.
const LINK_WINDOW: u32 = 1 << 30;
/// Unread bytes that all links together may make us hold...
const ALL_LINKS_WINDOW: u32 = 2 << 30;
/// ...down to what one link needs to be of use.
const LEAST_LINK_WINDOW: u32 = 16 << 20;
/// Bytes that a link holds for sending or until acknowledged.
const SEND_WINDOW: u64 = 16 << 20;
const MAX_STREAMS: u32 = 65_536;
const DATAGRAM_BUFFER: usize = 1 << 20;
/// A link is silent at most this long before it is kept alive: 130 bytes on the
/// wire, so it is not often, and a dead neighbor of whom nothing is wanted is
/// noticed after so long. One of whom something is wanted is after [`SILENCE`].
const KEEP_ALIVE: Duration = Duration::from_millis(4_000);
/// The transport's own limit, for both directions.
const IDLE_TIMEOUT: Duration = Duration::from_millis(12_000);
/// How often a link is asked whether its peer still answers.
const PULSE: Duration = Duration::from_millis(100);
/// A peer that lets packets go unanswered for this long is gone, whatever the
/// transport still hopes; at least eight round trips, for long paths.
const SILENCE: Duration = Duration::from_millis(800);
/// Received packets that one read hands over at most.
const CHUNKS: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("TLS has no QUIC cipher suite: {0}")]
    Suite(#[from] NoInitialCipherSuite),
    #[error("could not use the UDP socket of the links: {0}")]
    Socket(#[from] std::io::Error),
}

/// Dials and accepts links on one UDP socket.
#[derive(Clone)]
pub struct QuicEndpoint {
    endpoint: Endpoint,
    credentials: Credentials,
    transport: Arc<TransportConfig>,
}

impl std::fmt::Debug for QuicEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicEndpoint")
            .field("local", &self.endpoint.local_addr().ok())
            .finish_non_exhaustive()
    }
}

impl Dial<QuicLink> for QuicEndpoint {
    async fn dial(&self, peer: NodeId, address: SocketAddr) -> Result<QuicLink, LinkError> {
        QuicEndpoint::dial(self, peer, address).await
    }
}

impl QuicEndpoint {
    /// Must be called inside the runtime. `accepting` says whether others may
    /// dial us.
    pub fn new(
        identity: &Identity,
        socket: UdpSocket,
        accepting: bool,
    ) -> Result<Self, EndpointError> {
        let credentials = Credentials::new(identity)?;
        let transport = Arc::new(transport());
        let server = if accepting {
            let crypto = QuicServerConfig::try_from(credentials.server()?)?;
            let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
            config.transport_config(transport.clone());
            Some(config)
        } else {
            None
        };
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            server,
            socket,
            Arc::new(quinn::TokioRuntime),
        )?;
        Ok(Self {
            endpoint,
            credentials,
            transport,
        })
    }

    pub async fn dial(&self, peer: NodeId, address: SocketAddr) -> Result<QuicLink, LinkError> {
        let connect = |text: String| LinkError::Connect(text);
        let tls = self
            .credentials
            .client(peer)
            .map_err(|e| connect(e.to_string()))?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|e| connect(e.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(self.transport.clone());
        let connection = self
            .endpoint
            .connect_with(config, address, "localhost")
            .map_err(|error| {
                if matches!(error, ConnectError::InvalidRemoteAddress(_)) {
                    return LinkError::Unreachable;
                }
                connect(error.to_string())
            })?
            .await
            .map_err(not_connected)?;
        let link = QuicLink::new(connection)?;
        if link.peer() != peer {
            link.close("wrong peer");
            return Err(LinkError::WrongPeer);
        }
        Ok(link)
    }

    /// The next neighbor that dialled us; `None` once the endpoint is closed.
    /// A failed handshake is an error for that neighbor alone.
    pub async fn accept(&self) -> Option<quinn::Incoming> {
        self.endpoint.accept().await
    }

    pub async fn handshake(incoming: quinn::Incoming) -> Result<QuicLink, LinkError> {
        let connection = incoming
            .await
            .map_err(|e| LinkError::Connect(e.to_string()))?;
        QuicLink::new(connection)
    }

    /// The UDP port of the links.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.endpoint.local_addr()?.port())
    }

    pub fn close(&self) {
        self.endpoint.close(VarInt::from_u32(0), b"");
    }

    /// Waits until every close has been told to its peer.
    pub async fn flush(&self) {
        self.endpoint.wait_idle().await;
    }
}

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(LINK_WINDOW))
        .send_window(SEND_WINDOW)
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(
            IDLE_TIMEOUT
                .try_into()
                .expect("invariant: a few seconds fit a QUIC time-out"),
        ));
    config
}

#[derive(Clone, Debug)]
pub struct QuicLink(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: quinn::Connection,
    peer: NodeId,
    messages: Messages,
    /// Held by each half of a stream.
    streams: Rc<()>,
}

impl QuicLink {
    fn new(connection: quinn::Connection) -> Result<Self, LinkError> {
        let peer = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .and_then(|chain| peer_id(&chain))
            .ok_or(LinkError::WrongPeer)?;
        Ok(Self(Rc::new(Inner {
            connection,
            peer,
            messages: Messages::default(),
            streams: Rc::default(),
        })))
    }

    fn stream(&self, (send, recv): (SendStream, RecvStream)) -> (QuicSend, QuicRecv) {
        let streams = &self.0.streams;
        (
            QuicSend(send, streams.clone()),
            QuicRecv(recv, streams.clone()),
        )
    }
}

impl Link for QuicLink {
    type Send = QuicSend;
    type Recv = QuicRecv;

    fn peer(&self) -> NodeId {
        self.0.peer
    }

    async fn open(&self) -> Result<(QuicSend, QuicRecv), LinkError> {
        let stream = self.0.connection.open_bi().await.map_err(lost)?;
        Ok(self.stream(stream))
    }

    async fn accept(&self) -> Result<(QuicSend, QuicRecv), LinkError> {
        let stream = self.0.connection.accept_bi().await.map_err(lost)?;
        Ok(self.stream(stream))
    }

    fn max_datagram(&self) -> Option<usize> {
        self.0.connection.max_datagram_size()
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), LinkError> {
        self.0.connection.send_datagram(data).map_err(|e| match e {
            quinn::SendDatagramError::TooLarge
            | quinn::SendDatagramError::UnsupportedByPeer
            | quinn::SendDatagramError::Disabled => LinkError::DatagramTooLarge,
            quinn::SendDatagramError::ConnectionLost(e) => lost(e),
        })
    }

    async fn read_datagram(&self) -> Result<Bytes, LinkError> {
        self.0.connection.read_datagram().await.map_err(lost)
    }

    async fn send_message(&self, message: Bytes) -> Result<(), LinkError> {
        self.0.messages.send(&self.0.connection, message).await
    }

    async fn read_message(&self) -> Result<Bytes, LinkError> {
        self.0.messages.read(&self.0.connection).await
    }

    async fn closed(&self) -> LinkError {
        lost(self.0.connection.closed().await)
    }

    fn close(&self, reason: &str) {
        self.0
            .connection
            .close(VarInt::from_u32(0), reason.as_bytes());
    }

    fn serial(&self) -> usize {
        self.0.connection.stable_id()
    }

    fn remote_address(&self) -> SocketAddr {
        let address = self.0.connection.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    fn streams(&self) -> usize {
        Rc::strong_count(&self.0.streams) - 1
    }

    fn traffic(&self) -> Traffic {
        let stats = self.0.connection.stats();
        Traffic {
            sent_bytes: stats.udp_tx.bytes,
            sent_packets: stats.udp_tx.datagrams,
            received_bytes: stats.udp_rx.bytes,
            received_packets: stats.udp_rx.datagrams,
        }
    }

    async fn silent(&self) {
        let mut heard = self.0.connection.stats();
        let mut silence = Duration::ZERO;
        let mut looked = Instant::now();
        loop {
            sleep(PULSE).await;
            let now = self.0.connection.stats();
            let since = looked.elapsed();
            looked = Instant::now();
            if now.udp_rx.datagrams != heard.udp_rx.datagrams {
                (heard, silence) = (now, Duration::ZERO);
            } else if demands(&now) != demands(&heard) {
                // While this process had no processor it could not hear either.
                silence += since.min(PULSE * 2);
                if silence > SILENCE.max(now.path.rtt * 8) {
                    return;
                }
            }
        }
    }

    fn share_window(&self, links: usize) {
        self.0
            .connection
            .set_receive_window(VarInt::from_u32(window_of(links)));
    }
}

#[derive(Debug)]
pub struct QuicSend(
    SendStream,
    #[expect(dead_code, reason = "is counted")] Rc<()>,
);

impl LinkSend for QuicSend {
    fn id(&self) -> u64 {
        VarInt::from(self.0.id()).into_inner()
    }

    async fn write(&mut self, data: Bytes) -> Result<(), StreamError> {
        self.0.write_chunk(data).await.map_err(|e| match e {
            quinn::WriteError::Stopped(code) => StreamError::Stopped(code.into_inner()),
            quinn::WriteError::ConnectionLost(_)
            | quinn::WriteError::ClosedStream
            | quinn::WriteError::ZeroRttRejected => StreamError::LinkLost,
        })
    }

    fn finish(&mut self) {
        // A stream that was reset or stopped has nothing left to finish.
        let _ = self.0.finish();
    }

    fn reset(&mut self, code: u64) {
        let _ = self.0.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn stopped(&self) -> impl Future<Output = StreamError> + 'static {
        let stopped = self.0.stopped();
        async move {
            match stopped.await {
                Ok(code) => StreamError::Stopped(code.map_or(0, VarInt::into_inner)),
                Err(_) => StreamError::LinkLost,
            }
        }
    }
}

#[derive(Debug)]
pub struct QuicRecv(
    RecvStream,
    #[expect(dead_code, reason = "is counted")] Rc<()>,
);

impl LinkRecv for QuicRecv {
    async fn read(&mut self) -> Result<Option<BytesMut>, StreamError> {
        // A stream that waits keeps no array of chunks: it lives for one poll.
        let read = poll_fn(|cx| {
            let mut chunks = [const { Bytes::new() }; CHUNKS];
            let polled = pin!(self.0.read_chunks(&mut chunks)).poll(cx);
            polled.map_ok(|count| count.map(|count| joined(&mut chunks[..count])))
        });
        read.await.map_err(|error| match error {
            quinn::ReadError::Reset(code) => StreamError::Reset(code.into_inner()),
            quinn::ReadError::ConnectionLost(_)
            | quinn::ReadError::ClosedStream
            | quinn::ReadError::IllegalOrderedRead
            | quinn::ReadError::ZeroRttRejected => StreamError::LinkLost,
        })
    }

    fn stop(&mut self, code: u64) {
        let _ = self.0.stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }
}

/// Frames that were sent and that a peer must acknowledge. Acknowledgements are
/// not among them: nobody answers those.
fn demands(stats: &quinn::ConnectionStats) -> u64 {
    let sent = &stats.frame_tx;
    sent.ping
        + sent.stream
        + sent.datagram
        + sent.crypto
        + sent.reset_stream
        + sent.stop_sending
        + sent.max_data
        + sent.max_stream_data
        + sent.max_streams_bidi
        + sent.max_streams_uni
}

/// What each of so many links may make us hold, in bytes.
fn window_of(links: usize) -> u32 {
    let links = u32::try_from(links).unwrap_or(u32::MAX).max(1);
    (ALL_LINKS_WINDOW / links).clamp(LEAST_LINK_WINDOW, LINK_WINDOW)
}

fn joined(chunks: &mut [Bytes]) -> BytesMut {
    if let [chunk] = chunks {
        return BytesMut::from(std::mem::take(chunk));
    }
    let mut all = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        all.extend_from_slice(chunk);
    }
    all
}

fn not_connected(error: ConnectionError) -> LinkError {
    /// What a TLS alert is to QUIC (RFC 9001 section 4.8).
    const ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    match error {
        ConnectionError::TimedOut => LinkError::NoAnswer,
        ConnectionError::VersionMismatch => LinkError::Version,
        // The only certificate that is not taken is that of another Node.
        ConnectionError::TransportError(error) if ALERTS.contains(&error.code.into()) => {
            LinkError::WrongPeer
        }
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::TransportError(_)
        | ConnectionError::Reset => LinkError::Refused(error.to_string()),
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => {
            LinkError::Connect(error.to_string())
        }
    }
}

pub(super) fn lost(error: ConnectionError) -> LinkError {
    LinkError::Lost(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_share_what_they_may_make_us_hold() {
        assert_eq!(window_of(0), LINK_WINDOW);
        assert_eq!(window_of(2), LINK_WINDOW);
        assert_eq!(window_of(8), ALL_LINKS_WINDOW / 8);
        assert_eq!(window_of(1_000_000), LEAST_LINK_WINDOW);
    }
}
