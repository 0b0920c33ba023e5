//! The TUN interface as a packet device.
//!
//! It is not persistent: the kernel takes the interface, its addresses and
//! every route over it away with the last descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use masq_capture::plan::TUN_MTU;
use masq_capture::{CaptureError, FailureCode, PacketDevice};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::sys;

const DEVICE: &str = "/dev/net/tun";

/// An open TUN; reads and writes never block.
#[derive(Debug)]
pub struct TunDevice {
    descriptor: OwnedFd,
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
        Ok(TunDevice { descriptor })
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
        loop {
            match nix::unistd::read(&self.descriptor, buffer) {
                Err(nix::Error::EINTR) => {}
                other => return other.map_err(io::Error::from),
            }
        }
    }

    fn write_packet(&self, packet: &[u8]) -> io::Result<()> {
        loop {
            match nix::unistd::write(&self.descriptor, packet) {
                Err(nix::Error::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
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

impl AsFd for TunDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
