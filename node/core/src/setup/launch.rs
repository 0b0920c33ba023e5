//! What a Node is started with, or every reason why it is not.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Entry, Setup, Status};
use crate::config::{KEYS, NodeConfig, key_of};
use crate::secret::Secret;

impl Setup {
    /// The text of a configuration, secrets included, that says all the setup shows.
    pub fn launch(&self) -> Result<Secret, Vec<(String, String)>> {
        let mut reasons: Vec<(String, String)> = self.file_errors.clone();
        let entries = self.values();
        let required = entries
            .iter()
            .filter(|entry| entry.status == Status::Required);
        for Entry { name, .. } in required {
            let range = key_of(name).map_or("", |key| key.range);
            reasons.push((
                (*name).to_owned(),
                format!("it is required and has no value; {range}"),
            ));
        }
        let mut text = String::new();
        for key in KEYS {
            // What an earlier start kept the Node reads itself, and so its own defaults.
            let told = self.told(key.name).is_some() || key.default.is_none();
            let Some((value, _)) = self.value(key.name).filter(|_| told) else {
                continue;
            };
            let value = toml::Value::String(value);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{} = {value}", key.name);
        }
        let text = Secret::new(text);
        if let Err(errors) = NodeConfig::parse(text.expose()) {
            let named: BTreeSet<String> = reasons.iter().map(|(name, _)| name.clone()).collect();
            for error in errors.0 {
                if !named.contains(&error.key) {
                    reasons.push((error.key.clone(), error.reason()));
                }
            }
        }
        match reasons.is_empty() {
            true => Ok(text),
            false => Err(reasons),
        }
    }
}
