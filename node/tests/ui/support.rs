//! A server to meet, and clients that behave.

use crate::LIMIT;
use futures_util::{SinkExt, StreamExt};
use masq_node::ui::{Admission, ClientId, Event, Server};
use masq_ui_protocol::Frame;
use masq_ui_protocol::message::Shutdown;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;

pub(crate) type Client = WebSocketStream<TcpStream>;

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// One that admits who runs the test, root or not.
pub(crate) async fn server() -> (Server, Receiver<Event>) {
    Server::bind(0, Admission { users: vec![uid()] })
        .await
        .unwrap()
}

pub(crate) fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid()
}

pub(crate) async fn connect(port: u16) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut request = format!("ws://127.0.0.1:{port}/")
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static("MASQNode-UIv2"),
    );
    let (client, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let protocol = &response.headers()["Sec-WebSocket-Protocol"];
    assert_eq!(protocol, "MASQNode-UIv2");
    client
}

pub(crate) async fn accept(events: &mut Receiver<Event>) -> ClientId {
    match timeout(LIMIT, events.recv()).await.unwrap() {
        Some(Event::Connected(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Answers each frame with itself.
pub(crate) fn echo(server: &Server, mut events: Receiver<Event>) {
    let server = server.clone();
    spawn_local(async move {
        while let Some(event) = events.recv().await {
            if let Event::Frame(client, frame) = event {
                server.send(client, &frame);
            }
        }
    });
}

pub(crate) async fn text_of(client: &mut Client) -> String {
    match timeout(LIMIT, client.next()).await.unwrap() {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Asks a server that echoes, and returns the context of what comes back.
pub(crate) async fn ask(client: &mut Client, context: u64) -> u64 {
    let frame = Frame::of(&Shutdown {}, Some(context));
    client.send(frame.to_text().into()).await.unwrap();
    let answer = Frame::parse(&text_of(client).await).unwrap();
    answer.context_id.unwrap()
}

/// A handshake with these lines besides the usual, and the first line of the answer.
pub(crate) async fn shake(port: u16, lines: &[&str]) -> String {
    let mut request = String::from(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    say(port, request.as_bytes()).await
}

/// The first line of what the server answers to these bytes.
pub(crate) async fn say(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    first_line(&mut stream).await
}

pub(crate) async fn first_line(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !answer.contains(&b'\n') {
            let mut part = [0; 512];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(count) => answer.extend_from_slice(&part[..count]),
            }
        }
    };
    timeout(LIMIT, reading).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().unwrap_or_default().to_owned()
}
