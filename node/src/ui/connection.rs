//! One connection of a UI, from its handshake to its end.

use super::outbox::{Next, Outbox};
use super::{Event, HANDSHAKE, MAX_MESSAGE, Shared, admission};
use crate::ui::ClientId;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use masq_ui_protocol::Frame;
use masq_ui_protocol::message::UnmarshalError;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

/// How long a UI may take to hear why its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// A connection costs this much from its start.
const READ_BUFFER: usize = 8 << 10;
/// Written at once when so much has gathered.
const WRITE_BUFFER: usize = 64 << 10;

type Socket<'a> = WebSocketStream<&'a mut TcpStream>;

/// Why nobody is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    Full,
    Stranger,
    /// No handshake of a WebSocket.
    Malformed,
    ForeignPage,
    OtherProtocol,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Stranger | Refusal::ForeignPage => StatusCode::FORBIDDEN,
            Refusal::Malformed | Refusal::OtherProtocol => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Refusal::Full => "Too many user interfaces are connected.",
            Refusal::Stranger => "Only root and the user of this Node may connect.",
            Refusal::Malformed => "This is a WebSocket.",
            Refusal::ForeignPage => "Web pages may not connect.",
            Refusal::OtherProtocol => "The sub-protocol must be MASQNode-UIv2.",
        }
    }

    fn response(self) -> ErrorResponse {
        let reason = format!("{}\n", self.reason());
        let length = HeaderValue::from(reason.len());
        let mut response = ErrorResponse::new(Some(reason));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }

    /// The same as text, where no request was read.
    fn text(self) -> String {
        let (status, reason) = (self.status(), self.reason());
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{reason}\n",
            reason.len() + 1
        )
    }
}

/// Says why nobody is served, and ends the connection.
pub(super) async fn refuse(mut stream: TcpStream, refusal: Refusal) {
    let say = async {
        if stream.write_all(refusal.text().as_bytes()).await.is_ok() {
            linger(&mut stream).await;
        }
    };
    let _ = timeout(FAREWELL, say).await;
}

/// Ends our half and reads away a bounded part of the rest: a socket that is
/// closed with bytes unread is reset, which can overtake what was said last.
async fn linger(stream: &mut TcpStream) {
    const MOST: usize = 4 << 20;
    let _ = stream.shutdown().await;
    let mut buffer = [0; 1 << 10];
    let mut read = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        read += count;
        if read > MOST {
            return;
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(shared: Rc<Shared>, mut stream: TcpStream) {
    match timeout(HANDSHAKE, handshake(&mut stream, &shared)).await {
        Ok(Ok(socket)) => {
            let deaf = converse(&shared, socket).await;
            if deaf {
                // Else the kernel keeps what will not be read.
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
        }
        Ok(Err(Error::Http(_))) => {
            let _ = timeout(FAREWELL, linger(&mut stream)).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "no handshake");
            refuse(stream, Refusal::Malformed).await;
        }
        Err(_) => tracing::debug!("a handshake took too long"),
    }
}

async fn handshake<'a>(
    stream: &'a mut TcpStream,
    shared: &Rc<Shared>,
) -> Result<Socket<'a>, Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    #[expect(clippy::result_large_err, reason = "the shape that tungstenite wants")]
    let judge = |request: &Request, mut response: Response| {
        if let Some(refusal) = judge(request, shared.port) {
            shared.note(refusal);
            return Err(refusal.response());
        }
        let protocol = HeaderValue::from_static(admission::PROTOCOL);
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async_with_config(stream, judge, Some(config)).await
}

/// Why a handshake is refused, if it is.
fn judge(request: &Request, port: u16) -> Option<Refusal> {
    let values = |name| request.headers().get_all(name).into_iter();
    let ours = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|origin| admission::own_origin(origin, port))
    };
    if !values(header::ORIGIN).all(ours) {
        return Some(Refusal::ForeignPage);
    }
    let offered = values(header::SEC_WEBSOCKET_PROTOCOL)
        .any(|value| value.to_str().is_ok_and(admission::offers_protocol));
    (!offered).then_some(Refusal::OtherProtocol)
}

