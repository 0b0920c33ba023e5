//! The WebSocket server for user interfaces, which the Daemon and the Node share.
//!
//! It listens on loopback only, decides who may connect ([`admission`]), reads
//! frames, and answers itself what is no frame. What frames mean is not known
//! here. Nothing waits for a UI: each has a queue of bounded size, and one that
//! lets it fill is cut off. Runs on one thread, in a `LocalSet`.

use crate::clock;
use masq_ui_protocol::Frame;
use outbox::Outbox;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub mod admission;
mod connection;
mod outbox;

pub use admission::Admission;

/// Connections at one time, those in their handshake included.
pub const MAX_CONNECTIONS: usize = 256;
/// Bytes of one message.
pub const MAX_MESSAGE: usize = 1 << 20;
/// How long a handshake may take.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that are being told why they are refused.
const MAX_REFUSALS: usize = 64;
/// Frames that wait for whoever handles them.
const EVENTS: usize = 64;
/// Time between two lines of the log on refused connections.
const QUIET: Duration = Duration::from_secs(60);
/// Pause after the system had no socket for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One connection of a UI. No two have the same, even when one is gone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(u64);

/// What UIs do. Frames of a client come after its `Connected` and before its `Gone`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Connected(ClientId),
    Frame(ClientId, Frame),
    Gone(ClientId),
}

/// The server; clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    admission: Admission,
    clients: RefCell<HashMap<ClientId, Rc<Outbox>>>,
    next: Cell<u64>,
    events: mpsc::Sender<Event>,
    /// No new connection is taken, and those there are end when all is sent.
    closing: Cell<bool>,
    close: Notify,
    /// The listening socket is gone.
    deaf: Notify,
    acceptor: RefCell<Option<JoinHandle<()>>>,
    refusals: RefCell<Refusals>,
}

impl Server {
    /// Binds 127.0.0.1 and the port, any free one for 0.
    pub async fn bind(
        port: u16,
        admission: Admission,
    ) -> io::Result<(Server, mpsc::Receiver<Event>)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let shared = Rc::new(Shared {
            port: listener.local_addr()?.port(),
            admission,
            clients: RefCell::default(),
            next: Cell::new(1),
            events,
            closing: Cell::new(false),
            close: Notify::new(),
            deaf: Notify::new(),
            acceptor: RefCell::default(),
            refusals: RefCell::default(),
        });
        let acceptor = spawn_local(accept(shared.clone(), listener));
        *shared.acceptor.borrow_mut() = Some(acceptor);
        Ok((Server { shared }, receiver))
    }

    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// How many UIs are connected.
    pub fn clients(&self) -> usize {
        self.shared.clients.borrow().len()
    }

    /// Queues a frame for one client; nothing happens when it is gone.
    pub fn send(&self, to: ClientId, frame: &Frame) {
        if let Some(outbox) = self.shared.clients.borrow().get(&to) {
            outbox.push(frame.to_text().into());
        }
    }

    /// Queues a frame for all clients but one.
    pub fn broadcast(&self, but: Option<ClientId>, frame: &Frame) {
        let clients = self.shared.clients.borrow();
        if clients.is_empty() {
            return;
        }
        let text = Utf8Bytes::from(frame.to_text());
        for (id, outbox) in clients.iter() {
            if Some(*id) != but {
                outbox.push(text.clone());
            }
        }
    }

    /// Takes no more connections; those there are go on. The port is free when
    /// this returns. To be called once.
    pub async fn stop_listening(&self) {
        self.shared.close.notify_one();
        self.shared.deaf.notified().await;
    }

    /// Sends what is queued, says farewell, and ends all connections, at the
    /// latest after `limit`.
    pub async fn close(self, limit: Duration) {
        self.shared.closing.set(true);
        self.shared.close.notify_one();
        for outbox in self.shared.clients.borrow().values() {
            outbox.finish();
        }
        let acceptor = self.shared.acceptor.borrow_mut().take();
        let Some(mut acceptor) = acceptor else {
            return;
        };
        if tokio::time::timeout(limit, &mut acceptor).await.is_err() {
            acceptor.abort();
            // Its sockets are closed when it is dropped.
            let _ = acceptor.await;
        }
    }
}

/// Takes connections until the server closes, then waits for the last of them.
async fn accept(shared: Rc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let mut refusals = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = shared.close.notified() => break,
            Some(_) = connections.join_next() => continue,
            Some(_) = refusals.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "no connection with a UI");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // Answers are small and awaited.
        let _ = stream.set_nodelay(true);
        let refusal = if connections.len() >= MAX_CONNECTIONS {
            Some(connection::Refusal::Full)
        } else if !admitted(&shared.admission, &stream).await {
            Some(connection::Refusal::Stranger)
        } else {
            None
        };
        match refusal {
            None => {
                connections.spawn_local(connection::serve(shared.clone(), stream));
            }
            Some(refusal) => {
                shared.note(refusal);
                if refusals.len() < MAX_REFUSALS {
                    refusals.spawn_local(connection::refuse(stream, refusal));
                }
            }
        }
    }
    drop(listener);
    shared.deaf.notify_one();
    drop(refusals);
    while connections.join_next().await.is_some() {}
}

/// Refused connections, told seldom: who is refused can try as often as it likes.
#[derive(Debug, Default)]
struct Refusals {
    told: Option<Instant>,
    since: u64,
}

impl Refusals {
    /// How many there were since the last line of the log, when the next is due.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.since = self.since.saturating_add(1);
        let quiet = |told| now.saturating_duration_since(told) < QUIET;
        if self.told.is_some_and(quiet) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

impl Shared {
    fn note(&self, refusal: connection::Refusal) {
        let reason = refusal.reason();
        if let Some(refused) = self.refusals.borrow_mut().note(clock::now()) {
            tracing::warn!(
                refused,
                reason,
                "connections of user interfaces are refused"
            );
        } else {
            tracing::debug!(reason, "a UI is refused");
        }
    }
}

/// Decided before a byte of it is read.
async fn admitted(admission: &Admission, stream: &TcpStream) -> bool {
    let (Ok(own), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else {
        return false;
    };
    let owner = admission::owner(own, peer).await;
    owner.is_some_and(|uid| admission.admits(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_at_once_and_then_once_a_minute() {
        let (mut refusals, start) = (Refusals::default(), clock::now());
        assert_eq!(refusals.note(start), Some(1));
        assert_eq!(refusals.note(start), None);
        assert_eq!(refusals.note(start + QUIET / 2), None);
        assert_eq!(refusals.note(start + QUIET), Some(3));
        assert_eq!(refusals.note(start + QUIET), None);
    }
}
