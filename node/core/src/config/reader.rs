//! Takes the keys of all sources one by one and gathers what is wrong.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::{ConfigError, ConfigErrors, Origin};
use super::keys::{KEYS, Key, Shown, key_of};
use super::{FileValues, NodeConfig, Sources};
use crate::secret::Secret;

/// A file much longer than this is not a configuration.
const MAX_FILE: usize = 1 << 20;

pub(super) struct Reader {
    values: BTreeMap<&'static str, Value>,
    errors: Vec<ConfigError>,
}

#[derive(Clone)]
struct Value {
    text: Zeroizing<String>,
    origin: Origin,
}

impl Reader {
    /// The values of all sources; of two for one key the later source's counts.
    pub(super) fn new(sources: &Sources) -> Reader {
        let mut reader = Reader {
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        reader.add_all(&sources.database, Origin::Database);
        if let Some(text) = &sources.file {
            reader.add_file(text);
        }
        reader.add_all(&sources.environment, Origin::Environment);
        reader.add_all(&sources.command_line, Origin::CommandLine);
        reader
    }

    fn add_all(&mut self, values: &BTreeMap<String, Secret>, origin: Origin) {
        for (name, text) in values {
            match key_of(name) {
                Some(key) => self.insert(key.name, text.expose(), origin),
                None => self.errors.push(unknown_key(name).at(origin)),
            }
        }
    }

    fn add_file(&mut self, text: &str) {
        if text.len() > MAX_FILE {
            let error = ConfigError::new("", "", "the file has more than 1 MiB");
            self.errors.push(error.remedy("name a configuration file"));
            return;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_of(text, span.start));
            let problem = ConfigError::new("", "", error.message().replace('\n', ", "));
            let remedy = "write one key = value a line, texts in double quotes";
            self.errors
                .push(problem.at(Origin::File(line)).remedy(remedy));
        }
        for (key, value) in table.into_inner() {
            let line = Origin::File(Some(line_of(text, key.span().start)));
            self.add(key.get_ref(), value.get_ref(), line);
        }
    }

    /// A key that has a value in any case: the file's, else the default.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let default = known(name).default.expect("a required key has a default");
        match self.optional(name, &parse) {
            Some(value) => value,
            None => parse(default).expect("every default parses; a test proves it"),
        }
    }

    /// A key that may be absent. A value that does not parse is noted and absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let key = known(name);
        let value = self.values.get(name)?;
        // A password may begin with a space.
        let text = match key.shown {
            Shown::Masked => value.text.as_str(),
            Shown::Always | Shown::Hidden => value.text.trim(),
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let error = ConfigError::new(name, value.shown(key), why);
                self.errors.push(error.at(value.origin).remedy(key.range));
                None
            }
        }
    }

    /// Notes that a key, if somebody gave it, must not be there. What an earlier
    /// start kept does not count.
    pub(super) fn forbid(&mut self, name: &'static str, why: &str, remedy: &str) {
        if let Some(value) = self.values.get(name)
            && value.origin != Origin::Database
        {
            let error = ConfigError::new(name, value.shown(known(name)), why);
            self.errors.push(error.at(value.origin).remedy(remedy));
        }
    }

    /// Notes that a key, if the file lacks it, must be there.
    pub(super) fn demand(&mut self, name: &'static str, why: &str) {
        if !self.values.contains_key(name) {
            let error = ConfigError::new(name, "", format!("missing: {why}"));
            self.errors.push(error.remedy(known(name).range));
        }
    }

    pub(super) fn into_values(self) -> FileValues {
        let text =
            |(name, value): (&'static str, Value)| (name, Secret::new(value.text.to_string()));
        FileValues {
            values: self.values.into_iter().map(text).collect(),
            errors: self.errors,
        }
    }

    pub(super) fn finish(mut self, config: NodeConfig) -> Result<NodeConfig, ConfigErrors> {
        if self.errors.is_empty() {
            return Ok(config);
        }
        self.errors
            .sort_by_key(|error| error.origin.map_or(usize::MAX, Origin::order));
        Err(ConfigErrors(self.errors))
    }

    fn add(&mut self, name: &str, value: &DeValue<'_>, origin: Origin) {
        let Some(key) = key_of(name) else {
            self.errors.push(unknown_key(name).at(origin));
            return;
        };
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(on) => on.to_string(),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let why =
                    "a list, a table or a date cannot stand here; lists are texts with commas";
                self.errors
                    .push(ConfigError::new(name, "", why).at(origin).remedy(key.range));
                return;
            }
        };
        self.insert(key.name, &text, origin);
    }

    fn insert(&mut self, name: &'static str, text: &str, origin: Origin) {
        let text = Zeroizing::new(text.to_owned());
        self.values.insert(name, Value { text, origin });
    }
}

impl Value {
    /// The value as it may stand in a message.
    fn shown(&self, key: &Key) -> &str {
        match key.shown {
            Shown::Masked => "****",
            Shown::Always | Shown::Hidden => &self.text,
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn known(name: &'static str) -> &'static Key {
    key_of(name).expect("every key that is read is in the table")
}

/// The error that a name is no key's, with the nearest that is.
pub fn unknown_key(name: &str) -> ConfigError {
    if name == "fake-public-key" {
        let why = "a Node has real keys only";
        return ConfigError::new(name, "", why)
            .remedy("remove it; new-public-key = on begins with a new identity");
    }
    let nearest = KEYS
        .iter()
        .filter(|key| key.shown != Shown::Hidden)
        .map(|key| {
            (
                strsim::damerau_levenshtein(&name.to_ascii_lowercase(), key.name),
                key,
            )
        })
        .min_by_key(|(distance, _)| *distance);
    let remedy = match nearest {
        Some((distance, key)) if distance <= key.name.len() / 2 => {
            format!(
                "did you mean {}? docs/example-config.toml lists every key",
                key.name
            )
        }
        Some((_, key)) => {
            format!(
                "the nearest known key is {}; docs/example-config.toml lists every key",
                key.name
            )
        }
        None => "docs/example-config.toml lists every key".to_owned(),
    };
    ConfigError::new(name, "", "there is no such key").remedy(remedy)
}
