//! Links inside one process, for simulations: a fixed one-way latency in the
//! runtime's (possibly virtual) time, the same windows as a real link, and a
//! switch that cuts it.

use super::{Link, LinkError, LinkRecv, LinkSend, MAX_MESSAGE, StreamError, Traffic};
use bytes::{Bytes, BytesMut};
use masq_core::identity::NodeId;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

/// Bytes in flight or unread on one stream.
const WINDOW: usize = 256 * 1024;
const LARGEST_DATAGRAM: usize = 1_350;
const DATAGRAMS: usize = 256;
const STREAMS: usize = 4_096;
/// Messages in flight or unread.
const MESSAGES: usize = 64;

/// The two ends of a new link between `a` and `b`: the first is `a`'s.
pub fn pair(a: NodeId, b: NodeId, latency: Duration) -> (MemoryLink, MemoryLink) {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    pair_between((a, nowhere), (b, nowhere), latency)
}

/// The same, each Node with the address that the other sees.
pub fn pair_between(
    (a, address_a): (NodeId, SocketAddr),
    (b, address_b): (NodeId, SocketAddr),
    latency: Duration,
) -> (MemoryLink, MemoryLink) {
    let (streams_to_a, at_a) = mpsc::channel(STREAMS);
    let (streams_to_b, at_b) = mpsc::channel(STREAMS);
    let (datagrams_to_a, datagrams_at_a) = mpsc::channel(DATAGRAMS);
    let (datagrams_to_b, datagrams_at_b) = mpsc::channel(DATAGRAMS);
    let (messages_to_a, messages_at_a) = mpsc::channel(MESSAGES);
    let (messages_to_b, messages_at_b) = mpsc::channel(MESSAGES);
    let (cut, _) = watch::channel(false);
    let cut = Rc::new(cut);
    let next = Rc::new(Cell::new(0));
    let streams_in_use = Rc::new(());
    let end = |(peer, remote), streams, incoming, datagrams, messages| MemoryLink {
        inner: Rc::new(Inner {
            peer,
            remote,
            latency,
            streams,
            incoming: tokio::sync::Mutex::new(incoming),
            datagrams: Lane::new(datagrams),
            messages: Lane::new(messages),
            cut: cut.clone(),
            next: next.clone(),
            carried: Cell::new(0),
            said: Cell::new(0),
            streams_in_use: streams_in_use.clone(),
        }),
    };
    (
        end(
            (b, address_b),
            streams_to_b,
            at_a,
            (datagrams_to_b, datagrams_at_a),
            (messages_to_b, messages_at_a),
        ),
        end(
            (a, address_a),
            streams_to_a,
            at_b,
            (datagrams_to_a, datagrams_at_b),
            (messages_to_a, messages_at_b),
        ),
    )
}

#[derive(Clone, Debug)]
pub struct MemoryLink {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    peer: NodeId,
    remote: SocketAddr,
    latency: Duration,
    streams: mpsc::Sender<(MemorySend, MemoryRecv)>,
    incoming: tokio::sync::Mutex<mpsc::Receiver<(MemorySend, MemoryRecv)>>,
    datagrams: Lane,
    messages: Lane,
    cut: Rc<watch::Sender<bool>>,
    next: Rc<Cell<u64>>,
    carried: Cell<u64>,
    said: Cell<u64>,
    streams_in_use: Rc<()>,
}

/// Whole pieces of data to the peer and from it, each with its time of arrival.
#[derive(Debug)]
struct Lane {
    outgoing: mpsc::Sender<Timed>,
    incoming: tokio::sync::Mutex<(mpsc::Receiver<Timed>, Option<Timed>)>,
}

type Timed = (Instant, Bytes);

impl Lane {
    fn new((outgoing, incoming): (mpsc::Sender<Timed>, mpsc::Receiver<Timed>)) -> Self {
        Self {
            outgoing,
            incoming: tokio::sync::Mutex::new((incoming, None)),
        }
    }

    /// Cancel safe: what waits for its time is kept.
    async fn next(&self) -> Option<Bytes> {
        let mut incoming = self.incoming.lock().await;
        let (queue, held) = &mut *incoming;
        if held.is_none() {
            *held = queue.recv().await;
        }
        let due = held.as_ref()?.0;
        tokio::time::sleep_until(due).await;
        held.take().map(|(_, data)| data)
    }
}

impl MemoryLink {
    /// Both ends lose the link, as when a Node dies.
    pub fn cut(&self) {
        self.inner.cut.send_replace(true);
    }

