//! A device that packets are read from and written to.
//!
//! Implementations never block: when there is nothing to read, or no room to
//! write, they answer [`std::io::ErrorKind::WouldBlock`]. On Unix a device
//! also implements `AsFd`, so that an event loop can wait for it.

use std::io;

/// A source and sink of whole IP packets (no link header).
pub trait PacketDevice {
    /// Reads one packet into `buffer`; answers its length.
    ///
    /// A buffer of [`PacketDevice::mtu`] bytes holds every packet.
    fn read_packet(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes one packet.
    fn write_packet(&self, packet: &[u8]) -> io::Result<()>;

    /// Whether packets may be written without the checksums of TCP and UDP.
    fn completes_checksums(&self) -> bool {
        false
    }

    /// The largest packet, in bytes.
    fn mtu(&self) -> usize;
}
