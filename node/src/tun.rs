//! The loop between the TUN and the stack: packets in batches, timers, and
//! whatever the flows' tasks made ready to send.

use crate::app::{Apps, Arrival};
use masq_capture::device::PacketDevice;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// Packets read before the flows get their turn.
const BATCH: usize = 64;
/// The largest IP packet.
const LARGEST_PACKET: usize = 65_535;

/// Runs until the device fails, which is how its end shows.
pub async fn run<D: PacketDevice + AsFd + AsRawFd>(
    device: D,
    apps: Rc<Apps>,
    mut arrive: impl FnMut(Arrival),
) -> io::Result<()> {
    #[expect(deprecated, reason = "the safe form; a device owns its descriptor")]
    let device = AsyncFd::with_interest(device, Interest::READABLE | Interest::WRITABLE)?;
    let mut packet = vec![0; LARGEST_PACKET];
    let mut arrivals = Vec::new();
    loop {
        let deadline = apps.with(|stack| stack.poll_timeout());
        let timer = async {
            match deadline {
                Some((deadline, _why)) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let mut readable = tokio::select! {
            biased;
            ready = device.ready(Interest::READABLE) => Some(ready?),
            () = poll_fn(|cx| apps.poll_dirty(cx)) => None,
            () = timer => None,
        };
        // Whatever woke us: flows that always have something to send must not
        // keep acknowledgements waiting.
        let drained = read_batch(device.get_ref(), &apps, &mut packet)?;
        if drained && let Some(ready) = &mut readable {
            ready.clear_ready_matching(Ready::READABLE);
        }
        let now = apps.now();
        apps.with(|stack| stack.handle_timeout(now));
        apps.dispatch(&mut arrivals);
        arrivals.drain(..).for_each(&mut arrive);
        write_batch(&device, &apps).await?;
        tokio::task::yield_now().await;
    }
}

/// Whether the device is drained.
fn read_batch<D: PacketDevice>(device: &D, apps: &Apps, packet: &mut [u8]) -> io::Result<bool> {
    let now = apps.now();
    for _ in 0..BATCH {
        match device.read_packet(packet) {
            Ok(size) => apps.with(|stack| stack.handle_packet(&mut packet[..size], now)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Writes all that the stack has to send now.
async fn write_batch<D: PacketDevice + AsFd + AsRawFd>(
    device: &AsyncFd<D>,
    apps: &Apps,
) -> io::Result<()> {
    loop {
        let now = apps.now();
        let written = apps.with(|stack| {
            while let Some(packet) = stack.poll_transmit(now) {
                match device.get_ref().write_packet(packet) {
                    Ok(()) => stack.transmitted(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        // One packet that the kernel refuses is not the end of the others.
                        tracing::debug!(%error, "packet refused by the TUN");
                        stack.transmitted();
                        if error.raw_os_error().is_some_and(is_gone) {
                            return Err(error);
                        }
                    }
                }
            }
            Ok(true)
        })?;
        if written {
            return Ok(());
        }
        device
            .writable()
            .await?
            .clear_ready_matching(Ready::WRITABLE);
    }
}

/// EBADFD, ENODEV, EIO: the interface is gone or down for good.
fn is_gone(errno: i32) -> bool {
    matches!(errno, 5 | 19 | 77)
}
