//! Finds the first rule that a flow meets without asking every rule.
//!
//! Each rule stands in the buckets of one of its conditions, the one whose buckets are the least
//! full: a name or the suffix of one, a block of addresses or ports, an app, a user and so on. A
//! flow knows the few buckets that a rule which it meets can stand in; what stands there is asked
//! in full, so a bucket may be too coarse but never too small. Rules with no such condition stand
//! in a bucket that is always asked.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::{Facts, Program, Subject, file_name};
use super::list::{List, suffixes};
use super::pattern::{DestPattern, SHORT_ID, ancestors, bits_of};
use super::rule::Rule;

mod atoms;

use atoms::{Atom, Number, Text};

/// A condition that would stand in more buckets than this is not worth them.
const MAX_BUCKETS: usize = 4_096;

/// As many destinations of one rule are faster in a table than one by one.
const MANY: usize = 8;

/// The places of rules, the first first.
type Places = Vec<u32>;

#[derive(Debug, Default)]
pub(super) struct Index {
    texts: [HashMap<Box<str>, Places>; Text::COUNT],
    numbers: HashMap<(Number, u32), Places>,
    ports: HashMap<(u8, u16), Places>,
    networks: HashMap<(bool, u8, u128), Places>,
    /// The lengths of the IPv4 and IPv6 networks there are.
    lengths: [Vec<u8>; 2],
    lists: Vec<(Arc<List>, Places)>,
    always: Places,
    /// Rules with many destinations, which have them in a table here.
    compact: HashMap<u32, Rule>,
}

impl Index {
    /// Of the rules that are enabled.
    pub(super) fn new(rules: &[Rule]) -> Index {
        let enabled = || rules.iter().enumerate().filter(|(_, rule)| rule.enabled);
        let mut counts: HashMap<Atom, usize> = HashMap::new();
        for (_, rule) in enabled() {
            for key in rule.is.present() {
                for atom in atoms::of(&rule.is, key, MAX_BUCKETS).into_iter().flatten() {
                    *counts.entry(atom).or_default() += 1;
                }
            }
        }
        let mut index = Index::default();
        for (at, rule) in enabled() {
            // There are at most MAX_RULES of them.
            let at = at as u32;
            let fullest = |atoms: &Vec<Atom>| {
                let full = atoms
                    .iter()
                    .map(|atom| counts.get(atom).copied().unwrap_or(0));
                full.max().unwrap_or(0)
            };
            let ways = rule
                .is
                .present()
                .filter_map(|key| atoms::of(&rule.is, key, MAX_BUCKETS));
            match ways.min_by_key(fullest) {
                Some(atoms) => index.insert_all(atoms, at),
                None => index.always.push(at),
            }
            index.compact(rule, at);
        }
        let [four, six] = &mut index.lengths;
        for (is_six, length, _) in index.networks.keys() {
            let lengths = if *is_six { &mut *six } else { &mut *four };
            if !lengths.contains(length) {
                lengths.push(*length);
            }
        }
        index
    }

    fn insert_all(&mut self, atoms: Vec<Atom>, at: u32) {
        for atom in atoms {
            let places = match atom {
                Atom::Text(field, text) => self.texts[field as usize]
                    .entry(text.into_boxed_str())
                    .or_default(),
                Atom::Number(field, number) => self.numbers.entry((field, number)).or_default(),
                Atom::Ports(shift, base) => self.ports.entry((shift, base)).or_default(),
                Atom::Network(six, length, bits) => {
                    self.networks.entry((six, length, bits)).or_default()
                }
                Atom::List(list) => self.places_of_list(list.0),
            };
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }

    fn places_of_list(&mut self, list: Arc<List>) -> &mut Places {
        let known = self
            .lists
            .iter()
            .position(|(one, _)| Arc::ptr_eq(one, &list));
        let at = known.unwrap_or_else(|| {
            self.lists.push((list, Vec::new()));
            self.lists.len() - 1
        });
        &mut self.lists[at].1
    }

    fn compact(&mut self, rule: &Rule, at: u32) {
        let mut copy = None;
        for turned in [false, true] {
            let conditions = if turned { &rule.not } else { &rule.is };
            if conditions.to.len() <= MANY {
                continue;
            }
            let (table, mut rest) = List::of(&conditions.to);
            rest.push(DestPattern::List(Arc::new(table)));
            let copy = copy.get_or_insert_with(|| rule.clone());
            if turned {
                copy.not.to = rest;
            } else {
                copy.is.to = rest;
            }
        }
        if let Some(copy) = copy {
            self.compact.insert(at, copy);
        }
    }

    /// The place of the first rule that the flow meets.
    pub(super) fn first(&self, rules: &[Rule], facts: &Facts) -> Option<usize> {
        let mut search = Search {
            index: self,
            rules,
            facts,
            best: u32::MAX,
        };
        search.destination();
        match &facts.subject {
            Some(subject) => search.subject(subject),
            None => search.number(Number::Unknown, 0),
        }
        search.among(&self.always);
        (search.best != u32::MAX).then_some(search.best as usize)
    }
}

struct Search<'a> {
    index: &'a Index,
    rules: &'a [Rule],
    facts: &'a Facts,
    best: u32,
}

