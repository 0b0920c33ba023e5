//! The Node's own log lines, on their way to UIs: information, warnings and
//! errors.
//!
//! Whoever logs never waits for this: lines enter a queue of bounded length,
//! and those that find it full are counted and left out. Lines of libraries are
//! not taken, so that sending one causes no other.

use masq_ui_protocol::message::{LogBroadcast, LogLevel};
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that may wait.
const MOST: usize = 256;
/// Bytes of one line.
const LONGEST: usize = 2 << 10;
/// Whose lines are taken.
const OURS: &str = "masq";

/// There is one log in a process, as there is one dispatcher of `tracing`.
static QUEUE: OnceLock<Queue> = OnceLock::new();

#[derive(Debug, Default)]
struct Queue {
    lines: Mutex<(VecDeque<LogBroadcast>, u64)>,
    filled: Notify,
    /// Whether anybody takes lines out.
    taken: AtomicBool,
}

fn queue() -> &'static Queue {
    QUEUE.get_or_init(Queue::default)
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<LogBroadcast>, u64)> {
        // What is in it is whole at every moment.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: LogBroadcast) {
        let mut lines = self.lock();
        if lines.0.len() < MOST {
            lines.0.push_back(line);
        } else {
            lines.1 = lines.1.saturating_add(1);
        }
        drop(lines);
        self.filled.notify_one();
    }
}

/// The end where lines come out. There is at most one in a process.
#[derive(Debug)]
pub struct Lines(&'static Queue);

/// From now on lines are kept for whoever holds the result; None when somebody
/// does already.
pub(super) fn take_lines() -> Option<Lines> {
    let queue = queue();
    let taken = queue.taken.swap(true, Ordering::Relaxed);
    (!taken).then(|| Lines(queue))
}

impl Lines {
    /// All lines there are, at least one, and how many were left out after them.
    pub(super) async fn next(&self) -> (VecDeque<LogBroadcast>, u64) {
        loop {
            let lines = std::mem::take(&mut *self.0.lock());
            if !lines.0.is_empty() || lines.1 > 0 {
                return lines;
            }
            self.0.filled.notified().await;
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Relaxed);
        self.0.lock().0.clear();
    }
}

/// The end where lines go in: a layer of the subscriber that the program sets up.
pub fn layer<S: Subscriber>() -> impl Layer<S> {
    ToUis(queue())
}

struct ToUis(&'static Queue);

impl<S: Subscriber> Layer<S> for ToUis {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(log_level) = level(event.metadata().level()) else {
            return;
        };
        if !event.metadata().target().starts_with(OURS) || !self.0.taken.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        self.0.push(LogBroadcast {
            msg: line.text(),
            log_level,
        });
    }
}

fn level(level: &Level) -> Option<LogLevel> {
    Some(match *level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        _ => return None,
    })
}

/// The message and then the fields, as in the log itself.
#[derive(Debug, Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(self) -> String {
        let mut text = match (self.message.is_empty(), self.fields.is_empty()) {
            (false, false) => self.message + " " + &self.fields,
            (_, true) => self.message,
            (true, false) => self.fields,
        };
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        text
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let gap = if self.fields.is_empty() { "" } else { " " };
            let _ = write!(self.fields, "{gap}{}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// One test, since there is one queue in a process.
    #[tokio::test]
    async fn lines_of_ours_come_out_and_too_many_are_counted() {
        let subscriber = tracing_subscriber::registry().with(layer());
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("nobody listens");
        let lines = take_lines().unwrap();
        assert!(take_lines().is_none());
        tracing::info!(event = "ready", hops = 3);
        tracing::warn!(code = %"x", "something {}", 5);
        tracing::error!("{}", "\u{e9}".repeat(2_000));
        tracing::debug!("not this");
        tracing::info!(target: "tungstenite", "nor this");
        let (got, lost) = lines.next().await;
        let said: Vec<_> = got
            .iter()
            .map(|line| (line.log_level, line.msg.as_str()))
            .collect();
        assert_eq!(said[0], (LogLevel::Info, "event=\"ready\" hops=3"));
        assert_eq!(said[1], (LogLevel::Warn, "something 5 code=x"));
        assert_eq!((said[2].0, said[2].1.len()), (LogLevel::Error, LONGEST));
        assert_eq!((said.len(), lost), (3, 0));
        for number in 0..MOST + 7 {
            tracing::info!(number);
        }
        let (got, lost) = lines.next().await;
        assert_eq!((got.len(), lost), (MOST, 7));
        drop(lines);
        tracing::info!("nobody listens");
        assert!(queue().lock().0.is_empty());
    }
}
