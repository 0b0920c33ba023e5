//! Several Nodes in one thread and virtual time: the real entry, circuits,
//! relays and exits over links and an Internet inside the process.
//!
//! # Limitations
//! Links lose nothing, and latency is one number; loss, reordering and real
//! sockets are the matter of `tests/mesh`.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a simulation that goes wrong has failed"
)]

mod app;
mod hardening;
mod insight;
mod internet;
mod joining;
mod names;
mod seamless;
mod takeover;
mod world;

use app::Reset;
use masq_core::failure::Code;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use world::{World, address};

const SITE: &str = "203.0.113.10:7";

/// An originator, two relays, two exits, all joined with each other but for
/// the exits, which the originator does not know as neighbors.
fn mesh(latency: Duration) -> World {
    let mut world = World::new(latency);
    let originator = world.add(false, false);
    let relays = [world.add(true, false), world.add(true, false)];
    let exits = [world.add(true, true), world.add(true, true)];
    for relay in relays {
        world.join(originator, relay);
        for exit in exits {
            world.join(relay, exit);
        }
    }
    world.join(relays[0], relays[1]);
    world.join(exits[0], exits[1]);
    world.internet.serve(SITE, echo);
    world
}

async fn echo(mut stream: DuplexStream) {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(size) => {
                if stream.write_all(&buffer[..size]).await.is_err() {
                    break;
                }
            }
        }
    }
}

fn simulate(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let limited = async {
        timeout(Duration::from_secs(600), test())
            .await
            .expect("the simulation hangs");
    };
    LocalSet::new().block_on(&runtime, limited);
}

#[test]
fn bytes_come_back_over_every_number_of_hops() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        for hops in [0, 2, 3, 4] {
            let machine = world.machine(0, hops);
            let connection = machine.connect(address(SITE));
            let data: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
            let (sent, received) = tokio::join!(
                async {
                    connection.send(&data).await.unwrap();
                    connection.finish();
                },
                connection.recv_all()
            );
            let () = sent;
            assert!(received.unwrap() == data, "{hops} hops");
        }
    });
}

#[test]
fn the_first_answer_costs_one_round_trip_whatever_the_hops() {
    simulate(async || {
        let latency = Duration::from_millis(20);
        let world = mesh(latency);
        world.internet.serve("203.0.113.10:443", echo);
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("203.0.113.10:443"));
        let start = tokio::time::Instant::now();
        connection.send(b"ping").await.unwrap();
        assert_eq!(connection.recv().await.unwrap(), b"ping");
        // Three links each way, and the exit's handshake with the destination.
        let floor = latency * (3 + 2 + 3);
        let taken = start.elapsed();
        assert!(taken >= floor, "{taken:?}");
        assert!(taken < floor + latency, "{taken:?}");
    });
}

#[test]
fn a_refused_connection_is_reset_at_once() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("203.0.113.10:9"));
        let start = tokio::time::Instant::now();
        assert_eq!(connection.recv().await, Err(Reset));
        assert!(start.elapsed() < Duration::from_secs(3));
    });
}

#[test]
fn an_exit_connects_to_no_private_address() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        world.internet.serve("10.0.0.1:80", echo);
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("10.0.0.1:80"));
        connection.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let page = connection.recv_all().await.unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(Code::Policy.name()), "{page}");
        assert_eq!(world.internet.attempts.borrow().as_slice(), []);
    });
}

#[test]
fn a_dead_relay_ends_no_flow_and_new_ones_take_another_way() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        let machine = world.machine(0, 3);
        let connections: Vec<_> = (0..8).map(|_| machine.connect(address(SITE))).collect();
        for connection in &connections {
            connection.send(b"alive").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"alive");
        }

        world.nodes[1].kill();
        for connection in &connections {
            connection.send(b"again").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"again");
        }
        for _ in 0..8 {
            let connection = machine.connect(address(SITE));
            connection.send(b"new").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"new");
        }
    });
}

#[test]
fn a_slow_reader_stops_its_own_flow_and_no_other() {
    simulate(async || {
        let world = mesh(Duration::from_millis(1));
        world
            .internet
            .serve("203.0.113.10:19", |mut stream| async move {
                let block = vec![7; 16 * 1024];
                for _ in 0..1_024 {
                    if stream.write_all(&block).await.is_err() {
                        return;
                    }
                }
            });
        let machine = world.machine(0, 3);
        let slow = machine.connect(address("203.0.113.10:19"));
        slow.send(b"go").await.unwrap();
        sleep(Duration::from_secs(20)).await;
        let carried: u64 = world
            .nodes
            .iter()
            .flat_map(|node| &node.links)
            .map(|link| link.carried())
            .sum();
        // What fits the buffers on the way, on three links.
        assert!(
            carried < 3 * 6 * 1024 * 1024,
            "{carried} bytes in nobody's hands"
        );

        let fast = machine.connect(address(SITE));
        fast.send(b"quick").await.unwrap();
        let answer = timeout(Duration::from_secs(1), fast.recv()).await;
        assert_eq!(answer.unwrap().unwrap(), b"quick");
    });
}

#[test]
fn an_app_that_aborts_stops_every_hop() {
    simulate(async || {
        let world = mesh(Duration::from_millis(1));
        world
            .internet
            .serve("203.0.113.10:19", |mut stream| async move {
                let block = vec![7; 16 * 1024];
                while stream.write_all(&block).await.is_ok() {}
            });
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("203.0.113.10:19"));
        connection.send(b"go").await.unwrap();
        for _ in 0..20 {
            connection.recv().await.unwrap();
        }
        connection.abort();
        sleep(Duration::from_secs(1)).await;
        let carried = || -> u64 {
            world
                .nodes
                .iter()
                .flat_map(|node| &node.links)
                .map(|link| link.carried())
                .sum()
        };
        let after_a_second = carried();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(carried(), after_a_second);
        assert_eq!(
            world.internet.open.get(),
            0,
            "the exit keeps its connection"
        );
    });
}

#[test]
fn half_close_travels_both_ways() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        // Answers only when the app has said all it wants to say.
        world
            .internet
            .serve("203.0.113.10:8", |mut stream| async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                let answer = format!("{} bytes", all.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("203.0.113.10:8"));
        connection.send(&[1; 5_000]).await.unwrap();
        connection.finish();
        assert_eq!(connection.recv_all().await.unwrap(), b"5000 bytes");
    });
}

#[test]
fn no_route_is_answered_with_a_page() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        world.nodes[1].kill();
        world.nodes[2].kill();
        sleep(Duration::from_millis(100)).await;
        let machine = world.machine(0, 3);
        let connection = machine.connect(address("203.0.113.10:80"));
        connection
            .send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let page = String::from_utf8(connection.recv_all().await.unwrap()).unwrap();
        assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
        assert!(page.contains(Code::NoRoute.name()), "{page}");
    });
}
