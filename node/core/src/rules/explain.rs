//! Why a flow is decided as it is, for `masq why` and `masq rules test`.

use super::facts::{Action, Facts};
use super::rule::{ConditionKey, Rule};
use super::{IdPattern, RuleSet};

/// The most rules that are told of although they did not decide.
const MOST_PASSED: usize = 20;

/// How the deciding rule was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The place of the deciding rule; none when the default decided.
    pub rule: Option<usize>,
    /// What is done.
    pub action: Action,
    /// Why, on one line.
    pub because: String,
    /// The rules before it, those that the flow meets in part first told of.
    pub passed: Vec<Passed>,
    /// How many more rules came before it.
    pub more: usize,
}

/// A rule that did not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its place.
    pub rule: usize,
    /// Whether the flow meets some of its conditions.
    pub near: bool,
    /// Why it did not, on one line.
    pub why: String,
}

/// Programs that a rule sends past the mesh whatever they do, so that they need not be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WholeDirect {
    /// All of a user.
    User(IdPattern),
    /// All in a control group, by its path with `/` before it, and below it.
    Cgroup(String),
    /// All of a systemd unit.
    Unit(String),
    /// All that have this file, by its path.
    AppPath(String),
    /// All of this name.
    AppName(String),
}

impl RuleSet {
    /// Looks at the rules in turn and says why each does or does not decide.
    pub fn explain(&self, facts: &Facts) -> Explanation {
        let verdict = self.decide(facts);
        let end = verdict.rule.unwrap_or(self.rules.len());
        let before = self.rules.iter().enumerate().take(end);
        let mut passed: Vec<Passed> = before
            .map(|(rule, one)| {
                let (near, why) = why_not(one, facts);
                Passed { rule, near, why }
            })
            .collect();
        passed.sort_by_key(|passed| (!passed.near, passed.rule));
        let more = passed.len().saturating_sub(MOST_PASSED);
        passed.truncate(MOST_PASSED);
        passed.sort_by_key(|passed| passed.rule);
        let because = match verdict.rule.and_then(|at| self.rules.get(at)) {
            Some(rule) => format!("the first rule that it meets: {}", rule.conditions()),
            None if self.rules.is_empty() => {
                "there are no rules, so the default decides".to_owned()
            }
            None => "it meets no rule, so the default decides".to_owned(),
        };
        Explanation {
            rule: verdict.rule,
            action: verdict.action.clone(),
            because,
            passed,
            more,
        }
    }

    /// The programs whose every flow goes past the mesh, by the first rule that can decide for them.
    ///
    /// A rule counts when it is about one of a user, a control group, a unit or an app and about
    /// nothing else, and every enabled rule before it goes past the mesh as well or cannot be
    /// about the same programs.
    pub fn whole_direct(&self) -> Vec<WholeDirect> {
        let mut found = Vec::new();
        let mut before: Vec<&Rule> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.enabled) {
            if rule.action != Action::Direct {
                before.push(rule);
                continue;
            }
            let mut keys = rule.is.present();
            if let (Some(key), None, None) = (keys.next(), keys.next(), rule.not.present().next())
                && before.iter().all(|earlier| are_apart(key, earlier, rule))
            {
                add_whole(rule, key, &mut found);
            }
        }
        found
    }
}

/// Whether no program can meet both rules, as far as that can be told from one condition.
fn are_apart(key: ConditionKey, earlier: &Rule, rule: &Rule) -> bool {
    // Two numbers or two names of one kind are never one user.
    let (one, other) = (&earlier.is, &rule.is);
    match key {
        ConditionKey::User => {
            let both_kinds = |ids: &[IdPattern]| {
                let numbers = ids
                    .iter()
                    .filter(|id| matches!(id, IdPattern::Number(_)))
                    .count();
                (numbers == ids.len(), numbers == 0)
            };
            let (numbers, names) = both_kinds(&one.user);
            let (other_numbers, other_names) = both_kinds(&other.user);
            !one.user.is_empty()
                && ((numbers && other_numbers) || (names && other_names))
                && !one.user.iter().any(|id| other.user.contains(id))
        }
        ConditionKey::App => {
            let path = |app: &super::AppPattern| match app {
                super::AppPattern::Path(glob) => glob.literal().map(str::to_owned),
                super::AppPattern::Unknown => Some(String::new()),
                super::AppPattern::Name(_) => None,
            };
            let paths: Option<Vec<String>> = one.app.iter().map(path).collect();
            let others: Option<Vec<String>> = other.app.iter().map(path).collect();
            match (paths, others) {
                (Some(paths), Some(others)) => {
                    !paths.is_empty() && !paths.iter().any(|path| others.contains(path))
                }
                (None | Some(_), None | Some(_)) => false,
            }
        }
        ConditionKey::Unit => {
            let literal = |globs: &[super::Glob]| globs.iter().all(|glob| glob.literal().is_some());
            !one.unit.is_empty()
                && literal(&one.unit)
                && literal(&other.unit)
                && !one.unit.iter().any(|unit| other.unit.contains(unit))
        }
        ConditionKey::Script
        | ConditionKey::Parent
        | ConditionKey::Group
        | ConditionKey::Cgroup
        | ConditionKey::Container
        | ConditionKey::To
        | ConditionKey::Country
        | ConditionKey::Port
        | ConditionKey::Protocol => false,
    }
}

