use proptest::prelude::*;

use super::*;

/// What travels on a circuit in one direction.
#[derive(Clone, Debug)]
enum Item {
    Data(Bytes),
    Fin,
    Ack(u64),
}

/// One end of a flow: what it sends, what it got, the items on their way to it.
#[derive(Default)]
struct End {
    outgoing: Outgoing,
    incoming: Incoming,
    offset: u64,
    got: Vec<u8>,
    arriving: VecDeque<Item>,
}

fn content(offset: u64, length: usize) -> Bytes {
    (0..length)
        .map(|at| (offset + at as u64).wrapping_mul(31).to_le_bytes()[0])
        .collect()
}

impl End {
    fn send(&mut self, length: usize, other: &mut End) {
        if self.outgoing.is_behind() || self.outgoing.is_finished() {
            return;
        }
        let bytes = content(self.offset, length);
        self.offset += length as u64;
        self.outgoing.send(bytes.clone());
        other.arriving.push_back(Item::Data(bytes));
    }

    fn finish(&mut self, other: &mut End) {
        if self.outgoing.is_behind() || self.outgoing.is_finish_sent() {
            return;
        }
        self.outgoing.finish();
        other.arriving.push_back(Item::Fin);
    }

    fn again(&mut self, limit: usize, other: &mut End) {
        if let Some(bytes) = self.outgoing.again(limit) {
            other.arriving.push_back(Item::Data(bytes));
        } else if self.outgoing.is_finished() {
            self.finish(other);
        }
    }

    fn acknowledge(&mut self, other: &mut End) {
        if self.incoming.due() != Due::Not {
            other.arriving.push_back(Item::Ack(self.incoming.tell()));
        }
    }