impl Search<'_> {
    fn among(&mut self, places: &[u32]) {
        for at in places {
            if *at >= self.best {
                return;
            }
            let rule = self
                .index
                .compact
                .get(at)
                .or_else(|| self.rules.get(*at as usize));
            if rule.is_some_and(|rule| rule.matches(self.facts)) {
                self.best = *at;
                return;
            }
        }
    }

    fn text(&mut self, field: Text, text: &str) {
        let map = &self.index.texts[field as usize];
        if !map.is_empty()
            && let Some(places) = map.get(text)
        {
            self.among(places);
        }
    }

    fn texts<'t>(&mut self, field: Text, texts: impl Iterator<Item = &'t str>) {
        if self.index.texts[field as usize].is_empty() {
            return;
        }
        for text in texts {
            self.text(field, text);
        }
    }

    fn number(&mut self, field: Number, number: u32) {
        if let Some(places) = self.index.numbers.get(&(field, number)) {
            self.among(places);
        }
    }

    fn destination(&mut self) {
        let (index, facts) = (self.index, self.facts);
        if let Some(name) = &facts.name {
            self.text(Text::Name, name.as_str());
            self.texts(Text::Suffix, suffixes(name.as_str()));
        }
        if let Some(address) = facts.address {
            let (six, bits) = bits_of(address);
            for length in &index.lengths[usize::from(six)] {
                let key = (six, *length, bits & atoms::mask(six, *length));
                if let Some(places) = index.networks.get(&key) {
                    self.among(places);
                }
            }
        }
        for (list, places) in &index.lists {
            if places.first().is_some_and(|first| *first < self.best) && list.contains(facts) {
                self.among(places);
            }
        }
        if let Some(port) = facts.port
            && !index.ports.is_empty()
        {
            for shift in 0..=16u8 {
                let base = port.checked_shr(shift.into()).unwrap_or(0);
                if let Some(places) = index.ports.get(&(shift, base)) {
                    self.among(places);
                }
            }
        }
        if index.numbers.is_empty() {
            return;
        }
        if let Some(country) = facts.country {
            self.number(Number::Country, atoms::country(country));
        }
        self.number(Number::Protocol, facts.protocol as u32);
    }

    fn subject(&mut self, subject: &Subject) {
        self.program(
            [Text::AppName, Text::AppPath, Text::AppFolder],
            subject.path.as_deref(),
            subject.name.as_deref(),
        );
        let script = [Text::ScriptName, Text::ScriptPath, Text::ScriptFolder];
        self.program(script, subject.script.as_deref(), None);
        let parent = [Text::ParentName, Text::ParentPath, Text::ParentFolder];
        for Program { path, name } in &subject.parents {
            self.program(parent, path.as_deref(), name.as_deref());
        }
        if let Some(uid) = subject.uid {
            self.number(Number::Uid, uid);
        }
        self.texts(Text::User, subject.user.as_deref().into_iter());
        for group in &subject.groups {
            self.number(Number::Gid, group.gid);
            self.texts(Text::Group, group.name.as_deref().into_iter());
        }
        if let Some(path) = &subject.cgroup {
            self.texts(Text::Cgroup, ancestors(path.trim_matches('/')));
        }
        self.texts(Text::Unit, subject.unit.as_deref().into_iter());
        self.texts(
            Text::ContainerName,
            subject.container_name.as_deref().into_iter(),
        );
        let id = subject
            .container_id
            .as_deref()
            .and_then(|id| id.get(..SHORT_ID));
        self.texts(Text::ContainerId, id.into_iter());
    }

    fn program(
        &mut self,
        [names, paths, folders]: [Text; 3],
        path: Option<&str>,
        name: Option<&str>,
    ) {
        if let Some(path) = path {
            self.text(names, file_name(path));
            self.text(paths, path);
            self.texts(folders, ancestors(path).skip(1));
        }
        if let Some(name) = name {
            self.text(names, name);
        }
    }
}

#[cfg(test)]
mod tests;
