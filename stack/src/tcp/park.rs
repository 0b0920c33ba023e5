//! Parking: a flow with nothing in flight gives its socket and buffers back and keeps only its sequence
//! numbers; the next packet or send makes a socket for it again.
//!
//! smoltcp cannot make a socket in a given state, so it is led there: a SYN and an ACK of our own making
//! take a listening socket to ESTABLISHED at the peer's sequence number. Its own initial number is
//! arbitrary; [`super::track::Track`] translates from then on. The peer sees nothing of all this.

use std::net::{IpAddr, SocketAddr};

use etherparse::{PacketBuilder, TcpHeader, TcpHeaderSlice, TcpOptionElement};
use smoltcp::iface::Interface;
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use super::socket::{Live, Size, SocketPool};
use super::track::{Peer, Track};
use crate::device::TransmitQueue;
use crate::flow::FiveTuple;

/// A flow without a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    track: Track,
    pub(super) size: Size,
}

impl Parked {
    /// What is to be kept of a flow, if it can be parked.
    pub(crate) fn of(live: &Live) -> Option<Parked> {
        let socket = live.socket();
        let quiet = socket.state() == State::Established
            && socket.recv_queue() == 0
            && socket.send_queue() == 0
            && live.track.is_settled();
        quiet.then_some(Parked {
            track: live.track,
            size: live.size,
        })
    }

    /// Makes a socket that goes on where the parked one stopped.
    pub(crate) fn revive(
        &self,
        tuple: &FiveTuple,
        pool: &mut SocketPool,
        interface: &mut Interface,
        scratch: &mut TransmitQueue,
        now: Instant,
    ) -> Option<Box<Live>> {
        let mut live = pool.take(self.size);
        if self
            .lead(tuple, pool, &mut live, interface, scratch, now)
            .is_none()
        {
            pool.give(live);
            return None;
        }
        Some(live)
    }

    fn lead(
        &self,
        tuple: &FiveTuple,
        pool: &SocketPool,
        live: &mut Live,
        interface: &mut Interface,
        scratch: &mut TransmitQueue,
        now: Instant,
    ) -> Option<()> {
        live.track = Track::default();
        if !pool.listen(live, tuple.destination) {
            return None;
        }
        let mut buffer = [0; 128];
        let track = &self.track;
        let mut header = header_of(tuple, track.received.wrapping_sub(1), track.window);
        header.syn = true;
        header.set_options(&self.options()).ok()?;
        live.ingest(interface, scratch, write(&mut buffer, tuple, header)?, now);
        live.emit(interface, scratch, true, now);
        let initial = take_sequence(scratch)?;

        let mut header = header_of(tuple, track.received, track.window);
        header.ack = true;
        header.acknowledgment_number = initial.wrapping_add(1);
        live.ingest(interface, scratch, write(&mut buffer, tuple, header)?, now);
        while scratch.front().is_some() {
            scratch.pop();
        }
        live.track = self.track;
        live.track.offset = self.track.sent.wrapping_sub(initial.wrapping_add(1));
        (live.socket().state() == State::Established).then_some(())
    }

    fn options(&self) -> Vec<TcpOptionElement> {
        let peer = &self.track.peer;
        let mut options = Vec::with_capacity(3);
        options.extend(peer.segment_size.map(TcpOptionElement::MaximumSegmentSize));
        options.extend(peer.window_scale.map(TcpOptionElement::WindowScale));
        options.extend(
            peer.selective
                .then_some(TcpOptionElement::SelectiveAcknowledgementPermitted),
        );
        options
    }
}

impl Live {
    /// Gives the socket the peer's last acknowledgement again until it counts as lost data.
    pub(super) fn duplicate_acknowledgments(
        &mut self,
        tuple: &FiveTuple,
        interface: &mut Interface,
        queue: &mut TransmitQueue,
        now: Instant,
    ) {
        let track = self.track;
        // A change of the window makes the socket count from zero.
        for window in [
            track.window ^ 1,
            track.window,
            track.window,
            track.window,
            track.window,
        ] {
            let mut header = header_of(tuple, track.received, window);
            header.ack = true;
            header.acknowledgment_number = track.acknowledged.wrapping_sub(track.offset);
            let mut buffer = [0; 128];
            if let Some(packet) = write(&mut buffer, tuple, header) {
                self.ingest(interface, queue, packet, now);
            }
        }
    }
}

impl Peer {
    /// Reads the options of a SYN.
    pub(crate) fn of_syn(tcp: &[u8]) -> Peer {
        let mut peer = Peer::default();
        let Ok(header) = TcpHeaderSlice::from_slice(tcp) else {
            return peer;
        };
        for option in header.options_iterator().map_while(Result::ok) {
            match option {
                TcpOptionElement::MaximumSegmentSize(size) => peer.segment_size = Some(size),
                TcpOptionElement::WindowScale(scale) => peer.window_scale = Some(scale),
                TcpOptionElement::SelectiveAcknowledgementPermitted => peer.selective = true,
                TcpOptionElement::Noop
                | TcpOptionElement::SelectiveAcknowledgement(..)
                | TcpOptionElement::Timestamp(..) => {}
            }
        }
        peer
    }
}

fn header_of(tuple: &FiveTuple, sequence: u32, window: u16) -> TcpHeader {
    TcpHeader::new(
        tuple.source.port(),
        tuple.destination.port(),
        sequence,
        window,
    )
}

fn write<'a>(buffer: &'a mut [u8; 128], tuple: &FiveTuple, header: TcpHeader) -> Option<&'a [u8]> {
    let (source, destination): (SocketAddr, SocketAddr) = (tuple.source, tuple.destination);
    let builder = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
        _ => return None,
    }
    .tcp_header(header);
    let size = builder.size(0);
    let packet = buffer.get_mut(..size)?;
    builder.write_to_slice(packet, &[]).ok()?;
    Some(packet)
}

fn take_sequence(scratch: &mut TransmitQueue) -> Option<u32> {
    let packet = scratch.front()?;
    let header = match packet.first()? >> 4 {
        4 => 20,
        _ => 40,
    };
    let sequence = TcpHeaderSlice::from_slice(packet.get(header..)?)
        .ok()?
        .sequence_number();
    while scratch.front().is_some() {
        scratch.pop();
    }
    Some(sequence)
}
