//! The flows of this machine's apps, as the stack hands them over: awaitable
//! TCP streams and UDP exchanges over the sans-IO [`masq_stack::Stack`].
//!
//! Everything lives on one thread. A task that touches the stack marks it
//! dirty, and the TUN loop ([`crate::tun`]) sends what became ready.

use bytes::Bytes;
use masq_stack::{Echo, Event, FiveTuple, FlowError, FlowId, Recv, Refusal, Stack};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::sync::mpsc;

/// Datagrams of one UDP flow that wait for its task; more are lost.
const UDP_QUEUE: usize = 64;

/// What begins at an app.
#[derive(Debug)]
pub enum Arrival {
    Tcp(AppTcp),
    Udp(AppUdp),
    Echo(AppEcho),
}

/// The app's side is gone: it reset the flow, or the stack gave it up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the app's side of the flow is gone")]
pub struct AppGone;

#[derive(Default)]
struct Wakers {
    read: Option<Waker>,
    write: Option<Waker>,
    gone: Option<Waker>,
    reset: bool,
}

pub struct Apps {
    stack: RefCell<Stack>,
    clock: fn() -> Instant,
    tcp: RefCell<HashMap<FlowId, Wakers>>,
    udp: RefCell<HashMap<FlowId, mpsc::Sender<Bytes>>>,
    dirty: Cell<bool>,
    flusher: RefCell<Option<Waker>>,
}

