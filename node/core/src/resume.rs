//! Flows that outlive a circuit: both ends count the bytes of each direction from the flow's
//! first, and the sender keeps what the receiver has not acknowledged, so that a new circuit goes
//! on where the old one was cut (W-5.8 to W-5.11).
//!
//! Counting only: frames are [`crate::frame`]'s, circuits, sockets and timers the caller's. What
//! the other end says is checked against what is possible, and nothing here grows beyond
//! [`WINDOW`], whatever it says or leaves unsaid.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};
use thiserror::Error;

use crate::layer::SecretKey;

#[cfg(test)]
mod tests;

/// Bytes of one direction that are kept for sending again; with what keeping them costs.
pub const WINDOW: usize = 4 << 20;

/// A receiver acknowledges after so many bytes at the latest...
pub const ACK_EVERY: u64 = 128 * 1024;

/// ...and after this time, however few came.
pub const ACK_DELAY: Duration = Duration::from_millis(50);

/// How long an exit keeps a flow whose circuit is lost.
pub const KEPT_FOR: Duration = Duration::from_secs(15);

/// What a kept piece costs beside its bytes.
const PIECE: usize = 96;

/// What a flow is known by at its exit: 32 bytes of the exit hop's HPKE exporter (W-3.6), which
/// nobody but the two ends of the flow's first circuit can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(SecretKey);

/// The sending half of one direction. The end of the direction counts as one byte more.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// What was sent and not acknowledged, oldest first; ends at `end`.
    kept: VecDeque<Bytes>,
    weight: usize,
    /// Count of bytes before the first that is kept.
    first: u64,
    acknowledged: u64,
    /// Count of all bytes ever sent.
    end: u64,
    finished: bool,
    /// Of `kept`, this many pieces and bytes of the next one went out on the current circuit.
    sent: (usize, usize),
    finish_sent: bool,
}

/// The receiving half of one direction.
#[derive(Debug, Default)]
pub struct Incoming {
    received: u64,
    told: u64,
    ended: bool,
}

/// When the other end should hear what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It has heard of everything.
    Not,
    /// Within [`ACK_DELAY`], better together with something else.
    Soon,
    /// At once.
    Now,
}

/// A count of the other end that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CountError {
    /// More than was sent to it.
    #[error("the peer counts {told} bytes of the {sent} that were sent")]
    Beyond {
        /// What it says.
        told: u64,
        /// What it can have at most.
        sent: u64,
    },
    /// Less than it said before.
    #[error("the peer counts {told} bytes after {before}")]
    Backwards {
        /// What it says.
        told: u64,
        /// What it said before.
        before: u64,
    },
    /// So little that the next bytes are no longer kept.
    #[error("the peer counts {told} bytes; the first {first} are forgotten")]
    Forgotten {
        /// What it says.
        told: u64,
        /// Bytes that are no longer kept.
        first: u64,
    },
}

