//! What is known of a flow's sequence numbers and windows from the segments that pass.
//!
//! smoltcp tells none of it, and a flow can only be parked and gone on with by someone who knows. It is
//! also where the wire is kept from what smoltcp does not mind: data and FINs beyond a window.

use etherparse::TcpHeaderSlice;

use crate::packet::Segment;

/// The flow's sequence numbers as they are on the wire.
///
/// A socket that was made anew for a flow counts from another initial number; `offset` is what must be
/// added to its own to get the wire's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Track {
    pub(crate) offset: u32,
    pub(crate) peer: Peer,
    /// End of what we sent, and of what the peer acknowledged of it.
    pub(crate) sent: u32,
    pub(crate) acknowledged: u32,
    /// End of what the peer sent, and of what we acknowledged of it.
    pub(crate) received: u32,
    pub(crate) confirmed: u32,
    /// The peer's window field, and the sequence number it came with.
    pub(crate) window: u16,
    window_at: u32,
    /// Scale of our windows, and the end of the last one.
    scale: u8,
    room_until: u32,
}

/// What the peer's SYN said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) segment_size: Option<u16>,
    pub(crate) window_scale: Option<u8>,
    pub(crate) selective: bool,
}

impl Track {
    pub(crate) fn new(peer: Peer, syn: &Segment, buffer: usize) -> Track {
        let received = syn.sequence.wrapping_add(1);
        Track {
            peer,
            received,
            confirmed: received,
            window_at: received,
            // As smoltcp chooses it.
            scale: peer
                .window_scale
                .map_or(0, |_| (buffer.ilog2() + 1).saturating_sub(16) as u8),
            room_until: received,
            ..Track::default()
        }
    }

    /// Notes a segment of the peer and puts its acknowledgement into the socket's numbers.
    pub(crate) fn translate_received(&mut self, tcp: &mut [u8], segment: &Segment) {
        if !segment.syn {
            let length = segment.payload_len as u32 + u32::from(segment.fin);
            self.received = later(self.received, segment.sequence.wrapping_add(length));
            if segment.ack {
                // RFC 9293 section 3.10.7.4, with any newer acknowledgement being believed.
                let newer = before(self.acknowledged, segment.acknowledgment);
                let stale = before(segment.acknowledgment, self.acknowledged)
                    || before(segment.sequence, self.window_at);
                if newer || !stale {
                    self.window = segment.window;
                    self.window_at = segment.sequence;
                    self.acknowledged = segment.acknowledgment;
                }
            }
        }
        if segment.fin
            && before(
                self.room_until,
                segment.sequence.wrapping_add(segment.payload_len as u32),
            )
            && let Some(flags) = tcp.get_mut(FLAGS)
        {
            // smoltcp would cut the data at its window and believe the FIN that comes after it.
            *flags &= !FIN;
        }
        if self.offset != 0
            && segment.ack
            && let Some(field) = tcp.get_mut(ACKNOWLEDGMENT)
        {
            let translated = segment.acknowledgment.wrapping_sub(self.offset);
            field.copy_from_slice(&translated.to_be_bytes());
        }
    }

    /// Notes a segment of the socket and puts its sequence number into the wire's.
    ///
    /// Returns how many bytes at its end the peer's window has no room for: a fast retransmit of
    /// smoltcp does not look at the window. One byte always stays, as a probe of the window.
    pub(crate) fn translate_sent(&mut self, tcp: &mut [u8]) -> usize {
        let Ok(header) = TcpHeaderSlice::from_slice(tcp) else {
            return 0;
        };
        let payload = tcp.len() - header.slice().len();
        let length = payload as u32 + u32::from(header.syn()) + u32::from(header.fin());
        let sequence = header.sequence_number();
        let (syn, ack, acknowledgment) =
            (header.syn(), header.ack(), header.acknowledgment_number());
        let window = header.window_size();
        let wire = sequence.wrapping_add(self.offset);
        if self.offset != 0 {
            let checksum = header.checksum();
            tcp[SEQUENCE].copy_from_slice(&wire.to_be_bytes());
            tcp[CHECKSUM].copy_from_slice(&update_checksum(checksum, sequence, wire).to_be_bytes());
        }
        let end = wire.wrapping_add(length);
        if syn {
            (self.sent, self.acknowledged) = (end, wire);
        } else {
            self.sent = later(self.sent, end);
        }
        if ack {
            self.confirmed = acknowledgment;
            let scale = if syn { 0 } else { self.scale };
            self.room_until = acknowledgment.wrapping_add(u32::from(window) << scale);
        }
        let edge = self.acknowledged.wrapping_add(self.peer_window() as u32);
        let payload_end = wire.wrapping_add(payload as u32);
        if payload > 1 && before(edge, payload_end) {
            (payload - 1).min(payload_end.wrapping_sub(edge) as usize)
        } else {
            0
        }
    }

    /// Bytes that the peer is ready to take.
    pub(crate) fn peer_window(&self) -> usize {
        usize::from(self.window) << self.peer.window_scale.unwrap_or(0).min(MAX_WINDOW_SCALE)
    }

    /// Whether each side has acknowledged all that the other sent.
    pub(crate) fn is_settled(&self) -> bool {
        self.sent == self.acknowledged && self.received == self.confirmed
    }
}

/// RFC 1624, equation 3, for a 32-bit field.
fn update_checksum(checksum: u16, old: u32, new: u32) -> u16 {
    let halves = |value: u32| [value >> 16, value & 0xffff];
    let mut sum = u32::from(!checksum);
    for (old, new) in halves(old).into_iter().zip(halves(new)) {
        sum += (!old & 0xffff) + new;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether `a` comes before `b` in sequence space (RFC 9293 section 3.4).
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 <= -1
}

fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

const SEQUENCE: std::ops::Range<usize> = 4..8;
const ACKNOWLEDGMENT: std::ops::Range<usize> = 8..12;
const FLAGS: usize = 13;
const FIN: u8 = 1;
const CHECKSUM: std::ops::Range<usize> = 16..18;
/// RFC 7323 section 2.3.
const MAX_WINDOW_SCALE: u8 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_updated_checksum_equals_a_new_one() {
        let sum = |words: &[u16]| {
            let mut sum: u32 = words.iter().map(|&word| u32::from(word)).sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            !(sum as u16)
        };
        for (old, new) in [
            (0, 0xffff_ffff),
            (0x1234_5678, 0x9abc_def0),
            (0xffff_0000, 1),
        ] {
            let words = |value: u32| [0x1111, (value >> 16) as u16, value as u16, 0x2222];
            assert_eq!(
                update_checksum(sum(&words(old)), old, new),
                sum(&words(new))
            );
        }
    }

    #[test]
    fn sequence_numbers_compare_across_the_wrap() {
        assert!(before(u32::MAX, 3));
        assert!(!before(3, u32::MAX));
        assert_eq!(later(u32::MAX, 3), 3);
    }
}
