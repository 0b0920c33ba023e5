//! A rule: its conditions, its action, and whether a flow meets it, condition by condition.
//!
//! This is the plain definition. The index gives the same answers faster; a law in its tests
//! holds the two together.

use super::facts::{Action, Facts, Protocol, Subject};
use super::glob::Glob;
use super::pattern::{AppPattern, CgroupPattern, DestPattern, IdPattern, matches_container};
use crate::config::CountryCode;

/// A rule as it is in force, or would be if it were enabled.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) id: String,
    pub(super) line: Option<usize>,
    pub(super) comment: Option<String>,
    pub(super) enabled: bool,
    pub(super) is: Conditions,
    pub(super) not: Conditions,
    pub(super) action: Action,
}

/// Of each kind the alternatives; none stands for "whatever".
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    pub(super) app: Vec<AppPattern>,
    pub(super) script: Vec<AppPattern>,
    pub(super) parent: Vec<AppPattern>,
    pub(super) user: Vec<IdPattern>,
    pub(super) group: Vec<IdPattern>,
    pub(super) cgroup: Vec<CgroupPattern>,
    pub(super) unit: Vec<Glob>,
    pub(super) container: Vec<Glob>,
    pub(super) to: Vec<DestPattern>,
    pub(super) country: Vec<CountryCode>,
    pub(super) port: Vec<(u16, u16)>,
    pub(super) protocol: Vec<Protocol>,
}

/// The key of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionKey {
    /// `app`
    App,
    /// `script`
    Script,
    /// `parent`
    Parent,
    /// `user`
    User,
    /// `group`
    Group,
    /// `cgroup`
    Cgroup,
    /// `unit`
    Unit,
    /// `container`
    Container,
    /// `to`
    To,
    /// `country`
    Country,
    /// `port`
    Port,
    /// `protocol`
    Protocol,
}

impl ConditionKey {
    /// Subjects first, as `explain` tells them.
    pub const ALL: [ConditionKey; 12] = [
        ConditionKey::App,
        ConditionKey::Script,
        ConditionKey::Parent,
        ConditionKey::User,
        ConditionKey::Group,
        ConditionKey::Cgroup,
        ConditionKey::Unit,
        ConditionKey::Container,
        ConditionKey::To,
        ConditionKey::Country,
        ConditionKey::Port,
        ConditionKey::Protocol,
    ];

    /// The key in `rules.toml`; with `not-` before it the condition is turned over.
    pub const fn name(self) -> &'static str {
        match self {
            ConditionKey::App => "app",
            ConditionKey::Script => "script",
            ConditionKey::Parent => "parent",
            ConditionKey::User => "user",
            ConditionKey::Group => "group",
            ConditionKey::Cgroup => "cgroup",
            ConditionKey::Unit => "unit",
            ConditionKey::Container => "container",
            ConditionKey::To => "to",
            ConditionKey::Country => "country",
            ConditionKey::Port => "port",
            ConditionKey::Protocol => "protocol",
        }
    }

    /// Whether it is about the program and not about where the flow goes.
    pub const fn is_of_subject(self) -> bool {
        !matches!(
            self,
            ConditionKey::To | ConditionKey::Country | ConditionKey::Port | ConditionKey::Protocol
        )
    }
}

impl Conditions {
    /// How many alternatives a condition has.
    pub(super) fn count(&self, key: ConditionKey) -> usize {
        match key {
            ConditionKey::App => self.app.len(),
            ConditionKey::Script => self.script.len(),
            ConditionKey::Parent => self.parent.len(),
            ConditionKey::User => self.user.len(),
            ConditionKey::Group => self.group.len(),
            ConditionKey::Cgroup => self.cgroup.len(),
            ConditionKey::Unit => self.unit.len(),
            ConditionKey::Container => self.container.len(),
            ConditionKey::To => self.to.len(),
            ConditionKey::Country => self.country.len(),
            ConditionKey::Port => self.port.len(),
            ConditionKey::Protocol => self.protocol.len(),
        }
    }

    /// The conditions that are there.
    pub(super) fn present(&self) -> impl Iterator<Item = ConditionKey> {
        ConditionKey::ALL
            .into_iter()
            .filter(|key| self.count(*key) > 0)
    }

