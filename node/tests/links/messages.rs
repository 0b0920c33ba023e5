//! The messages between two neighbors (W-8.5), and neighbors that break their
//! rules.

use super::{End, LIMIT, accept_one, join, run, stranger_config};
use bytes::Bytes;
use masq_core::identity::Identity;
use masq_node::link::memory;
use masq_node::link::quic::QuicLink;
use masq_node::link::{Link, LinkError, LinkRecv, LinkSend, MAX_MESSAGE};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Long enough for what is on its way on loopback.
const MOMENT: Duration = Duration::from_millis(200);

#[test]
fn messages_arrive_whole_and_in_order() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        both_ways(&ours, &theirs).await;
        let (a, b) = (End::new().id, End::new().id);
        let (ours, theirs) = memory::pair(a, b, Duration::from_millis(1));
        both_ways(&ours, &theirs).await;
    });
}

async fn both_ways<L: Link>(ours: &L, theirs: &L) {
    for (from, to) in [(ours, theirs), (theirs, ours)] {
        let sizes = [0, 1, MAX_MESSAGE, 3, 40_000];
        let sent = async {
            for size in sizes {
                from.send_message(vec![size as u8; size].into())
                    .await
                    .unwrap();
            }
        };
        let received = async {
            for size in sizes {
                // Given up and taken up again, as by a select.
                let message = loop {
                    let read = timeout(Duration::from_micros(300), to.read_message());
                    if let Ok(message) = read.await {
                        break message.unwrap();
                    }
                };
                assert_eq!(message.len(), size);
                assert!(message.iter().all(|byte| *byte == size as u8));
            }
        };
        tokio::join!(sent, received);
    }
}

#[test]
fn a_message_too_long_is_not_sent() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let refused = ours.send_message(vec![0; MAX_MESSAGE + 1].into()).await;
        assert!(matches!(refused, Err(LinkError::MessageTooLong(_))));
        ours.send_message(Bytes::from_static(b"fits"))
            .await
            .unwrap();
        assert_eq!(&theirs.read_message().await.unwrap()[..], b"fits");
    });
}

#[test]
fn a_message_too_long_closes_the_link() {
    run(async {
        let (stranger, link) = joined_by_a_stranger().await;
        let mut stream = stranger.open_uni().await.unwrap();
        let length = u32::try_from(MAX_MESSAGE).unwrap() + 1;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        let refused = link.read_message().await;
        assert!(matches!(refused, Err(LinkError::MessageTooLong(_))));
        stranger.closed().await;
        assert!(matches!(link.closed().await, LinkError::Lost(_)));
    });
}

#[test]
fn a_neighbor_that_ends_its_messages_loses_the_link() {
    run(async {
        let (stranger, link) = joined_by_a_stranger().await;
        let mut stream = stranger.open_uni().await.unwrap();
        stream.write_all(&[0, 0, 0, 9, 1, 2]).await.unwrap();
        stream.finish().unwrap();
        assert!(matches!(link.read_message().await, Err(LinkError::Lost(_))));
        stranger.closed().await;
    });
}

#[test]
fn a_neighbor_may_open_one_stream_of_messages_only() {
    run(async {
        let (stranger, link) = joined_by_a_stranger().await;
        let mut stream = stranger.open_uni().await.unwrap();
        stream.write_all(&[0, 0, 0, 1, 7]).await.unwrap();
        assert_eq!(&link.read_message().await.unwrap()[..], [7]);
        assert!(timeout(MOMENT, stranger.open_uni()).await.is_err());
    });
}

#[test]
fn a_neighbor_that_does_not_read_holds_up_its_messages_and_nothing_else() {
    run(async {
        let (ours, theirs) = join(&End::new(), &End::new()).await;
        let endless = async {
            let mut sent = 0;
            loop {
                ours.send_message(vec![0; MAX_MESSAGE].into())
                    .await
                    .unwrap();
                sent += MAX_MESSAGE;
                assert!(sent < 4 << 20, "nothing bounds what waits");
            }
        };
        assert!(timeout(MOMENT, endless).await.is_err());
        let (mut send, _recv) = ours.open().await.unwrap();
        send.write(Bytes::from_static(b"x")).await.unwrap();
        let (_answering, mut reading) = theirs.accept().await.unwrap();
        let read = timeout(LIMIT, reading.read()).await.unwrap();
        assert_eq!(&read.unwrap().unwrap()[..], b"x");
    });
}

/// A connection of a peer that follows no rules, and our end of it.
async fn joined_by_a_stranger() -> (quinn::Connection, QuicLink) {
    let (end, stranger) = (End::new(), End::new());
    let connecting = async {
        let mut config = with_certificate_of(&stranger.identity);
        config.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(config).unwrap();
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let connecting = endpoint.connect_with(config, end.address, "localhost");
        connecting.unwrap().await.unwrap()
    };
    let (connection, link) = tokio::join!(connecting, accept_one(&end.endpoint));
    (connection, link.unwrap())
}

fn with_certificate_of(identity: &Identity) -> rustls::ClientConfig {
    let key = PrivatePkcs8KeyDer::from(identity.to_pkcs8().to_vec());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap().der().clone();
    stranger_config()
        .with_client_auth_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap()
}
