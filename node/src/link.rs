//! What joins two neighbors: streams, datagrams, and the certainty of who is
//! at the other end.
//!
//! A link carries one stream for each circuit and hop, so flow control,
//! back-pressure and freedom from head-of-line blocking come from the
//! transport. [`quic`] is the implementation for networks; [`memory`] joins
//! Nodes inside one process for simulations.

use bytes::{Bytes, BytesMut};
use masq_core::identity::NodeId;
use std::future::Future;
use std::net::SocketAddr;

pub mod memory;
mod messages;
pub mod quic;
mod tls;

/// The longest message between two neighbors (W-8.5), in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Why a stream ended early. Codes are those of `docs/wire.md`; they travel
/// from hop to hop, so they say no more than a relay may know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamError {
    #[error("the peer reset the stream with code {0}")]
    Reset(u64),
    #[error("the peer stopped reading with code {0}")]
    Stopped(u64),
    #[error("the link is lost")]
    LinkLost,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the link is lost: {0}")]
    Lost(String),
    #[error("the peer carries no datagrams of this size")]
    DatagramTooLarge,
    #[error("a message of {0} bytes, at most {MAX_MESSAGE} are allowed")]
    MessageTooLong(u32),
    #[error("the peer is not the Node that its descriptor names")]
    WrongPeer,
    #[error("no answer")]
    NoAnswer,
    #[error("the peer does not take links: {0}")]
    Refused(String),
    #[error("the peer speaks another version of QUIC")]
    Version,
    #[error("this machine has no way to the address")]
    Unreachable,
    #[error("could not connect: {0}")]
    Connect(String),
}

/// The sending half of one circuit's stream on a link.
pub trait LinkSend: 'static {
    /// Number of the stream, the same at both ends, never reused on this link.
    fn id(&self) -> u64;
    /// Waits until the peer's window has taken all of `data`.
    fn write(&mut self, data: Bytes) -> impl Future<Output = Result<(), StreamError>>;
    /// Ends the stream after what was written.
    fn finish(&mut self);
    /// Throws away what is not yet sent and tells the peer `code`.
    fn reset(&mut self, code: u64);
    /// Resolves when the peer no longer wants the stream, or has all of it.
    fn stopped(&self) -> impl Future<Output = StreamError> + 'static;
}

/// The receiving half of one circuit's stream on a link.
pub trait LinkRecv: 'static {
    /// The next bytes, `None` at the end of the stream. Cancel safe. They are
    /// the caller's to change: every hop ciphers them in place.
    fn read(&mut self) -> impl Future<Output = Result<Option<BytesMut>, StreamError>>;
    /// Tells the peer that nothing more will be read, and why.
    fn stop(&mut self, code: u64);
}

/// What a link's transport has sent and received, its own packets included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub received_bytes: u64,
    pub received_packets: u64,
}

/// An authenticated connection with one neighbor. Clones are the same link.
pub trait Link: Clone + 'static {
    type Send: LinkSend;
    type Recv: LinkRecv;

    fn peer(&self) -> NodeId;
    fn open(&self) -> impl Future<Output = Result<(Self::Send, Self::Recv), LinkError>>;
    fn accept(&self) -> impl Future<Output = Result<(Self::Send, Self::Recv), LinkError>>;
    /// Largest datagram that fits now, in bytes, if the peer takes any.
    fn max_datagram(&self) -> Option<usize>;
    fn send_datagram(&self, data: Bytes) -> Result<(), LinkError>;
    fn read_datagram(&self) -> impl Future<Output = Result<Bytes, LinkError>>;
    /// Sends a message to the neighbor itself, beside all circuits; they arrive
    /// whole and in order. Waits until the peer's window has taken it. One that
    /// is cancelled ends the messages of this link.
    fn send_message(&self, message: Bytes) -> impl Future<Output = Result<(), LinkError>>;
    /// The neighbor's next message, of [`MAX_MESSAGE`] bytes at most. Cancel safe.
    fn read_message(&self) -> impl Future<Output = Result<Bytes, LinkError>>;
    /// Resolves once the link is gone, with the reason.
    fn closed(&self) -> impl Future<Output = LinkError>;
    fn close(&self, reason: &str);
    /// Distinguishes a new link to a peer from an older one.
    fn serial(&self) -> usize;
    fn remote_address(&self) -> SocketAddr;
    /// Halves of streams that are in use at this end.
    fn streams(&self) -> usize;
    /// Bytes and packets that the transport has sent and received so far.
    fn traffic(&self) -> Traffic;
    /// Resolves when the peer lets what was sent go unanswered.
    fn silent(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
    /// Sets the window of this link as one of so many.
    fn share_window(&self, _links: usize) {}
}
