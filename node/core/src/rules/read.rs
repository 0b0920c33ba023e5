//! Reads `rules.toml` and gathers everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range as Span;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::case::Case;
use super::error::{RuleError, shorten};
use super::facts::Action;
use super::list::{List, Lists};
use super::pattern::AppPattern;
use super::rule::{Conditions, Rule};

pub(super) mod action;
mod conditions;
mod lists;
mod short_forms;

/// The most bytes of `rules.toml`.
pub const MAX_FILE: usize = 4 << 20;

/// The most rules.
pub const MAX_RULES: usize = 20_000;

/// The most expectations.
pub const MAX_EXPECTATIONS: usize = 2_000;

/// The most values of one condition.
pub const MAX_VALUES: usize = 2_000;

/// The most list files.
pub const MAX_LISTS: usize = 64;

/// The most names and networks of all list files together.
pub const MAX_ALL_ENTRIES: usize = 2_000_000;

/// Names that stand for what is no rule of the file.
const RESERVED: [&str; 3] = ["default", "only", "except"];

/// What was read, right or not.
#[derive(Default)]
pub(super) struct Read {
    pub(super) rules: Vec<Rule>,
    pub(super) default: Option<Action>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) lists: Vec<Arc<List>>,
    pub(super) errors: Vec<RuleError>,
    pub(super) warnings: Vec<RuleError>,
}

/// A line of `expect`.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) case: Case,
    pub(super) action: Action,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
    lists: &'a dyn Lists,
    /// By path; none if it could not be had, which was said once.
    known_lists: BTreeMap<String, Option<Arc<List>>>,
    entries: usize,
    /// What the rule that is being read is called.
    rule: Option<String>,
    read: Read,
}

pub(super) fn read(text: &str, lists: &dyn Lists) -> Read {
    let mut reader = Reader {
        text: text.strip_prefix('\u{feff}').unwrap_or(text),
        line_starts: Vec::new(),
        lists,
        known_lists: BTreeMap::new(),
        entries: 0,
        rule: None,
        read: Read::default(),
    };
    reader.read_all();
    let mut read = reader.read;
    read.errors
        .sort_by_key(|error| (error.file.is_some(), error.line.unwrap_or(usize::MAX)));
    read
}