    /// Bytes that this end has written to streams.
    pub fn carried(&self) -> u64 {
        self.inner.carried.get()
    }

    fn is_cut(&self) -> bool {
        *self.inner.cut.borrow()
    }

    fn lost() -> LinkError {
        LinkError::Lost("cut".to_string())
    }
}

impl Link for MemoryLink {
    type Send = MemorySend;
    type Recv = MemoryRecv;

    fn peer(&self) -> NodeId {
        self.inner.peer
    }

    async fn open(&self) -> Result<(MemorySend, MemoryRecv), LinkError> {
        if self.is_cut() {
            return Err(Self::lost());
        }
        let id = self.inner.next.get();
        self.inner.next.set(id + 1);
        let (our_send, their_recv) = half(id, self);
        let (their_send, our_recv) = half(id, self);
        self.inner
            .streams
            .send((their_send, their_recv))
            .await
            .map_err(|_| Self::lost())?;
        Ok((our_send, our_recv))
    }

    async fn accept(&self) -> Result<(MemorySend, MemoryRecv), LinkError> {
        let mut incoming = self.inner.incoming.lock().await;
        tokio::select! {
            stream = incoming.recv() => stream.ok_or_else(Self::lost),
            error = self.closed() => Err(error),
        }
    }

    fn max_datagram(&self) -> Option<usize> {
        Some(LARGEST_DATAGRAM)
    }

    fn send_datagram(&self, data: Bytes) -> Result<(), LinkError> {
        if self.is_cut() {
            return Err(Self::lost());
        }
        if data.len() > LARGEST_DATAGRAM {
            return Err(LinkError::DatagramTooLarge);
        }
        // A full queue loses the datagram, as a network would.
        let _ = self
            .inner
            .datagrams
            .outgoing
            .try_send((Instant::now() + self.inner.latency, data));
        Ok(())
    }

    async fn read_datagram(&self) -> Result<Bytes, LinkError> {
        tokio::select! {
            datagram = self.inner.datagrams.next() => datagram.ok_or_else(Self::lost),
            error = self.closed() => Err(error),
        }
    }

    async fn send_message(&self, message: Bytes) -> Result<(), LinkError> {
        if message.len() > MAX_MESSAGE {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            return Err(LinkError::MessageTooLong(length));
        }
        if self.is_cut() {
            return Err(Self::lost());
        }
        let said = &self.inner.said;
        said.set(said.get() + message.len() as u64);
        let item = (Instant::now() + self.inner.latency, message);
        tokio::select! {
            sent = self.inner.messages.outgoing.send(item) => sent.map_err(|_| Self::lost()),
            error = self.closed() => Err(error),
        }
    }

    async fn read_message(&self) -> Result<Bytes, LinkError> {
        tokio::select! {
            biased;
            error = self.closed() => Err(error),
            message = self.inner.messages.next() => message.ok_or_else(Self::lost),
        }
    }

    async fn closed(&self) -> LinkError {
        let mut cut = self.inner.cut.subscribe();
        // The sender lives as long as either end does.
        let _ = cut.wait_for(|cut| *cut).await;
        Self::lost()
    }

    fn close(&self, _reason: &str) {
        self.cut();
    }

    fn serial(&self) -> usize {
        Rc::as_ptr(&self.inner.next) as usize
    }

    fn remote_address(&self) -> SocketAddr {
        self.inner.remote
    }

    fn streams(&self) -> usize {
        // Each end of the link holds one, and each half of a stream at either.
        Rc::strong_count(&self.inner.streams_in_use).saturating_sub(2)
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            sent_bytes: self.inner.carried.get() + self.inner.said.get(),
            ..Traffic::default()
        }
    }
}

enum Item {
    Data(Instant, Bytes),
    End(Instant),
}

/// What the two ends of one direction of a stream share.
struct Shared {
    room: Semaphore,
    reset: watch::Sender<Option<u64>>,
    stop: watch::Sender<Option<u64>>,
    finished: Cell<bool>,
    consumed_end: Cell<bool>,
}

fn half(id: u64, link: &MemoryLink) -> (MemorySend, MemoryRecv) {
    let (items, arriving) = mpsc::unbounded_channel();
    let shared = Rc::new(Shared {
        room: Semaphore::new(WINDOW),
        reset: watch::channel(None).0,
        stop: watch::channel(None).0,
        finished: Cell::new(false),
        consumed_end: Cell::new(false),
    });
    (
        MemorySend {
            id,
            latency: link.inner.latency,
            items,
            shared: shared.clone(),
            link: link.clone(),
            _in_use: link.inner.streams_in_use.clone(),
        },
        MemoryRecv {
            arriving,
            held: RefCell::new(None),
            shared,
            link: link.clone(),
            _in_use: link.inner.streams_in_use.clone(),
        },
    )
}

