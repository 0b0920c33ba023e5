//! What a look-up costs beside many processes and sockets. The child processes
//! are this test program again, each with ten sockets that it holds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use masq_capture::helper::{Reply, Request};

use super::*;
use crate::channel::Channel;

const PROCESSES: usize = 200;
const SOCKETS: usize = 10;
const ROLE: &str = "MASQ_TEST_HOLDS_SOCKETS";
const REMOTE: &str = "127.0.0.9:53";

struct Crowd {
    children: Vec<Child>,
    tuples: Vec<FiveTuple>,
}

impl Crowd {
    fn start() -> Crowd {
        let mut crowd = Crowd {
            children: Vec::new(),
            tuples: Vec::new(),
        };
        for _ in 0..PROCESSES {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["owner::measure::holds_sockets", "--exact", "--ignored"])
                .arg("--nocapture")
                .env(ROLE, "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let ports = lines.map_while(Result::ok).filter_map(|line| {
                let (_, port) = line.rsplit_once("port ")?;
                port.parse::<u16>().ok()
            });
            for port in ports.take(SOCKETS) {
                crowd.tuples.push(FiveTuple {
                    protocol: Protocol::Udp,
                    source: SocketAddr::from(([127, 0, 0, 1], port)),
                    destination: REMOTE.parse().unwrap(),
                });
            }
            crowd.children.push(child);
        }
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "a part of look_ups_beside_many_processes"]
fn holds_sockets() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(REMOTE).unwrap();
            socket
        })
        .collect();
    let mut out = io::stdout().lock();
    for socket in &sockets {
        writeln!(out, "port {}", socket.local_addr().unwrap().port()).unwrap();
    }
    out.flush().unwrap();
    let mut wait = String::new();
    io::stdin().read_line(&mut wait).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = work();
    (start.elapsed(), value)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    println!(
        "MEASURED: {what}: {} look-ups, median {:.1} us, p90 {:.1} us, p99 {:.1} us, most {:.1} us",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

fn each(owners: &mut Owners, tuples: &[FiveTuple]) -> Vec<Duration> {
    let mut found: BTreeMap<u32, usize> = BTreeMap::new();
    let times = tuples
        .iter()
        .map(|tuple| {
            let (time, owned) = timed(|| owners.look_up(tuple));
            let Owned::By(owner) = owned else {
                panic!("no owner of {tuple:?}: {owned:?}");
            };
            *found.entry(owner.pid).or_default() += 1;
            time
        })
        .collect();
    assert_eq!(found.len(), PROCESSES);
    assert!(found.values().all(|count| *count == SOCKETS), "{found:?}");
    times
}

/// The way from the Node to its helper and back, each with its encoding; the
/// helper is a thread here.
fn through_the_pair(mut owners: Owners, tuples: &[FiveTuple]) -> Vec<Duration> {
    let (node, helper) = Channel::pair().unwrap();
    let serving = std::thread::spawn(move || {
        while let Some(message) = helper.receive().unwrap() {
            let Some(Request::Owner { id, tuple }) = Request::decode(&message.bytes) else {
                panic!("no question");
            };
            let owned = owners.look_up(&tuple);
            helper
                .send(&Reply::Owner { id, owned }.encode(), None)
                .unwrap();
        }
    });
    let ask = |(id, tuple): (u32, &FiveTuple)| {
        let tuple = *tuple;
        let (time, answer) = timed(|| {
            node.send(&Request::Owner { id, tuple }.encode(), None)
                .unwrap();
            Reply::decode(&node.receive().unwrap().unwrap().bytes)
        });
        assert!(matches!(
            answer,
            Some(Reply::Owner {
                owned: Owned::By(_),
                ..
            })
        ));
        time
    };
    let times = (0..).zip(tuples).map(ask).collect();
    drop(node);
    serving.join().unwrap();
    times
}

/// `cargo test --release -p masq-platform-linux look_ups_beside -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, as root"]
fn look_ups_beside_many_processes() {
    let mut noting = Owners::new().unwrap();
    noting.record(&Hierarchy::open().unwrap()).unwrap();
    let mut crowd = Crowd::start();
    assert_eq!(crowd.tuples.len(), PROCESSES * SOCKETS);
    // As flows come: not one process after another.
    let tuples = std::mem::take(&mut crowd.tuples);
    let mixed: Vec<FiveTuple> = (0..SOCKETS)
        .flat_map(|socket| tuples.iter().skip(socket).step_by(SOCKETS).copied())
        .collect();
    report("noted by the kernel, first", each(&mut noting, &mixed));
    report("noted by the kernel, again", each(&mut noting, &mixed));
    report(
        "noted, asked through the pair",
        through_the_pair(noting, &mixed),
    );
    let mut searching = Owners::new().unwrap();
    report("by search, first", each(&mut searching, &mixed));
    report("by search, again", each(&mut searching, &mixed));
    let times = (0..200).map(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tuple = FiveTuple {
            source: socket.local_addr().unwrap(),
            ..mixed[0]
        };
        let (time, owned) = timed(|| searching.look_up(&tuple));
        assert!(matches!(owned, Owned::By(_)));
        time
    });
    report("by search, a new socket of one app", times.collect());
}
