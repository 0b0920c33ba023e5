//! A mesh that finds itself: every Node is told of one other and of nothing else.

use std::thread;
use std::time::{Duration, Instant};

use masq_lab::node::Status;
use masq_lab::swarm::{prepare, prepare_as, prepare_captured};
use masq_lab::{Lab, Node, Swarm, require, wait};

use crate::support::{CONNECTED, JOIN, LONELY, ROUTE};

/// The bar is ten seconds; a machine that does something else meanwhile gets more.
#[test]
fn sixteen_nodes_have_routes_soon_after_the_last_start() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start(&mut lab, 16, |_| 1).unwrap();
    let mut times = swarm.await_stage(ROUTE, JOIN).unwrap();
    times.sort();
    println!(
        "MEASURED: 16 Nodes, told of the first: three hops for half of them {:?}, for all {:?} after the last start",
        times[8], times[15]
    );
    let neighbors = assert_degrees(&swarm, 3, 10);
    println!("MEASURED: neighbors {neighbors:?}");
}

#[test]
fn a_chain_of_descriptors_is_enough() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start(&mut lab, 8, |number| number - 1).unwrap();
    let times = swarm.await_stage(ROUTE, JOIN).unwrap();
    println!(
        "MEASURED: 8 Nodes in a chain: three hops for all {:?} after the last start",
        times.iter().max()
    );
    let neighbors = assert_degrees(&swarm, 3, 7);
    println!("MEASURED: neighbors {neighbors:?}");
}

#[test]
fn a_node_alone_says_so_and_what_to_do() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let seed = prepare(&mut lab, "n1").unwrap();
    let node = prepare(&mut lab, "n2").unwrap().knowing(&seed.descriptor);
    let node = node.launch().unwrap();
    let (tried, _) = wait::until_some("a failed attempt in the status", JOIN, || {
        let status = node.status()?;
        assert_eq!(status.stage.as_deref(), Some(LONELY));
        let tried = status.neighbors.into_iter().next()?;
        (tried.state == "failed").then_some(tried)
    })
    .unwrap();
    assert_eq!(Some(tried.id), seed.id());
    assert!(!tried.said.is_empty() && !tried.remedy.is_empty());
}

#[test]
fn the_stage_goes_up_and_down_with_the_mesh() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let prepared: Vec<_> = (1..=5)
        .map(|number| prepare(&mut lab, &format!("n{number}")).unwrap())
        .collect();
    let first = prepared[0].descriptor.clone();
    let mut others = prepared.into_iter();
    let watched = others.next().unwrap().launch().unwrap();
    watched.await_stage(LONELY, JOIN).unwrap();

    let mut nodes = vec![others.next().unwrap().knowing(&first).launch().unwrap()];
    watched.await_stage(CONNECTED, JOIN).unwrap();
    nodes.extend(others.map(|one| one.knowing(&first).launch().unwrap()));
    watched.await_stage(ROUTE, JOIN).unwrap();

    let last = nodes.split_off(1);
    drop(last);
    watched.await_stage(CONNECTED, JOIN).unwrap();
    drop(nodes);
    watched.await_stage(LONELY, JOIN).unwrap();
}

#[test]
fn a_node_joins_when_its_only_acquaintance_comes_twenty_seconds_late() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let seed = prepare(&mut lab, "n1").unwrap();
    let early = prepare(&mut lab, "n2").unwrap().knowing(&seed.descriptor);
    let early = early.launch().unwrap();
    thread::sleep(Duration::from_secs(20));
    assert_eq!(early.stage(), LONELY);

    let start = Instant::now();
    let _seed = seed.launch().unwrap();
    early
        .await_stage(CONNECTED, Duration::from_secs(90))
        .unwrap();
    println!(
        "MEASURED: joined {:?} after the late seed's start",
        start.elapsed()
    );
}

/// Half of them take no links themselves.
#[test]
fn twenty_nodes_that_are_told_of_one_share_the_load() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start_as(
        &mut lab,
        21,
        |_| 1,
        |number, plan| {
            if number % 2 == 0 {
                plan.set("neighborhood-mode", "originate-only");
                plan.settings.remove("ip");
                plan.settings.remove("clandestine-port");
            }
        },
    )
    .unwrap();
    let times = swarm.await_stage(ROUTE, JOIN).unwrap();
    println!(
        "MEASURED: 21 Nodes, half of them dial only: three hops for all {:?} after the last start",
        times.iter().max()
    );
    let neighbors = assert_degrees(&swarm, 3, 10);
    println!("MEASURED: neighbors {neighbors:?}");
}

