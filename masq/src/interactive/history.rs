//! The commands of earlier sessions, in a file that only its owner reads, without secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::arguments::Line;

/// How many lines are kept.
const LENGTH: usize = 1_000;

/// Commands whose words are passwords, phrases or keys.
const SECRET_COMMANDS: &[&str] = &[
    "set-password",
    "change-password",
    "check-password",
    "configuration",
    "generate-wallets",
    "recover-wallets",
    "wallet-addresses",
];

/// Parts of names of values that are secrets. Service URLs hold keys of their providers.
const SECRET_NAMES: &[&str] = &[
    "password",
    "private-key",
    "phrase",
    "service-url",
    "consuming-key",
];

/// What may be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keep {
    Nowhere,
    /// It may be a command mistyped, secrets and all.
    InMemory,
    InFile,
}

pub(super) fn keep(line: &str) -> Keep {
    let lower = line.to_lowercase();
    let mut words = lower.split_whitespace();
    let first = words.next().unwrap_or_default();
    let secret = SECRET_COMMANDS.contains(&first) && words.next().is_some();
    if secret || SECRET_NAMES.iter().any(|name| lower.contains(name)) {
        return Keep::Nowhere;
    }
    if first == "help" || Line::command().find_subcommand(first).is_some() {
        Keep::InFile
    } else {
        Keep::InMemory
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct History {
    file: PathBuf,
}

impl History {
    /// That of this user.
    pub(super) fn of_user() -> Option<History> {
        let file = data_folder()?.join("MASQ").join("masq-history");
        Some(History { file })
    }

    /// The lines in it, the newest last. Cuts the file when it has grown long.
    pub(super) fn load(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() <= 2 * LENGTH {
            return lines;
        }
        let newest = lines[lines.len() - LENGTH..].to_vec();
        let shortened = newest.join("\n") + "\n";
        // The long one still serves.
        let _ = fs::remove_file(&self.file)
            .and_then(|()| self.open())
            .and_then(|mut file| file.write_all(shortened.as_bytes()));
        newest
    }

    pub(super) fn add(&self, line: &str) -> io::Result<()> {
        let mut file = self.open()?;
        file.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes())
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.file.parent() {
            make_private(folder)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.file)
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn data_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if cfg!(windows) {
        return variable("APPDATA").map(PathBuf::from);
    }
    let home = || variable("HOME").map(PathBuf::from);
    if cfg!(target_os = "macos") {
        return Some(home()?.join("Library/Application Support"));
    }
    match variable("XDG_DATA_HOME") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(home()?.join(".local/share")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_secrets_are_kept_nowhere() {
        for line in [
            "set-password hunter2",
            "change-password a b",
            "check-password x",
            "configuration x",
            "wallet-addresses x",
            "generate-wallets --word-count 12",
            "recover-wallets --mnemonic-phrase 'a b'",
            "setup --db-password hunter2",
            "setup --chain dev --consuming-private-key 00",
            "setup --blockchain-service-url https://provider/KEY",
            "SETUP --DB-PASSWORD x",
            "  setup --db-password=x",
        ] {
            assert_eq!(keep(line), Keep::Nowhere, "{line}");
        }
    }

    #[test]
    fn commands_are_kept_and_slips_only_in_memory() {
        for line in [
            "setup --chain dev",
            "start --wait",
            "stop",
            "configuration",
            "help setup",
        ] {
            assert_eq!(keep(line), Keep::InFile, "{line}");
        }
        assert_eq!(keep("chekc-password hunter2"), Keep::Nowhere);
        assert_eq!(keep("sart"), Keep::InMemory);
    }

    #[test]
    fn the_file_is_private_and_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("MASQ").join("masq-history");
        let history = History { file: file.clone() };
        assert!(history.load().is_empty());
        history.add("start").unwrap();
        assert_eq!(history.load(), ["start"]);
        fs::write(&file, "old\n".repeat(2 * LENGTH + 1)).unwrap();
        assert_eq!(history.load().len(), LENGTH);
        assert_eq!(history.load().len(), LENGTH);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&file), 0o600);
            assert_eq!(mode(file.parent().unwrap()), 0o700);
        }
    }
}
