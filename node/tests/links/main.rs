//! Links on real QUIC over loopback: who is at the other end, what travels,
//! and how an end shows.
//!
//! # Limitations
//! Time is real, and loopback loses nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot do its work has failed the test"
)]

mod messages;

use bytes::Bytes;
use masq_core::exit_policy::ExitPolicy;
use masq_core::identity::{Identity, NodeId, Validity};
use masq_core::random::SystemRandom;
use masq_node::link::quic::{QuicEndpoint, QuicLink};
use masq_node::link::{Link, LinkError, LinkRecv, LinkSend, StreamError};
use masq_node::mesh::Mesh;
use masq_node::neighbors;
use masq_node::outside::servers::{Own, SystemServers};
use masq_node::outside::sockets::Sockets;
use masq_node::serve::Services;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

const LIMIT: Duration = Duration::from_secs(8);

#[test]
fn both_sides_learn_who_the_other_is() {
    run(async {
        let (a, b) = (End::new(), End::new());
        let (ours, theirs) = join(&a, &b).await;
        assert_eq!(ours.peer(), b.id);
        assert_eq!(theirs.peer(), a.id);
    });
}

#[test]
fn a_peer_with_another_id_than_expected_is_refused() {
    run(async {
        let (a, b, expected) = (End::new(), End::new(), End::new());
        let (dialled, accepted) = tokio::join!(
            a.endpoint.dial(expected.id, b.address),
            accept_one(&b.endpoint)
        );
        assert!(matches!(dialled, Err(LinkError::WrongPeer)), "{dialled:?}");
        assert!(accepted.is_err(), "{accepted:?}");
    });
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    run(async {
        let b = End::new();
        let config = stranger_config().with_no_client_auth();
        let (_, accepted) = tokio::join!(dial_as(config, b.address), accept_one(&b.endpoint));
        assert!(accepted.is_err(), "{accepted:?}");
    });
}

#[test]
fn a_client_whose_certificate_is_over_another_kind_of_key_is_refused() {
    run(async {
        let b = End::new();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_string()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = stranger_config()
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        let (_, accepted) = tokio::join!(dial_as(config, b.address), accept_one(&b.endpoint));
        assert!(accepted.is_err(), "{accepted:?}");
    });
}

#[test]
fn bytes_and_the_end_of_a_stream_travel_both_ways() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let data: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 251) as u8).collect();
        let there = async {
            let (mut send, mut recv) = ours.open().await.unwrap();
            let said = async {
                send.write(Bytes::from(data.clone())).await.unwrap();
                send.finish();
            };
            tokio::join!(said, read_all(&mut recv)).1
        };
        let back = async {
            let (mut send, mut recv) = theirs.accept().await.unwrap();
            while let Some(bytes) = recv.read().await.unwrap() {
                send.write(bytes.freeze()).await.unwrap();
            }
            send.finish();
            // Resolves once the peer has all of it.
            send.stopped().await
        };
        let (echoed, end) = tokio::join!(there, back);
        assert!(echoed == data);
        assert_eq!(end, StreamError::Stopped(0));
    });
}

#[test]
fn a_stream_has_the_same_number_at_both_ends() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        for _ in 0..3 {
            let (mut send, _recv) = ours.open().await.unwrap();
            send.write(Bytes::from_static(b"x")).await.unwrap();
            let (answering, _reading) = theirs.accept().await.unwrap();
            assert_eq!(send.id(), answering.id());
        }
    });
}

#[test]
fn the_codes_of_a_reset_and_of_a_stop_travel() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let (mut send, mut recv) = ours.open().await.unwrap();
        send.write(Bytes::from_static(b"x")).await.unwrap();
        let (mut answering, mut reading) = theirs.accept().await.unwrap();
        assert_eq!(&reading.read().await.unwrap().unwrap()[..], b"x");

        let stopped = send.stopped();
        reading.stop(304);
        assert_eq!(stopped.await, StreamError::Stopped(304));
        let refused = send.write(Bytes::from_static(b"y")).await;
        assert_eq!(refused, Err(StreamError::Stopped(304)));

        answering.reset(506);
        assert_eq!(recv.read().await, Err(StreamError::Reset(506)));
    });
}