/// A value and where it stands.
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn read_all(&mut self) {
        if self.text.len() > MAX_FILE {
            let why = format!("the file has more than {MAX_FILE} bytes");
            let remedy = "move names and networks to a list file: to = \"list:FILE\"";
            self.read.errors.push(RuleError::new("", "", why, remedy));
            return;
        }
        let ends = self
            .text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        self.line_starts = std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect();
        let text = self.text;
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let remedy =
                "write one key = value a line, texts in double quotes, [[rule]] before each rule";
            let why = shorten(&error.message().replace('\n', ", "));
            let line = error.span().map(|span| self.line(&span));
            let mut problem = RuleError::new("", "", why, remedy);
            problem.line = line;
            self.read.errors.push(problem);
        }
        let mut only = None;
        let mut except = None;
        // The order of the file, not of the alphabet.
        let mut keys: Vec<_> = table.into_inner().into_iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in &keys {
            match &**key.get_ref() {
                "default" => self.read.default = self.default(value),
                "only" => only = self.apps("only", value),
                "except" => except = self.apps("except", value),
                "expect" => self.expectations(value),
                "rule" => self.rules(value),
                other => {
                    let why = "there is no such key outside a rule";
                    self.problem(key.span(), other, "", why, TOP_KEYS);
                }
            }
        }
        self.expand(only, except);
    }

    fn line(&self, span: &Span<usize>) -> usize {
        self.line_starts
            .partition_point(|start| *start <= span.start)
            .max(1)
    }

    fn problem(
        &mut self,
        span: Span<usize>,
        key: &str,
        value: &str,
        why: impl Into<String>,
        remedy: &str,
    ) {
        let mut error = RuleError::new(key, value, why, remedy).at(self.line(&span));
        error.rule.clone_from(&self.rule);
        self.read.errors.push(error);
    }

    fn boolean(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(on) => Some(*on),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                let source = self.source(value.span());
                let remedy = "true or false, without quotes";
                self.problem(value.span(), key, &source, "neither true nor false", remedy);
                None
            }
        }
    }

    /// The texts of a value: one, or a list; numbers count as texts.
    fn texts(&mut self, key: &str, value: &Value<'_>, remedy: &str) -> Vec<(String, Span<usize>)> {
        let mut texts = Vec::new();
        match value.get_ref() {
            DeValue::Array(array) => {
                if array.is_empty() {
                    self.problem(
                        value.span(),
                        key,
                        "[]",
                        "the list is empty",
                        "remove the key, or give a value",
                    );
                }
                if array.len() > MAX_VALUES {
                    let why = format!("more than {MAX_VALUES} values");
                    let remedy = "move names and networks to a list file: to = \"list:FILE\"";
                    self.problem(value.span(), key, "", why, remedy);
                    return texts;
                }
                for entry in array.iter() {
                    self.text_of(key, entry, remedy, &mut texts);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => self.text_of(key, value, remedy, &mut texts),
        }
        texts
    }

    fn text_of(
        &mut self,
        key: &str,
        value: &Value<'_>,
        remedy: &str,
        texts: &mut Vec<(String, Span<usize>)>,
    ) {
        match value.get_ref() {
            DeValue::String(text) => texts.push((text.to_string(), value.span())),
            DeValue::Integer(number) => texts.push((number.to_string(), value.span())),
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                let why = "neither a text nor a whole number";
                self.problem(value.span(), key, &self.source(value.span()), why, remedy);
            }
        }
    }

    /// As it stands in the file.
    fn source(&self, span: Span<usize>) -> String {
        self.text.get(span).unwrap_or_default().to_owned()
    }

    /// One text, not a list.
    fn text(&mut self, key: &str, value: &Value<'_>, remedy: &str) -> Option<String> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.to_string());
        }
        self.problem(
            value.span(),
            key,
            &self.source(value.span()),
            "not a text",
            remedy,
        );
        None
    }

    fn default(&mut self, value: &Value<'_>) -> Option<Action> {
        let text = self.text("default", value, ACTIONS)?;
        let found = action::of_word(&text);
        if found.is_none() {
            self.problem(value.span(), "default", &text, "not an action", ACTIONS);
        }
        found
    }

    fn apps(&mut self, key: &str, value: &Value<'_>) -> Option<(Vec<AppPattern>, Span<usize>)> {
        let remedy = "for example [\"firefox\", \"/usr/bin/curl\"]";
        let mut apps = Vec::new();
        for (text, span) in self.texts(key, value, remedy) {
            match AppPattern::parse(&text) {
                Ok(app) => apps.push(app),
                Err(why) => self.problem(span, key, &text, why, remedy),
            }
        }
        (!apps.is_empty()).then(|| (apps, value.span()))
    }

    fn expectations(&mut self, value: &Value<'_>) {
        let remedy = "for example \"firefox -> example.org:443 = mesh\"";
        let texts = self.texts("expect", value, remedy);
        if texts.len() > MAX_EXPECTATIONS {
            let why = format!("more than {MAX_EXPECTATIONS} expectations");
            self.problem(value.span(), "expect", "", why, "remove some");
            return;
        }
        for (text, span) in texts {
            let line = self.line(&span);
            match Case::parse_expectation(&text) {
                Ok((case, action)) => {
                    self.read.expectations.push(Expectation {
                        line,
                        text,
                        case,
                        action,
                    });
                }
                Err(why) => self.problem(span, "expect", &text, why, remedy),
            }
        }
    }

    fn rules(&mut self, value: &Value<'_>) {
        let remedy = "begin each rule with a line [[rule]]";
        let DeValue::Array(array) = value.get_ref() else {
            self.problem(
                value.span(),
                "rule",
                "",
                "one rule alone is not a list of rules",
                remedy,
            );
            return;
        };
        if array.len() > MAX_RULES {
            let why = format!("more than {MAX_RULES} rules");
            self.problem(
                value.span(),
                "rule",
                "",
                why,
                "join rules, or move names to a list file",
            );
            return;
        }
        let mut ids = BTreeSet::new();
        for (at, entry) in array.iter().enumerate() {
            let DeValue::Table(table) = entry.get_ref() else {
                self.problem(entry.span(), "rule", "", "not a table", remedy);
                continue;
            };
            self.rule = Some(format!("#{}", at + 1));
            self.rule_of(table, entry.span(), &mut ids);
            self.rule = None;
        }
    }

    fn rule_of(&mut self, table: &DeTable<'_>, span: Span<usize>, ids: &mut BTreeSet<String>) {
        let name = table.get("name").and_then(|value| self.name(value));
        if let Some(name) = &name {
            self.rule = Some(name.clone());
        }
        let mut rule = Rule {
            id: String::new(),
            line: Some(self.line(&span)),
            comment: None,
            enabled: true,
            is: Conditions::default(),
            not: Conditions::default(),
            action: Action::Block,
        };
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let mut way = action::Way::default();
        for (key, value) in keys {
            match &**key.get_ref() {
                "name" => {}
                "comment" => {
                    rule.comment = self.text("comment", value, "for example \"why it is here\"")
                }
                "enabled" => {
                    if let Some(on) = self.boolean("enabled", value) {
                        rule.enabled = on;
                    }
                }
                "action" | "hops" | "exit-country" | "fallback-routing" | "isolation" => {
                    self.way(&mut way, key.get_ref(), value);
                }
                other => self.condition(&mut rule, other, key.span(), value),
            }
        }
        if let Some(action) = self.action(way, &span) {
            rule.action = action;
        }
        let id = name.unwrap_or_else(|| derived_id(&rule));
        rule.id = id.clone();
        let mut copies = 1;
        while !ids.insert(rule.id.clone()) {
            copies += 1;
            rule.id = format!("{id}-{copies}");
            if table.contains_key("name") && copies == 2 {
                self.problem(
                    span.clone(),
                    "name",
                    &id,
                    "another rule has this name",
                    "give each rule a name of its own",
                );
            }
        }
        self.read.rules.push(rule);
    }

    fn name(&mut self, value: &Value<'_>) -> Option<String> {
        let remedy = "1 to 64 letters, for example \"bank\"";
        let name = self.text("name", value, remedy)?;
        let why = if name.is_empty() || name.chars().count() > 64 {
            "empty or longer than 64 letters"
        } else if name.chars().any(char::is_control) || name.trim() != name {
            "it has letters that cannot be seen at its ends or inside"
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) || name.starts_with('#') {
            "a number stands for the place of a rule, so it cannot be a name"
        } else if RESERVED.contains(&name.as_str()) {
            "this word stands for a line of its own in the file"
        } else {
            return Some(name);
        };
        self.problem(value.span(), "name", &name, why, remedy);
        None
    }
}

/// A name for a rule without one: it changes when the rule says something else, not when it moves.
fn derived_id(rule: &Rule) -> String {
    let mut hasher = blake3::Hasher::new();
    for (before, conditions) in [("", &rule.is), ("not-", &rule.not)] {
        for key in conditions.present() {
            hasher.update(format!("{before}{}\n", key.name()).as_bytes());
            for text in conditions.texts(key) {
                hasher.update(text.as_bytes());
                hasher.update(b"\n");
            }
        }
    }
    hasher.update(rule.action.to_string().as_bytes());
    format!("rule-{}", &hasher.finalize().to_hex()[..8])
}

const ACTIONS: &str = "one of \"mesh\", \"direct\", \"block\"";
const TOP_KEYS: &str = "outside rules there are default, only, except and expect; the conditions of a rule stand behind its [[rule]]";
