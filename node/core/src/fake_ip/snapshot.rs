//! The map as text, so that apps which outlive the Node keep working addresses.
//!
//! One header line `masq-fake-ip 1 NEXT`, then `OFFSET NAME` a line, the name
//! used longest ago first. Reading forgives: a line that is damaged, or says
//! what an earlier line or the map says otherwise, is counted and left out.

use std::fmt::Write as _;
use std::time::Instant;

use super::{FakeIps, MAX_NAMES, POOL};
use crate::destination::{HostName, MAX_NAME};

const HEADER: &str = "masq-fake-ip 1";

/// No snapshot is longer, in bytes; a caller need not read more of a file.
pub const MAX_SNAPSHOT: usize = MAX_NAMES * (MAX_NAME + 8) + 64;

/// What [`FakeIps::restore`] made of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Names that have their addresses back.
    pub names: usize,
    /// Lines that were left out.
    pub refused: usize,
}

impl FakeIps {
    /// The whole map as text of at most [`MAX_SNAPSHOT`] bytes.
    pub fn snapshot(&self) -> String {
        let mut text = String::with_capacity(self.len() * 32 + 64);
        let _ = writeln!(text, "{HEADER} {}", self.cursor);
        let pinned = (0u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.pins > 0);
        for slot in self.order.iter().chain(pinned.map(|(slot, _)| slot)) {
            let entry = &self.entries[slot as usize];
            let _ = writeln!(text, "{} {}", entry.offset, entry.name);
        }
        text
    }

    /// Takes the names of a snapshot back, as far as there is room.
    ///
    /// New names get addresses after those of the snapshot.
    pub fn restore(&mut self, text: &str, now: Instant) -> Restored {
        let mut restored = Restored {
            names: 0,
            refused: 0,
        };
        let mut lines = text.lines();
        let Some(next) = lines.next().and_then(parse_header) else {
            restored.refused = text.lines().take(MAX_NAMES).count();
            return restored;
        };
        self.cursor = next;
        for line in lines {
            match self.restore_line(line, now) {
                Some(()) => restored.names += 1,
                None => restored.refused += 1,
            }
        }
        restored
    }

    fn restore_line(&mut self, line: &str, now: Instant) -> Option<()> {
        let (offset, name) = line.split_once(' ')?;
        let offset = offset.parse().ok().filter(|offset| *offset < POOL)?;
        let name = HostName::parse(name).ok()?;
        let room = self.entries.len() < self.capacity;
        let known = self.by_name.contains_key(&name) || self.by_offset.contains_key(&offset);
        if known || !room {
            return None;
        }
        let slot = u32::try_from(self.entries.len()).ok()?;
        self.fill(slot, name, offset, now);
        Some(())
    }
}

fn parse_header(line: &str) -> Option<u32> {
    let next = line.strip_prefix(HEADER)?.strip_prefix(' ')?;
    next.parse().ok().filter(|next| *next < POOL)
}
