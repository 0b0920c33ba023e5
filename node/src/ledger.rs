//! What an end of a TCP flow remembers beyond a circuit: the counts of both
//! directions, the bytes to send again, and when to acknowledge.
//!
//! The two directions of a flow run beside each other in one task; what one of
//! them receives, the other has to tell. [`masq_core::resume`] decides, the
//! timer and the wakers are here.

use bytes::{Bytes, BytesMut};
use masq_core::resume::{ACK_DELAY, CountError, Due, Incoming, Outgoing};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::time::{Sleep, sleep};

#[derive(Default)]
pub(crate) struct Ledger {
    outgoing: RefCell<Outgoing>,
    incoming: RefCell<Incoming>,
    /// Received and counted, and not yet taken by the app or the destination.
    pub(crate) untaken: RefCell<BytesMut>,
    /// The direction that tells.
    teller: Cell<Option<Waker>>,
    /// Runs while something is to be told soon.
    timer: RefCell<Option<Pin<Box<Sleep>>>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Keeps what goes out for the first time.
    pub(crate) fn sent(&self, data: &[u8]) {
        self.outgoing
            .borrow_mut()
            .send(Bytes::copy_from_slice(data));
    }

    pub(crate) fn finished(&self) {
        self.outgoing.borrow_mut().finish();
    }

    /// The next bytes to send again on a new circuit.
    pub(crate) fn again(&self, limit: usize) -> Option<Bytes> {
        self.outgoing.borrow_mut().again(limit)
    }

    /// Whether this side has ended its direction, on whatever circuit.
    pub(crate) fn has_finished(&self) -> bool {
        self.outgoing.borrow().is_finished()
    }

    /// Whether it did on this one.
    pub(crate) fn is_finish_sent(&self) -> bool {
        self.outgoing.borrow().is_finish_sent()
    }

    pub(crate) fn acknowledged(&self, count: u64) -> Result<(), CountError> {
        self.outgoing.borrow_mut().acknowledge(count)
    }

    /// A new circuit takes over, whose other end has received so much.
    pub(crate) fn resume(&self, count: u64) -> Result<(), CountError> {
        self.outgoing.borrow_mut().resume(count)
    }

    /// Counts what came and keeps it until it is taken.
    pub(crate) fn received(&self, bytes: BytesMut) {
        self.incoming.borrow_mut().receive(bytes.len());
        self.untaken.replace(bytes);
        if self.due() == Due::Now || self.timer.borrow().is_none() {
            self.wake();
        }
    }

    pub(crate) fn ended(&self) {
        self.incoming.borrow_mut().end();
        self.wake();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.incoming.borrow().has_ended()
    }

    /// What was received, to be told.
    pub(crate) fn tell(&self) -> u64 {
        self.timer.take();
        self.incoming.borrow_mut().tell()
    }

    /// The count to tell together with something else.
    pub(crate) fn tell_along(&self) -> Option<u64> {
        (self.due() != Due::Not).then(|| self.tell())
    }

    /// Ready with a count when it has to be told.
    pub(crate) fn poll_tell(&self, cx: &mut Context<'_>) -> Poll<u64> {
        match self.due() {
            Due::Now => return Poll::Ready(self.tell()),
            Due::Soon if self.has_ended() && self.outgoing.borrow().is_finish_sent() => {
                return Poll::Ready(self.tell());
            }
            Due::Soon => {
                let mut timer = self.timer.borrow_mut();
                let timer = timer.get_or_insert_with(|| Box::pin(sleep(ACK_DELAY)));
                if timer.as_mut().poll(cx).is_pending() {
                    self.teller.set(Some(cx.waker().clone()));
                    return Poll::Pending;
                }
            }
            Due::Not => {
                self.teller.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
        }
        Poll::Ready(self.tell())
    }

    /// Both directions ended, and the other side was told.
    pub(crate) fn has_said_all(&self) -> bool {
        self.has_ended() && self.outgoing.borrow().is_finish_sent() && self.due() == Due::Not
    }

    /// Both directions ended, and the other side knows.
    pub(crate) fn has_heard_all(&self) -> bool {
        self.has_ended() && self.outgoing.borrow().is_done()
    }

    /// Both directions ended, and the other side has at least all bytes.
    pub(crate) fn has_delivered_all(&self) -> bool {
        self.has_ended() && self.has_finished() && self.outgoing.borrow().is_delivered()
    }

    /// Grows with every byte that is known to have crossed, in any direction.
    pub(crate) fn progress(&self) -> u64 {
        let acknowledged = self.outgoing.borrow().acknowledged();
        acknowledged.saturating_add(self.incoming.borrow().count())
    }

    /// What keeping the bytes costs.
    pub(crate) fn weight(&self) -> usize {
        self.outgoing.borrow().weight() + self.untaken.borrow().len()
    }

    fn due(&self) -> Due {
        self.incoming.borrow().due()
    }

    fn wake(&self) {
        if let Some(waker) = self.teller.take() {
            waker.wake();
        }
    }
}
