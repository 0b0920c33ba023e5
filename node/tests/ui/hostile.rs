//! What breaks the rules is refused or answered, and harms nobody else.

use crate::LIMIT;
use crate::support::{accept, ask, connect, echo, run, say, server, shake, text_of};
use futures_util::{SinkExt, StreamExt};
use masq_node::ui::{Event, HANDSHAKE, MAX_CONNECTIONS, MAX_MESSAGE};
use masq_ui_protocol::message::UnmarshalError;
use masq_ui_protocol::{Code, Frame};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WebFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

const OURS: &str = "Sec-WebSocket-Protocol: MASQNode-UIv2";

#[test]
fn another_sub_protocol_is_refused() {
    run(async {
        let (server, _events) = server().await;
        let port = server.port();
        for lines in [
            &[][..],
            &["Sec-WebSocket-Protocol: MASQNode-UI"],
            &["Sec-WebSocket-Protocol: MASQNode-UIv3, chat"],
        ] {
            assert_eq!(shake(port, lines).await, "HTTP/1.1 400 Bad Request");
        }
        let accepted = "HTTP/1.1 101 Switching Protocols";
        assert_eq!(shake(port, &[OURS]).await, accepted);
        let one_of_two = "Sec-WebSocket-Protocol: chat, MASQNode-UIv2";
        assert_eq!(shake(port, &[one_of_two]).await, accepted);
    });
}

#[test]
fn a_web_page_is_refused() {
    run(async {
        let (server, _events) = server().await;
        let port = server.port();
        let own = format!("Origin: http://localhost:{port}");
        for origin in [
            "Origin: https://example.com",
            "Origin: http://localhost:3000",
            "Origin: null",
            "Origin: file://",
            "Origin:",
        ] {
            assert_eq!(
                shake(port, &[OURS, origin]).await,
                "HTTP/1.1 403 Forbidden",
                "{origin}"
            );
            let both = shake(port, &[OURS, &own, origin]).await;
            assert_eq!(both, "HTTP/1.1 403 Forbidden", "{origin} besides ours");
        }
        let page_of_ours = shake(port, &[OURS, &own]).await;
        assert_eq!(page_of_ours, "HTTP/1.1 101 Switching Protocols");
    });
}

#[test]
fn what_is_no_handshake_is_refused() {
    run(async {
        let (server, events) = server().await;
        let port = server.port();
        let bad = "HTTP/1.1 400 Bad Request";
        assert_eq!(say(port, b"GET / HTTP/1.1\r\n\r\n").await, bad);
        assert_eq!(say(port, b"POST / HTTP/1.1\r\n\r\n").await, bad);
        assert_eq!(say(port, b"\x16\x03\x01\0\0\0\0\0\r\n\r\n").await, bad);
        assert_eq!(say(port, &[b'x'; 100_000]).await, bad);
        let headers = "A: b\r\n".repeat(1_000);
        let many = format!("GET / HTTP/1.1\r\n{headers}\r\n");
        assert_eq!(say(port, many.as_bytes()).await, bad);
        echo(&server, events);
        assert_eq!(ask(&mut connect(port).await, 1).await, 1);
    });
}

#[test]
fn who_does_not_shake_hands_in_time_is_let_go() {
    run(async {
        let (server, _events) = server().await;
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))
            .await
            .unwrap();
        let began = Instant::now();
        // A byte now and then does not help.
        let trickle = async {
            loop {
                let mut byte = [0];
                tokio::select! {
                    read = stream.read(&mut byte) => return read.unwrap_or(0),
                    () = tokio::time::sleep(Duration::from_millis(500)) => {}
                }
                let _ = stream.write_all(b"G").await;
            }
        };
        let read = timeout(2 * HANDSHAKE, trickle).await.unwrap();
        assert_eq!(read, 0);
        assert!(began.elapsed() > HANDSHAKE - Duration::from_millis(100));
    });
}