    fn deliver(&mut self, items: usize) {
        for _ in 0..items {
            match self.arriving.pop_front() {
                Some(Item::Data(bytes)) => {
                    assert!(!self.incoming.has_ended(), "bytes after the end");
                    self.incoming.receive(bytes.len());
                    self.got.extend_from_slice(&bytes);
                }
                Some(Item::Fin) => {
                    assert!(!self.incoming.has_ended(), "a second end");
                    self.incoming.end();
                }
                Some(Item::Ack(count)) => self.outgoing.acknowledge(count).unwrap(),
                None => return,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.outgoing.is_done() && self.incoming.has_ended()
    }
}

/// The circuit is lost with all that is on it, another one takes its place.
fn cut(a: &mut End, b: &mut End) {
    a.arriving.clear();
    b.arriving.clear();
    a.outgoing.resume(b.incoming.tell()).unwrap();
    b.outgoing.resume(a.incoming.tell()).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Send(bool, usize),
    Finish(bool),
    Again(bool, usize),
    Acknowledge(bool),
    Deliver(bool, usize),
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<bool>(), 1..40_usize).prop_map(|(side, length)| Step::Send(side, length)),
        1 => any::<bool>().prop_map(Step::Finish),
        4 => (any::<bool>(), 1..30_usize).prop_map(|(side, limit)| Step::Again(side, limit)),
        3 => any::<bool>().prop_map(Step::Acknowledge),
        6 => (any::<bool>(), 1..4_usize).prop_map(|(side, items)| Step::Deliver(side, items)),
        2 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_cut_loses_doubles_or_reorders_a_byte(steps in steps()) {
        let (mut a, mut b) = (End::default(), End::default());
        for step in steps {
            let side = match step {
                Step::Send(side, _) | Step::Finish(side) | Step::Again(side, _)
                | Step::Acknowledge(side) | Step::Deliver(side, _) => side,
                Step::Cut => true,
            };
            let (one, other) = if side { (&mut a, &mut b) } else { (&mut b, &mut a) };
            match step {
                Step::Send(_, length) => one.send(length, other),
                Step::Finish(_) => one.finish(other),
                Step::Again(_, limit) => one.again(limit, other),
                Step::Acknowledge(_) => one.acknowledge(other),
                Step::Deliver(_, items) => one.deliver(items),
                Step::Cut => cut(one, other),
            }
        }
        for _ in 0..10_000 {
            if a.is_done() && b.is_done() {
                break;
            }
            for side in [true, false] {
                let (one, other) = if side { (&mut a, &mut b) } else { (&mut b, &mut a) };
                one.again(7, other);
                one.finish(other);
                other.deliver(usize::MAX);
                other.acknowledge(one);
            }
        }
        prop_assert!(a.is_done() && b.is_done());
        prop_assert_eq!(&a.got, &content(0, b.offset as usize));
        prop_assert_eq!(&b.got, &content(0, a.offset as usize));
        for end in [&a, &b] {
            prop_assert_eq!(end.outgoing.weight(), 0);
            prop_assert_eq!(end.outgoing.kept.capacity(), 0, "an idle flow holds nothing");
        }
    }

    #[test]
    fn no_count_of_a_stranger_panics_or_makes_anything_grow(
        steps in prop::collection::vec((0..5_u8, any::<u64>(), 0..300_000_usize), 0..100),
    ) {
        let mut outgoing = Outgoing::default();
        for (step, count, length) in steps {
            // Small counts meet what is there, large ones do not.
            let count = if count % 2 == 0 { count } else { count % (outgoing.end + 2) };
            match step {
                0 => drop(outgoing.acknowledge(count)),
                1 => drop(outgoing.resume(count)),
                2 => drop(outgoing.again(length)),
                3 if !outgoing.is_behind() => outgoing.finish(),
                _ if !outgoing.is_behind() && !outgoing.is_finished() => {
                    outgoing.send(Bytes::from(vec![0; length]));
                }
                _ => {}
            }
            let kept: usize = outgoing.kept.iter().map(|piece| piece.len() + PIECE).sum();
            prop_assert_eq!(kept, outgoing.weight());
            prop_assert!(kept <= WINDOW);
            prop_assert!(outgoing.acknowledged <= outgoing.end + 1);
            let length: u64 = outgoing.kept.iter().map(|piece| piece.len() as u64).sum();
            prop_assert_eq!(outgoing.first.min(outgoing.end) + length, outgoing.end);
        }
    }
}

#[test]
fn impossible_counts_are_told_apart() {
    let mut outgoing = Outgoing::default();
    outgoing.send(content(0, 10));
    assert_eq!(
        outgoing.acknowledge(11),
        Err(CountError::Beyond { told: 11, sent: 10 })
    );
    outgoing.acknowledge(4).unwrap();
    assert_eq!(
        outgoing.acknowledge(3),
        Err(CountError::Backwards { told: 3, before: 4 })
    );
    assert_eq!(
        outgoing.resume(3),
        Err(CountError::Backwards { told: 3, before: 4 })
    );
    outgoing.resume(4).unwrap();
    // The new circuit has carried nothing yet.
    assert_eq!(
        outgoing.acknowledge(5),
        Err(CountError::Beyond { told: 5, sent: 4 })
    );
    assert_eq!(outgoing.again(2).unwrap(), content(4, 2));
    outgoing.acknowledge(5).unwrap();
    assert_eq!(outgoing.again(100).unwrap(), content(6, 4));
    assert_eq!(outgoing.again(100), None);
    assert!(!outgoing.is_delivered());
    outgoing.acknowledge(10).unwrap();
    assert!(outgoing.is_delivered());
    outgoing.finish();
    assert!(!outgoing.is_done());
    outgoing.acknowledge(11).unwrap();
    assert!(outgoing.is_done());
}

#[test]
fn what_nobody_acknowledges_is_forgotten_from_the_front() {
    let mut outgoing = Outgoing::default();
    for _ in 0..300 {
        outgoing.send(Bytes::from(vec![1; 16_384]));
    }
    let forgotten = outgoing.first;
    assert!(forgotten > 0);
    assert_eq!(
        outgoing.resume(forgotten - 1),
        Err(CountError::Forgotten {
            told: forgotten - 1,
            first: forgotten
        })
    );
    // The flow goes on, and can be resumed when the other end has caught up.
    outgoing.acknowledge(forgotten + 1).unwrap();
    outgoing.resume(forgotten + 1).unwrap();
    let mut rest = 0;
    while let Some(bytes) = outgoing.again(usize::MAX) {
        rest += bytes.len() as u64;
    }
    assert_eq!(forgotten + 1 + rest, 300 * 16_384);
}

#[test]
fn a_receiver_tells_after_enough_bytes_and_soon_after_few() {
    let mut incoming = Incoming::default();
    assert_eq!(incoming.due(), Due::Not);
    incoming.receive(1);
    assert_eq!(incoming.due(), Due::Soon);
    incoming.receive(ACK_EVERY as usize - 1);
    assert_eq!(incoming.due(), Due::Now);
    assert_eq!(incoming.tell(), ACK_EVERY);
    assert_eq!(incoming.due(), Due::Not);
    incoming.end();
    assert_eq!(incoming.due(), Due::Soon);
    assert_eq!(incoming.tell(), ACK_EVERY + 1);
}
