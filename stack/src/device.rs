//! Where packets wait for the TUN, and smoltcp's view of it.
//!
//! Packets are written one behind the other into one arena that starts over when all were handed out:
//! no allocation and no copy between smoltcp and the TUN. Flows stop being polled when a full-size packet
//! no longer fits; a reserve beyond that stays for resets, ICMP and datagrams.

use std::collections::VecDeque;

use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use smoltcp::time::Instant;
use smoltcp::wire::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket,
};

use crate::tcp::Track;

#[derive(Debug)]
pub(crate) struct TransmitQueue {
    arena: Box<[u8]>,
    end: usize,
    packets: VecDeque<(usize, usize)>,
    mtu: usize,
    /// Whether smoltcp computes the checksums of what it writes here.
    pub(crate) checksums: bool,
    pub(crate) dropped: u64,
}

impl TransmitQueue {
    pub(crate) fn new(capacity: usize, mtu: usize) -> TransmitQueue {
        let capacity = capacity.max(4 * mtu);
        TransmitQueue {
            arena: vec![0; capacity].into_boxed_slice(),
            end: 0,
            packets: VecDeque::new(),
            mtu,
            checksums: true,
            dropped: 0,
        }
    }

    /// Whether a flow may be polled for a packet of any size.
    pub(crate) fn has_room(&self) -> bool {
        self.arena.len() - self.end >= 2 * self.mtu
    }

    /// Appends a packet of `len` bytes that `write` fills; false, and counted, when there is no room.
    pub(crate) fn push(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let Some(buffer) = self.arena.get_mut(self.end..self.end + len) else {
            self.dropped += 1;
            return false;
        };
        if len > self.mtu || !write(buffer) {
            self.dropped += 1;
            return false;
        }
        self.packets.push_back((self.end, len));
        self.end += len;
        true
    }

    fn cut_last(&mut self, excess: usize) {
        let Some((start, len)) = self.packets.back_mut() else {
            return;
        };
        *len = cut(&mut self.arena[*start..*start + *len], excess);
        self.end -= excess;
    }

    pub(crate) fn front(&self) -> Option<&[u8]> {
        let &(start, len) = self.packets.front()?;
        Some(&self.arena[start..start + len])
    }

    pub(crate) fn pop(&mut self) {
        self.packets.pop_front();
        if self.packets.is_empty() {
            self.end = 0;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// One call's device: the packet being handled, if any, and the queue.
pub(crate) struct Link<'a> {
    pub(crate) received: Option<&'a [u8]>,
    pub(crate) queue: &'a mut TransmitQueue,
    /// Sequence numbers of the flow that is polled.
    pub(crate) track: Option<&'a mut Track>,
    /// May use the reserve.
    pub(crate) urgent: bool,
}

pub(crate) struct Received<'a>(&'a [u8]);

pub(crate) struct Transmit<'a> {
    queue: &'a mut TransmitQueue,
    track: Option<&'a mut Track>,
}

fn capabilities(queue: &TransmitQueue) -> DeviceCapabilities {
    let transport = if queue.checksums {
        Checksum::Tx
    } else {
        Checksum::None
    };
    let mut checksum = ChecksumCapabilities::default();
    checksum.ipv4 = Checksum::Tx;
    checksum.tcp = transport;
    checksum.udp = transport;
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = queue.mtu;
    capabilities.checksum = checksum;
    capabilities
}

impl Device for Link<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        let packet = self.received.take()?;
        let transmit = Transmit {
            queue: self.queue,
            track: self.track.as_deref_mut(),
        };
        Some((Received(packet), transmit))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        if !self.urgent && !self.queue.has_room() {
            return None;
        }
        Some(Transmit {
            queue: self.queue,
            track: self.track.as_deref_mut(),
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.queue)
    }
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Transmit { queue, track } = self;
        let mut excess = 0;
        let write = |buffer: &mut [u8]| {
            let result = f(buffer);
            if let Some(track) = track {
                excess = track.translate_sent(transport_of(buffer));
            }
            result
        };
        if len > queue.mtu || queue.arena.len() - queue.end < len {
            queue.dropped += 1;
            return write(&mut vec![0; len]);
        }
        let mut result = None;
        queue.push(len, |buffer| {
            result = Some(write(buffer));
            true
        });
        if excess > 0 {
            queue.cut_last(excess);
        }
        result.expect("push runs the closure when the packet fits the arena")
    }
}

/// Takes `excess` bytes of payload, and a FIN, from a TCP packet.
fn cut(packet: &mut [u8], excess: usize) -> usize {
    let len = packet.len() - excess;
    let packet = &mut packet[..len];
    let (source, destination): (IpAddress, IpAddress) = if packet[0] >> 4 == 4 {
        let mut ip = Ipv4Packet::new_unchecked(&mut *packet);
        ip.set_total_len(len as u16);
        ip.fill_checksum();
        (ip.src_addr().into(), ip.dst_addr().into())
    } else {
        let mut ip = Ipv6Packet::new_unchecked(&mut *packet);
        ip.set_payload_len((len - IPV6_HEADER_LEN) as u16);
        (ip.src_addr().into(), ip.dst_addr().into())
    };
    let mut tcp = TcpPacket::new_unchecked(transport_of(packet));
    tcp.set_fin(false);
    tcp.fill_checksum(&source, &destination);
    len
}

fn transport_of(packet: &mut [u8]) -> &mut [u8] {
    let header = match packet.first().map(|byte| byte >> 4) {
        Some(4) => IPV4_HEADER_LEN,
        _ => IPV6_HEADER_LEN,
    };
    packet.get_mut(header..).unwrap_or_default()
}
