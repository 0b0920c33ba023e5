//! Downloads that outlive a Node on their way: how long the app waits, and that it gets every byte.

use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use masq_lab::{Mesh, MeshPlan, content, require, wait};
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
    outlive("the first Node", 0);
}

#[test]
fn a_download_outlives_the_node_in_the_middle() {
    outlive("the Node in the middle", 1);
}

/// A download whose Node at this place of its way is killed.
fn outlive(name: &str, place: usize) {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let (mut stream, read) = download(&mesh, address, 5 * MEGABYTE);
    let hop = last_way(&mut mesh)[place].clone();
    let nodes = mesh.relays.iter().chain(&mesh.exits);
    let victim = nodes.into_iter().find(|node| node.short_id() == hop);
    let pids = victim.unwrap().process_ids();
    assert!(!pids.is_empty());
    for pid in pids {
        kill(pid, Signal::SIGKILL).unwrap();
    }
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

/// The way of the flow that began last, by the short ids of its Nodes.
fn last_way(mesh: &mut Mesh) -> Vec<String> {
    let log = mesh.originator.process().log();
    let line = log
        .lines()
        .rfind(|line| line.contains("event=\"way\""))
        .unwrap();
    let hops = line.split("hops=").nth(1).unwrap();
    let hops = hops.split(' ').next().unwrap();
    hops.split(',').map(str::to_owned).collect()
}

#[expect(clippy::print_stderr, reason = "for whoever reads the test's output")]
fn announce(words: &str) {
    eprintln!("{words}");
}
