//! A file of names and networks that a rule points to: a hosts file, or one entry a line.
//!
//! Such files come from others, so a line that cannot be read is noted and passed over, and
//! only a file that is mostly such lines is refused. All names lie in one text, so a hundred
//! thousand cost a few megabytes.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use hashbrown::HashTable;

use super::facts::Facts;
use super::pattern::{DestPattern, Range, bits_of};
use crate::destination::HostName;

/// The most bytes of a list file.
pub const MAX_LIST_BYTES: usize = 32 << 20;

/// The most names and networks of a list file.
pub const MAX_LIST_ENTRIES: usize = 1_000_000;

/// The most lines of one file that are reported as unreadable.
const MAX_PROBLEMS: usize = 20;

/// Where the texts of list files come from: the shell reads them, bounded by [`MAX_LIST_BYTES`].
pub trait Lists {
    /// The text of a file as it is named in the rules, or why it cannot be had.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// No list file can be had.
#[derive(Debug, Clone, Copy)]
pub struct NoLists;

impl Lists for NoLists {
    fn read(&self, _path: &str) -> Result<String, String> {
        Err("list files cannot be read here".to_owned())
    }
}

/// Names and networks, ready to be asked.
pub struct List {
    path: String,
    arena: String,
    names: HashTable<Entry>,
    state: RandomState,
    four: Vec<(u32, u32)>,
    six: Vec<(u128, u128)>,
    entries: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    length: u8,
    how: u8,
}

/// The name itself.
const ITSELF: u8 = 1;
/// The names below it.
const BELOW: u8 = 2;

/// A line that is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) value: String,
    pub(super) why: String,
}

impl List {
    /// Reads the text; the lines that could not be read, the first of them, and how many they are.
    pub(super) fn parse(path: &str, text: &str) -> Result<(List, Vec<Problem>, usize), String> {
        if text.len() > MAX_LIST_BYTES {
            return Err(format!("the file has more than {MAX_LIST_BYTES} bytes"));
        }
        let mut list = List::empty(path);
        let (mut problems, mut wrong) = (Vec::new(), 0);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or(line).trim();
            if line.is_empty() {
                continue;
            }
            for entry in entries_of(line) {
                if list.entries >= MAX_LIST_ENTRIES {
                    return Err(format!("the file has more than {MAX_LIST_ENTRIES} entries"));
                }
                if let Err(why) = list.add(entry) {
                    wrong += 1;
                    if problems.len() < MAX_PROBLEMS {
                        let value = entry.to_owned();
                        problems.push(Problem {
                            line: at + 1,
                            value,
                            why,
                        });
                    }
                }
            }
        }
        if list.entries == 0 && wrong == 0 {
            return Err("the file lists nothing".to_owned());
        }
        if wrong > list.entries {
            let (line, why) = problems
                .first()
                .map_or((1, ""), |first| (first.line, &first.why));
            return Err(format!(
                "most of the file is neither names nor networks, the first in line {line}: {why}"
            ));
        }
        list.settle();
        Ok((list, problems, wrong))
    }

    /// A table of the patterns that fit into one, and those that do not.
    pub(super) fn of(patterns: &[DestPattern]) -> (List, Vec<DestPattern>) {
        let mut list = List::empty("");
        let mut rest = Vec::new();
        for pattern in patterns {
            if list.add_pattern(pattern.clone()).is_err() {
                rest.push(pattern.clone());
            }
        }
        list.settle();
        (list, rest)
    }

    fn empty(path: &str) -> List {
        List {
            path: path.to_owned(),
            arena: String::new(),
            names: HashTable::new(),
            state: RandomState::new(),
            four: Vec::new(),
            six: Vec::new(),
            entries: 0,
        }
    }

    fn settle(&mut self) {
        self.arena.shrink_to_fit();
        merge(&mut self.four, |last| last.checked_add(1));
        merge(&mut self.six, |last| last.checked_add(1));
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        self.add_pattern(DestPattern::parse(text)?)
    }

    fn add_pattern(&mut self, pattern: DestPattern) -> Result<(), String> {
        match pattern {
            DestPattern::Name(name) => self.insert(&name, ITSELF)?,
            DestPattern::Suffix { suffix, itself } => {
                self.insert(&suffix, if itself { ITSELF | BELOW } else { BELOW })?;
            }
            DestPattern::Range(range) => self.insert_range(range),
            DestPattern::Glob(_) | DestPattern::LocalNetworks | DestPattern::List(_) => {
                return Err("a list has names, *.names and networks only".to_owned());
            }
        }
        self.entries += 1;
        Ok(())
    }

    fn insert(&mut self, name: &HostName, how: u8) -> Result<(), String> {
        let name = name.as_str();
        let hash = self.state.hash_one(name);
        let arena = &self.arena;
        if let Some(entry) = self.names.find_mut(hash, |entry| entry.text(arena) == name) {
            entry.how |= how;
            return Ok(());
        }
        let full = || "the list is too long".to_owned();
        let offset = u32::try_from(self.arena.len()).map_err(|_| full())?;
        let length = u8::try_from(name.len()).map_err(|_| full())?;
        self.arena.push_str(name);
        let (arena, state) = (&self.arena, &self.state);
        let entry = Entry {
            offset,
            length,
            how,
        };
        let again = |entry: &Entry| state.hash_one(entry.text(arena));
        self.names.insert_unique(hash, entry, again);
        Ok(())
    }

    fn insert_range(&mut self, range: Range) {
        if range.six {
            self.six.push((range.first, range.last));
        } else {
            // Both ends of an IPv4 range have 32 bits.
            self.four.push((range.first as u32, range.last as u32));
        }
    }

    /// The file as named in the rules.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many names and networks it has.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether the flow's name or address is in it.
    pub(super) fn contains(&self, facts: &Facts) -> bool {
        facts.name.as_ref().is_some_and(|name| self.has_name(name))
            || facts
                .address
                .is_some_and(|address| self.has_address(address))
    }

    fn has_name(&self, name: &HostName) -> bool {
        if self.names.is_empty() {
            return false;
        }
        suffixes(name.as_str()).enumerate().any(|(depth, suffix)| {
            let hash = self.state.hash_one(suffix);
            let wanted = if depth == 0 { ITSELF } else { BELOW };
            let found = self
                .names
                .find(hash, |entry| entry.text(&self.arena) == suffix);
            found.is_some_and(|entry| entry.how & wanted != 0)
        })
    }

    fn has_address(&self, address: IpAddr) -> bool {
        match bits_of(address) {
            (false, bits) => within(&self.four, bits as u32),
            (true, bits) => within(&self.six, bits),
        }
    }
}