impl Token {
    /// Takes 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Token(SecretKey::new(bytes))
    }

    /// What a table keeps instead of the token: a hash under a key of the table's own, so that
    /// how long a look-up takes tells nothing of the tokens in it.
    pub fn digest(&self, key: &[u8; 32]) -> [u8; 32] {
        *blake3::keyed_hash(key, self.as_bytes()).as_bytes()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<SecretKey> for Token {
    fn from(secret: SecretKey) -> Self {
        Token(secret)
    }
}

impl Outgoing {
    /// Bytes that go out on the current circuit for the first time. The oldest are forgotten when
    /// there are more than the window takes: the links' own windows are smaller, so that happens
    /// to a receiver that does not acknowledge, and it loses no more than the resumption.
    pub fn send(&mut self, bytes: Bytes) {
        debug_assert!(!self.finished && !self.is_behind(), "in its turn");
        if bytes.is_empty() {
            return;
        }
        self.end += bytes.len() as u64;
        self.weight += bytes.len() + PIECE;
        self.kept.push_back(bytes);
        self.sent = (self.kept.len(), 0);
        while self.weight > WINDOW {
            self.drop_first();
        }
    }

    /// The end of the direction goes out on the current circuit.
    pub fn finish(&mut self) {
        self.finished = true;
        self.finish_sent = true;
    }

    /// What the other end says it has, on the current circuit.
    pub fn acknowledge(&mut self, count: u64) -> Result<(), CountError> {
        self.check(count, self.out())?;
        self.forget(count);
        Ok(())
    }

    /// A new circuit takes the place of the current one; the other end has `count`. What follows
    /// is to be sent again, see [`Self::again`].
    pub fn resume(&mut self, count: u64) -> Result<(), CountError> {
        self.check(count, self.end + u64::from(self.finished))?;
        if count < self.first {
            let first = self.first;
            return Err(CountError::Forgotten { told: count, first });
        }
        self.forget(count);
        self.sent = (0, 0);
        self.finish_sent = count > self.end;
        Ok(())
    }

    /// The next bytes to send again, at most `limit` of them; none when all are out.
    pub fn again(&mut self, limit: usize) -> Option<Bytes> {
        let (pieces, offset) = self.sent;
        let piece = self.kept.get(pieces)?;
        let amount = limit.min(piece.len() - offset);
        let bytes = piece.slice(offset..offset + amount);
        self.sent = if offset + amount == piece.len() {
            (pieces + 1, 0)
        } else {
            (pieces, offset + amount)
        };
        Some(bytes)
    }

    /// Whether something waits to be sent again.
    pub fn is_behind(&self) -> bool {
        self.sent.0 < self.kept.len()
    }

    /// Whether the direction ended, on this circuit or an earlier one.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the end went out on the current circuit.
    pub fn is_finish_sent(&self) -> bool {
        self.finish_sent
    }

    /// Whether the other end has everything, the end included.
    pub fn is_done(&self) -> bool {
        self.finished && self.acknowledged > self.end
    }

    /// Whether the other end has all bytes, perhaps without the end.
    pub fn is_delivered(&self) -> bool {
        self.acknowledged >= self.end
    }

    /// What the other end last said.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What keeping the bytes costs.
    pub fn weight(&self) -> usize {
        self.weight
    }

    fn check(&self, told: u64, sent: u64) -> Result<(), CountError> {
        if told > sent {
            return Err(CountError::Beyond { told, sent });
        }
        if told < self.acknowledged {
            let before = self.acknowledged;
            return Err(CountError::Backwards { told, before });
        }
        Ok(())
    }

    /// What the other end can have: what went out on this circuit, and what was there before it.
    fn out(&self) -> u64 {
        if self.is_behind() {
            let (pieces, offset) = self.sent;
            let before = self.kept.iter().take(pieces).map(Bytes::len).sum::<usize>();
            self.first + (before + offset) as u64
        } else {
            self.end + u64::from(self.finish_sent)
        }
    }

    fn forget(&mut self, count: u64) {
        self.acknowledged = count;
        while self.first < count
            && let Some(piece) = self.kept.front_mut()
        {
            let rest = count - self.first;
            if piece.len() as u64 <= rest {
                self.drop_first();
                continue;
            }
            // Less than the piece's length, so it fits.
            let amount = rest as usize;
            piece.advance(amount);
            self.weight -= amount;
            self.first = count;
            if self.sent.0 == 0 {
                self.sent.1 = self.sent.1.saturating_sub(amount);
            }
        }
        if self.kept.is_empty() {
            // An idle flow holds nothing.
            self.kept = VecDeque::new();
        }
    }

    fn drop_first(&mut self) {
        let Some(piece) = self.kept.pop_front() else {
            return;
        };
        self.first += piece.len() as u64;
        self.weight -= piece.len() + PIECE;
        self.sent = match self.sent {
            (0, _) => (0, 0),
            (pieces, offset) => (pieces - 1, offset),
        };
    }
}

impl Incoming {
    /// Bytes that arrived and were taken.
    pub fn receive(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
    }

    /// The other end sends no more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the other end sends no more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What to say of it in a resumption.
    pub fn count(&self) -> u64 {
        self.received.saturating_add(u64::from(self.ended))
    }

    /// When the other end should hear of what came.
    pub fn due(&self) -> Due {
        match self.count() - self.told {
            0 => Due::Not,
            untold if untold >= ACK_EVERY => Due::Now,
            _ => Due::Soon,
        }
    }

    /// The count to tell; the other end hears it.
    pub fn tell(&mut self) -> u64 {
        self.told = self.count();
        self.told
    }
}
