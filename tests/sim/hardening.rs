//! What goes wrong in the middle: full Nodes, silent servers, apps that give
//! up while nothing moves. Whatever happened, nothing stays behind.

use super::world::{World, address};
use super::{SITE, echo, mesh, simulate};
use masq_core::failure::Code;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

const LATENCY: Duration = Duration::from_millis(5);
const STALLED: &str = "203.0.113.10:9000";

/// A site that takes the first bytes and then neither reads nor writes.
fn stalled(world: &World) {
    world.internet.serve(STALLED, |stream| async move {
        sleep(Duration::from_secs(500)).await;
        drop(stream);
    });
}

fn circuits(world: &World) -> usize {
    let nodes = world.nodes.iter();
    nodes.map(|node| node.services.circuits()).sum()
}

#[test]
fn a_neighbor_has_so_many_circuits_and_no_more() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let originator = world.add(false, false);
        let relay = world.add_limited(true, false, 3);
        let exit = world.add(true, true);
        world.join(originator, relay);
        world.join(relay, exit);
        world.internet.serve(SITE, echo);
        let machine = world.machine(originator, 2);
        let held: Vec<_> = (0..3).map(|_| machine.connect(address(SITE))).collect();
        for connection in &held {
            connection.send(b"hello").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"hello");
        }

        let one_more = machine.connect(address("203.0.113.10:80"));
        one_more.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let page = String::from_utf8(one_more.recv_all().await.unwrap()).unwrap();
        assert!(page.contains(Code::Overloaded.name()), "{page}");
        let troubles = &world.nodes[relay].services.troubles;
        assert!(troubles.total(Code::Overloaded, "circuit refused") > 0);

        held[0].abort();
        sleep(Duration::from_secs(1)).await;
        let another = machine.connect(address(SITE));
        another.send(b"again").await.unwrap();
        assert_eq!(another.recv().await.unwrap(), b"again");

        another.abort();
        held[1..].iter().for_each(|connection| connection.abort());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(circuits(&world), 0);
    });
}

#[test]
fn a_lost_link_frees_the_exit_though_the_app_had_finished() {
    simulate(async || {
        let world = mesh(LATENCY);
        stalled(&world);
        let machine = world.machine(0, 2);
        let connection = machine.connect(address(STALLED));
        connection.send(b"a request").await.unwrap();
        connection.finish();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.internet.held.get(), 1);

        // The relays have no time to say why.
        world.nodes[1].kill();
        world.nodes[2].kill();
        // As long as an exit keeps a flow that may be resumed.
        sleep(Duration::from_secs(16)).await;

        assert_eq!(world.internet.held.get(), 0);
        assert_eq!(circuits(&world), 0);
    });
}

#[test]
fn an_app_that_aborts_a_stalled_upload_leaves_nothing_behind() {
    for hops in [0, 3] {
        simulate(async || {
            let world = mesh(LATENCY);
            stalled(&world);
            let machine = world.machine(0, hops);
            let connection = machine.connect(address(STALLED));
            let block = vec![1; 8 * 1024 * 1024];
            let upload = timeout(Duration::from_secs(20), connection.send(&block));
            assert!(upload.await.is_err(), "the upload does not stall");
            assert_eq!(world.internet.held.get(), 1);

            connection.abort();
            sleep(Duration::from_secs(1)).await;

            assert_eq!(world.internet.held.get(), 0, "{hops} hops");
            assert_eq!(circuits(&world), 0);
        });
    }
}

#[test]
fn a_udp_flow_takes_another_exit_when_the_first_refuses() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let originator = world.add(false, false);
        let relay = world.add(true, false);
        let exits = [world.add_limited(true, true, 0), world.add(true, true)];
        world.join(originator, relay);
        for exit in exits {
            world.join(relay, exit);
        }
        let machine = world.machine(originator, 2);
        for _ in 0..10 {
            let exchange = machine.udp(address("203.0.113.10:4000"));
            exchange.send(b"one");
            exchange.send(b"two");
            let both = async { [exchange.recv().await, exchange.recv().await] };
            let both = timeout(Duration::from_secs(5), both).await;
            assert_eq!(both.unwrap(), [b"one", b"two"]);
            exchange.send(b"three");
            assert_eq!(exchange.recv().await, b"three");
        }
        let troubles = &world.nodes[exits[0]].services.troubles;
        assert!(troubles.total(Code::Overloaded, "circuit refused") > 0);
    });
}

#[test]
fn a_dns_question_is_asked_at_another_exit_when_the_first_refuses() {
    simulate(async || {
        let mut world = World::new(LATENCY);
        let originator = world.add(false, false);
        let relay = world.add(true, false);
        let exits = [world.add_limited(true, true, 0), world.add(true, true)];
        world.join(originator, relay);
        for exit in exits {
            world.join(relay, exit);
        }
        let machine = world.machine(originator, 2);
        let mut answered = 0;
        for _ in 0..10 {
            let exchange = machine.udp(address("203.0.113.53:53"));
            exchange.send(MX_QUESTION);
            let answer = timeout(Duration::from_secs(9), exchange.recv())
                .await
                .unwrap();
            answered += usize::from(answer[3] & 0x0f == 0);
        }
        // Two attempts may both meet the full exit before its name is bad enough.
        assert!(answered >= 8, "{answered} of 10");
    });
}

/// `example.org MX`, recursion desired.
const MX_QUESTION: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x0f\0\x01";

#[test]
fn a_dead_link_ends_udp_flows_at_every_node() {
    simulate(async || {
        let world = mesh(LATENCY);
        let machine = world.machine(0, 3);
        let exchange = machine.udp(address("203.0.113.10:4000"));
        exchange.send(b"one");
        assert_eq!(exchange.recv().await, b"one");
        assert!(circuits(&world) > 0);
        world.nodes[0].kill();
        // As long as an exit keeps a flow that may be resumed.
        sleep(Duration::from_secs(16)).await;
        assert_eq!(circuits(&world), 0);
    });
}

#[test]
fn a_site_that_ends_its_side_first_still_reads() {
    simulate(async || {
        let world = mesh(LATENCY);
        let site = "203.0.113.10:9001";
        world.internet.serve(site, |mut stream| async move {
            let mut first = [0; 3];
            stream.read_exact(&mut first).await.unwrap();
        });
        let machine = world.machine(0, 3);
        let connection = machine.connect(address(site));
        connection.send(b"bye").await.unwrap();
        connection.finish();
        assert_eq!(connection.recv_all().await, Ok(Vec::new()));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(circuits(&world), 0);
    });
}