#[test]
fn one_too_many_is_refused_at_once_until_another_leaves() {
    run(async {
        let (server, events) = server().await;
        let port = server.port();
        echo(&server, events);
        let mut held = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            held.push(connect(port).await);
        }
        let began = Instant::now();
        let refused = shake(port, &[OURS]).await;
        assert_eq!(refused, "HTTP/1.1 503 Service Unavailable");
        assert!(began.elapsed() < Duration::from_secs(1));
        held[7].close(None).await.unwrap();
        while let Some(Ok(_)) = held[7].next().await {}
        held.remove(7);
        assert_eq!(ask(&mut connect(port).await, 5).await, 5);
        assert_eq!(ask(&mut held[0], 6).await, 6);
    });
}

#[test]
fn illegible_frames_are_answered_and_the_conversation_goes_on() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut client = connect(server.port()).await;
        for text in [
            "",
            "booga",
            "[]",
            "{}",
            "{\"opcode\":3}",
            "{\"opcode\":\"setup\",\"contextId\":-1,\"payload\":{}}",
            "{\"opcode\":\"setup\"}",
            "{\"opcode\":\"setup\",\"payload\":{}",
            "\u{0}\u{feff}",
            &"[".repeat(100_000),
        ] {
            client.send(Message::text(text)).await.unwrap();
            let answer = Frame::parse(&text_of(&mut client).await).unwrap();
            let error: UnmarshalError = answer.message().unwrap();
            assert!(text.starts_with(&error.bad_data), "{text}");
        }
        let known = "{\"opcode\":\"setup\",\"contextId\":9,\"payload\":[]}";
        client.send(Message::text(known)).await.unwrap();
        let answer = Frame::parse(&text_of(&mut client).await).unwrap();
        assert_eq!(answer.context_id, Some(9));
        assert_eq!(answer.body.unwrap_err().code, Code::UNMARSHAL);
        client.send(Message::binary(vec![0xff; 3])).await.unwrap();
        let answer = Frame::parse(&text_of(&mut client).await).unwrap();
        let error: UnmarshalError = answer.message().unwrap();
        assert_eq!(error.bad_data, "3 bytes");
        assert_eq!(ask(&mut client, 4).await, 4);
    });
}

#[test]
fn a_message_in_fragments_is_one() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut client = connect(server.port()).await;
        let text = "{\"opcode\":\"shutdown\",\"contextId\":8,\"payload\":{}}";
        let (first, rest) = text.split_at(11);
        let (second, third) = rest.split_at(1);
        let parts = [
            (first, OpCode::Data(Data::Text), false),
            (second, OpCode::Data(Data::Continue), false),
            (third, OpCode::Data(Data::Continue), true),
        ];
        for (part, opcode, last) in parts {
            let frame = WebFrame::message(Bytes::from(part), opcode, last);
            client.send(Message::Frame(frame)).await.unwrap();
            if !last {
                // Control frames may come between.
                client.send(Message::Ping(Bytes::new())).await.unwrap();
                let pong = client.next().await.unwrap().unwrap();
                assert_eq!(pong, Message::Pong(Bytes::new()));
            }
        }
        assert_eq!(text_of(&mut client).await, text);
    });
}

#[test]
fn a_message_that_is_too_long_ends_its_connection_only() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut other = connect(server.port()).await;
        let envelope = "{\"opcode\":\"shutdown\",\"contextId\":1,\"payload\":{\"x\":\"\"}}";
        let filled = |length: usize| {
            let filling = "x".repeat(length - envelope.len());
            envelope.replace("\"\"", &format!("\"{filling}\""))
        };
        let mut client = connect(server.port()).await;
        client
            .send(Message::text(filled(MAX_MESSAGE)))
            .await
            .unwrap();
        assert_eq!(text_of(&mut client).await.len(), MAX_MESSAGE);
        let _ = client.send(Message::text(filled(MAX_MESSAGE + 1))).await;
        assert_eq!(close_code(&mut client).await, Some(CloseCode::Size));
        // Nor in fragments.
        let mut client = connect(server.port()).await;
        for opcode in [Data::Text, Data::Continue, Data::Continue] {
            let part = Bytes::from(vec![b'x'; MAX_MESSAGE / 2]);
            let frame = WebFrame::message(part, OpCode::Data(opcode), false);
            let _ = client.send(Message::Frame(frame)).await;
        }
        assert_eq!(close_code(&mut client).await, Some(CloseCode::Size));
        assert_eq!(ask(&mut other, 2).await, 2);
    });
}