pub struct MemorySend {
    id: u64,
    latency: Duration,
    // Bounded by `room`: an item is sent only with permits for its bytes.
    items: mpsc::UnboundedSender<Item>,
    shared: Rc<Shared>,
    link: MemoryLink,
    _in_use: Rc<()>,
}

impl std::fmt::Debug for MemorySend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySend").field("id", &self.id).finish()
    }
}

impl LinkSend for MemorySend {
    fn id(&self) -> u64 {
        self.id
    }

    async fn write(&mut self, mut data: Bytes) -> Result<(), StreamError> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(WINDOW));
            let amount = u32::try_from(piece.len()).expect("invariant: a piece fits the window");
            let mut stop = self.shared.stop.subscribe();
            tokio::select! {
                biased;
                code = stop.wait_for(Option::is_some) => {
                    let code = code.ok().and_then(|code| *code).unwrap_or(0);
                    return Err(StreamError::Stopped(code));
                }
                _ = self.link.closed() => return Err(StreamError::LinkLost),
                permits = self.shared.room.acquire_many(amount) => {
                    permits.map_err(|_| StreamError::LinkLost)?.forget();
                }
            }
            let carried = &self.link.inner.carried;
            carried.set(carried.get() + u64::from(amount));
            self.items
                .send(Item::Data(Instant::now() + self.latency, piece))
                .map_err(|_| StreamError::LinkLost)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.shared.finished.set(true);
        let _ = self.items.send(Item::End(Instant::now() + self.latency));
    }

    fn reset(&mut self, code: u64) {
        self.shared.finished.set(true);
        self.shared.reset.send_replace(Some(code));
    }

    fn stopped(&self) -> impl Future<Output = StreamError> + 'static {
        let mut stop = self.shared.stop.subscribe();
        let link = self.link.clone();
        async move {
            tokio::select! {
                biased;
                // Nothing crosses a link that is cut.
                _ = link.closed() => StreamError::LinkLost,
                code = stop.wait_for(Option::is_some) =>
                    StreamError::Stopped(code.ok().and_then(|code| *code).unwrap_or(0)),
            }
        }
    }
}

impl Drop for MemorySend {
    fn drop(&mut self) {
        if !self.shared.finished.get() {
            self.finish();
        }
    }
}

pub struct MemoryRecv {
    arriving: mpsc::UnboundedReceiver<Item>,
    held: RefCell<Option<Item>>,
    shared: Rc<Shared>,
    link: MemoryLink,
    _in_use: Rc<()>,
}

impl std::fmt::Debug for MemoryRecv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryRecv").finish_non_exhaustive()
    }
}

impl LinkRecv for MemoryRecv {
    async fn read(&mut self) -> Result<Option<BytesMut>, StreamError> {
        if self.shared.consumed_end.get() {
            return Ok(None);
        }
        let mut reset = self.shared.reset.subscribe();
        let (held, arriving) = (&self.held, &mut self.arriving);
        let next = async {
            if held.borrow().is_none() {
                let item = arriving.recv().await;
                *held.borrow_mut() = item;
            }
            let due = match &*held.borrow() {
                Some(Item::Data(due, _) | Item::End(due)) => *due,
                None => return None,
            };
            tokio::time::sleep_until(due).await;
            held.borrow_mut().take()
        };
        let item = tokio::select! {
            biased;
            code = reset.wait_for(Option::is_some) => {
                return Err(StreamError::Reset(code.ok().and_then(|code| *code).unwrap_or(0)));
            }
            _ = self.link.closed() => return Err(StreamError::LinkLost),
            item = next => item,
        };
        match item {
            Some(Item::Data(_, data)) => {
                self.shared.room.add_permits(data.len());
                Ok(Some(BytesMut::from(data)))
            }
            Some(Item::End(_)) | None => {
                self.shared.consumed_end.set(true);
                Ok(None)
            }
        }
    }

    fn stop(&mut self, code: u64) {
        // The first reason stands.
        self.shared.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            *stop = stop.or(Some(code));
            first
        });
    }
}

impl Drop for MemoryRecv {
    fn drop(&mut self) {
        if !self.shared.consumed_end.get() {
            self.stop(0);
        }
    }
}
