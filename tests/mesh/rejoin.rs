//! What a mesh that found itself lives through: restarts, an address that changes, a split, the end of a Node.

use std::thread;
use std::time::{Duration, Instant};

use masq_lab::{Host, Lab, Node, Swarm, require, wait};

use crate::support::{CONNECTED, JOIN, LONELY, ROUTE};

/// Killed, and started without being told of anybody: what the database holds is enough.
#[test]
fn a_killed_node_rejoins_from_its_database() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 8, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    // What was learned last may take two seconds to the disk.
    thread::sleep(Duration::from_secs(3));
    for round in 0..3 {
        let node = &mut swarm.nodes[4];
        let before = node.id().map(str::to_owned);
        node.kill().unwrap();
        if round > 0 {
            // The others have given it up by then.
            thread::sleep(Duration::from_secs(5));
        }
        node.plan().settings.remove("neighbors");
        node.restart().unwrap();
        let joined = |line: &str| line.contains("event=\"joined\"");
        let connected = node.process().await_log("joined", JOIN, joined).unwrap();
        let route = node.await_logged("RouteFound", JOIN).unwrap();
        println!(
            "MEASURED: rejoined from the database: a neighbor {connected:?}, a route {:?} after the start",
            connected + route
        );
        node.await_stage(ROUTE, JOIN).unwrap();
        assert_eq!(node.status().unwrap().descriptor.and_then(id_of), before);
        thread::sleep(Duration::from_secs(3));
    }
}

/// The one that all were told of is the one that needs the database most.
#[test]
fn the_first_node_rejoins_without_knowing_anybody() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 6, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    thread::sleep(Duration::from_secs(3));
    let seed = &mut swarm.nodes[0];
    seed.stop().unwrap();
    seed.restart().unwrap();
    let taken = seed.await_logged("RouteFound", JOIN).unwrap();
    println!("MEASURED: after a clean end a route {taken:?} after the start");
    swarm.await_stage(ROUTE, JOIN).unwrap();
}

#[test]
fn a_node_that_vanishes_is_forgotten_by_all() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 8, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    await_records(&swarm.nodes, 7, JOIN);
    // Its cable is pulled: nothing says good-bye.
    let gone = swarm.nodes.remove(3);
    lab.plug(gone.host(), false).unwrap();
    let start = Instant::now();
    let id = gone.id().unwrap().to_owned();
    wait::until("its neighbors to notice", JOIN, || {
        let knows = |node: &Node| node.status().unwrap().neighbor_ids().contains(&id.as_str());
        !swarm.nodes.iter().any(knows)
    })
    .unwrap();
    println!(
        "MEASURED: its neighbors name it no more {:?} after the cable was pulled",
        start.elapsed()
    );
    // Nobody connects it to the others any more, and after a minute its record goes.
    await_records(&swarm.nodes, 6, Duration::from_secs(120));
    println!(
        "MEASURED: its record is gone everywhere after {:?}",
        start.elapsed()
    );

    gone.await_stage(LONELY, JOIN).unwrap();
    lab.plug(gone.host(), true).unwrap();
    let back = gone.await_stage(ROUTE, Duration::from_secs(90)).unwrap();
    println!("MEASURED: with the cable back it has a route after {back:?}");
}

#[test]
fn a_split_mesh_works_on_and_heals() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start(&mut lab, 10, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    await_records(&swarm.nodes, 9, JOIN);
    thread::sleep(Duration::from_secs(5));
    let (one, other) = halves(&swarm.nodes);
    let hosts: Vec<Host> = swarm.hosts().into_iter().cloned().collect();
    let of = |half: &[usize]| half.iter().map(|node| &hosts[*node]).collect::<Vec<_>>();
    lab.split(&of(&one), &of(&other)).unwrap();
    await_records(&swarm.nodes, 4, Duration::from_secs(150));
    for node in &swarm.nodes {
        node.await_stage(ROUTE, JOIN).unwrap();
    }
    println!(
        "MEASURED: each half of five works on by itself\n{}",
        swarm.picture()
    );

    lab.heal().unwrap();
    let start = Instant::now();
    await_records(&swarm.nodes, 9, Duration::from_secs(150));
    println!(
        "MEASURED: everyone knows everyone {:?} after the split ended",
        start.elapsed()
    );
}

