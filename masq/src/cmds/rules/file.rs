//! The rules file and the lists beside it: found, read within bounds, replaced as a whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masq_core::rules::{Lists, MAX_FILE, MAX_LIST_BYTES, RuleSet};

use crate::cmds::status::newest_of_user;

/// Beside the Node's other files, where its status names no other.
const NAME: &str = "rules.toml";
/// A status is far shorter.
const MAX_STATUS: usize = 1 << 20;

pub(super) struct RulesFile {
    path: PathBuf,
}

impl RulesFile {
    pub(super) fn find(given: Option<PathBuf>) -> Result<RulesFile> {
        let path = match given {
            Some(path) => path,
            None => {
                let status = newest_of_user()
                    .context("no Node says where its rules are: name the file with --rules-file")?;
                told(&status).unwrap_or_else(|| status.with_file_name(NAME))
            }
        };
        Ok(RulesFile { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn text(&self) -> Result<String> {
        let what = || {
            format!(
                "cannot read {}: name the file with --rules-file",
                self.path.display()
            )
        };
        bounded(&self.path, MAX_FILE).with_context(what)
    }

    /// Nothing where there is no file yet.
    pub(super) fn text_or_none(&self) -> Result<String> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Ok(_) | Err(_) => self.text(),
        }
    }

    pub(super) fn lists(&self) -> impl Lists {
        Beside(
            self.path
                .parent()
                .map(Path::to_path_buf)
                .unwrap_or_default(),
        )
    }

    pub(super) fn parse(&self, text: &str) -> Result<RuleSet> {
        let set = RuleSet::parse(text, &self.lists());
        set.with_context(|| format!("{} is not right", self.path.display()))
    }

    pub(super) fn read_whole(&self) -> Result<RuleSet> {
        self.parse(&self.text()?)
    }

    /// Replaces the file at once, or leaves it as it is; a link to it stays one.
    pub(super) fn write(&self, text: &str) -> Result<()> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let what = || format!("cannot write {}", path.display());
        let new = path.with_extension(format!("toml.{}", std::process::id()));
        let written = replace(&path, &new, text);
        if written.is_err() {
            // Only what was begun here; there may be nothing.
            let _ = fs::remove_file(&new);
        }
        written.with_context(what)
    }
}

/// The file that the Node reads its rules from, by its status.
fn told(status: &Path) -> Option<PathBuf> {
    let text = bounded(status, MAX_STATUS).ok()?;
    let status: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(PathBuf::from(status["rules_file"].as_str()?))
}

fn replace(path: &Path, new: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create_new(new)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            // Whoever may not give a file away owns it already.
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// List files are named from the folder of the rules.
struct Beside(PathBuf);

impl Lists for Beside {
    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.0.join(path);
        bounded(&path, MAX_LIST_BYTES).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// A file's text; one that is longer is read no further.
fn bounded(path: &Path, most: usize) -> std::io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a file"));
    }
    let mut text = String::new();
    file.take(most as u64 + 1).read_to_string(&mut text)?;
    if text.len() > most {
        return Err(std::io::Error::other(format!("more than {most} bytes")));
    }
    Ok(text)
}
