//! Flows that outlive a Node on their way: cut while bytes go up, down or both
//! ways, while one side has ended, again and again; and what the exit keeps.

use super::app::{Connection, Reset};
use super::world::{World, address};
use super::{echo, simulate};
use masq_node::serve::KeptLimits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const LATENCY: Duration = Duration::from_millis(5);
const ECHO: &str = "203.0.113.10:7";
const SOURCE: &str = "203.0.113.10:19";
const SINK: &str = "203.0.113.10:9";
const SIZE: usize = 6_000_000;

/// An originator, four relays and an exit. Everyone knows everyone but the
/// exit and the originator each other; of three hops two are relays.
struct Spare {
    world: World,
    originator: usize,
    relays: Vec<usize>,
    exit: usize,
}

fn spare() -> Spare {
    spare_with(KeptLimits::default())
}

fn spare_with(limits: KeptLimits) -> Spare {
    let mut world = World::new(LATENCY);
    let originator = world.add(false, false);
    let relays: Vec<usize> = (0..4).map(|_| world.add(true, false)).collect();
    let exit = world.add_keeping(limits);
    for (index, relay) in relays.iter().enumerate() {
        world.join(originator, *relay);
        world.join(*relay, exit);
        for other in &relays[..index] {
            world.join(*relay, *other);
        }
    }
    world.internet.serve(ECHO, echo);
    world.internet.serve(SOURCE, |mut stream| async move {
        let _ = stream.write_all(&content(SIZE)).await;
    });
    world.internet.serve(SINK, |mut stream| async move {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).await.is_ok() {
            let same = all == content(SIZE);
            let _ = stream.write_all(format!("{same}").as_bytes()).await;
        }
    });
    Spare {
        world,
        originator,
        relays,
        exit,
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

impl Spare {
    /// Kills a relay that carries something.
    fn kill_a_busy_relay(&self) {
        let mut alive = self.relays.iter().map(|relay| &self.world.nodes[*relay]);
        let busy = alive.find(|node| node.services.circuits() > 0);
        busy.expect("a flow passes a relay").kill();
    }

    fn circuits(&self) -> usize {
        let nodes = self.world.nodes.iter();
        nodes.map(|node| node.services.circuits()).sum()
    }

    /// Nothing is left of any flow.
    fn assert_nothing_left(&self) {
        assert_eq!(self.circuits(), 0, "circuits");
        assert_eq!(self.world.internet.held.get(), 0, "connections");
        let exit = &self.world.nodes[self.exit].services;
        assert_eq!(exit.flows_without_circuit(), 0);
    }
}

async fn receive(connection: &Connection, length: usize) -> Result<Vec<u8>, Reset> {
    let mut all = Vec::new();
    while all.len() < length {
        let some = connection.recv().await?;
        if some.is_empty() {
            break;
        }
        all.extend_from_slice(&some);
    }
    Ok(all)
}

#[test]
fn a_download_goes_on_when_a_relay_dies() {
    for first in [100_000, 1_000_000, 5_000_000] {
        simulate(async || {
            let spare = spare();
            let machine = spare.world.machine(spare.originator, 3);
            let connection = machine.connect(address(SOURCE));
            let mut all = receive(&connection, first).await.unwrap();
            spare.kill_a_busy_relay();
            let cut = Instant::now();
            all.extend(connection.recv().await.unwrap());
            assert!(
                cut.elapsed() < Duration::from_secs(1),
                "{:?}",
                cut.elapsed()
            );
            all.extend(connection.recv_all().await.unwrap());
            assert!(all == content(SIZE));
            connection.finish();
            sleep(Duration::from_secs(1)).await;
            spare.assert_nothing_left();
        });
    }
}

#[test]
fn an_upload_goes_on_when_a_relay_dies() {
    for pause in [20, 200, 400] {
        simulate(async || {
            let spare = spare();
            let machine = spare.world.machine(spare.originator, 3);
            let connection = machine.connect(address(SINK));
            let data = content(SIZE);
            let killed = async {
                sleep(Duration::from_millis(pause)).await;
                spare.kill_a_busy_relay();
            };
            let (sent, ()) = tokio::join!(connection.send(&data), killed);
            sent.unwrap();
            connection.finish();
            assert_eq!(connection.recv_all().await.unwrap(), b"true");
            sleep(Duration::from_secs(1)).await;
            spare.assert_nothing_left();
        });
    }
}

#[test]
fn both_directions_go_on_however_often_relays_die() {
    for step in [47, 71, 113] {
        simulate(async || {
            let mut spare = spare();
            let machine = spare.world.machine(spare.originator, 3);
            let connection = machine.connect(address(ECHO));
            let data = content(SIZE);
            let done = std::cell::Cell::new(false);
            let kills = async {
                let mut kills = 0;
                while !done.get() {
                    sleep(Duration::from_millis(step)).await;
                    let nodes = &spare.world.nodes;
                    let busy = spare
                        .relays
                        .iter()
                        .copied()
                        .find(|relay| nodes[*relay].services.circuits() > 0);
                    let Some(relay) = busy else { continue };
                    nodes[relay].kill();
                    kills += 1;
                    // It comes back, with new links.
                    sleep(Duration::from_millis(10)).await;
                    let others: Vec<usize> = (0..spare.world.nodes.len())
                        .filter(|other| *other != relay)
                        .collect();
                    for other in others {
                        spare.world.join(relay, other);
                    }
                }
                kills
            };
            let exchange = async {
                let send = async {
                    connection.send(&data).await.unwrap();
                    connection.finish();
                };
                let ((), received) = tokio::join!(send, connection.recv_all());
                done.set(true);
                received.unwrap()
            };
            let (kills, received) = tokio::join!(kills, exchange);
            assert!(received == data);
            assert!(kills > 0, "no relay died");
        });
    }
}

#[test]
fn a_half_closed_flow_goes_on_twice() {
    simulate(async || {
        let spare = spare();
        spare
            .world
            .internet
            .serve("203.0.113.10:8", |mut stream| async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                sleep(Duration::from_secs(5)).await;
                stream.write_all(&all).await.unwrap();
            });
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address("203.0.113.10:8"));
        connection.send(b"a request").await.unwrap();
        connection.finish();
        // Once with the end perhaps on its way, once long after it.
        sleep(Duration::from_millis(31)).await;
        spare.kill_a_busy_relay();
        sleep(Duration::from_secs(2)).await;
        spare.kill_a_busy_relay();
        assert_eq!(connection.recv_all().await.unwrap(), b"a request");
        sleep(Duration::from_secs(1)).await;
        spare.assert_nothing_left();
    });
}