    /// The alternatives of a condition as they are written.
    pub(super) fn texts(&self, key: ConditionKey) -> Vec<String> {
        let apps = |apps: &[AppPattern]| apps.iter().map(|app| app.as_str().to_owned()).collect();
        let ids = |ids: &[IdPattern]| ids.iter().map(IdPattern::to_text).collect();
        let globs = |globs: &[Glob]| globs.iter().map(|glob| glob.as_str().to_owned()).collect();
        match key {
            ConditionKey::App => apps(&self.app),
            ConditionKey::Script => apps(&self.script),
            ConditionKey::Parent => apps(&self.parent),
            ConditionKey::User => ids(&self.user),
            ConditionKey::Group => ids(&self.group),
            ConditionKey::Cgroup => self
                .cgroup
                .iter()
                .map(|group| format!("/{}", group.0.as_str()))
                .collect(),
            ConditionKey::Unit => globs(&self.unit),
            ConditionKey::Container => globs(&self.container),
            ConditionKey::To => self.to.iter().map(DestPattern::to_text).collect(),
            ConditionKey::Country => self.country.iter().map(ToString::to_string).collect(),
            ConditionKey::Port => self.port.iter().map(|range| ports_text(*range)).collect(),
            ConditionKey::Protocol => self.protocol.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether any alternative of a condition holds.
    pub(super) fn holds(&self, key: ConditionKey, facts: &Facts) -> bool {
        match key {
            ConditionKey::To => self.to.iter().any(|to| to.matches(facts)),
            ConditionKey::Country => facts
                .country
                .is_some_and(|country| self.country.contains(&country)),
            ConditionKey::Port => facts.port.is_some_and(|port| {
                self.port
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&port))
            }),
            ConditionKey::Protocol => self.protocol.contains(&facts.protocol),
            ConditionKey::App
            | ConditionKey::Script
            | ConditionKey::Parent
            | ConditionKey::User
            | ConditionKey::Group
            | ConditionKey::Cgroup
            | ConditionKey::Unit
            | ConditionKey::Container => match &facts.subject {
                Some(subject) => self.holds_of(key, subject),
                None => key == ConditionKey::App && self.app.contains(&AppPattern::Unknown),
            },
        }
    }

    fn holds_of(&self, key: ConditionKey, subject: &Subject) -> bool {
        let path = subject.path.as_deref();
        match key {
            ConditionKey::App => self
                .app
                .iter()
                .any(|app| app.matches(path, subject.name.as_deref())),
            ConditionKey::Script => {
                let script = subject.script.as_deref();
                script.is_some()
                    && self
                        .script
                        .iter()
                        .any(|pattern| pattern.matches(script, None))
            }
            ConditionKey::Parent => subject.parents.iter().any(|parent| {
                self.parent
                    .iter()
                    .any(|pattern| pattern.matches_program(parent))
            }),
            ConditionKey::User => self
                .user
                .iter()
                .any(|user| user.matches(subject.uid, subject.user.as_deref())),
            ConditionKey::Group => subject.groups.iter().any(|group| {
                let matches =
                    |wanted: &IdPattern| wanted.matches(Some(group.gid), group.name.as_deref());
                self.group.iter().any(matches)
            }),
            ConditionKey::Cgroup => subject
                .cgroup
                .as_deref()
                .is_some_and(|path| self.cgroup.iter().any(|pattern| pattern.matches(path))),
            ConditionKey::Unit => subject
                .unit
                .as_deref()
                .is_some_and(|unit| self.unit.iter().any(|pattern| pattern.matches(unit))),
            ConditionKey::Container => self
                .container
                .iter()
                .any(|pattern| matches_container(pattern, subject)),
            ConditionKey::To
            | ConditionKey::Country
            | ConditionKey::Port
            | ConditionKey::Protocol => false,
        }
    }
}

pub(super) fn ports_text((first, last): (u16, u16)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

impl Rule {
    /// The name, or one made from what the rule says; the same after every reload that leaves the rule as it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The line where it begins; none for what `only` and `except` stand for.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The person's words for it.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Whether it is in force.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// What it does.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Whether it asks who made the flow.
    pub fn needs_owner(&self) -> bool {
        let mut keys = self.is.present().chain(self.not.present());
        keys.any(ConditionKey::is_of_subject)
    }

    /// Its conditions on one line: `app = firefox, not-to = local-networks`.
    pub fn conditions(&self) -> String {
        let mut parts = Vec::new();
        for (before, conditions) in [("", &self.is), ("not-", &self.not)] {
            for key in conditions.present() {
                let texts = conditions.texts(key);
                let shown = match texts.as_slice() {
                    [.., _, _, _, _, _] if texts.len() > 5 => {
                        format!("{} and {} more", texts[..4].join(" | "), texts.len() - 4)
                    }
                    all => all.join(" | "),
                };
                parts.push(format!("{before}{} = {shown}", key.name()));
            }
        }
        if parts.is_empty() {
            "everything".to_owned()
        } else {
            parts.join(", ")
        }
    }

    /// Whether a flow meets every condition; whether the rule is enabled is not asked.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.unmet(facts).is_none()
    }

    /// The first condition that a flow does not meet, and whether it is a turned one.
    pub(super) fn unmet(&self, facts: &Facts) -> Option<(ConditionKey, bool)> {
        let is = self.is.present().find(|key| !self.is.holds(*key, facts));
        if let Some(key) = is {
            return Some((key, false));
        }
        let breaks = |key: &ConditionKey| {
            // Of a program that is not known nobody can say that it is another.
            (key.is_of_subject() && facts.subject.is_none()) || self.not.holds(*key, facts)
        };
        self.not.present().find(breaks).map(|key| (key, true))
    }
}