impl Entry {
    fn text<'a>(&self, arena: &'a str) -> &'a str {
        let start = self.offset as usize;
        &arena[start..start + usize::from(self.length)]
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "List({}, {} entries)", self.path, self.entries)
    }
}

/// The name, then the name without its first label, and so on.
pub(super) fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.split_once('.').map(|(_, rest)| rest)
    })
}

/// What a line lists: the names behind the address of a hosts file, or all that it has.
fn entries_of(line: &str) -> impl Iterator<Item = &str> {
    /// What a hosts file says of the machine itself.
    const OWN: [&str; 11] = [
        "localhost",
        "localhost.localdomain",
        "local",
        "broadcasthost",
        "ip6-localhost",
        "ip6-loopback",
        "ip6-localnet",
        "ip6-mcastprefix",
        "ip6-allnodes",
        "ip6-allrouters",
        "ip6-allhosts",
    ];
    let first = line.split_whitespace().next().unwrap_or(line);
    let bare = first.split('%').next().unwrap_or(first);
    let hosts = first.len() < line.len() && bare.parse::<IpAddr>().is_ok();
    let names = line.split_whitespace().skip(usize::from(hosts));
    names.filter(move |name| !hosts || !(OWN.contains(name) || *name == "0.0.0.0"))
}

fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges.drain(..) {
        match merged.last_mut() {
            Some(open) if next(open.1).is_none_or(|next| first <= next) => {
                open.1 = open.1.max(last);
            }
            Some(_) | None => merged.push((first, last)),
        }
    }
    merged.shrink_to_fit();
    *ranges = merged;
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= value);
    behind > 0 && value <= ranges[behind - 1].1
}
