//! Many at once, and many in a row.

use crate::LIMIT;
use crate::support::{ask, connect, echo, run, server};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

#[test]
fn a_hundred_clients_are_served_at_once() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let port = server.port();
        let mut clients = JoinSet::new();
        for number in 0..100 {
            clients.spawn_local(async move {
                let mut client = connect(port).await;
                for round in 0..50 {
                    let context = number * 1_000 + round;
                    assert_eq!(ask(&mut client, context).await, context);
                }
                client
            });
        }
        let all = timeout(3 * LIMIT, clients.join_all()).await.unwrap();
        assert_eq!(all.len(), 100);
        assert_eq!(server.clients(), 100);
    });
}

#[test]
fn ten_thousand_requests_in_a_row_are_answered() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        let mut client = connect(server.port()).await;
        let began = Instant::now();
        let mut slowest = Duration::ZERO;
        for context in 0..10_000 {
            let asked = Instant::now();
            assert_eq!(ask(&mut client, context).await, context);
            slowest = slowest.max(asked.elapsed());
        }
        println!(
            "10,000 requests in {:?}, slowest {slowest:?}",
            began.elapsed()
        );
    });
}

#[test]
fn a_thousand_clients_one_after_another_leave_nothing_behind() {
    run(async {
        let (server, events) = server().await;
        echo(&server, events);
        for context in 0..1_000 {
            let mut client = connect(server.port()).await;
            assert_eq!(ask(&mut client, context).await, context);
        }
        let empty = async {
            while server.clients() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, empty).await.unwrap();
    });
}
