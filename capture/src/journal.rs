//! The journal of changes to the machine, each with its inverse.
//!
//! One JSON line an entry; an entry is stored before its change is made and
//! marked undone after its inverse has been carried out. Laws: replaying is
//! idempotent; a truncated last line is as if it was never written (its
//! change was not made yet); inverses that name kernel state are void after
//! a reboot; what belongs to another network namespace is left alone.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::address::Family;

/// What undoes a change. Data, never text for a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undo")]
pub enum Inverse {
    DeleteRule {
        family: Family,
        priority: u32,
    },
    FlushTable {
        family: Family,
        table: u32,
    },
    RemoveCgroup {
        path: PathBuf,
    },
    RestoreSysctl {
        path: PathBuf,
        value: String,
    },
    /// A table of the firewall that no process owns.
    DeleteTable {
        name: String,
    },
}

impl Inverse {
    /// Whether the change lives in one network namespace.
    fn is_namespaced(&self) -> bool {
        match self {
            Inverse::RemoveCgroup { .. } => false,
            Inverse::DeleteRule { .. }
            | Inverse::FlushTable { .. }
            | Inverse::RestoreSysctl { .. }
            | Inverse::DeleteTable { .. } => true,
        }
    }
}

/// Where a change was made; kernel state ends with its boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub boot: String,
    /// Inode of the network namespace.
    pub namespace: u64,
}

/// A change that may have been made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sequence: u64,
    #[serde(flatten)]
    pub place: Place,
    /// The step that made the change, for the reader.
    pub change: String,
    pub inverse: Inverse,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Made(Entry),
    Undone {
        undone: u64,
    },
    /// The user has asked for the end of everything in the journal.
    Ending {
        ending: bool,
    },
}

/// Where the journal's bytes are kept.
pub trait Storage {
    fn read(&mut self) -> io::Result<Vec<u8>>;
    /// Appends and does not return before the bytes are safe.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn clear(&mut self) -> io::Result<()>;
}

/// What a replay did with one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Undone(Entry),
    /// The inverse could not be carried out and stays in the journal.
    Failed(Entry, String),
    /// Of another boot: the change is gone by itself.
    Void(Entry),
    /// Of another network namespace: left alone.
    Foreign(Entry),
}

/// The journal over its storage.
#[derive(Debug)]
pub struct Journal<S> {
    storage: S,
    place: Place,
    next: u64,
    open: Vec<Entry>,
    ending: bool,
}

