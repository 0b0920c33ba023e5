//! The Daemon's setup area: what the next Node is started with.
//!
//! A value comes from a user interface, else from the environment, the
//! configuration file, an earlier start of the Node, or a default; each has a
//! status that says so. Values that are wrong are refused where they are
//! given, and a start is refused with every reason at once. Pure: what lies
//! outside comes in as an [`Ambient`], gathered by the shell.

mod launch;
mod paths;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::{self, Chain, KEYS, Key, Mode, Shown, key_of};
use crate::secret::Secret;

/// A parameter that only the setup has: it cannot stand in the file that it names.
pub const CONFIG_FILE: &str = "config-file";

/// What the shell finds outside of the Daemon.
#[derive(Debug, Clone, Default)]
pub struct Ambient {
    /// By key, as [`config::Sources::environment`] finds them, and `config-file`.
    pub environment: BTreeMap<String, Secret>,
    /// The configuration file, where there is one.
    pub file: Option<(PathBuf, String)>,
    /// Why a file that was named cannot be read.
    pub file_error: Option<String>,
    /// What an earlier start kept in the data directory.
    pub database: BTreeMap<String, String>,
    /// The system's resolvers, as `dns-servers` takes them.
    pub system_dns: Option<String>,
    /// Where data directories are, without the chain.
    pub data_directories: PathBuf,
    /// Who called sudo, as `real-user` takes it.
    pub real_user: Option<String>,
}

/// Where the value of an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// From nowhere: it is the default.
    Default,
    /// From the environment, the configuration file or an earlier start.
    Configured,
    /// From a user interface.
    Set,
    /// There is none, and none is needed.
    Blank,
    /// There is none, and the Node does not start without.
    Required,
}

/// One parameter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    /// Asterisks for a secret, empty for none.
    pub value: String,
    pub status: Status,
}

/// What came of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// A value differs from before.
    pub changed: bool,
    /// Parameters that were refused, and why.
    pub errors: Vec<(String, String)>,
}

/// The setup area.
#[derive(Debug)]
pub struct Setup {
    ambient: Ambient,
    /// What the file says, parsed once.
    file: BTreeMap<&'static str, Secret>,
    /// What is wrong with the file as a whole.
    file_errors: Vec<(String, String)>,
    set: BTreeMap<&'static str, Secret>,
}

impl Setup {
    pub fn new(ambient: Ambient) -> Setup {
        let mut setup = Setup {
            ambient: Ambient::default(),
            file: BTreeMap::new(),
            file_errors: Vec::new(),
            set: BTreeMap::new(),
        };
        setup.surround(ambient);
        setup
    }

    /// Takes over what a user interface asks for: none clears a value. Bad values
    /// are refused and the others taken. `ambient` is asked again when a value
    /// that it depends on has changed.
    pub fn change(
        &mut self,
        values: &[(String, Option<String>)],
        ambient: &mut dyn FnMut(&Setup) -> Ambient,
    ) -> Change {
        let before = self.plain_values();
        let mut errors = Vec::new();
        // The chain decides which neighbors and addresses are right.
        let is_chain = |name: &str| name == "chain";
        let (first, then): (Vec<_>, Vec<_>) = values.iter().partition(|(name, _)| is_chain(name));
        for (name, value) in first.into_iter().chain(then) {
            if let Err(why) = self.change_one(name, value.as_deref()) {
                errors.push((name.clone(), why));
            }
        }
        const OUTSIDE: [&str; 4] = ["chain", "data-directory", CONFIG_FILE, "real-user"];
        if values
            .iter()
            .any(|(name, _)| OUTSIDE.contains(&name.as_str()))
        {
            let again = ambient(self);
            self.surround(again);
        }
        errors.extend(self.file_errors.iter().cloned());
        Change {
            changed: before != self.plain_values(),
            errors,
        }
    }

    fn change_one(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let key = match name {
            CONFIG_FILE => CONFIG_FILE,
            _ => match key_of(name) {
                Some(key) => key.name,
                None => return Err(config::unknown_key(name).reason()),
            },
        };
        let Some(value) = value else {
            self.set.remove(key);
            return Ok(());
        };
        let value = match paths::is_path(key) {
            true => paths::absolute(value, self.home().as_deref())?,
            false => value.to_owned(),
        };
        if key != CONFIG_FILE {
            config::check(key, &value, self.chain()).map_err(|error| error.reason())?;
        }
        self.set.insert(key, Secret::new(value));
        Ok(())
    }

    fn surround(&mut self, ambient: Ambient) {
        self.file.clear();
        self.file_errors.clear();
        if let Some(why) = &ambient.file_error {
            self.file_errors.push((CONFIG_FILE.to_owned(), why.clone()));
        }
        if let Some((path, text)) = &ambient.file {
            let found = config::values_of_file(text);
            for error in found.errors {
                let name = match error.key.as_str() {
                    "" => CONFIG_FILE.to_owned(),
                    key => key.to_owned(),
                };
                let text = format!("{}: {}", path.display(), error.reason());
                self.file_errors.push((name, text));
            }
            let folder = path.parent();
            for (name, value) in found.values {
                let value = match folder {
                    Some(folder) if paths::is_path(name) => {
                        let path = folder.join(value.expose());
                        Secret::new(path.to_string_lossy().into_owned())
                    }
                    Some(_) | None => value,
                };
                self.file.insert(name, value);
            }
        }
        self.ambient = ambient;
    }

