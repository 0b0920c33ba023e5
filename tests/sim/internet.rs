//! An Internet inside the process: services at addresses, each behind the same
//! one-way latency; a few names.

use bytes::{Bytes, BytesMut};
use masq_core::failure::{Code, Failure};
use masq_node::outside::{Outside, OutsideTcp, OutsideUdp};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;

const WINDOW: usize = 64 * 1024;

pub(crate) type Service = Rc<dyn Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()>>>>;

#[derive(Default)]
pub(crate) struct Internet {
    pub(crate) latency: Duration,
    pub(crate) services: RefCell<HashMap<SocketAddr, Service>>,
    pub(crate) names: RefCell<HashMap<String, IpAddr>>,
    /// Names that an exit could not resolve.
    pub(crate) unresolved: Cell<usize>,
    /// Every attempt to connect, allowed or not.
    pub(crate) attempts: RefCell<Vec<SocketAddr>>,
    pub(crate) open: Rc<Cell<usize>>,
    /// Connections that exits hold.
    pub(crate) held: Rc<Cell<usize>>,
    /// UDP sockets that exits ever had.
    pub(crate) udp_sockets: Cell<usize>,
}

impl Internet {
    pub(crate) fn serve<F>(&self, address: &str, service: impl Fn(DuplexStream) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let service: Service = Rc::new(move |stream| Box::pin(service(stream)));
        self.services
            .borrow_mut()
            .insert(address.parse().unwrap(), service);
    }
}

/// One exit's view of the Internet; not every exit can resolve names.
pub(crate) struct View(pub(crate) Rc<Internet>, pub(crate) bool);

impl Outside for View {
    type Tcp = SimTcp;
    type Udp = SimUdp;

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        sleep(self.0.latency * 2).await;
        let known = self.0.names.borrow().get(name).copied();
        if let Some(address) = known.filter(|_| self.1) {
            return Ok(vec![address]);
        }
        self.0.unresolved.set(self.0.unresolved.get() + 1);
        Err(Failure::new(Code::NameNotFound, name.to_string()))
    }

    async fn connect(&self, address: SocketAddr) -> Result<SimTcp, Failure> {
        self.0.attempts.borrow_mut().push(address);
        sleep(self.0.latency * 2).await;
        let service = self.0.services.borrow().get(&address).cloned();
        let Some(service) = service else {
            return Err(Failure::new(Code::Refused, address.to_string()));
        };
        let (ours, theirs) = tokio::io::duplex(WINDOW);
        let open = self.0.open.clone();
        open.set(open.get() + 1);
        spawn_local(async move {
            service(theirs).await;
            open.set(open.get() - 1);
        });
        let held = self.0.held.clone();
        held.set(held.get() + 1);
        Ok(SimTcp {
            stream: ours,
            peer: address,
            held,
        })
    }

    async fn udp(&self, address: SocketAddr) -> Result<SimUdp, Failure> {
        let (echo, echoed) = mpsc::channel(64);
        self.0.udp_sockets.set(self.0.udp_sockets.get() + 1);
        Ok(SimUdp {
            echo,
            echoed: tokio::sync::Mutex::new(echoed),
            peer: address,
        })
    }

    async fn query(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        // The question as an answer without records.
        let mut answer = message.to_vec();
        answer[2] |= 0x80;
        Ok(answer)
    }

    async fn query_local(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        self.query(message).await
    }

    async fn echo(&self, _: IpAddr, _: &[u8]) -> Result<Duration, Failure> {
        Ok(self.0.latency * 2)
    }
}

pub(crate) struct SimTcp {
    stream: DuplexStream,
    peer: SocketAddr,
    held: Rc<Cell<usize>>,
}

impl Drop for SimTcp {
    fn drop(&mut self) {
        self.held.set(self.held.get() - 1);
    }
}

impl OutsideTcp for SimTcp {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&self) {}
}

impl AsyncRead for SimTcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SimTcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Everything that is sent comes back.
pub(crate) struct SimUdp {
    echo: mpsc::Sender<Bytes>,
    echoed: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    peer: SocketAddr,
}

impl OutsideUdp for SimUdp {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn send(&self, payload: &[u8]) -> Result<(), Failure> {
        let _ = self.echo.try_send(Bytes::copy_from_slice(payload));
        Ok(())
    }

    async fn recv(&self) -> Result<BytesMut, Failure> {
        let payload = self.echoed.lock().await.recv().await.unwrap();
        Ok(BytesMut::from(payload))
    }
}