impl<S: Storage> Journal<S> {
    /// Reads what an earlier run left behind.
    pub fn open(mut storage: S, place: Place) -> io::Result<Journal<S>> {
        let bytes = storage.read()?;
        if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
            // The next line must not continue a truncated one.
            storage.append(b"\n")?;
        }
        let (open, ending) = parse(&bytes);
        let next = open
            .last()
            .map_or(1, |entry| entry.sequence.saturating_add(1));
        Ok(Journal {
            storage,
            place,
            next,
            open,
            ending,
        })
    }

    /// Entries whose inverse has not been carried out, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.open
    }

    /// Stores that the user wants all of it undone, so that whoever finds the
    /// journal half undone goes on with it.
    pub fn begin_end(&mut self) -> io::Result<()> {
        if !self.ending {
            let mut bytes = Vec::new();
            encode(&Line::Ending { ending: true }, &mut bytes);
            self.storage.append(&bytes)?;
            self.ending = true;
        }
        Ok(())
    }

    /// Whether the user has asked for the end of what is in the journal.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Takes that back: a new capture begins.
    pub fn begin(&mut self) -> io::Result<()> {
        if self.ending {
            let mut bytes = Vec::new();
            encode(&Line::Ending { ending: false }, &mut bytes);
            self.storage.append(&bytes)?;
            self.ending = false;
        }
        Ok(())
    }

    /// Whether an entry of this place has this inverse.
    pub fn holds(&self, inverse: &Inverse) -> bool {
        self.open
            .iter()
            .any(|entry| entry.inverse == *inverse && entry.place == self.place)
    }

    /// Stores the inverses of a change that is about to be made.
    pub fn record(&mut self, change: &str, inverses: &[Inverse]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut entries = Vec::new();
        for (sequence, inverse) in (self.next..).zip(inverses) {
            let entry = Entry {
                sequence,
                place: self.place.clone(),
                change: change.to_owned(),
                inverse: inverse.clone(),
            };
            encode(&Line::Made(entry.clone()), &mut bytes);
            entries.push(entry);
        }
        if !bytes.is_empty() {
            self.storage.append(&bytes)?;
        }
        self.next = self.next.saturating_add(entries.len() as u64);
        self.open.extend(entries);
        Ok(())
    }

    /// Undoes every open entry of this place, newest first.
    ///
    /// `undo` gets a batch of inverses and answers one result for each; an
    /// inverse of a change that was never made must be a success.
    pub fn undo_all(
        &mut self,
        undo: impl FnMut(&[Inverse]) -> Vec<Result<(), String>>,
    ) -> io::Result<Vec<Outcome>> {
        self.undo_where(|_| true, undo)
    }

    /// Undoes the open entries of the steps that `chosen` picks.
    pub fn undo_where(
        &mut self,
        chosen: impl Fn(&str) -> bool,
        mut undo: impl FnMut(&[Inverse]) -> Vec<Result<(), String>>,
    ) -> io::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let mut kept = Vec::new();
        let mut mine = Vec::new();
        for entry in std::mem::take(&mut self.open) {
            if !chosen(&entry.change) {
                kept.push(entry);
            } else if entry.place.boot != self.place.boot {
                outcomes.push(Outcome::Void(entry));
            } else if entry.inverse.is_namespaced() && entry.place.namespace != self.place.namespace
            {
                outcomes.push(Outcome::Foreign(entry.clone()));
                kept.push(entry);
            } else {
                mine.push(entry);
            }
        }
        mine.reverse();
        let inverses: Vec<Inverse> = mine.iter().map(|entry| entry.inverse.clone()).collect();
        let results = if inverses.is_empty() {
            Vec::new()
        } else {
            undo(&inverses)
        };
        let mut results = results.into_iter();
        for entry in mine {
            match results
                .next()
                .unwrap_or_else(|| Err("no result".to_owned()))
            {
                Ok(()) => outcomes.push(Outcome::Undone(entry)),
                Err(error) => {
                    kept.push(entry.clone());
                    outcomes.push(Outcome::Failed(entry, error));
                }
            }
        }
        kept.sort_by_key(|entry| entry.sequence);
        self.open = kept;
        self.settle(&outcomes)?;
        Ok(outcomes)
    }

    fn settle(&mut self, outcomes: &[Outcome]) -> io::Result<()> {
        if self.open.is_empty() {
            self.ending = false;
            return self.storage.clear();
        }
        let mut bytes = Vec::new();
        for outcome in outcomes {
            match outcome {
                Outcome::Undone(entry) | Outcome::Void(entry) => {
                    encode(
                        &Line::Undone {
                            undone: entry.sequence,
                        },
                        &mut bytes,
                    );
                }
                Outcome::Failed(..) | Outcome::Foreign(_) => {}
            }
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            self.storage.append(&bytes)
        }
    }
}

/// How many changes in a journal's bytes were not undone.
pub fn open_entries(bytes: &[u8]) -> usize {
    parse(bytes).0.len()
}

fn parse(bytes: &[u8]) -> (Vec<Entry>, bool) {
    let mut open: Vec<Entry> = Vec::new();
    let mut ended = false;
    for line in bytes.split(|&byte| byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Made(entry)) => open.push(entry),
            Ok(Line::Undone { undone }) => open.retain(|entry| entry.sequence != undone),
            Ok(Line::Ending { ending }) => ended = ending,
            Err(_) => {}
        }
    }
    (open, ended)
}

fn encode(line: &Line, bytes: &mut Vec<u8>) {
    serde_json::to_writer(&mut *bytes, line)
        .expect("a journal line is plain data with UTF-8 paths");
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests;
