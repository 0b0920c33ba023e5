//! The flows of an exit by their tokens, and which of them have no circuit at
//! the moment (W-5.9, W-5.11).
//!
//! What is looked up are keyed hashes of tokens, so a stranger who tries
//! tokens learns nothing from how long it takes. Flows without a circuit are
//! bounded in number, for each neighbor and together, and in bytes; the oldest
//! goes first.

use crate::serve::KeptLimits;
use masq_core::identity::NodeId;
use masq_core::resume::Token;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// `T` is a circuit that takes a flow over.
pub(crate) struct Kept<T> {
    key: [u8; 32],
    limits: KeptLimits,
    flows: RefCell<HashMap<Digest, Rc<Post<T>>>>,
    without_circuit: RefCell<BTreeMap<u64, Waiting<T>>>,
    of_neighbors: RefCell<HashMap<NodeId, usize>>,
    bytes: Cell<usize>,
    next: Cell<u64>,
}

type Digest = [u8; 32];

struct Waiting<T> {
    post: Rc<Post<T>>,
    neighbor: NodeId,
    bytes: usize,
}

/// Where a flow gets what others have for it.
struct Post<T> {
    mail: RefCell<Option<Mail<T>>>,
    waker: Cell<Option<Waker>>,
}

/// What a flow is told.
pub(crate) enum Mail<T> {
    /// Another circuit goes on with it.
    Circuit(T),
    /// There is no room for it without a circuit.
    Dropped,
}

impl<T> Kept<T> {
    pub(crate) fn new(limits: KeptLimits) -> Self {
        Self {
            key: rand::random(),
            limits,
            flows: RefCell::default(),
            without_circuit: RefCell::default(),
            of_neighbors: RefCell::default(),
            bytes: Cell::new(0),
            next: Cell::new(0),
        }
    }

    /// A flow's place in the table, until it is dropped.
    pub(crate) fn register(&self, token: &Token) -> Place<'_, T> {
        let digest = token.digest(&self.key);
        let post = Rc::new(Post {
            mail: RefCell::new(None),
            waker: Cell::new(None),
        });
        self.flows.borrow_mut().insert(digest, post.clone());
        Place {
            kept: self,
            digest,
            post,
            waiting: Cell::new(None),
        }
    }

    /// Gives a circuit to the flow with this token; back when there is none.
    pub(crate) fn hand_over(&self, token: &Token, circuit: T) -> Result<(), T> {
        let post = self.flows.borrow().get(&token.digest(&self.key)).cloned();
        match post {
            Some(post) => {
                post.put(Mail::Circuit(circuit));
                Ok(())
            }
            None => Err(circuit),
        }
    }

    /// Flows that have no circuit.
    pub(crate) fn without_circuit(&self) -> usize {
        self.without_circuit.borrow().len()
    }

    fn is_full(&self, neighbor: &NodeId) -> Option<u64> {
        let waiting = self.without_circuit.borrow();
        let first = *waiting.first_key_value()?.0;
        if waiting.len() > self.limits.flows || self.bytes.get() > self.limits.bytes {
            return Some(first);
        }
        if *self.of_neighbors.borrow().get(neighbor)? <= self.limits.of_a_neighbor {
            return None;
        }
        let mut own = waiting.iter();
        own.find(|(_, other)| other.neighbor == *neighbor)
            .map(|(number, _)| *number)
    }

    fn leave(&self, number: u64) -> Option<Rc<Post<T>>> {
        let left = self.without_circuit.borrow_mut().remove(&number)?;
        self.bytes.set(self.bytes.get() - left.bytes);
        let mut of_neighbors = self.of_neighbors.borrow_mut();
        if let Some(count) = of_neighbors.get_mut(&left.neighbor) {
            *count -= 1;
            if *count == 0 {
                of_neighbors.remove(&left.neighbor);
            }
        }
        Some(left.post)
    }
}

