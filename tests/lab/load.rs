//! Traffic to measure: a server and clients for bulk, connections, first bytes, datagrams, idle flows.
//!
//! A TCP client tells its wish in its first byte (see [`Wish`]). Clients print one JSON object.

mod client;
mod server;
mod socks;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

/// The first byte of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The server sends without end.
    Download = b'D' as isize,
    /// The server reads until the half-close, then answers the count, 8 bytes big-endian.
    Upload = b'U' as isize,
    /// The server answers one byte and closes.
    Answer = b'A' as isize,
    /// The server answers one byte and keeps the connection open.
    Idle = b'I' as isize,
}

impl Wish {
    fn byte(self) -> u8 {
        self as isize as u8
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Download, Self::Upload, Self::Answer, Self::Idle]
            .into_iter()
            .find(|wish| wish.byte() == byte)
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve on one port, TCP and UDP
    Serve {
        #[arg(long, default_value = "[::]:5001")]
        listen: SocketAddr,
    },
    /// Serve SOCKS 5, for a peer that needs it
    Socks,
    /// Receive as much as possible
    Download(Bulk),
    /// Send as much as possible
    Upload(Bulk),
    /// Open connections one after the other, on several threads
    Connections {
        target: SocketAddr,
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        #[arg(long, default_value_t = 16)]
        parallel: usize,
    },
    /// Time from connect to the first byte
    FirstByte {
        target: SocketAddr,
        #[arg(long, default_value_t = 50)]
        count: usize,
        #[arg(long, default_value_t = 100)]
        interval_ms: u64,
    },
    /// Datagrams to the echo and back
    Udp {
        target: SocketAddr,
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        #[arg(long, default_value_t = 64)]
        window: usize,
        #[arg(long, default_value_t = 512)]
        size: usize,
    },
    /// Hold idle connections; prints when all are open, ends at the end of its input
    Idle {
        target: SocketAddr,
        #[arg(long, default_value_t = 1000)]
        count: usize,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub struct Bulk {
    pub target: SocketAddr,
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    #[arg(long, default_value_t = 1)]
    pub streams: usize,
}

/// What a client measured; fields that a case does not have are zero.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    pub bytes: u64,
    pub seconds: f64,
    pub count: u64,
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milliseconds: Vec<f64>,
}

impl Measured {
    pub fn megabits(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e6 / self.seconds.max(1e-9)
    }

    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds.max(1e-9)
    }

    /// The value below which `share` (0 to 1) of the times lie.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(index).copied()
    }
}

pub fn run(command: Command) -> Result<()> {
    let measured = match command {
        Command::Serve { listen } => return server::run(listen),
        Command::Socks => return socks::run(),
        Command::Download(bulk) => client::download(&bulk)?,
        Command::Upload(bulk) => client::upload(&bulk)?,
        Command::Connections {
            target,
            seconds,
            parallel,
        } => client::connections(target, Duration::from_secs_f64(seconds), parallel)?,
        Command::FirstByte {
            target,
            count,
            interval_ms,
        } => client::first_byte(target, count, Duration::from_millis(interval_ms))?,
        Command::Udp {
            target,
            seconds,
            window,
            size,
        } => client::udp(target, Duration::from_secs_f64(seconds), window, size)?,
        Command::Idle { target, count } => return client::idle(target, count, print),
    };
    print(&measured);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result is this program's output")]
fn print(measured: &Measured) {
    println!("{}", serde_json::json!(measured));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let measured = Measured {
            milliseconds: (1..=100).rev().map(f64::from).collect(),
            ..Measured::default()
        };
        assert_eq!(measured.percentile(0.5), Some(50.0));
        assert_eq!(measured.percentile(0.99), Some(99.0));
        assert_eq!(Measured::default().percentile(0.5), None);
    }
}