#[test]
fn an_idle_flow_outlives_its_relay() {
    simulate(async || {
        let spare = spare();
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address(ECHO));
        connection.send(b"one").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"one");
        sleep(Duration::from_secs(5)).await;
        spare.kill_a_busy_relay();
        // Longer than the exit keeps a flow that nobody resumes.
        sleep(Duration::from_secs(60)).await;
        connection.send(b"two").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"two");
    });
}

#[test]
fn a_udp_exchange_keeps_its_socket_when_a_relay_dies() {
    simulate(async || {
        let spare = spare();
        let machine = spare.world.machine(spare.originator, 3);
        let exchange = machine.udp(address("203.0.113.10:4000"));
        exchange.send(b"one");
        assert_eq!(exchange.recv().await, b"one");
        spare.kill_a_busy_relay();
        sleep(Duration::from_secs(1)).await;
        exchange.send(b"two");
        assert_eq!(exchange.recv().await, b"two");
        assert_eq!(spare.world.internet.udp_sockets.get(), 1);
    });
}

#[test]
fn a_flow_whose_exit_is_gone_ends_while_the_app_still_cares() {
    simulate(async || {
        let spare = spare();
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address(ECHO));
        connection.send(b"one").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"one");
        spare.world.nodes[spare.exit].kill();
        let start = Instant::now();
        assert_eq!(connection.recv().await, Err(Reset));
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        sleep(Duration::from_secs(16)).await;
        spare.assert_nothing_left();
    });
}

#[test]
fn an_exit_that_forgot_the_flow_says_so_at_once() {
    simulate(async || {
        let spare = spare_with(KeptLimits {
            flows: 0,
            ..KeptLimits::default()
        });
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address(ECHO));
        connection.send(b"one").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"one");
        spare.kill_a_busy_relay();
        let start = Instant::now();
        assert_eq!(connection.recv().await, Err(Reset));
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        spare.assert_nothing_left();
    });
}

#[test]
fn an_exit_keeps_flows_for_a_while_and_no_more_than_its_bound() {
    simulate(async || {
        let spare = spare_with(KeptLimits {
            flows: 3,
            ..KeptLimits::default()
        });
        let machine = spare.world.machine(spare.originator, 3);
        let connections: Vec<_> = (0..8).map(|_| machine.connect(address(ECHO))).collect();
        for connection in &connections {
            connection.send(b"one").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"one");
        }
        assert_eq!(spare.world.internet.held.get(), 8);
        spare.world.nodes[spare.originator].kill();
        sleep(Duration::from_secs(1)).await;
        let exit = &spare.world.nodes[spare.exit].services;
        assert_eq!(exit.flows_without_circuit(), 3);
        assert_eq!(spare.world.internet.held.get(), 3);
        sleep(Duration::from_secs(15)).await;
        spare.assert_nothing_left();
    });
}

#[test]
fn a_destination_is_held_up_while_its_flow_has_no_circuit() {
    simulate(async || {
        let spare = spare();
        let read = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = read.clone();
        spare
            .world
            .internet
            .serve("203.0.113.10:20", move |mut stream| {
                let count = count.clone();
                async move {
                    while stream.write_all(&[7; 1_000]).await.is_ok() {
                        count.set(count.get() + 1_000);
                    }
                }
            });
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address("203.0.113.10:20"));
        receive(&connection, 1_000_000).await.unwrap();
        spare.world.nodes[spare.originator].kill();
        sleep(Duration::from_millis(100)).await;
        let before = read.get();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(read.get(), before);
        sleep(Duration::from_secs(6)).await;
        spare.assert_nothing_left();
    });
}

#[test]
fn an_app_that_gives_up_while_there_is_no_way_leaves_nothing_behind() {
    simulate(async || {
        let spare = spare();
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address(ECHO));
        connection.send(b"one").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"one");
        for relay in &spare.relays {
            spare.world.nodes[*relay].kill();
        }
        sleep(Duration::from_secs(1)).await;
        connection.abort();
        assert_eq!(spare.world.internet.held.get(), 1);
        sleep(Duration::from_secs(16)).await;
        spare.assert_nothing_left();
    });
}

#[test]
fn an_upload_that_nobody_takes_is_given_up_at_the_exit_at_once() {
    simulate(async || {
        let spare = spare();
        spare
            .world
            .internet
            .serve("203.0.113.10:9000", |stream| async move {
                sleep(Duration::from_secs(500)).await;
                drop(stream);
            });
        let machine = spare.world.machine(spare.originator, 3);
        let connection = machine.connect(address("203.0.113.10:9000"));
        let block = content(8 << 20);
        let upload = timeout(Duration::from_secs(10), connection.send(&block));
        assert!(upload.await.is_err(), "the upload does not stall");
        connection.abort();
        sleep(Duration::from_secs(1)).await;
        spare.assert_nothing_left();
    });
}
