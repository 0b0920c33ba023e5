//! Leaves a packet's checksum to the kernel: `struct virtio_net_hdr` (VIRTIO
//! 1.2, section 5.1.6) names where it begins and where it goes, and the field
//! holds the sum of the pseudo header (RFC 9293 section 3.1, RFC 8200
//! section 8.1).

pub(super) type Header = [u8; 10];

/// The header of a packet whose checksum stands, or that has none.
pub(super) const COMPLETE: Header = [0; 10];

/// Where the checksum of a packet is to be computed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    start: u16,
    offset: u16,
    pub(super) pseudo_sum: [u8; 2],
}

impl Unfinished {
    /// Position of the checksum's two bytes in the packet.
    pub(super) fn at(&self) -> usize {
        usize::from(self.start) + usize::from(self.offset)
    }

    pub(super) fn header(&self) -> Header {
        const NEEDS_CHECKSUM: u8 = 1;
        let mut header = COMPLETE;
        header[0] = NEEDS_CHECKSUM;
        header[6..8].copy_from_slice(&self.start.to_ne_bytes());
        header[8..10].copy_from_slice(&self.offset.to_ne_bytes());
        header
    }
}

/// None for what is neither TCP nor UDP right after its IP header, or too
/// short: it goes as it is.
pub(super) fn find(packet: &[u8]) -> Option<Unfinished> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const FRAGMENT: u8 = 0x3f;
    let (start, protocol, addresses) = match packet.first()? >> 4 {
        4 if packet.get(6)? & FRAGMENT != 0 || packet.get(7)? != &0 => return None,
        4 => (
            usize::from(packet[0] & 15) * 4,
            *packet.get(9)?,
            packet.get(12..20)?,
        ),
        6 => (40, *packet.get(6)?, packet.get(8..40)?),
        _ => return None,
    };
    let (offset, header) = match protocol {
        TCP => (16, 20),
        UDP => (6, 8),
        _ => return None,
    };
    let length = packet
        .len()
        .checked_sub(start)
        .filter(|&length| length >= header)?;
    let mut sum = u32::from(protocol) + u32::try_from(length).ok()?;
    for word in addresses.chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    Some(Unfinished {
        start: u16::try_from(start).ok()?,
        offset,
        pseudo_sum: u16::try_from(sum).ok()?.to_be_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(start: &[u8], length: usize) -> Vec<u8> {
        let mut packet = start.to_vec();
        packet.resize(length, 0);
        packet
    }

    #[test]
    fn a_checksum_is_found_behind_both_headers() {
        let mut four = packet(&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6], 40);
        four[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let found = find(&four).unwrap();
        assert_eq!((found.start, found.at()), (20, 36));
        assert_eq!(u16::from_be_bytes(found.pseudo_sum), 0x1400 + 3 + 6 + 20);
        let mut six = packet(&[0x60, 0, 0, 0, 0, 8, 17, 64], 48);
        six[8] = 0xff;
        let found = find(&six).unwrap();
        assert_eq!((found.start, found.at()), (40, 46));
        assert_eq!(u16::from_be_bytes(found.pseudo_sum), 0xff00 + 17 + 8);
    }

    #[test]
    fn what_has_no_such_checksum_goes_as_it_is() {
        assert_eq!(find(&[]), None);
        assert_eq!(
            find(&packet(&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1], 28)),
            None
        );
        assert_eq!(
            find(&packet(&[0x45, 0, 0, 24, 0, 0, 0, 0, 64, 6], 24)),
            None
        );
        assert_eq!(
            find(&packet(&[0x4f, 0, 0, 24, 0, 0, 0, 0, 64, 6], 24)),
            None
        );
        assert_eq!(
            find(&packet(&[0x45, 0, 0, 60, 0, 0, 0x20, 0, 64, 6], 60)),
            None
        );
        assert_eq!(find(&packet(&[0x60, 0, 0, 0, 0, 0, 58], 60)), None);
        for length in 0..48 {
            let _ = find(&packet(&[0x60, 0, 0, 0, 0, 8, 17], length));
            let _ = find(&packet(&[0x45, 0, 0, 0, 0, 0, 0, 0, 0, 17], length));
        }
    }
}
