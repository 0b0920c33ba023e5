//! macOS: the traits of `masq-capture`, declared and not built yet.
//!
//! Everything answers [`FailureCode::Unsupported`](masq_capture::FailureCode)
//! at once, with the remedy that belongs to it.
#![forbid(unsafe_code)]

use std::io;
use std::path::Path;

use masq_capture::CaptureError;
use masq_capture::PacketDevice;
use masq_capture::helper::Parameters;

/// A utun interface.
#[derive(Debug)]
pub struct UtunDevice(());

impl UtunDevice {
    pub fn create(name: &str) -> Result<UtunDevice, CaptureError> {
        Err(CaptureError::unsupported(&format!(
            "create interface {name}"
        )))
    }
}

impl PacketDevice for UtunDevice {
    fn read_packet(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_packet(&self, _packet: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn mtu(&self) -> usize {
        0
    }
}

/// Serves as the capture helper.
pub fn run() -> Result<(), CaptureError> {
    Err(CaptureError::unsupported("capture helper"))
}

/// Starts the capture helper.
pub fn spawn_helper(program: &Path, _parameters: &Parameters) -> Result<UtunDevice, CaptureError> {
    Err(CaptureError::unsupported(&format!(
        "start {} --capture-helper",
        program.display()
    )))
}

/// Becomes an ordinary user for good.
pub fn drop_privileges(uid: u32, gid: u32, _home: &Path) -> Result<(), CaptureError> {
    Err(CaptureError::unsupported(&format!(
        "become user {uid}, group {gid}"
    )))
}

#[cfg(test)]
mod tests {
    use masq_capture::FailureCode;

    use super::*;

    #[test]
    fn what_is_not_built_says_so() {
        assert_eq!(run().unwrap_err().code, FailureCode::Unsupported);
        assert_eq!(
            UtunDevice::create("utun9").unwrap_err().code,
            FailureCode::Unsupported
        );
    }
}
