//! Platforms whose capture is not built yet: a Node serves others there.

use super::{Ui, data_directory};
use anyhow::{Result, bail};
use masq_core::config::NodeConfig;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn capture_helper() -> ExitCode {
    masq_node::helper::run()
}

pub(crate) fn capture_guard(_journal_directory: &Path) -> ExitCode {
    capture_helper()
}

pub(crate) fn node(config: NodeConfig, _tun: Option<i32>, _ui: Option<Ui>) -> Result<()> {
    let _ = data_directory(&config)?;
    bail!("MASQNode is unsupported on this platform: Linux is the one that is built so far")
}
