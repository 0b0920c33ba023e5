//! The Node of a confined command, for the tests of this crate: says that it
//! is ready and counts the packets of its TUN on standard error. It ends when
//! a datagram comes to port 9.
#![expect(clippy::print_stderr, reason = "the test reads it")]

use masq_capture::PacketDevice;
use masq_platform_linux::TunDevice;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(arguments[1], "--tun-fd");
    assert_eq!(arguments[3], "--config-file");
    let config = std::fs::read_to_string(&arguments[4]).expect("a configuration");
    assert!(config.contains("zero-hop"));
    let number = arguments[2].parse().expect("a number");
    let device = TunDevice::from_inherited(number).expect("a TUN");
    eprintln!("event=ready");
    let mut buffer = vec![0; device.mtu()];
    loop {
        let mut sources = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut sources, PollTimeout::NONE);
        while let Ok(length) = device.read_packet(&mut buffer) {
            let packet = &buffer[..length];
            if packet[0] >> 4 == 4 && packet[9] == 17 {
                let port = u16::from_be_bytes([packet[22], packet[23]]);
                eprintln!("packet to {:?} port {port}", &packet[16..20]);
                if port == 9 {
                    return;
                }
            }
        }
    }
}
