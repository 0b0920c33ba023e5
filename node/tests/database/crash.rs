//! A process that writes all the time is killed at random moments.

use crate::support::{LIMIT, assert_whole, folder_of_part, guard, neighbor, part, reputation};
use masq_node::database::{Change, Store};
use rand::Rng;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

const ROUNDS: u32 = 25;

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut id, mut last) = (None, 0);
    for round in 0..ROUNDS {
        let mut child = part(&[], "crash::writes_until_killed", &data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(5..250)));
        child.kill().unwrap();
        let mut output = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut output)
            .unwrap();
        child.wait().unwrap();
        // The last line may be cut.
        let whole = &output[..output.rfind('\n').map_or(0, |end| end + 1)];
        for line in whole.lines() {
            if let Some(said) = line.strip_prefix("id ") {
                assert_eq!(id.get_or_insert(said.to_owned()), said, "round {round}");
            } else if let Some(said) = line.strip_prefix("written ") {
                last = said.parse().unwrap();
            }
        }

        let (store, loaded) = Store::open(&data).unwrap();
        if let Some(id) = &id {
            assert_eq!(&loaded.identity.unwrap().id().to_string(), id);
        }
        let newest = loaded.neighbors.iter().map(|one| one.last_seen_unix).max();
        assert!(newest.unwrap_or_default() >= last, "{newest:?} of {last}");
        // Each transaction is whole: it wrote all three at once.
        let times = loaded.reputation.iter().map(|(_, one)| one.seen_unix).max();
        assert_eq!(times, newest);
        assert_eq!(loaded.guards.first().map(|one| one.added_unix), newest);
        drop(store);
        assert_whole(&data);
    }
    assert!(last > 0, "no round came to write");
}

#[test]
#[ignore = "a part of another test"]
fn writes_until_killed() {
    let Some(folder) = folder_of_part() else {
        return;
    };
    let (store, mut loaded) = Store::open(&folder).unwrap();
    let begin = loaded.neighbors.iter().map(|one| one.last_seen_unix).max();
    println!(
        "id {}",
        store.identity(&mut loaded, 1_000_000).unwrap().id()
    );
    for time in begin.unwrap_or_default() + 1.. {
        store.queue(Change::Neighbor(neighbor((time % 200) as u8, time)));
        store.queue(Change::Reputation(vec![reputation(
            (time % 251) as u8,
            time,
        )]));
        let mut first = guard(1);
        first.added_unix = time;
        store.queue(Change::Guards(vec![first]));
        store.flush(LIMIT).unwrap();
        println!("written {time}");
    }
}