/// Two halves in each of which neighbors lead from every Node to every other: one whose neighbors are all
/// beyond the split knows no address on its own side, and waits.
fn halves(nodes: &[Node]) -> (Vec<usize>, Vec<usize>) {
    let links: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let status = node.status().unwrap();
            let of = |id: &str| nodes.iter().position(|other| other.id() == Some(id));
            status.neighbor_ids().into_iter().filter_map(of).collect()
        })
        .collect();
    let is_whole = |half: &[usize]| {
        let mut reached = vec![half[0]];
        let mut next = 0;
        while let Some(node) = reached.get(next).copied() {
            next += 1;
            let new = links[node].iter().filter(|node| half.contains(node));
            for node in new.copied().collect::<Vec<_>>() {
                if !reached.contains(&node) {
                    reached.push(node);
                }
            }
        }
        reached.len() == half.len()
    };
    let all = 0..1_usize << nodes.len();
    let parts = all.filter(|half| half.count_ones() as usize == nodes.len() / 2);
    parts
        .map(|half| (0..nodes.len()).partition(|node| half >> node & 1 == 1))
        .find(|(one, other): &(Vec<usize>, Vec<usize>)| is_whole(one) && is_whole(other))
        .expect("a mesh of ten has two such halves")
}

#[test]
fn a_node_whose_address_changes_stays_in_the_mesh() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 6, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    thread::sleep(Duration::from_secs(3));
    let new = lab.renumber(swarm.nodes[2].host()).unwrap();
    let start = Instant::now();
    let node = &mut swarm.nodes[2];
    wait::until("a descriptor with the new address", JOIN, || {
        let descriptor = node.status().and_then(|status| status.descriptor);
        descriptor.is_some_and(|text| text.contains(&format!("@{new}:")))
    })
    .unwrap();
    println!(
        "MEASURED: the new address is known {:?} after the change",
        start.elapsed()
    );
    wait::until("three neighbors at the new address", JOIN, || {
        node.status().unwrap().neighbor_ids().len() >= 3 && node.stage() == ROUTE
    })
    .unwrap();
    println!(
        "MEASURED: three neighbors and a route {:?} after the change",
        start.elapsed()
    );
    assert!(node.process().is_running());
    // A newcomer that is told the new address gets in.
    let descriptor = swarm.nodes[2].status().unwrap().descriptor.unwrap();
    let late = masq_lab::swarm::prepare(&mut lab, "late").unwrap();
    let late = late.knowing(&descriptor).launch().unwrap();
    late.await_stage(ROUTE, JOIN).unwrap();
}

/// Its records of before have a higher version than a forgetful Node would begin with.
#[test]
fn a_node_that_lost_all_but_its_key_is_believed_again() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 5, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    let node = &mut swarm.nodes[2];
    node.kill().unwrap();
    let data = node.host().folder().unwrap().join("data/node-data.db");
    let forget = "DELETE FROM neighbor; DELETE FROM guard; DELETE FROM reputation;";
    masq_lab::namespace::run_quiet("sqlite3", &[&data.to_string_lossy(), forget], None).unwrap();
    node.restart().unwrap();
    let taken = node.await_logged("RouteFound", JOIN).unwrap();
    println!("MEASURED: with the same key and nothing else a route {taken:?} after the start");
    let id = node.id().unwrap().to_owned();
    wait::until("a neighbor that names it", JOIN, || {
        swarm.nodes.iter().any(|other| {
            other
                .status()
                .is_some_and(|status| status.neighbor_ids().contains(&id.as_str()))
        })
    })
    .unwrap();
}

#[test]
fn two_nodes_in_one_data_directory_are_one_too_many() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let seed = masq_lab::swarm::prepare(&mut lab, "n1").unwrap();
    let mut first = seed.clone().launch().unwrap();
    first.await_stage(LONELY, JOIN).unwrap();
    let mut second = seed.plan.clone();
    second.set("clandestine-port", 5_999);
    let mut second = second.launch(None).unwrap();
    let status = second.process().wait(JOIN).unwrap();
    assert!(!status.success());
    let log = second.process().log();
    assert!(
        log.contains("database-in-use") && log.contains("Stop the other Node"),
        "{log}"
    );
    assert!(first.process().is_running());
    assert_ne!(first.stage(), CONNECTED);
}

fn await_records(nodes: &[Node], count: usize, limit: Duration) {
    let counts = || -> Vec<usize> {
        let records = |node: &Node| node.status().map_or(0, |status| status.records);
        nodes.iter().map(records).collect()
    };
    wait::until(&format!("{count} records at each Node"), limit, || {
        counts().iter().all(|found| *found == count)
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}", counts()));
}

fn id_of(descriptor: String) -> Option<String> {
    let (_, rest) = descriptor.strip_prefix("masq://")?.split_once(':')?;
    Some(rest.split_once('@')?.0.to_owned())
}
