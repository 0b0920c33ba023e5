//! Downloads that outlive a Node on their way: how long the app waits, and that it gets every byte.

use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use masq_lab::{Mesh, MeshPlan, Node, content, process, require, wait};
use nix::sys::signal::{Signal, kill};

use crate::support::{LIMIT, resolve};

const MEGABYTE: u64 = 1_000_000;
const SIZE: u64 = 100 * MEGABYTE;
/// The bar is two seconds on a machine at rest; this one may be busy with other tests.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Two first hops, and enough Nodes behind them that each place on the way has a spare.
fn mesh() -> Mesh {
    let plan = MeshPlan {
        relays: 2,
        exits: 4,
        ..MeshPlan::default()
    };
    Mesh::start(&plan).unwrap()
}

#[test]
fn a_download_outlives_its_first_node() {
    outlive("the first Node", |way| way.first);
}

#[test]
fn a_download_outlives_the_node_in_the_middle() {
    outlive("the Node in the middle", |way| way.middle);
}

/// Places among relays and exits of the Nodes of a way.
struct Way<'a> {
    first: &'a Node,
    middle: &'a Node,
}

fn outlive(name: &str, victim: impl for<'a> Fn(&Way<'a>) -> &'a Node) {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let begin = Instant::now();
    let (mut stream, read) = loop {
        let before = carried(&mesh);
        let (stream, read) = download(&mesh, address, 5 * MEGABYTE);
        match way(&mesh, &before) {
            Some(way) => {
                let pids = victim(&way).process_ids();
                assert!(!pids.is_empty());
                for pid in pids {
                    kill(pid, Signal::SIGKILL).unwrap();
                }
                break (stream, read);
            }
            // Two first hops in a row: which comes first cannot be seen from outside.
            None => assert!(begin.elapsed() < LIMIT, "no way of the wanted shape"),
        }
    };
    let pause = mesh
        .app()
        .inside(|| read_on(&mut stream, read, SIZE))
        .unwrap();
    announce(&format!("{name} killed: a pause of {pause:?}"));
    assert!(pause < LONGEST_PAUSE, "{pause:?}");
    drop(stream);
    let flows = || mesh.originator.flows().unwrap();
    let resumed = || flows().iter().any(|flow| flow.resumed > 0);
    wait::until("the flow in the log, resumed", LIMIT, resumed).unwrap();
}

/// A new flow that has brought so much.
fn download(mesh: &Mesh, address: IpAddr, amount: u64) -> (TcpStream, u64) {
    mesh.app()
        .inside(|| {
            let mut stream = TcpStream::connect((address, 19)).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            read_on(&mut stream, 0, amount);
            (stream, amount)
        })
        .unwrap()
}

/// Reads from one place of the content to another, and answers the longest pause between two reads.
fn read_on(stream: &mut TcpStream, from: u64, to: u64) -> Duration {
    let mut buffer = vec![0; 64 * 1024];
    let mut position = from;
    let mut longest = Duration::ZERO;
    while position < to {
        let want = (to - position).min(buffer.len() as u64) as usize;
        let start = Instant::now();
        let count = stream.read(&mut buffer[..want]).unwrap();
        longest = longest.max(start.elapsed());
        assert_ne!(count, 0, "the stream ended at {position}");
        assert_eq!(content::first_difference(position, &buffer[..count]), None);
        position += count as u64;
    }
    longest
}

/// Bytes of the mesh that each relay and each exit has carried.
fn carried(mesh: &Mesh) -> Vec<u64> {
    let nodes = mesh.relays.iter().chain(&mesh.exits);
    nodes
        .map(|node| mesh.counts(node.host()).unwrap().mesh.bytes)
        .collect()
}

/// The way of the flow that has carried bytes since `before`, if it can be told.
fn way<'a>(mesh: &'a Mesh, before: &[u64]) -> Option<Way<'a>> {
    let after = carried(mesh);
    let nodes = mesh.relays.iter().chain(&mesh.exits);
    let busy: Vec<(usize, &Node)> = nodes
        .enumerate()
        .filter(|(index, _)| after[*index] - before[*index] > 2 * MEGABYTE)
        .collect();
    let (first, behind): (Vec<_>, Vec<_>) = busy
        .into_iter()
        .partition(|(index, _)| *index < mesh.relays.len());
    let [(_, first)] = first[..] else { return None };
    let middle = behind
        .into_iter()
        .find(|(_, node)| connections(node) == 0)?;
    Some(Way {
        first,
        middle: middle.1,
    })
}

/// Open connections with the origin.
fn connections(node: &Node) -> usize {
    let arguments = ["-Htn", "state", "established", "dport", "=", ":19"];
    let output = node.host().run(LIMIT, "ss", &arguments).unwrap();
    process::text(&output).unwrap().lines().count()
}

#[expect(clippy::print_stderr, reason = "for whoever reads the test's output")]
fn announce(words: &str) {
    eprintln!("{words}");
}
