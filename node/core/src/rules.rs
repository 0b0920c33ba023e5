//! Rules: which flow goes over the mesh, which past it, and which nowhere.
//!
//! `rules.toml` is an ordered list of rules; the first that a flow meets decides, else the default.
//! Each rule has conditions that must all hold, each condition alternatives of which one must.
//! [`RuleSet::parse`] reads it and reports all that is wrong at once, [`RuleSet::decide`] answers
//! for a flow. Reading files, watching them, counting hits and finding out whose a flow is are
//! the shell's. The format, for people: `docs/rules.md`.

mod case;
pub mod edit;
mod error;
mod explain;
mod facts;
mod glob;
mod index;
mod list;
mod pattern;
mod read;
mod rule;

pub use case::Case;
pub use error::{RuleError, RuleErrors};
pub use explain::{Explanation, Passed, WholeDirect};
pub use facts::{Action, Facts, Group, Program, Protocol, Subject};
pub use glob::Glob;
pub use list::{List, Lists, MAX_LIST_BYTES, MAX_LIST_ENTRIES, NoLists};
pub use pattern::{AppPattern, CgroupPattern, DestPattern, IdPattern, LOCAL_NETWORKS, Range};
pub use read::{MAX_ALL_ENTRIES, MAX_EXPECTATIONS, MAX_FILE, MAX_LISTS, MAX_RULES, MAX_VALUES};
pub use rule::{ConditionKey, Conditions, Rule};

/// What was decided for a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What is done with it.
    pub action: &'a Action,
    /// The place of the deciding rule in [`RuleSet::rules`]; none when the default decided.
    pub rule: Option<usize>,
}

/// Rules that were read without an error.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    default: Action,
    expectations: Vec<read::Expectation>,
    warnings: Vec<RuleError>,
    index: index::Index,
}

impl Default for RuleSet {
    /// No rules: everything goes over the mesh.
    fn default() -> RuleSet {
        RuleSet {
            rules: Vec::new(),
            default: Action::MESH,
            expectations: Vec::new(),
            warnings: Vec::new(),
            index: index::Index::default(),
        }
    }
}

impl RuleSet {
    /// Reads the text of a `rules.toml`. Expectations are read, not run: see [`RuleSet::check_expectations`].
    pub fn parse(text: &str, lists: &dyn Lists) -> Result<RuleSet, RuleErrors> {
        let read = read::read(text, lists);
        if !read.errors.is_empty() {
            return Err(RuleErrors(read.errors));
        }
        let mut warnings = read.warnings;
        warnings.extend(unreachable(&read.rules));
        Ok(RuleSet {
            index: index::Index::new(&read.rules),
            rules: read.rules,
            default: read.default.unwrap_or(Action::MESH),
            expectations: read.expectations,
            warnings,
        })
    }

    /// All rules in their order, those that are not enabled too; what `only` or `except` stands for comes last.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What is done with a flow that no rule decides.
    pub fn default_action(&self) -> &Action {
        &self.default
    }

    /// What is strange but no error: entries of lists that are passed over, rules that are never reached.
    pub fn warnings(&self) -> &[RuleError] {
        &self.warnings
    }

    /// The first enabled rule that the flow meets, else the default.
    pub fn decide(&self, facts: &Facts) -> Verdict<'_> {
        self.verdict(self.index.first(&self.rules, facts))
    }

    /// The same, asking every rule in turn: what [`RuleSet::decide`] must agree with.
    pub fn decide_plainly(&self, facts: &Facts) -> Verdict<'_> {
        let meets = |rule: &Rule| rule.enabled && rule.matches(facts);
        self.verdict(self.rules.iter().position(meets))
    }

    fn verdict(&self, rule: Option<usize>) -> Verdict<'_> {
        match rule.and_then(|at| self.rules.get(at)) {
            Some(found) => Verdict {
                action: &found.action,
                rule,
            },
            None => Verdict {
                action: &self.default,
                rule: None,
            },
        }
    }

    /// How many expectations there are.
    pub fn expectations(&self) -> usize {
        self.expectations.len()
    }

    /// Runs the expectations; those that do not hold, each with what decides instead.
    pub fn check_expectations(&self) -> Result<(), RuleErrors> {
        let mut errors = Vec::new();
        for expectation in &self.expectations {
            let verdict = self.decide(&expectation.case.facts);
            if case::is_as_expected(&expectation.action, verdict.action) {
                continue;
            }
            let by = match verdict.rule.and_then(|at| self.rules.get(at)) {
                Some(rule) => format!("the rule {} decides: {}", rule.id, rule.action),
                None => format!("no rule applies, the default decides: {}", self.default),
            };
            let remedy = "change the rules or the expectation; `masq rules test` tells more";
            errors
                .push(RuleError::new("expect", &expectation.text, by, remedy).at(expectation.line));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(RuleErrors(errors))
        }
    }

    /// Whether any enabled rule asks who made a flow; without one nobody need find it out.
    pub fn needs_owner(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.enabled && rule.needs_owner())
    }

    /// The isolation groups that enabled rules name, each once, in their order.
    pub fn isolation_groups(&self) -> Vec<&str> {
        let mut groups = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.enabled) {
            if let Action::Mesh {
                isolation: Some(group),
                ..
            } = &rule.action
                && !groups.contains(&group.as_str())
            {
                groups.push(group);
            }
        }
        groups
    }
}

/// The first rule that no flow comes to, because one before it takes everything.
fn unreachable(rules: &[Rule]) -> Option<RuleError> {
    let takes_all = |rule: &&Rule| {
        let mut keys = rule.is.present().chain(rule.not.present());
        rule.enabled && keys.next().is_none()
    };
    let mut enabled = rules.iter().filter(|rule| rule.enabled);
    let all = enabled.by_ref().find(takes_all)?;
    let first = enabled.next()?;
    let why = format!(
        "it is never asked: the rule {} before it takes every flow",
        all.id
    );
    let remedy = "move it before that one; default says what is done with the rest";
    let mut warning = RuleError::new("", "", why, remedy).of_rule(&first.id);
    warning.line = first.line;
    Some(warning)
}

#[cfg(test)]
mod tests;