fn add_whole(rule: &Rule, key: ConditionKey, found: &mut Vec<WholeDirect>) {
    let is = &rule.is;
    match key {
        ConditionKey::User => found.extend(is.user.iter().cloned().map(WholeDirect::User)),
        ConditionKey::Cgroup => {
            let literal = is.cgroup.iter().filter_map(|group| group.0.literal());
            found.extend(literal.map(|path| WholeDirect::Cgroup(format!("/{path}"))));
        }
        ConditionKey::Unit => {
            let literal = is.unit.iter().filter_map(super::Glob::literal);
            found.extend(literal.map(|unit| WholeDirect::Unit(unit.to_owned())));
        }
        ConditionKey::App => {
            for app in &is.app {
                match app {
                    super::AppPattern::Path(glob) => {
                        found.extend(
                            glob.literal()
                                .map(|path| WholeDirect::AppPath(path.to_owned())),
                        );
                    }
                    super::AppPattern::Name(glob) => {
                        found.extend(
                            glob.literal()
                                .map(|name| WholeDirect::AppName(name.to_owned())),
                        );
                    }
                    super::AppPattern::Unknown => {}
                }
            }
        }
        ConditionKey::Script
        | ConditionKey::Parent
        | ConditionKey::Group
        | ConditionKey::Container
        | ConditionKey::To
        | ConditionKey::Country
        | ConditionKey::Port
        | ConditionKey::Protocol => {}
    }
}

/// Whether the flow meets some condition of the rule, and which it does not.
fn why_not(rule: &Rule, facts: &Facts) -> (bool, String) {
    if !rule.enabled {
        return (false, "it is disabled".to_owned());
    }
    let partly = rule.is.present().any(|key| rule.is.holds(key, facts));
    let why = match rule.unmet(facts) {
        None => "it is met".to_owned(),
        Some((key, false)) => {
            format!("its {} is not {}", key.name(), seen(key, facts))
        }
        Some((key, true)) if key.is_of_subject() && facts.subject.is_none() => {
            format!("not-{} asks for a program that is known", key.name())
        }
        Some((key, true)) => format!("not-{} leaves out {}", key.name(), seen(key, facts)),
    };
    (partly, why)
}

/// What the flow has where a condition looks.
fn seen(key: ConditionKey, facts: &Facts) -> String {
    let none = || "there is none".to_owned();
    let shown = |text: Option<&str>| text.map_or_else(none, super::error::shorten);
    if key.is_of_subject() {
        let Some(subject) = &facts.subject else {
            return "unknown".to_owned();
        };
        return match key {
            ConditionKey::App => shown(subject.path.as_deref().or(subject.name.as_deref())),
            ConditionKey::Script => shown(subject.script.as_deref()),
            ConditionKey::Parent => {
                shown(subject.parents.first().and_then(|one| one.name.as_deref()))
            }
            ConditionKey::User => match (&subject.user, subject.uid) {
                (Some(name), _) => shown(Some(name)),
                (None, Some(uid)) => uid.to_string(),
                (None, None) => none(),
            },
            ConditionKey::Group => {
                shown(subject.groups.first().and_then(|one| one.name.as_deref()))
            }
            ConditionKey::Cgroup => shown(subject.cgroup.as_deref()),
            ConditionKey::Unit => shown(subject.unit.as_deref()),
            ConditionKey::Container
            | ConditionKey::To
            | ConditionKey::Country
            | ConditionKey::Port
            | ConditionKey::Protocol => shown(
                subject
                    .container_name
                    .as_deref()
                    .or(subject.container_id.as_deref()),
            ),
        };
    }
    match (key, &facts.name, facts.address) {
        (ConditionKey::Country, _, _) => facts.country.map_or_else(none, |code| code.to_string()),
        (ConditionKey::Port, _, _) => facts.port.map_or_else(none, |port| port.to_string()),
        (ConditionKey::Protocol, _, _) => facts.protocol.to_string(),
        (_, Some(name), _) => name.to_string(),
        (_, None, Some(address)) => address.to_string(),
        (_, None, None) => none(),
    }
}
