//! Takes the keys of a file one by one and gathers what is wrong.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::NodeConfig;
use super::error::{ConfigError, ConfigErrors};
use super::keys::{KEYS, Key};

/// A file much longer than this is not a configuration.
const MAX_FILE: usize = 1 << 20;

pub(super) struct Reader<'text> {
    text: &'text str,
    values: BTreeMap<&'static str, Value>,
    errors: Vec<ConfigError>,
}

#[derive(Clone)]
struct Value {
    text: String,
    line: Option<usize>,
}

impl<'text> Reader<'text> {
    pub(super) fn new(text: &'text str) -> Reader<'text> {
        let mut reader = Reader {
            text,
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        if text.len() > MAX_FILE {
            let error = ConfigError::new("", "", "the file has more than 1 MiB");
            reader
                .errors
                .push(error.remedy("name a configuration file"));
            return reader;
        }
        let (table, errors) =
            DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(text));
        for error in errors {
            let line = error.span().map(|span| reader.line_of(span.start));
            let problem = ConfigError::new("", "", error.message().replace('\n', ", "));
            let remedy = "write one key = value a line, texts in double quotes";
            reader.errors.push(problem.at(line).remedy(remedy));
        }
        for (key, value) in table.into_inner() {
            let line = Some(reader.line_of(key.span().start));
            reader.add(key.get_ref(), value.get_ref(), line);
        }
        reader
    }

    /// A key that has a value in any case: the file's, else the default.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let default = key_of(name).default.expect("a required key has a default");
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
        let key = key_of(name);
        let value = self.values.get(name)?;
        match parse(value.text.trim()) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let error = ConfigError::new(name, &value.text, why);
                self.errors.push(error.at(value.line).remedy(key.range));
                None
            }
        }
    }

    /// Notes that a key, if the file has it, must not be there.
    pub(super) fn forbid(&mut self, name: &'static str, why: &str, remedy: &str) {
        if let Some(value) = self.values.get(name) {
            let error = ConfigError::new(name, &value.text, why);
            self.errors.push(error.at(value.line).remedy(remedy));
        }
    }

    /// Notes that a key, if the file lacks it, must be there.
    pub(super) fn demand(&mut self, name: &'static str, why: &str) {
        if !self.values.contains_key(name) {
            let error = ConfigError::new(name, "", format!("missing: {why}"));
            self.errors.push(error.remedy(key_of(name).range));
        }
    }

    pub(super) fn finish(mut self, config: NodeConfig) -> Result<NodeConfig, ConfigErrors> {
        if self.errors.is_empty() {
            return Ok(config);
        }
        self.errors
            .sort_by_key(|error| error.line.unwrap_or(usize::MAX));
        Err(ConfigErrors(self.errors))
    }

    fn add(&mut self, name: &str, value: &DeValue<'_>, line: Option<usize>) {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            self.errors.push(unknown_key(name).at(line));
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
                    .push(ConfigError::new(name, "", why).at(line).remedy(key.range));
                return;
            }
        };
        self.values.insert(key.name, Value { text, line });
    }

    fn line_of(&self, offset: usize) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..offset)
            .unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn key_of(name: &'static str) -> &'static Key {
    KEYS.iter()
        .find(|key| key.name == name)
        .expect("every key that is read is in the table")
}

fn unknown_key(name: &str) -> ConfigError {
    let nearest = KEYS
        .iter()
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