#[test]
fn datagrams_travel_and_one_too_large_says_so() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        ours.send_datagram(Bytes::from_static(b"hello")).unwrap();
        assert_eq!(&theirs.read_datagram().await.unwrap()[..], b"hello");
        let largest = ours.max_datagram().unwrap();
        theirs.send_datagram(vec![1; largest / 2].into()).unwrap();
        assert_eq!(ours.read_datagram().await.unwrap().len(), largest / 2);
        let refused = ours.send_datagram(vec![1; 65_000].into());
        assert!(
            matches!(refused, Err(LinkError::DatagramTooLarge)),
            "{refused:?}"
        );
    });
}

#[test]
fn a_closed_link_ends_everything_at_the_other_side() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let (mut send, _recv) = ours.open().await.unwrap();
        send.write(Bytes::from_static(b"x")).await.unwrap();
        let (answering, mut reading) = theirs.accept().await.unwrap();
        assert!(reading.read().await.unwrap().is_some());
        let start = Instant::now();

        ours.close("enough");

        assert!(matches!(theirs.closed().await, LinkError::Lost(_)));
        assert_eq!(reading.read().await, Err(StreamError::LinkLost));
        assert_eq!(answering.stopped().await, StreamError::LinkLost);
        assert!(theirs.accept().await.is_err());
        assert!(theirs.read_datagram().await.is_err());
        assert!(theirs.open().await.is_err());
        assert!(start.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn a_dead_neighbor_of_whom_nothing_is_wanted_is_noticed_within_seconds() {
    run(async {
        let (a, b) = (End::new(), End::new());
        let path = Path::to(b.address);
        let (ours, theirs) =
            tokio::join!(a.endpoint.dial(b.id, path.address), accept_one(&b.endpoint));
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let start = Instant::now();

        sleep(Duration::from_millis(100)).await;
        path.cut.set(true);

        tokio::join!(ours.silent(), theirs.silent());
        assert!(start.elapsed() < Duration::from_secs(6));
    });
}

/// Nothing but acknowledgements may be on its way for long: they have no answer.
#[test]
fn a_link_where_nothing_happens_is_not_taken_for_dead() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let (mut send, _recv) = ours.open().await.unwrap();
        let speaks = async {
            for _ in 0..4 {
                send.write(Bytes::from_static(b"x")).await.unwrap();
                sleep(Duration::from_millis(1_500)).await;
            }
        };
        tokio::select! {
            () = speaks => {}
            () = ours.silent() => panic!("the speaker gave up"),
            () = theirs.silent() => panic!("the listener gave up"),
        }
    });
}

#[test]
fn a_link_knows_whether_streams_are_in_use() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        assert_eq!((ours.streams(), theirs.streams()), (0, 0));
        let (mut send, recv) = ours.open().await.unwrap();
        send.write(Bytes::from_static(b"x")).await.unwrap();
        let accepted = theirs.accept().await.unwrap();
        assert_eq!((ours.streams(), theirs.streams()), (2, 2));
        drop((send, recv, accepted));
        assert_eq!((ours.streams(), theirs.streams()), (0, 0));
    });
}

