//! Starting on each platform: what needs privilege first, then the user that
//! the Node works as, then the Node.

use anyhow::{Context, Result, bail};
use masq_core::config::{CountryCode, NodeConfig};
use masq_node::geoip;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
#[path = "start/linux.rs"]
mod imp;
#[cfg(not(target_os = "linux"))]
#[path = "start/other.rs"]
mod imp;

pub(crate) use imp::{capture_guard, capture_helper, node};

pub(crate) fn data_directory(config: &NodeConfig) -> Result<PathBuf> {
    if let Some(directory) = &config.data_directory {
        return Ok(directory.clone());
    }
    let local = match std::env::var_os("XDG_DATA_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => home(config)?.join(".local/share"),
    };
    Ok(config.data_directory_under(&local))
}

fn home(config: &NodeConfig) -> Result<PathBuf> {
    if let Some(home) = &config.real_user.home {
        return Ok(home.clone());
    }
    match std::env::var_os("HOME") {
        Some(home) => Ok(PathBuf::from(home)),
        None => bail!("No data directory: set data-directory in the configuration file, or HOME"),
    }
}

/// The country that a Node says it is in: as told, else that of its address; ZZ
/// where it does not know.
pub(crate) fn country(config: &NodeConfig) -> Result<CountryCode> {
    match config.country.or(config.ip.and_then(geoip::country_of)) {
        Some(country) => Ok(country),
        None => CountryCode::new("ZZ").context("ZZ is a country code"),
    }
}
