//! What is wrong with a configuration, said so that it can be repaired.

use std::fmt;

/// One problem: which key, which value, why, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, or an empty text when the file as a whole is meant.
    pub key: String,
    /// The value as written; empty when there is none.
    pub value: String,
    /// Where the value stands, if it stands somewhere.
    pub origin: Option<Origin>,
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
            origin: None,
            why: why.into(),
            remedy: String::new(),
        }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> ConfigError {
        self.remedy = remedy.into();
        self
    }

    pub(super) fn at(mut self, origin: Origin) -> ConfigError {
        self.origin = Some(origin);
        self
    }

    /// `min-hops - line 3: 9: out of range; 1 to 6`: the key first, or what stands for the file.
    pub fn listed(&self) -> String {
        let name = match self.key.as_str() {
            "" => "config-file",
            key => key,
        };
        let value = match self.value.as_str() {
            "" => String::new(),
            value => format!("{value}: "),
        };
        format!("{name} - {}{value}{}", self.place(), self.reason())
    }

    fn place(&self) -> String {
        match self.origin {
            Some(Origin::File(Some(line))) => format!("line {line}: "),
            Some(Origin::Database) => "kept from an earlier start: ".to_owned(),
            Some(Origin::Environment) => {
                format!("environment {}: ", super::environment_name(&self.key))
            }
            Some(Origin::CommandLine) => "command line: ".to_owned(),
            Some(Origin::File(None)) | None => String::new(),
        }
    }

    /// Why it is wrong and what to do, without key and value.
    pub fn reason(&self) -> String {
        match self.remedy.as_str() {
            "" => self.why.clone(),
            remedy => format!("{}; {remedy}", self.why),
        }
    }
}

/// Where a value was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Kept in the database at an earlier start.
    Database,
    /// In the configuration file, in this line from 1.
    File(Option<usize>),
    /// In the environment, under `MASQ_` and the key in capitals.
    Environment,
    /// Among the program's arguments.
    CommandLine,
}

impl Origin {
    /// Messages about a file come in the order of its lines, then the others.
    pub(super) fn order(self) -> usize {
        match self {
            Origin::File(line) => line.unwrap_or(0),
            Origin::Database | Origin::Environment | Origin::CommandLine => usize::MAX,
        }
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
        formatter.write_str(&self.place())?;
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

/// All problems of a configuration, those of its file in the order of the lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

/// A heading and one line a problem, as a binary prints it before it ends with status 1.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bad-configuration [local]: the configuration has errors")?;
        for error in &self.0 {
            write!(formatter, "\n  {error}")?;
        }
        Ok(())
    }
}
