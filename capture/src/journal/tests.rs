use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Storage for Memory {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.borrow().clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.borrow_mut().clear();
        Ok(())
    }
}

fn here() -> Place {
    Place {
        boot: "b1".to_owned(),
        namespace: 7,
    }
}

fn rule(priority: u32) -> Inverse {
    Inverse::DeleteRule {
        family: Family::V4,
        priority,
    }
}

fn well(inverses: &[Inverse]) -> Vec<Result<(), String>> {
    vec![Ok(()); inverses.len()]
}

#[test]
fn changes_are_undone_newest_first() {
    let memory = Memory::default();
    let mut journal = Journal::open(memory.clone(), here()).unwrap();
    journal.record("rules", &[rule(1), rule(2)]).unwrap();
    journal
        .record(
            "group",
            &[Inverse::RemoveCgroup {
                path: "/masq".into(),
            }],
        )
        .unwrap();
    let mut journal = Journal::open(memory.clone(), here()).unwrap();
    let mut undone = Vec::new();
    journal
        .undo_all(|inverses| {
            undone.extend_from_slice(inverses);
            well(inverses)
        })
        .unwrap();
    assert_eq!(
        undone,
        [
            Inverse::RemoveCgroup {
                path: "/masq".into()
            },
            rule(2),
            rule(1)
        ]
    );
    assert!(memory.0.borrow().is_empty());
}

#[test]
fn replay_is_idempotent() {
    let memory = Memory::default();
    Journal::open(memory.clone(), here())
        .unwrap()
        .record("rules", &[rule(1)])
        .unwrap();
    let before = memory.0.borrow().clone();
    Journal::open(memory.clone(), here())
        .unwrap()
        .undo_all(well)
        .unwrap();
    let outcomes = Journal::open(memory.clone(), here())
        .unwrap()
        .undo_all(well)
        .unwrap();
    assert!(outcomes.is_empty());
    assert!(!before.is_empty());
}

#[test]
fn what_fails_stays_for_the_next_replay() {
    let memory = Memory::default();
    let mut journal = Journal::open(memory.clone(), here()).unwrap();
    journal.record("rules", &[rule(1), rule(2)]).unwrap();
    let outcomes = journal
        .undo_all(|_| vec![Ok(()), Err("busy".to_owned())])
        .unwrap();
    assert!(
        matches!(&outcomes[..], [Outcome::Undone(_), Outcome::Failed(_, text)] if text == "busy")
    );
    let journal = Journal::open(memory, here()).unwrap();
    assert_eq!(
        journal
            .entries()
            .iter()
            .map(|entry| &entry.inverse)
            .collect::<Vec<_>>(),
        [&rule(1)]
    );
}

#[test]
fn entries_of_another_boot_are_void() {
    let memory = Memory::default();
    Journal::open(memory.clone(), here())
        .unwrap()
        .record("rules", &[rule(1)])
        .unwrap();
    let later = Place {
        boot: "b2".to_owned(),
        namespace: 7,
    };
    let outcomes = Journal::open(memory.clone(), later)
        .unwrap()
        .undo_all(|_| panic!("undone"))
        .unwrap();
    assert!(matches!(&outcomes[..], [Outcome::Void(_)]));
    assert!(memory.0.borrow().is_empty());
}

#[test]
fn entries_of_another_namespace_are_left_alone() {
    let memory = Memory::default();
    let group = Inverse::RemoveCgroup {
        path: "/masq".into(),
    };
    Journal::open(memory.clone(), here())
        .unwrap()
        .record("all", &[rule(1), group.clone()])
        .unwrap();
    let elsewhere = Place {
        boot: "b1".to_owned(),
        namespace: 8,
    };
    let mut journal = Journal::open(memory.clone(), elsewhere).unwrap();
    let mut undone = Vec::new();
    journal
        .undo_all(|inverses| {
            undone.extend_from_slice(inverses);
            well(inverses)
        })
        .unwrap();
    assert_eq!(undone, [group]);
    assert_eq!(Journal::open(memory, here()).unwrap().entries().len(), 1);
}

#[test]
fn only_the_chosen_steps_are_undone() {
    let mut journal = Journal::open(Memory::default(), here()).unwrap();
    journal.record("keep", &[rule(1)]).unwrap();
    journal.record("drop", &[rule(2)]).unwrap();
    journal.undo_where(|change| change == "drop", well).unwrap();
    assert_eq!(journal.entries().len(), 1);
    journal.record("again", &[rule(3)]).unwrap();
    assert_eq!(journal.entries().last().unwrap().sequence, 3);
}

proptest! {
    #[test]
    fn a_journal_cut_anywhere_keeps_its_whole_lines(cut in 0usize..2000, more in 1u32..9) {
        let memory = Memory::default();
        let mut journal = Journal::open(memory.clone(), here()).unwrap();
        for priority in 1..=more {
            journal.record("rules", &[rule(priority)]).unwrap();
        }
        let cut = cut.min(memory.0.borrow().len());
        memory.0.borrow_mut().truncate(cut);
        let whole = memory.0.borrow().iter().filter(|&&byte| byte == b'\n').count();
        let mut journal = Journal::open(memory.clone(), here()).unwrap();
        // A line that lost nothing but its end is whole as well.
        let kept = journal.entries().len();
        prop_assert!(kept == whole || kept == whole + 1);
        journal.record("rules", &[rule(99)]).unwrap();
        let journal = Journal::open(memory, here()).unwrap();
        prop_assert_eq!(journal.entries().len(), kept + 1);
    }

    #[test]
    fn any_bytes_are_a_journal(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let memory = Memory(Rc::new(RefCell::new(bytes)));
        let _ = Journal::open(memory, here()).unwrap().undo_all(well);
    }
}
