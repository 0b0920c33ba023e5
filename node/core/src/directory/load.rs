//! The static list: a nodes file with one record of JSON a line.

use super::Directory;
use crate::record::{MAX_JSON, NodeRecord, RecordError};

/// The longest nodes file that is read, in bytes.
pub const MAX_FILE: usize = 64 << 20;

/// What came of a nodes file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Records taken.
    pub nodes: usize,
    /// Lines left out.
    pub refused: Vec<RefusedLine>,
}

/// A line of a nodes file that holds no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct RefusedLine {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub source: RecordError,
}

/// Why a nodes file is of no use at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is longer than any list.
    #[error("the list has {0} bytes; at most {MAX_FILE} are read")]
    TooLong(usize),
    /// No line holds a record; the first reason is given.
    #[error("no line of the list is a Node record (make one with MASQNode --print-record)")]
    Nothing(#[source] RefusedLine),
}

impl Directory {
    /// Takes the records of a nodes file: one of JSON a line, empty lines and lines with `#` aside.
    pub fn load(&mut self, text: &str) -> Result<Loaded, LoadError> {
        if text.len() > MAX_FILE {
            return Err(LoadError::TooLong(text.len()));
        }
        let mut loaded = Loaded::default();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match read_record(text) {
                Ok(record) => {
                    self.insert(record);
                    loaded.nodes += 1;
                }
                Err(source) => loaded.refused.push(RefusedLine { line, source }),
            }
        }
        match loaded.refused.first() {
            Some(first) if loaded.nodes == 0 => Err(LoadError::Nothing(first.clone())),
            _ => Ok(loaded),
        }
    }
}

fn read_record(text: &str) -> Result<NodeRecord, RecordError> {
    if text.len() > MAX_JSON {
        return Err(RecordError::TooLong { length: text.len() });
    }
    NodeRecord::from_json(text)
}
