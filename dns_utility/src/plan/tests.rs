//! Tests of `super`.

use super::*;
use crate::detect::detect;
use crate::environment::ResolvConf;

fn plain(content: &[u8], immutable: bool) -> Environment {
    Environment {
        resolv_conf: ResolvConf {
            snapshot: Snapshot::File {
                content: content.to_vec(),
                mode: 0o600,
                uid: 3,
                gid: 4,
                immutable,
            },
            content: Some(content.to_vec()),
            ..ResolvConf::default()
        },
        ..Environment::default()
    }
}

#[test]
fn a_file_comes_back_with_its_rights_and_a_rewritten_one_stays() {
    let before = plain(b"nameserver 10.0.0.1\n", true);
    let (record, steps) = subvert(&before, &detect(&before)).unwrap();
    let record = Record::from_bytes(&record.to_bytes()).unwrap();
    let Step::Place(placed) = &steps[0] else {
        panic!("{steps:?}");
    };
    let mut now = before.clone();
    now.resolv_conf.snapshot = placed.clone();
    let undo = revert(&now, &record).unwrap();
    assert_eq!(
        undo.steps,
        [Step::Place(before.resolv_conf.snapshot.clone())]
    );

    let undo = revert(&plain(b"nameserver 9.9.9.9\n", false), &record).unwrap();
    assert!(undo.steps.is_empty() && undo.kept.len() == 1, "{undo:?}");

    // Cut off between the flag and the rename: the flag comes back.
    let undo = revert(&plain(b"nameserver 10.0.0.1\n", false), &record).unwrap();
    assert_eq!(undo.steps.len(), 1, "{undo:?}");
    assert_eq!(revert(&before, &record).unwrap(), Undo::default());
}

#[test]
fn a_machine_without_servers_is_not_switched() {
    let environment = plain(b"search example.org\n", false);
    assert!(subvert(&environment, &detect(&environment)).is_err());
}
