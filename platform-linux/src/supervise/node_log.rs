//! The log of a Node that runs for one command: kept short, and searched for
//! the line that says the Node is ready.

use std::collections::VecDeque;
use std::io::{self, Write};

#[derive(Debug, Default)]
pub(super) struct NodeLog {
    lines: VecDeque<Vec<u8>>,
    line: Vec<u8>,
    ready: bool,
}

const KEPT_LINES: usize = 20;
const LINE_LIMIT: usize = 1024;

impl NodeLog {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LINE_LIMIT {
                self.line.push(byte);
            }
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn tell_last(&self) {
        let mut stderr = io::stderr().lock();
        for line in self
            .lines
            .iter()
            .chain([&self.line])
            .filter(|line| !line.is_empty())
        {
            let _ = stderr
                .write_all(b"  ")
                .and_then(|()| stderr.write_all(line));
            let _ = stderr.write_all(b"\n");
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.ready |= says_ready(&line);
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// Whether a field `event` of the line has the value `ready`, in the text
/// format with or without colours, or in JSON.
fn says_ready(line: &[u8]) -> bool {
    let mut plain = String::new();
    let mut escaped = false;
    for character in String::from_utf8_lossy(line).chars() {
        match (escaped, character) {
            (false, '\u{1b}') => escaped = true,
            (true, 'm') => escaped = false,
            (true, _) | (false, '"' | ' ') => {}
            (false, character) => plain.push(character),
        }
    }
    plain.contains("event=ready") || plain.contains("event:ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_found_in_every_format() {
        for line in [
            "2026-01-01T00:00:00Z  INFO masq_node: event=\"ready\"",
            "\u{1b}[32m INFO\u{1b}[0m masq_node: \u{1b}[3mevent\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"ready\"",
            "{\"level\":\"INFO\",\"fields\":{\"event\": \"ready\"}}",
            "INFO ready event=ready links=2",
        ] {
            let mut log = NodeLog::default();
            log.add(line.as_bytes());
            assert!(!log.is_ready());
            log.add(b"\n");
            assert!(log.is_ready(), "{line}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut log = NodeLog::default();
        log.add(&[b'x'; 100_000]);
        assert_eq!(log.line.len(), LINE_LIMIT);
    }
}
