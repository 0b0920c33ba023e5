//! `MASQNode --dump-config`: what the database of a Node keeps, as JSON.

use super::arguments::Values;
use super::{say, sources};
use anyhow::{Context, Result};
use masq_core::config::{Chain, NodeConfig, Sources};
use masq_node::database;
use serde_json::Value;

pub(super) fn run(values: &Values) -> Result<()> {
    let mut told = sources::environment();
    told.retain(|name, _| {
        ["chain", "data-directory", "db-password", "real-user"].contains(&&**name)
    });
    told.extend(values.clone());
    sources::make_absolute(&mut told)?;
    // Says what is wrong with them.
    NodeConfig::from_sources(&Sources {
        command_line: told.clone(),
        ..Sources::default()
    })?;
    let folder = sources::data_directory(&[&told])
        .context("No data directory: name one with --data-directory")?;
    let dump = database::dump(&folder, told.get("db-password"))?;
    say(&pretty(&dump)?);
    Ok(())
}

fn pretty(dump: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(dump)?;
    Ok(text + "\n")
}

/// The chain that is told, else the usual one.
pub(super) fn chain_of(text: Option<&str>) -> Chain {
    let text = text.unwrap_or_default().trim();
    let mut chains = Chain::ALL.iter();
    let found = chains.find(|chain| chain.name().eq_ignore_ascii_case(text));
    found.copied().unwrap_or(Chain::BaseMainnet)
}
