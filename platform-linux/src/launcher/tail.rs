//! Bytes of a pipe as lines: the last ones of a Node's error output, and those
//! by which it says that it is ready. Pure.

use std::collections::VecDeque;

use super::message::Report;

/// Lines that are kept, and bytes of each.
const LINES: usize = 20;
const LENGTH: usize = 512;

/// The end of a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    line: Vec<u8>,
}

impl Tail {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LENGTH {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = printable(&line);
        if line.is_empty() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// What is complete, oldest first.
    pub(super) fn take(&mut self) -> VecDeque<String> {
        std::mem::take(&mut self.lines)
    }

    /// What is complete and what has no end yet.
    pub(super) fn take_all(&mut self) -> VecDeque<String> {
        self.end_line();
        self.take()
    }
}

/// Terminals obey control characters, so none is passed on.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let kept = text.chars().filter(|letter| !letter.is_control());
    kept.collect::<String>().trim_end().to_owned()
}

/// What a line that the Node wrote about its start says.
pub(super) fn parse(line: &str) -> Option<Report> {
    let (word, rest) = line.split_once(' ')?;
    match word {
        "ready" => Some(Report::Ready {
            port: rest.parse().ok().filter(|port| *port != 0)?,
        }),
        "error" => {
            let (name, reason) = rest.split_once(' ')?;
            Some(Report::Reason {
                name: name.to_owned(),
                reason: reason.to_owned(),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for number in 0..100 {
            tail.add(format!("line {number}\n").as_bytes());
        }
        tail.add(b"no end");
        let lines = tail.take_all();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.front().map(String::as_str), Some("line 81"));
        assert_eq!(lines.back().map(String::as_str), Some("no end"));
    }

    #[test]
    fn a_line_is_cut_and_cleaned() {
        let mut tail = Tail::default();
        tail.add(&[b'x'; 100_000]);
        tail.add(b"\n\n\x1b[2Jred\x07\r\n");
        assert_eq!(tail.take(), ["x".repeat(LENGTH), "[2Jred".to_owned()]);
    }

    #[test]
    fn the_node_says_how_its_start_went() {
        assert_eq!(parse("ready 40000"), Some(Report::Ready { port: 40_000 }));
        let reason = Report::Reason {
            name: "ip".to_owned(),
            reason: "is of no use".to_owned(),
        };
        assert_eq!(parse("error ip is of no use"), Some(reason));
        for line in ["", "ready", "ready 0", "ready 65536", "error ip", "else 1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
