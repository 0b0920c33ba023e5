//! The messages of a QUIC link (W-8.5): one unidirectional stream a direction,
//! on which each message stands behind its length.
//!
//! The stream is opened with the first message. A peer that sends one too long,
//! or ends its stream, has broken the rules and loses the link.

use super::{LinkError, MAX_MESSAGE};
use bytes::{Buf, Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::Mutex;

const LENGTH: usize = 4;
/// Before the circuits' streams: gossip is little, and late gossip is wrong.
const PRIORITY: i32 = 1;

#[derive(Debug, Default)]
pub(super) struct Messages {
    sending: Mutex<Sending>,
    receiving: Mutex<Receiving>,
}

#[derive(Debug, Default)]
enum Sending {
    #[default]
    Unopened,
    Open(SendStream),
    /// A message was cut off; what follows would be read as its rest.
    Broken,
}

#[derive(Debug, Default)]
struct Receiving {
    stream: Option<RecvStream>,
    /// What has arrived of the next message and its length.
    buffer: BytesMut,
}

impl Messages {
    /// Waits until the peer's window has taken the message. One that is
    /// cancelled is the link's last.
    pub(super) async fn send(
        &self,
        connection: &Connection,
        message: Bytes,
    ) -> Result<(), LinkError> {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if message.len() > MAX_MESSAGE {
            return Err(LinkError::MessageTooLong(length));
        }
        let mut sending = self.sending.lock().await;
        let mut stream = match std::mem::replace(&mut *sending, Sending::Broken) {
            Sending::Open(stream) => stream,
            Sending::Unopened => {
                let stream = connection.open_uni().await.map_err(super::quic::lost)?;
                let _ = stream.set_priority(PRIORITY);
                stream
            }
            Sending::Broken => return Err(LinkError::Lost("a message was cut off".to_string())),
        };
        let mut framed = [Bytes::copy_from_slice(&length.to_be_bytes()), message];
        stream
            .write_all_chunks(&mut framed)
            .await
            .map_err(|error| LinkError::Lost(error.to_string()))?;
        *sending = Sending::Open(stream);
        Ok(())
    }

    /// The next message of the peer. Cancel safe.
    pub(super) async fn read(&self, connection: &Connection) -> Result<Bytes, LinkError> {
        let mut receiving = self.receiving.lock().await;
        let Receiving { stream, buffer } = &mut *receiving;
        let stream = match stream {
            Some(stream) => stream,
            none @ None => none.insert(connection.accept_uni().await.map_err(super::quic::lost)?),
        };
        let broken = |error: LinkError| {
            connection.close(VarInt::from_u32(0), error.to_string().as_bytes());
            error
        };
        loop {
            if let Some(header) = buffer.first_chunk::<LENGTH>() {
                let length = u32::from_be_bytes(*header);
                let size = usize::try_from(length).unwrap_or(usize::MAX);
                if size > MAX_MESSAGE {
                    return Err(broken(LinkError::MessageTooLong(length)));
                }
                if buffer.len() - LENGTH >= size {
                    buffer.advance(LENGTH);
                    return Ok(buffer.split_to(size).freeze());
                }
            }
            // Never more than one message beyond what is asked for is held here.
            match stream.read_chunk(MAX_MESSAGE, true).await {
                Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    return Err(broken(LinkError::Lost(
                        "the peer ended its messages".to_string(),
                    )));
                }
                Err(error) => return Err(broken(LinkError::Lost(error.to_string()))),
            }
        }
    }
}
