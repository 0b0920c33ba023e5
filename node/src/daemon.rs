//! `MASQNode --initialization`: the Daemon.
//!
//! [`core`] decides, without IO. The shell binds the port of UIs, has the
//! launcher started, gives up what a Daemon does not need, and then moves
//! frames and news. Started as root, because the Node it starts is.

#[cfg(target_os = "linux")]
mod area;
pub mod core;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "linux", test))]
mod sources;
#[cfg(target_os = "linux")]
mod words;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub use linux::{launcher, run};

/// What the Daemon's own command line says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub ui_port: Option<u16>,
    /// Where a Node keeps its files, unless the setup says otherwise.
    pub data_directory: Option<PathBuf>,
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{launcher, run};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Options;
    use anyhow::{Result, bail};
    use std::process::ExitCode;

    pub fn run(_options: Options) -> Result<()> {
        bail!("The Daemon is unsupported on this platform: Linux is the one that is built so far")
    }

    pub fn launcher() -> ExitCode {
        ExitCode::FAILURE
    }
}
