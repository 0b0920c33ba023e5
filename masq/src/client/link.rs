//! Opens one WebSocket to the Daemon or the Node of this machine.

use std::net::Ipv4Addr;
use std::time::Duration;

use masq_ui_protocol::{MAX_FRAME, PROTOCOL};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use super::failure::Failure;
use super::machine::Place;

const LIMIT: Duration = Duration::from_millis(500);

/// Answers may be longer than requests: graphs and lists of debts.
const MAX_ANSWER: usize = 16 * MAX_FRAME;

pub(super) async fn open(place: Place, port: u16) -> Result<super::Socket, Failure> {
    let nobody = |reason: String| match place {
        Place::Daemon => Failure::Nobody { port, reason },
        Place::Node => Failure::NoNode { port, reason },
    };
    let opened = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|error| nobody(error.to_string()))?;
        // Without it a short request waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let uri = Uri::builder()
            .scheme("ws")
            .authority(format!("127.0.0.1:{port}"))
            .path_and_query("/")
            .build()
            .expect("an address and a port make an authority");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(PROTOCOL);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_ANSWER))
            .max_frame_size(Some(MAX_ANSWER));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(error) => Err(refused(port, &error)),
        }
    };
    timeout(LIMIT, opened).await.unwrap_or_else(|_| {
        let reason = format!("no answer within {} ms", LIMIT.as_millis());
        Err(nobody(reason))
    })
}

fn refused(port: u16, error: &Error) -> Failure {
    if let Error::Http(response) = error {
        let body = response.body().as_deref().unwrap_or_default();
        let said = String::from_utf8_lossy(body);
        let reason = format!("{} {said}", response.status());
        let reason = reason.trim_end().to_owned();
        return Failure::NotAdmitted { port, reason };
    }
    let other_protocol = matches!(
        error,
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))
    );
    let reason = if other_protocol {
        format!("it does not speak {PROTOCOL}")
    } else {
        error.to_string()
    };
    Failure::Foreign { port, reason }
}
