//! What waits to be sent to one UI. It is bounded in bytes; filling it ends the
//! connection, because a UI that missed something must not go on as if not.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Bytes that may wait. One message of any size may be the only one.
const MAX_WAITING: usize = 4 << 20;
/// Above it no more requests are read, so that answers alone never fill it.
const BUSY: usize = 1 << 20;
/// What a waiting message costs besides its text.
const OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: RefCell<VecDeque<Utf8Bytes>>,
    bytes: Cell<usize>,
    state: Cell<State>,
    /// There is something to send, or the state changed.
    filled: Notify,
    drained: Notify,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Open,
    /// Ends when all is sent.
    Finishing,
    /// Was full.
    Full,
}

/// What the connection is to do next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    Send(Utf8Bytes),
    /// Everything is sent, and no more will come.
    Finish,
    /// The UI does not read.
    Cut,
}

impl Outbox {
    pub(super) fn push(&self, text: Utf8Bytes) {
        if self.state.get() != State::Open {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        let bytes = self.bytes.get() + text.len() + OVERHEAD;
        if bytes > MAX_WAITING && !waiting.is_empty() {
            waiting.clear();
            self.bytes.set(0);
            self.state.set(State::Full);
        } else {
            waiting.push_back(text);
            self.bytes.set(bytes);
        }
        self.filled.notify_one();
    }

    pub(super) fn finish(&self) {
        if self.state.get() == State::Open {
            self.state.set(State::Finishing);
            self.filled.notify_one();
        }
    }

    /// The next thing to do, if there is any now.
    pub(super) fn try_next(&self) -> Option<Next> {
        if let Some(text) = self.waiting.borrow_mut().pop_front() {
            self.bytes.set(self.bytes.get() - text.len() - OVERHEAD);
            self.drained.notify_one();
            return Some(Next::Send(text));
        }
        match self.state.get() {
            State::Open => None,
            State::Finishing => Some(Next::Finish),
            State::Full => Some(Next::Cut),
        }
    }

    pub(super) async fn next(&self) -> Next {
        loop {
            match self.try_next() {
                Some(next) => return next,
                None => self.filled.notified().await,
            }
        }
    }

    /// Returns when the UI has fallen too far behind to be waited for.
    pub(super) async fn cut(&self) {
        while self.state.get() != State::Full {
            self.filled.notified().await;
        }
    }

    /// Returns when the UI has read most of what it was sent.
    pub(super) async fn calm(&self) {
        while self.bytes.get() > BUSY {
            self.drained.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> Utf8Bytes {
        "x".repeat(bytes).into()
    }

    #[test]
    fn texts_leave_in_order() {
        let outbox = Outbox::default();
        outbox.push("a".into());
        outbox.push("b".into());
        outbox.finish();
        assert_eq!(outbox.try_next(), Some(Next::Send("a".into())));
        assert_eq!(outbox.try_next(), Some(Next::Send("b".into())));
        assert_eq!(outbox.try_next(), Some(Next::Finish));
        assert_eq!(outbox.bytes.get(), 0);
    }

    #[test]
    fn a_full_queue_is_given_up_and_holds_nothing() {
        let outbox = Outbox::default();
        outbox.push(text(MAX_WAITING / 2));
        outbox.push(text(MAX_WAITING / 2));
        assert_eq!(outbox.try_next(), Some(Next::Cut));
        outbox.push("late".into());
        assert_eq!(outbox.try_next(), Some(Next::Cut));
    }

    #[test]
    fn many_small_texts_fill_it_too() {
        let outbox = Outbox::default();
        let mut count = 0;
        while outbox.state.get() == State::Open {
            outbox.push("".into());
            count += 1;
        }
        assert!(count <= MAX_WAITING / OVERHEAD + 1, "{count}");
    }

    #[test]
    fn one_large_answer_goes_through() {
        let outbox = Outbox::default();
        outbox.push(text(2 * MAX_WAITING));
        assert!(matches!(outbox.try_next(), Some(Next::Send(_))));
        assert_eq!(outbox.try_next(), None);
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let outbox = Outbox::default();
        outbox.finish();
        outbox.push("late".into());
        assert_eq!(outbox.try_next(), Some(Next::Finish));
    }
}