/// How a conversation ends.
enum End {
    /// The UI left, or its connection failed.
    Left,
    /// What it sent breaks the rules of WebSockets.
    Broken(CloseCode, &'static str),
    /// This server closes.
    Closed,
    /// It does not read.
    Deaf,
}

/// Whether the UI was cut off.
async fn converse(shared: &Rc<Shared>, socket: Socket<'_>) -> bool {
    let client = ClientId(shared.next.get());
    shared.next.set(client.0 + 1);
    let outbox = Rc::new(Outbox::default());
    if shared.closing.get() {
        outbox.finish();
    }
    // Before anybody can learn the id, so that no answer is lost.
    shared.clients.borrow_mut().insert(client, outbox.clone());
    let (mut sink, mut stream) = socket.split();
    let read = async {
        // Whoever handles events ends only with the server.
        let _ = shared.events.send(Event::Connected(client)).await;
        read(shared, client, &outbox, &mut stream).await
    };
    let end = tokio::select! {
        end = read => end,
        end = write(&outbox, &mut sink) => end,
    };
    shared.clients.borrow_mut().remove(&client);
    let deaf = matches!(end, End::Deaf);
    match end {
        End::Left => {}
        End::Broken(code, reason) => {
            tracing::debug!(reason, "a UI broke the rules of WebSockets");
            farewell(sink, stream, code, reason).await;
        }
        End::Closed => farewell(sink, stream, CloseCode::Away, "").await,
        End::Deaf => tracing::warn!("a UI does not read what it is told and is cut off"),
    }
    let _ = shared.events.send(Event::Gone(client)).await;
    deaf
}

async fn read(
    shared: &Shared,
    client: ClientId,
    outbox: &Outbox,
    stream: &mut SplitStream<Socket<'_>>,
) -> End {
    loop {
        outbox.calm().await;
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return end_of(&error),
            None => return End::Left,
        };
        match message {
            Message::Text(text) => match Frame::parse(&text) {
                Ok(frame) => {
                    let _ = shared.events.send(Event::Frame(client, frame)).await;
                }
                Err(error) => outbox.push(error.answer().to_text().into()),
            },
            Message::Binary(bytes) => {
                let answer = UnmarshalError {
                    message: "a binary message is not a frame; send text".to_owned(),
                    bad_data: format!("{} bytes", bytes.len()),
                };
                outbox.push(Frame::of(&answer, None).to_text().into());
            }
            // Answered by the library; a close is followed by the end of the stream.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
}

async fn write(outbox: &Outbox, sink: &mut SplitSink<Socket<'_>, Message>) -> End {
    loop {
        match outbox.next().await {
            Next::Send(text) => {
                let sent = async {
                    sink.feed(Message::Text(text)).await?;
                    while let Some(Next::Send(text)) = outbox.try_next() {
                        sink.feed(Message::Text(text)).await?;
                    }
                    sink.flush().await
                };
                let sent: Result<(), Error> = tokio::select! {
                    sent = sent => sent,
                    () = outbox.cut() => return End::Deaf,
                };
                if sent.is_err() {
                    return End::Left;
                }
            }
            Next::Finish => return End::Closed,
            Next::Cut => return End::Deaf,
        }
    }
}

fn end_of(error: &Error) -> End {
    if let Error::Capacity(_) = error {
        End::Broken(CloseCode::Size, "messages have at most 1 MiB")
    } else if let Error::Utf8(_) = error {
        End::Broken(CloseCode::Invalid, "text is UTF-8")
    } else if let Error::Protocol(_) = error {
        End::Broken(CloseCode::Protocol, "")
    } else {
        End::Left
    }
}

/// Tells a UI why the connection ends and waits a little for its assent.
async fn farewell<'a>(
    mut sink: SplitSink<Socket<'a>, Message>,
    mut stream: SplitStream<Socket<'a>>,
    code: CloseCode,
    reason: &'static str,
) {
    let close = CloseFrame {
        code,
        reason: reason.into(),
    };
    let say = async {
        if sink.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
        if let Ok(socket) = sink.reunite(stream) {
            linger(socket.into_inner()).await;
        }
    };
    let _ = timeout(FAREWELL, say).await;
}
