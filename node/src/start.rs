//! Starting on each platform: what needs privilege first, then the user that
//! the Node works as, then the Node.

use anyhow::{Context, Result, bail};
use masq_core::config::{CountryCode, NodeConfig};
use masq_node::geoip;
use masq_node::ready::Readiness;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
#[path = "start/linux.rs"]
mod imp;
#[cfg(not(target_os = "linux"))]
#[path = "start/other.rs"]
mod imp;

pub(crate) use imp::{capture_guard, capture_helper, node};

/// User interfaces connect to that port; whoever watches is told when they can.
pub(crate) struct Ui {
    pub(crate) port: u16,
    pub(crate) readiness: Readiness,
}

pub(crate) fn data_directory(config: &NodeConfig) -> Result<PathBuf> {
    if let Some(directory) = &config.data_directory {
        return Ok(directory.clone());
    }
    match local_data(config.real_user.home.as_deref()) {
        Some(local) => Ok(config.data_directory_under(&local)),
        None => bail!("No data directory: set data-directory in the configuration file, or HOME"),
    }
}

/// Where a user's programs keep their files.
pub(crate) fn local_data(home_told: Option<&Path>) -> Option<PathBuf> {
    match std::env::var_os("XDG_DATA_HOME") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(home(home_told)?.join(".local/share")),
    }
}

/// As told, else that of whoever called sudo, else the caller's.
pub(crate) fn home(told: Option<&Path>) -> Option<PathBuf> {
    let told = told.map(Path::to_owned);
    told.or_else(sudo_home)
        .or_else(|| std::env::var_os("HOME").map(PathBuf::from))
}

fn sudo_home() -> Option<PathBuf> {
    let uid = std::env::var("SUDO_UID").ok()?;
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    home_of(&passwd, &uid)
}

fn home_of(passwd: &str, uid: &str) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(5).filter(|home| home.starts_with('/'))?;
        (*fields.get(2)? == uid).then(|| PathBuf::from(home))
    })
}

/// The country that a Node says it is in: as told, else that of its address; ZZ
/// where it does not know.
pub(crate) fn country(config: &NodeConfig) -> Result<CountryCode> {
    match config.country.or(config.ip.and_then(geoip::country_of)) {
        Some(country) => Ok(country),
        None => CountryCode::new("ZZ").context("ZZ is a country code"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_user_is_found() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1001::/srv/anna:/bin/sh\n";
        assert_eq!(home_of(passwd, "1000"), Some(PathBuf::from("/srv/anna")));
        assert_eq!(home_of(passwd, "5"), None);
    }
}