/// Neighbors that answer nothing any more do not keep a newcomer out.
#[test]
fn stalled_neighbors_do_not_keep_a_newcomer_out() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 11, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    for node in &mut swarm.nodes[1..] {
        node.process()
            .signal(nix::sys::signal::Signal::SIGSTOP)
            .unwrap();
    }
    let seed = swarm.nodes[0].status().unwrap().descriptor.unwrap();
    let newcomer = prepare(&mut lab, "late").unwrap().knowing(&seed);
    let newcomer = newcomer.launch().unwrap();
    let taken = newcomer.await_stage(CONNECTED, JOIN).unwrap();
    println!("MEASURED: beside ten stalled neighbors a newcomer is in after {taken:?}");
    for node in &mut swarm.nodes[1..] {
        node.process()
            .signal(nix::sys::signal::Signal::SIGCONT)
            .unwrap();
    }
}

/// Who is dead is not introduced: a newcomer meets those who live.
#[test]
fn a_newcomer_is_introduced_to_those_who_live() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 7, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    let dead: Vec<String> = swarm.nodes[4..]
        .iter_mut()
        .map(|node| {
            node.kill().unwrap();
            node.id().unwrap().to_owned()
        })
        .collect();
    let seed = swarm.nodes[0].status().unwrap().descriptor.unwrap();
    wait::until("the dead to be noticed", JOIN, || {
        let status = swarm.nodes[0].status().unwrap();
        status
            .neighbor_ids()
            .iter()
            .all(|id| !dead.iter().any(|one| one == id))
    })
    .unwrap();
    let newcomer = prepare(&mut lab, "late").unwrap().knowing(&seed);
    let newcomer = newcomer.launch().unwrap();
    newcomer.await_stage(ROUTE, JOIN).unwrap();
    let status = newcomer.status().unwrap();
    assert!(status.neighbor_ids().len() >= 3, "{status:?}");
    let met = |id: &String| status.neighbors.iter().any(|one| one.id == *id);
    assert!(!dead.iter().any(met), "{status:?}");
}

#[test]
fn each_mode_has_its_place() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start(&mut lab, 5, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    let seed = swarm.nodes[0].status().unwrap().descriptor.unwrap();
    let no_address = |mode: &'static str| {
        move |plan: &mut masq_lab::NodePlan| {
            plan.set("neighborhood-mode", mode).set("capture", false);
            plan.settings.remove("ip");
            plan.settings.remove("clandestine-port");
            plan.settings.remove("dns-servers");
        }
    };
    let silent = prepare_as(&mut lab, "silent", no_address("originate-only")).unwrap();
    let client = prepare_captured(&mut lab, "client", no_address("consume-only")).unwrap();
    let silent = silent.knowing(&seed).launch().unwrap();
    let client = client.knowing(&seed).launch().unwrap();
    silent.await_stage(ROUTE, JOIN).unwrap();
    client.await_stage(ROUTE, JOIN).unwrap();

    // An originate-only Node is known in the mesh, a consume-only one is not.
    let all = |wanted: &dyn Fn(&Status) -> bool| {
        swarm
            .nodes
            .iter()
            .all(|node| wanted(&node.status().unwrap()))
    };
    wait::until("everyone to know five others", JOIN, || {
        all(&|status| status.records == 5)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", swarm.picture()));
    let id = client.id().unwrap();
    let serving = swarm.nodes.iter().filter(|node| {
        let status = node.status().unwrap();
        let stands = status.neighbors.iter().find(|one| one.id == id);
        stands.is_some_and(|one| one.state == "client")
    });
    assert!(serving.count() >= 1, "{}", swarm.picture());
    for node in [&silent, &client] {
        assert_eq!(node.status().unwrap().descriptor, None);
        assert!(!listens(node), "{} takes links", node.host().name());
    }
}

/// Whether a link can be opened to the mesh's port: a version that QUIC does not have gets an answer there.
fn listens(node: &Node) -> bool {
    let mut hello = vec![0; 1_200];
    hello[..6].copy_from_slice(&[0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8]);
    crate::garbage::knock(node.host(), node.host(), std::iter::repeat_n(hello, 3)) > 0
}

/// Every Node's neighbors, once nothing changes any more.
fn assert_degrees(swarm: &Swarm, least: usize, most: usize) -> Vec<usize> {
    let degrees = || -> Vec<usize> {
        let count = |node: &Node| {
            node.status()
                .map_or(0, |status| status.neighbor_ids().len())
        };
        swarm.nodes.iter().map(count).collect()
    };
    let settled = wait::until(
        "every Node to have enough neighbors and none too many",
        JOIN,
        || {
            degrees()
                .iter()
                .all(|degree| (least..=most).contains(degree))
        },
    );
    settled.unwrap_or_else(|error| panic!("{error}\n{}", swarm.picture()));
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(100));
        let degrees = degrees();
        assert!(degrees.iter().all(|degree| *degree <= most), "{degrees:?}");
    }
    degrees()
}
