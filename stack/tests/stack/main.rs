//! The stack as its caller and the programs behind the TUN see it.
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod hostile;
mod lossy;
#[path = "../../../fuzz/src/packets.rs"]
#[expect(
    unreachable_pub,
    reason = "public where it is at home, among the fuzz targets"
)]
mod packets;
mod support;
mod tcp;
mod udp;