    /// Every parameter in the order of the names, secrets masked.
    pub fn values(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = KEYS
            .iter()
            .filter(|key| key.shown != Shown::Hidden || self.given(key.name).is_some())
            .map(|key| self.entry(key))
            .collect();
        let file = self.value(CONFIG_FILE);
        entries.push(Entry {
            name: CONFIG_FILE,
            value: file.map_or_else(|| "config.toml".to_owned(), |(text, _)| text),
            status: self
                .value(CONFIG_FILE)
                .map_or(Status::Default, |(_, status)| status),
        });
        entries.sort_by_key(|entry| entry.name);
        entries
    }

    fn entry(&self, key: &'static Key) -> Entry {
        let (value, status) = match self.value(key.name) {
            Some((text, status)) => (mask(key, text), status),
            None if self.is_required(key.name) => (String::new(), Status::Required),
            None => (String::new(), Status::Blank),
        };
        Entry {
            name: key.name,
            value,
            status,
        }
    }

    /// The value that counts, and where it comes from.
    fn value(&self, name: &'static str) -> Option<(String, Status)> {
        let found = match self.given(name) {
            Some((text, status)) => Some((text.to_owned(), status)),
            None => Some((self.default_of(name)?, Status::Default)),
        };
        match found {
            Some((text, status)) if name == "data-directory" => {
                let text = paths::with_chain(&text, self.chain());
                Some((text, status))
            }
            found => found,
        }
    }

    fn given(&self, name: &str) -> Option<(&str, Status)> {
        let kept = || {
            Some((
                self.ambient.database.get(name)?.as_str(),
                Status::Configured,
            ))
        };
        self.told(name).or_else(kept)
    }

    /// What somebody wants, not what an earlier start kept.
    fn told(&self, name: &str) -> Option<(&str, Status)> {
        if let Some(text) = self.set.get(name) {
            return Some((text.expose(), Status::Set));
        }
        let environment = self.ambient.environment.get(name);
        let text = environment.or_else(|| self.file.get(name))?;
        Some((text.expose(), Status::Configured))
    }

    fn default_of(&self, name: &str) -> Option<String> {
        match name {
            "dns-servers" if self.mode() == Mode::ConsumeOnly => None,
            "dns-servers" => self.ambient.system_dns.clone(),
            "data-directory" => {
                let folder = self.ambient.data_directories.join(self.chain().name());
                Some(folder.to_string_lossy().into_owned())
            }
            "real-user" => self.ambient.real_user.clone(),
            _ => key_of(name)?.default.map(str::to_owned),
        }
    }

    /// Whether a Node in this mode does not start without.
    fn is_required(&self, name: &str) -> bool {
        match name {
            "blockchain-service-url" | "db-password" => self.mode() != Mode::ZeroHop,
            "neighbors" => matches!(self.mode(), Mode::OriginateOnly | Mode::ConsumeOnly),
            "data-directory" | "real-user" => true,
            _ => false,
        }
    }

    pub fn chain(&self) -> Chain {
        let text = self.given("chain").map_or("", |(text, _)| text);
        let found = Chain::ALL
            .iter()
            .find(|chain| chain.name().eq_ignore_ascii_case(text.trim()));
        found.copied().unwrap_or(Chain::BaseMainnet)
    }

    fn mode(&self) -> Mode {
        let text = self.given("neighborhood-mode").map_or("", |(text, _)| text);
        let found = Mode::ALL
            .iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(text.trim()));
        found.copied().unwrap_or(Mode::Standard)
    }

    /// Where the Node's files are.
    pub fn data_directory(&self) -> Option<PathBuf> {
        self.value("data-directory")
            .map(|(text, _)| PathBuf::from(text))
    }

    /// The configuration file that was named; none stands for `config.toml` in the
    /// data directory, which may be missing.
    pub fn named_file(&self) -> Option<PathBuf> {
        self.given(CONFIG_FILE).map(|(text, _)| PathBuf::from(text))
    }

    /// Whom the Node will work as.
    pub fn real_user(&self) -> Option<String> {
        self.value("real-user").map(|(text, _)| text)
    }

    fn home(&self) -> Option<String> {
        let user = self.real_user()?;
        user.splitn(3, ':').nth(2).map(str::to_owned)
    }

    /// What a change is measured by.
    fn plain_values(&self) -> Vec<Option<String>> {
        let names = KEYS.iter().map(|key| key.name).chain([CONFIG_FILE]);
        names
            .map(|name| self.value(name).map(|(text, _)| text))
            .collect()
    }
}

/// As long as the value would be at most, whatever it is.
fn mask(key: &Key, text: String) -> String {
    match (key.shown, key.name) {
        (Shown::Masked, "consuming-private-key") => "*".repeat(64),
        (Shown::Masked, _) => "*".repeat(16),
        (Shown::Always | Shown::Hidden, _) => text,
    }
}

#[cfg(test)]
mod tests;
