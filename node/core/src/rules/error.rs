//! What is wrong with rules, said so that it can be repaired.

use std::fmt;

/// One problem: where, which value, why, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The list file that it stands in, when it is not `rules.toml` itself.
    pub file: Option<String>,
    /// The line from 1, where there is one.
    pub line: Option<usize>,
    /// What the rule is called, when it is about one.
    pub rule: Option<String>,
    /// The key, or empty when there is none.
    pub key: String,
    /// The value as written, shortened; empty when there is none.
    pub value: String,
    /// Why it is wrong.
    pub why: String,
    /// What to write, with an example.
    pub remedy: String,
}

/// All that is wrong, in the order of the lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleErrors(pub Vec<RuleError>);

/// More problems than this help nobody.
const MOST_SHOWN: usize = 100;

impl RuleError {
    pub(super) fn new(
        key: &str,
        value: &str,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> RuleError {
        RuleError {
            file: None,
            line: None,
            rule: None,
            key: shorten(key),
            value: shorten(value),
            why: why.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn at(mut self, line: usize) -> RuleError {
        self.line = Some(line);
        self
    }

    pub(super) fn of_rule(mut self, rule: &str) -> RuleError {
        self.rule = Some(rule.to_owned());
        self
    }
}

/// Bounded and printable: a file may hold anything.
pub(super) fn shorten(value: &str) -> String {
    const MOST: usize = 120;
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    let mut text: String = value.chars().take(MOST).map(plain).collect();
    if value.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

impl std::error::Error for RuleError {}

/// `line 7, rule bank: to = "a b": not a name ...; write ...`
impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{file}, ")?;
        }
        match (self.line, &self.rule) {
            (Some(line), Some(rule)) => write!(formatter, "line {line}, rule {rule}: ")?,
            (Some(line), None) => write!(formatter, "line {line}: ")?,
            (None, Some(rule)) => write!(formatter, "rule {rule}: ")?,
            (None, None) => {}
        }
        match (self.key.as_str(), self.value.as_str()) {
            ("", "") => {}
            ("", value) => write!(formatter, "{value}: ")?,
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

impl std::error::Error for RuleErrors {}

/// A line each.
impl fmt::Display for RuleErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().take(MOST_SHOWN).enumerate() {
            let before = if at == 0 { "" } else { "\n" };
            write!(formatter, "{before}{error}")?;
        }
        if self.0.len() > MOST_SHOWN {
            write!(formatter, "\nand {} more", self.0.len() - MOST_SHOWN)?;
        }
        Ok(())
    }
}