#[test]
fn a_silent_neighbor_is_given_up_before_its_link_times_out() {
    run(async {
        let (a, b) = (End::new(), End::new());
        let path = Path::to(b.address);
        let (asking, answering) = (a.services(), b.services());
        let serving = answering.clone();
        let serve = move |link| neighbors::serve_link(serving.clone(), link);
        spawn_local(neighbors::accept(answering, b.endpoint.clone(), serve));
        spawn_local(neighbors::keep(
            asking.clone(),
            a.endpoint.clone(),
            b.id,
            path.address,
            Duration::ZERO,
        ));
        let mut changes = asking.mesh.changes();
        while asking.mesh.link(&b.id).is_none() {
            changes.changed().await.unwrap();
        }
        let start = Instant::now();

        path.cut.set(true);

        while asking.mesh.link(&b.id).is_some() {
            changes.changed().await.unwrap();
        }
        assert!(
            start.elapsed() < Duration::from_millis(3_500),
            "{:?}",
            start.elapsed()
        );
        path.cut.set(false);
        while asking.mesh.link(&b.id).is_none() {
            changes.changed().await.unwrap();
        }
    });
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { timeout(LIMIT, test).await.expect("the test hangs") };
    LocalSet::new().block_on(&runtime, limited);
}

struct End {
    id: NodeId,
    identity: Identity,
    endpoint: QuicEndpoint,
    address: SocketAddr,
}

impl End {
    fn new() -> End {
        let validity = Validity::new(0, u64::MAX / 2).unwrap();
        let identity = Identity::generate(validity, &mut SystemRandom);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        End {
            id: identity.id(),
            endpoint: QuicEndpoint::new(&identity, socket, true).unwrap(),
            identity,
            address,
        }
    }

    fn services(&self) -> Rc<Services<QuicLink, Sockets>> {
        Rc::new(Services::new(
            Identity::from_bytes(&self.identity.to_bytes()).unwrap(),
            Rc::new(Mesh::default()),
            Rc::new(Sockets::new(
                &[],
                SystemServers::new(Own::default(), masq_node::clock::now()),
            )),
            ExitPolicy::new(false, &[], &[]),
            (true, false),
            || 0,
        ))
    }
}

/// The dialler's end first.
async fn join(a: &End, b: &End) -> (QuicLink, QuicLink) {
    let (ours, theirs) = tokio::join!(a.endpoint.dial(b.id, b.address), accept_one(&b.endpoint));
    (ours.unwrap(), theirs.unwrap())
}

async fn accept_one(endpoint: &QuicEndpoint) -> Result<QuicLink, LinkError> {
    let incoming = endpoint.accept().await.unwrap();
    QuicEndpoint::handshake(incoming).await
}

async fn read_all(recv: &mut impl LinkRecv) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = recv.read().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    all
}

/// A path to `address` through somebody who may stop carrying.
struct Path {
    address: SocketAddr,
    cut: Rc<Cell<bool>>,
}

impl Path {
    fn to(server: SocketAddr) -> Path {
        let bind = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            tokio::net::UdpSocket::from_std(socket).unwrap()
        };
        let (front, back) = (bind(), bind());
        let address = front.local_addr().unwrap();
        let cut = Rc::new(Cell::new(false));
        let is_cut = cut.clone();
        spawn_local(async move {
            let (mut to_server, mut to_client) = (vec![0; 65_535], vec![0; 65_535]);
            let mut client = None;
            loop {
                tokio::select! {
                    Ok((size, from)) = front.recv_from(&mut to_server) => {
                        client = Some(from);
                        if !is_cut.get() {
                            let _ = back.send_to(&to_server[..size], server).await;
                        }
                    }
                    Ok((size, _)) = back.recv_from(&mut to_client) => {
                        if let Some(client) = client.filter(|_| !is_cut.get()) {
                            let _ = front.send_to(&to_client[..size], client).await;
                        }
                    }
                    else => sleep(Duration::from_millis(1)).await,
                }
            }
        });
        Path { address, cut }
    }
}

type NeedsClientAuth = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn stranger_config() -> NeedsClientAuth {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
}

/// Dials and waits until the server has ended it.
async fn dial_as(mut config: ClientConfig, address: SocketAddr) -> quinn::ConnectionError {
    config.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(config).unwrap();
    let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint.connect_with(config, address, "localhost").unwrap();
    match connecting.await {
        // The client is done before the server has judged its certificate.
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    }
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
