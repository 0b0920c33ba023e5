//! The server for user interfaces, met with real sockets over loopback: by
//! friends, by many, and by clients that mean harm.
//!
//! # Limitations
//! Time is real. Tests with another local user need root, and say `SKIPPED`
//! without.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot do its work has failed the test"
)]

mod hostile;
mod many;
mod node;
mod stranger;
mod support;

use futures_util::{SinkExt, StreamExt};
use masq_node::ui::{Event, Server};
use masq_ui_protocol::Frame;
use masq_ui_protocol::message::{ConnectionChange, ConnectionStage, Shutdown};
use std::time::Duration;
use support::{accept, ask, connect, echo, run, server, text_of};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_frame_is_handed_on_and_its_answer_comes_back() {
    run(async {
        let (server, mut events) = server().await;
        let mut client = connect(server.port()).await;
        let Some(Event::Connected(id)) = events.recv().await else {
            panic!("no client");
        };
        let asked = Frame::of(&Shutdown {}, Some(7));
        client.send(asked.to_text().into()).await.unwrap();
        let Some(Event::Frame(from, frame)) = events.recv().await else {
            panic!("no frame");
        };
        assert_eq!((from, &frame), (id, &asked));
        server.send(id, &frame);
        assert_eq!(text_of(&mut client).await, asked.to_text());
        client.close(None).await.unwrap();
        assert_eq!(events.recv().await, Some(Event::Gone(id)));
        assert_eq!(server.clients(), 0);
    });
}

#[test]
fn it_listens_on_loopback_only() {
    run(async {
        let (server, _events) = server().await;
        let own = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await;
        assert!(own.is_ok());
        for other in ["127.0.0.2", "::1"] {
            let refused = tokio::net::TcpStream::connect((other, server.port())).await;
            assert!(refused.is_err(), "{other}");
        }
    });
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    run(async {
        let (server, _events) = server().await;
        let second = Server::bind(server.port(), Default::default()).await;
        let error = second.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    });
}

#[test]
fn a_broadcast_reaches_all_but_one() {
    run(async {
        let (server, mut events) = server().await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let client = connect(server.port()).await;
            clients.push((accept(&mut events).await, client));
        }
        let change = ConnectionChange {
            stage: ConnectionStage::RouteFound,
        };
        server.broadcast(Some(clients[1].0), &Frame::of(&change, None));
        let last = Frame::of(&Shutdown {}, None);
        server.broadcast(None, &last);
        for (index, (_, client)) in clients.iter_mut().enumerate() {
            if index != 1 {
                let frame = Frame::parse(&text_of(client).await).unwrap();
                assert_eq!(frame.message(), Ok(change.clone()));
            }
            assert_eq!(text_of(client).await, last.to_text());
        }
    });
}

#[test]
fn what_is_queued_arrives_before_the_server_closes() {
    run(async {
        let (server, mut events) = server().await;
        let mut client = connect(server.port()).await;
        let id = accept(&mut events).await;
        for number in 0..1_000 {
            server.send(id, &Frame::of(&Shutdown {}, Some(number)));
        }
        let port = server.port();
        let reading = async {
            for number in 0..1_000 {
                let frame = Frame::parse(&text_of(&mut client).await).unwrap();
                assert_eq!(frame.context_id, Some(number));
            }
            assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        };
        let ((), ()) = tokio::join!(reading, server.close(LIMIT));
        let late = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        assert!(late.is_err());
    });
}

#[test]
fn the_end_waits_for_nobody_longer_than_its_limit() {
    run(async {
        let (server, mut events) = server().await;
        // One that never reads, one that never even shakes hands.
        let _deaf = connect(server.port()).await;
        let id = accept(&mut events).await;
        let _mute = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await;
        let long = "x".repeat(1 << 20);
        for _ in 0..3 {
            server.send(
                id,
                &Frame::of(&Shutdown {}, None)
                    .refusal(masq_ui_protocol::Code::UNKNOWN, long.as_str()),
            );
        }
        let began = Instant::now();
        server.close(Duration::from_millis(300)).await;
        assert!(began.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn a_ping_is_answered_and_a_close_assented() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut client = connect(server.port()).await;
        client.send(Message::Ping("hello".into())).await.unwrap();
        let pong = timeout(LIMIT, client.next()).await.unwrap();
        assert_eq!(pong.unwrap().unwrap(), Message::Pong("hello".into()));
        assert_eq!(ask(&mut client, 3).await, 3);
        client.close(None).await.unwrap();
        let close = timeout(LIMIT, client.next()).await.unwrap();
        assert!(matches!(close, Some(Ok(Message::Close(_)))), "{close:?}");
        assert!(client.next().await.is_none());
    });
}
