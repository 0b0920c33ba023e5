//! The TUN interface as a packet device.
//!
//! It is not persistent: the kernel takes the interface, its addresses and
//! every route over it away with the last descriptor. Checksums of TCP and UDP
//! are left out in both directions: packets do not leave the machine between
//! an app and us, and where one does (to a container over a wire) the kernel
//! completes it. What is written may have its checksum or not.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use masq_capture::plan::TUN_MTU;
use masq_capture::{CaptureError, FailureCode, PacketDevice};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::uio::{readv, writev};

mod offload;

use crate::sys;
use offload::Header;

const DEVICE: &str = "/dev/net/tun";

/// An open TUN; reads and writes never block.
#[derive(Debug)]
pub struct TunDevice {
    descriptor: OwnedFd,
    has_header: bool,
}

impl TunDevice {
    /// Makes an interface in the calling thread's network namespace.
    pub fn create(name: &str) -> Result<TunDevice, CaptureError> {
        let failed = |what: &str, error: io::Error| {
            let code = if error.kind() == io::ErrorKind::PermissionDenied {
                FailureCode::NotPermitted
            } else if error.kind() == io::ErrorKind::ResourceBusy {
                FailureCode::Busy
            } else {
                FailureCode::TunUnavailable
            };
            let mut text = format!("{what}: {error}");
            if code == FailureCode::NotPermitted && is_closed(DEVICE) {
                text += &format!("; allow with `chmod 666 {DEVICE}`, as most systems have it");
            }
            CaptureError::new(code, text)
        };
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(|error| failed(&format!("open {DEVICE}"), error))?;
        let descriptor = OwnedFd::from(file);
        sys::create_tun(&descriptor, name)
            .map_err(|error| failed(&format!("create interface {name}"), error))?;
        TunDevice::from_descriptor(descriptor).map_err(|error| failed("set non-blocking", error))
    }

    /// Takes over a TUN that somebody else made.
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<TunDevice> {
        let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
        fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let has_header = sys::tun_has_header(&descriptor)?;
        Ok(TunDevice {
            descriptor,
            has_header,
        })
    }

    /// Takes over a TUN that this program inherited under this number
    /// (`--tun-fd N`). To be called once for a number.
    pub fn from_inherited(number: RawFd) -> io::Result<TunDevice> {
        TunDevice::from_descriptor(sys::adopt(number)?)
    }

    pub fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }
}

/// Whether a file's mode keeps ordinary users out.
fn is_closed(path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|status| status.mode() & 0o006 != 0o006)
}

/// Settings of our own interface: no packet of the kernel's own accord. They
/// go with the interface, and none is vital.
pub(crate) fn quiet(name: &str) {
    let settings = [
        ("disable_ipv6", "0"),
        ("accept_ra", "0"),
        ("router_solicitations", "0"),
        ("addr_gen_mode", "1"),
    ];
    for (setting, value) in settings {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{setting}"), value);
    }
}

impl PacketDevice for TunDevice {
    fn read_packet(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.has_header {
            return retry(|| nix::unistd::read(&self.descriptor, buffer));
        }
        let mut header = Header::default();
        let length = retry(|| {
            let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buffer)];
            readv(&self.descriptor, &mut parts)
        })?;
        Ok(length.saturating_sub(header.len()))
    }

    fn write_packet(&self, packet: &[u8]) -> io::Result<()> {
        if !self.has_header {
            return retry(|| nix::unistd::write(&self.descriptor, packet)).map(drop);
        }
        let Some(unfinished) = offload::find(packet) else {
            let parts = [IoSlice::new(&offload::COMPLETE), IoSlice::new(packet)];
            return retry(|| writev(&self.descriptor, &parts)).map(drop);
        };
        let (before, rest) = packet.split_at(unfinished.at());
        let header = unfinished.header();
        let parts = [
            IoSlice::new(&header),
            IoSlice::new(before),
            IoSlice::new(&unfinished.pseudo_sum),
            IoSlice::new(&rest[2..]),
        ];
        retry(|| writev(&self.descriptor, &parts)).map(drop)
    }

    fn completes_checksums(&self) -> bool {
        self.has_header
    }

    fn mtu(&self) -> usize {
        TUN_MTU as usize
    }
}

impl AsRawFd for TunDevice {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(nix::Error::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

impl AsFd for TunDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
