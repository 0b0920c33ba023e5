//! Paths in the setup: the Daemon works in no folder of its user's, so a
//! relative one would mean something that nobody meant.

use std::path::Path;

use super::CONFIG_FILE;
use crate::config::Chain;

const PATHS: [&str; 6] = [
    CONFIG_FILE,
    "data-directory",
    "flow-log",
    "journal-directory",
    "nodes-file",
    "rules-file",
];

pub(super) fn is_path(name: &str) -> bool {
    PATHS.contains(&name)
}

/// The path with the user's home for a leading `~`.
pub(super) fn absolute(text: &str, home: Option<&str>) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) if home.starts_with('/') => {
            Ok(format!("{}/{rest}", home.trim_end_matches('/')))
        }
        (Some(_), _) => {
            Err("nobody's home is known yet; set real-user, or write the whole path".to_owned())
        }
        (None, _) => Err(
            "the Daemon does not know which folder this begins in; write the whole path, from / \
             or ~/ on"
                .to_owned(),
        ),
    }
}

/// The data directory of a chain: its last part is the chain's name, in the place
/// of another chain's or behind what is there.
pub(super) fn with_chain(text: &str, chain: Chain) -> String {
    let path = Path::new(text);
    let names_a_chain = path
        .file_name()
        .is_some_and(|last| Chain::ALL.iter().any(|chain| *chain.name() == *last));
    let folder = match path.parent() {
        Some(parent) if names_a_chain => parent,
        Some(_) | None => path,
    };
    folder.join(chain.name()).to_string_lossy().into_owned()
}
