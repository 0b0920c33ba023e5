//! What is wrong with a configuration file, said so that it can be repaired.

use std::fmt;

/// One problem: which key, which value, why, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, or an empty text when the file as a whole is meant.
    pub key: String,
    /// The value as written; empty when there is none.
    pub value: String,
    /// The line in the file, from 1, if it is known.
    pub line: Option<usize>,
    /// Why it is wrong.
    pub why: String,
    /// What to write, with range and example.
    pub remedy: String,
}

impl ConfigError {
    pub(super) fn new(key: &str, value: &str, why: impl Into<String>) -> ConfigError {
        ConfigError {
            key: key.to_owned(),
            value: shorten(value),
            line: None,
            why: why.into(),
            remedy: String::new(),
        }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> ConfigError {
        self.remedy = remedy.into();
        self
    }

    pub(super) fn at(mut self, line: Option<usize>) -> ConfigError {
        self.line = line;
        self
    }
}

/// Bounded and printable: a file may hold anything.
fn shorten(value: &str) -> String {
    const MOST: usize = 120;
    let mut text: String = value
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

impl std::error::Error for ConfigError {}

/// `line 3: min-hops = 9: out of range; 1 to 6, for example 3`
impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        match (self.key.as_str(), self.value.as_str()) {
            ("", _) => {}
            (key, "") => write!(formatter, "{key}: ")?,
            (key, value) => write!(formatter, "{key} = {value}: ")?,
        }
        formatter.write_str(&self.why)?;
        if !self.remedy.is_empty() {
            write!(formatter, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// All problems of one file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

/// A heading and one line a problem, as a binary prints it before it ends with status 1.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bad-configuration [local]: the configuration file has errors")?;
        for error in &self.0 {
            write!(formatter, "\n  {error}")?;
        }
        Ok(())
    }
}