impl<T> Post<T> {
    fn put(&self, mail: Mail<T>) {
        self.mail.replace(Some(mail));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

pub(crate) struct Place<'a, T> {
    kept: &'a Kept<T>,
    digest: Digest,
    post: Rc<Post<T>>,
    waiting: Cell<Option<u64>>,
}

impl<T> Place<'_, T> {
    /// What comes for the flow.
    pub(crate) async fn mail(&self) -> Mail<T> {
        poll_fn(|cx| {
            if let Some(mail) = self.post.mail.take() {
                return Poll::Ready(mail);
            }
            self.post.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// The flow has no circuit from here on and holds so many bytes.
    pub(crate) fn wait(&self, neighbor: NodeId, bytes: usize) {
        let kept = self.kept;
        let number = kept.next.replace(kept.next.get() + 1);
        let waiting = Waiting {
            post: self.post.clone(),
            neighbor,
            bytes,
        };
        kept.without_circuit.borrow_mut().insert(number, waiting);
        kept.bytes.set(kept.bytes.get() + bytes);
        *kept.of_neighbors.borrow_mut().entry(neighbor).or_default() += 1;
        self.waiting.set(Some(number));
        while let Some(oldest) = kept.is_full(&neighbor) {
            if let Some(post) = kept.leave(oldest) {
                post.put(Mail::Dropped);
            }
        }
    }

    /// The flow has a circuit again.
    pub(crate) fn go_on(&self) {
        if let Some(number) = self.waiting.take() {
            self.kept.leave(number);
        }
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.go_on();
        let mut flows = self.kept.flows.borrow_mut();
        if flows
            .get(&self.digest)
            .is_some_and(|post| Rc::ptr_eq(post, &self.post))
        {
            flows.remove(&self.digest);
        }
        if flows.is_empty() {
            *flows = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn token(byte: u8) -> Token {
        Token::new([byte; 32])
    }

    fn neighbor(byte: u8) -> NodeId {
        NodeId::new([byte; 32])
    }

    fn kept() -> Kept<u8> {
        Kept::new(KeptLimits {
            of_a_neighbor: 2,
            flows: 3,
            bytes: 100,
        })
    }

    fn dropped(place: &Place<'_, u8>) -> bool {
        matches!(place.mail().now_or_never(), Some(Mail::Dropped))
    }

    #[test]
    fn a_circuit_reaches_the_flow_of_its_token_and_no_other() {
        let kept = kept();
        let [one, two] = [1, 2].map(|byte| kept.register(&token(byte)));
        assert_eq!(kept.hand_over(&token(3), 7), Err(7));
        assert_eq!(kept.hand_over(&token(2), 8), Ok(()));
        assert!(one.mail().now_or_never().is_none());
        assert!(matches!(two.mail().now_or_never(), Some(Mail::Circuit(8))));
        drop(two);
        assert_eq!(kept.hand_over(&token(2), 9), Err(9));
    }

    #[test]
    fn the_oldest_goes_when_a_neighbor_has_too_many() {
        let kept = kept();
        let places: Vec<_> = (0..4).map(|byte| kept.register(&token(byte))).collect();
        for (place, from) in places.iter().zip([1, 2, 1, 1]) {
            place.wait(neighbor(from), 1);
        }
        let gone: Vec<bool> = places.iter().map(dropped).collect();
        assert_eq!(gone, [true, false, false, false]);
        assert_eq!(kept.without_circuit(), 3);
    }

    #[test]
    fn the_oldest_goes_when_all_have_too_many_or_hold_too_much() {
        let kept = kept();
        let places: Vec<_> = (0..5).map(|byte| kept.register(&token(byte))).collect();
        for (place, from) in places.iter().zip(0..4) {
            place.wait(neighbor(from), 10);
        }
        assert!(dropped(&places[0]));
        assert_eq!(kept.without_circuit(), 3);
        places[4].wait(neighbor(9), 95);
        assert_eq!(kept.without_circuit(), 1);
        assert!(!dropped(&places[4]));
        drop(places);
        assert_eq!(kept.bytes.get(), 0);
        assert_eq!(kept.without_circuit(), 0);
    }
}