impl std::fmt::Debug for Apps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apps")
            .field("tcp", &self.tcp.borrow().len())
            .field("udp", &self.udp.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Apps {
    pub fn new(stack: Stack, clock: fn() -> Instant) -> Rc<Self> {
        Rc::new(Self {
            stack: RefCell::new(stack),
            clock,
            tcp: RefCell::default(),
            udp: RefCell::default(),
            dirty: Cell::new(false),
            flusher: RefCell::new(None),
        })
    }

    pub fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Runs `f` on the stack. Never held across an await.
    pub fn with<R>(&self, f: impl FnOnce(&mut Stack) -> R) -> R {
        f(&mut self.stack.borrow_mut())
    }

    /// Ready once a task has touched the stack since the last time.
    pub fn poll_dirty(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.dirty.replace(false) {
            return Poll::Ready(());
        }
        *self.flusher.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn touch(&self) {
        if !self.dirty.replace(true)
            && let Some(waker) = self.flusher.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Wakes the tasks that the stack's events concern and returns what is new.
    pub fn dispatch(self: &Rc<Self>, arrivals: &mut Vec<Arrival>) {
        loop {
            let event = self.stack.borrow_mut().poll_event();
            let Some(event) = event else { return };
            match event {
                Event::TcpSyn { flow, tuple } => {
                    self.tcp.borrow_mut().insert(flow, Wakers::default());
                    arrivals.push(Arrival::Tcp(AppTcp {
                        apps: self.clone(),
                        flow,
                        tuple,
                        over: Cell::new(false),
                    }));
                }
                Event::TcpReadable { flow } | Event::TcpEnd { flow } => {
                    self.wake(flow, true, false)
                }
                Event::TcpWritable { flow } => self.wake(flow, false, true),
                Event::TcpEstablished { flow } | Event::TcpClosed { flow } => {
                    self.wake(flow, true, true);
                }
                Event::TcpReset { flow } => {
                    self.wake(flow, true, true);
                    self.reset(flow);
                }
                Event::UdpDatagram {
                    flow,
                    tuple,
                    payload,
                    ..
                } => self.datagram(flow, tuple, payload, arrivals),
                Event::UdpExpired { flow } => {
                    self.udp.borrow_mut().remove(&flow);
                }
                Event::EchoRequest(echo) => arrivals.push(Arrival::Echo(AppEcho {
                    apps: self.clone(),
                    echo,
                })),
            }
        }
    }

    fn wake(&self, flow: FlowId, read: bool, write: bool) {
        let mut tcp = self.tcp.borrow_mut();
        let Some(wakers) = tcp.get_mut(&flow) else {
            return;
        };
        if read && let Some(waker) = wakers.read.take() {
            waker.wake();
        }
        if write && let Some(waker) = wakers.write.take() {
            waker.wake();
        }
    }

    fn reset(&self, flow: FlowId) {
        if let Some(wakers) = self.tcp.borrow_mut().get_mut(&flow) {
            wakers.reset = true;
            if let Some(waker) = wakers.gone.take() {
                waker.wake();
            }
        }
    }

    fn datagram(
        self: &Rc<Self>,
        flow: FlowId,
        tuple: FiveTuple,
        payload: Bytes,
        arrivals: &mut Vec<Arrival>,
    ) {
        let mut udp = self.udp.borrow_mut();
        let sender = udp.entry(flow).or_insert_with(|| {
            let (sender, datagrams) = mpsc::channel(UDP_QUEUE);
            arrivals.push(Arrival::Udp(AppUdp {
                apps: self.clone(),
                flow,
                tuple,
                datagrams,
            }));
            sender
        });
        // A full queue loses the datagram: its sender is faster than the mesh.
        let _ = sender.try_send(payload);
    }
}

/// A TCP connection of an app. Until [`AppTcp::accept`] or
/// [`AppTcp::refuse`] the app waits for its SYN-ACK; dropped, it is reset.
#[derive(Debug)]
pub struct AppTcp {
    apps: Rc<Apps>,
    flow: FlowId,
    tuple: FiveTuple,
    over: Cell<bool>,
}

impl AppTcp {
    pub fn tuple(&self) -> FiveTuple {
        self.tuple
    }

    pub fn closer(&self) -> Closer {
        Closer {
            apps: self.apps.clone(),
            flow: self.flow,
            protocol: Protocol::Tcp,
        }
    }

    pub fn accept(&self) {
        let now = self.apps.now();
        self.apps.with(|stack| stack.tcp_accept(self.flow, now));
        self.apps.touch();
    }

    /// Answers the SYN with a refusal; the flow is over.
    pub fn refuse(&self, refusal: Refusal) {
        let now = self.apps.now();
        self.over.set(true);
        self.apps
            .with(|stack| stack.tcp_refuse(self.flow, refusal, now));
        self.apps.touch();
    }

    /// Lets `f` take bytes from the front of what the app sent: it gets a
    /// non-empty slice and returns how many it took. `None` at the app's FIN.
    pub fn poll_recv<R>(
        &self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Poll<Result<Option<R>, AppGone>> {
        let now = self.apps.now();
        let received = self
            .apps
            .with(|stack| stack.tcp_recv(self.flow, now, f))
            .map_err(|_| AppGone)?;
        match received {
            Recv::Data(value) => {
                self.apps.touch();
                Poll::Ready(Ok(Some(value)))
            }
            Recv::Eof => Poll::Ready(Ok(None)),
            Recv::Empty => {
                if let Some(wakers) = self.apps.tcp.borrow_mut().get_mut(&self.flow) {
                    wakers.read = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Lets `f` fill room towards the app: it gets a non-empty slice and
    /// returns how many bytes it wrote there.
    pub fn poll_send_with<R>(
        &self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Poll<Result<R, AppGone>> {
        let now = self.apps.now();
        let mut result = None;
        let sent = self.apps.with(|stack| {
            stack.tcp_send_with(self.flow, now, |room| {
                if room.is_empty() {
                    return 0;
                }
                let (written, value) = f(room);
                result = Some(value);
                written
            })
        });
        match (sent, result) {
            (Ok(_), Some(value)) => {
                self.apps.touch();
                Poll::Ready(Ok(value))
            }
            // No room, or the handshake is not complete.
            (Ok(_) | Err(FlowError::NotOpen), _) => {
                if let Some(wakers) = self.apps.tcp.borrow_mut().get_mut(&self.flow) {
                    wakers.write = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            (Err(_), _) => Poll::Ready(Err(AppGone)),
        }
    }

    /// Resolves when the app has reset the flow, also while nobody reads from
    /// or writes to it because the other side is slow.
    pub async fn gone(&self) -> AppGone {
        std::future::poll_fn(|cx| {
            let mut tcp = self.apps.tcp.borrow_mut();
            let Some(wakers) = tcp.get_mut(&self.flow).filter(|wakers| !wakers.reset) else {
                return Poll::Ready(AppGone);
            };
            wakers.gone = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Gives all of `data` to the app, as fast as it reads.
    pub async fn send_all(&self, mut data: &[u8]) -> Result<(), AppGone> {
        while !data.is_empty() {
            let taken = std::future::poll_fn(|cx| {
                self.poll_send_with(cx, |room| {
                    let amount = room.len().min(data.len());
                    room[..amount].copy_from_slice(&data[..amount]);
                    (amount, amount)
                })
            })
            .await?;
            data = &data[taken..];
        }
        Ok(())
    }

    /// FIN after what was sent; the app may go on sending.
    pub fn finish(&self) {
        let now = self.apps.now();
        self.apps.with(|stack| stack.tcp_finish(self.flow, now));
        self.apps.touch();
    }

    /// Both directions ended in order: the stack finishes the rest alone.
    pub fn release(&self) {
        self.over.set(true);
    }

    pub fn abort(&self) {
        let now = self.apps.now();
        self.over.set(true);
        self.apps.with(|stack| stack.tcp_abort(self.flow, now));
        self.apps.touch();
    }
}

/// Ends a flow from outside the task that carries it, as if the app had.
#[derive(Clone, Debug)]
pub struct Closer {
    apps: Rc<Apps>,
    flow: FlowId,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Tcp,
    Udp,
}

impl Closer {
    /// The app gets a reset or its like at once; the task hears that the app is gone.
    pub fn close(&self) {
        let (apps, now) = (&self.apps, self.apps.now());
        match self.protocol {
            Protocol::Tcp => {
                apps.with(|stack| stack.tcp_refuse(self.flow, Refusal::Reset, now));
                apps.wake(self.flow, true, true);
                apps.reset(self.flow);
            }
            Protocol::Udp => {
                apps.with(|stack| stack.udp_refuse(self.flow, Refusal::PortUnreachable, now));
                apps.udp.borrow_mut().remove(&self.flow);
            }
        }
        apps.touch();
    }
}

impl Drop for AppTcp {
    fn drop(&mut self) {
        if !self.over.get() {
            self.abort();
        }
        self.apps.tcp.borrow_mut().remove(&self.flow);
    }
}

/// A UDP exchange between one port of an app and one destination.
#[derive(Debug)]
pub struct AppUdp {
    apps: Rc<Apps>,
    flow: FlowId,
    tuple: FiveTuple,
    datagrams: mpsc::Receiver<Bytes>,
}

impl AppUdp {
    pub fn tuple(&self) -> FiveTuple {
        self.tuple
    }

    pub fn closer(&self) -> Closer {
        Closer {
            apps: self.apps.clone(),
            flow: self.flow,
            protocol: Protocol::Udp,
        }
    }

    /// The app's next datagram; `None` once the flow was idle for too long.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.datagrams.recv().await
    }

    pub fn sender(&self) -> AppUdpSender {
        AppUdpSender {
            apps: self.apps.clone(),
            flow: self.flow,
        }
    }

    /// ICMP unreachable to the app; the flow is over.
    pub fn refuse(&self, refusal: Refusal) {
        let now = self.apps.now();
        self.apps
            .with(|stack| stack.udp_refuse(self.flow, refusal, now));
        self.apps.touch();
    }
}

impl Drop for AppUdp {
    fn drop(&mut self) {
        self.apps.udp.borrow_mut().remove(&self.flow);
        self.apps.with(|stack| stack.udp_close(self.flow));
    }
}

#[derive(Clone, Debug)]
pub struct AppUdpSender {
    apps: Rc<Apps>,
    flow: FlowId,
}

impl AppUdpSender {
    pub fn send(&self, payload: &[u8]) -> Result<(), AppGone> {
        let now = self.apps.now();
        self.apps
            .with(|stack| stack.udp_send(self.flow, payload, now))
            .map_err(|_| AppGone)?;
        self.apps.touch();
        Ok(())
    }
}

/// An echo request that an app sent.
#[derive(Debug)]
pub struct AppEcho {
    apps: Rc<Apps>,
    echo: Echo,
}

impl AppEcho {
    /// The app's address; the identifier stands where a port would.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.echo.source, self.echo.identifier)
    }

    pub fn destination(&self) -> IpAddr {
        self.echo.destination
    }

    pub fn payload(&self) -> &[u8] {
        &self.echo.payload
    }

    pub fn reply(self) {
        self.apps.with(|stack| stack.echo_reply(&self.echo));
        self.apps.touch();
    }

    pub fn unreachable(self, refusal: Refusal) {
        let now = self.apps.now();
        self.apps
            .with(|stack| stack.echo_unreachable(&self.echo, refusal, now));
        self.apps.touch();
    }
}
