//! Rules and decisions, for a person and as JSON.

use std::fmt::Write as _;

use anyhow::Result;
use masq_core::rules::{Case, Rule, RuleError, RuleSet};
use serde_json::{Value, json};

use super::file::RulesFile;
use crate::cmds::measure::one_line;
use crate::session::Session;

pub(super) fn rules(set: &RuleSet) -> Vec<Value> {
    let rule = |(at, rule): (usize, &Rule)| {
        json!({
            "number": at + 1, "id": rule.id(), "line": rule.line(), "enabled": rule.enabled(),
            "conditions": rule.conditions(), "action": rule.action().to_string(), "comment": rule.comment(),
        })
    };
    set.rules().iter().enumerate().map(rule).collect()
}

pub(super) fn problem(error: &RuleError) -> Value {
    json!({
        "file": error.file, "line": error.line, "rule": error.rule, "key": error.key, "value": error.value,
        "why": error.why, "remedy": error.remedy,
    })
}

pub(super) fn list(
    session: &mut Session,
    file: &RulesFile,
    set: &RuleSet,
    json: bool,
) -> Result<u8> {
    if json {
        session.print_json(&json!({
            "file": file.path(), "rules": rules(set), "default": set.default_action().to_string(),
        }))?;
        return Ok(0);
    }
    let mut page = String::new();
    for (at, rule) in set.rules().iter().enumerate() {
        let off = if rule.enabled() { "" } else { "(disabled) " };
        // Writing to a text cannot fail.
        let _ = writeln!(
            page,
            "{:>3}  {off}{}: {}",
            at + 1,
            one_line(rule.id()),
            rule.action()
        );
        let _ = writeln!(page, "     {}", one_line(&rule.conditions()));
        if let Some(comment) = rule.comment() {
            let _ = writeln!(page, "     # {}", one_line(comment));
        }
    }
    let _ = writeln!(page, "  -  all else: {}", set.default_action());
    session.print(&page)?;
    Ok(0)
}

pub(super) fn test(session: &mut Session, set: &RuleSet, case: &Case, json: bool) -> Result<u8> {
    let told = set.explain(&case.facts);
    let id = |at: usize| set.rules().get(at).map(Rule::id);
    if json {
        let passed = told.passed.iter().map(
            |passed| json!({ "number": passed.rule + 1, "id": id(passed.rule), "why": passed.why }),
        );
        session.print_json(&json!({
            "action": told.action.to_string(),
            "rule": told.rule.and_then(id),
            "number": told.rule.map(|at| at + 1),
            "because": told.because,
            "passed": passed.collect::<Vec<_>>(),
            "passedMore": told.more,
        }))?;
        return Ok(0);
    }
    let by = told.rule.and_then(id).unwrap_or("default");
    let mut page = format!(
        "{} by {}: {}\n",
        told.action,
        one_line(by),
        one_line(&told.because)
    );
    for passed in &told.passed {
        let name = one_line(id(passed.rule).unwrap_or_default());
        // Writing to a text cannot fail.
        let _ = writeln!(
            page,
            "  not {} {name}: {}",
            passed.rule + 1,
            one_line(&passed.why)
        );
    }
    if told.more > 0 {
        let _ = writeln!(page, "  nor {} other rules", told.more);
    }
    session.print(&page)?;
    Ok(0)
}
