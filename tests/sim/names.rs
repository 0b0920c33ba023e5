//! Names that some exits cannot resolve.

use crate::simulate;
use crate::world::{World, address, clock};
use crate::{SITE, echo};
use masq_core::destination::HostName;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::sleep;

/// An originator and a relay, both linked to all of three exits; only the last resolves names.
fn mesh() -> World {
    let mut world = World::new(Duration::from_millis(5));
    let originator = world.add(false, false);
    let relay = world.add(true, false);
    world.join(originator, relay);
    for resolving in [false, false, true] {
        world.resolving = resolving;
        let exit = world.add(true, true);
        world.join(relay, exit);
    }
    world.internet.serve(SITE, echo);
    let site = address(SITE).ip();
    for name in ["one.example", "two.example"] {
        let mut names = world.internet.names.borrow_mut();
        names.insert(name.to_owned(), site);
    }
    world
}

#[test]
fn an_exit_that_did_not_resolve_a_name_is_not_asked_for_it_again() {
    simulate(async || {
        let world = mesh();
        let (machine, entry) = world.machine_and_entry(0, 2);
        let site = |name: &str| {
            let name = HostName::parse(name).unwrap();
            let fake = entry.with_fake_ips(|names| names.assign(&name, clock()));
            SocketAddr::new(fake.unwrap().v4.into(), address(SITE).port())
        };
        let unresolved = || world.internet.unresolved.get();
        let connect = async |name: &str| {
            let connection = machine.connect(site(name));
            connection.send(b"hello").await.unwrap();
            assert_eq!(connection.recv().await.unwrap(), b"hello");
        };

        // Until both have failed once; the app hears nothing of it.
        for _ in 0..40 {
            connect("one.example").await;
            // Recent failures are forgotten, which are another reason to avoid an exit.
            sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(unresolved(), 2);
        // For another name they are as good as any.
        sleep(Duration::from_secs(100)).await;
        for _ in 0..10 {
            connect("two.example").await;
        }
        assert!(unresolved() > 2);
    });
}

#[test]
fn a_name_that_nobody_resolves_is_asked_of_four_exits() {
    simulate(async || {
        let mut world = mesh();
        for _ in 0..4 {
            let exit = world.add(true, true);
            world.join(1, exit);
        }
        let (machine, entry) = world.machine_and_entry(0, 2);
        let name = HostName::parse("none.example").unwrap();
        let fake = entry.with_fake_ips(|names| names.assign(&name, clock()));
        let _connection = machine.connect(SocketAddr::new(fake.unwrap().v4.into(), 7));
        sleep(Duration::from_millis(500)).await;
        assert_eq!(world.internet.unresolved.get(), 4);
    });
}