#[test]
fn frames_that_break_the_rules_end_their_connection_only() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut other = connect(server.port()).await;
        let cases: [(&[u8], CloseCode); 6] = [
            // Not masked.
            (b"\x81\x02{}", CloseCode::Protocol),
            // A reserved opcode, a reserved bit.
            (b"\x83\x80\0\0\0\0", CloseCode::Protocol),
            (b"\xc1\x80\0\0\0\0", CloseCode::Protocol),
            // A continuation of nothing; a control frame in fragments.
            (b"\x80\x80\0\0\0\0", CloseCode::Protocol),
            (b"\x09\x80\0\0\0\0", CloseCode::Protocol),
            // Not UTF-8.
            (b"\x81\x81\0\0\0\0\xff", CloseCode::Invalid),
        ];
        for (bytes, code) in cases {
            let mut client = connect(server.port()).await;
            client.get_mut().write_all(bytes).await.unwrap();
            assert_eq!(close_code(&mut client).await, Some(code), "{bytes:x?}");
        }
        assert_eq!(ask(&mut other, 2).await, 2);
    });
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_frame_is_noticed() {
    run(async {
        let (server, mut events) = server().await;
        let mut client = connect(server.port()).await;
        let id = accept(&mut events).await;
        client.get_mut().write_all(b"\x81\xfe\x10").await.unwrap();
        drop(client);
        let gone = timeout(LIMIT, events.recv()).await.unwrap();
        assert_eq!(gone, Some(Event::Gone(id)));
    });
}

#[test]
fn a_client_that_closes_only_its_half_is_let_go() {
    run(async {
        let (server, mut events) = server().await;
        let mut client = connect(server.port()).await;
        let id = accept(&mut events).await;
        client.get_mut().shutdown().await.unwrap();
        let gone = timeout(LIMIT, events.recv()).await.unwrap();
        assert_eq!(gone, Some(Event::Gone(id)));
    });
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_delays_nobody() {
    run(async {
        let (server, mut events) = server().await;
        let deaf = connect(server.port()).await;
        let deaf_id = accept(&mut events).await;
        let mut other = connect(server.port()).await;
        accept(&mut events).await;
        let long = Frame {
            opcode: "long".to_owned(),
            context_id: None,
            body: Err(masq_ui_protocol::UiError {
                code: Code::UNKNOWN,
                message: "x".repeat(256 << 10),
            }),
        };
        let mut sent = 0;
        let mut slowest = Duration::ZERO;
        while server.clients() == 2 {
            assert!(sent < 200, "never cut off");
            server.broadcast(None, &long);
            sent += 1;
            let began = Instant::now();
            assert_eq!(text_of(&mut other).await.len(), long.to_text().len());
            slowest = slowest.max(began.elapsed());
        }
        assert_eq!(events.recv().await, Some(Event::Gone(deaf_id)));
        assert!(slowest < Duration::from_secs(1), "{slowest:?}");
        drop(deaf);
    });
}

#[test]
fn a_client_that_asks_without_reading_is_not_asked_for_more() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let (mut sink, mut stream) = connect(server.port()).await.split();
        // More than the queues of both ends hold, answered in full once read.
        let payload = "x".repeat(64 << 10);
        let text = format!("{{\"opcode\":\"a\",\"payload\":{{\"x\":\"{payload}\"}}}}");
        let count = 512;
        let ask = async {
            for _ in 0..count {
                sink.send(Message::text(text.as_str())).await.unwrap();
            }
        };
        let read = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for _ in 0..count {
                let answer = stream.next().await.unwrap().unwrap();
                assert_eq!(answer.len(), text.len());
            }
        };
        timeout(3 * LIMIT, async { tokio::join!(ask, read) })
            .await
            .unwrap();
    });
}

async fn close_code(client: &mut crate::support::Client) -> Option<CloseCode> {
    loop {
        match timeout(LIMIT, client.next()).await.unwrap() {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            Some(Err(error)) => panic!("{error}"),
            None => return None,
        }
    }
}
