//! What an app notices when a Node on its way dies: a pause, and not one byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::swarm::prepare_captured;
use masq_lab::{Host, Lab, Node, Swarm, content, require, wait, wire};

use crate::support::{JOIN, LIMIT, ROUTE, resolve};

const SIZE: u64 = 100_000_000;

/// The bar is two seconds.
#[test]
fn a_relay_that_is_killed_costs_a_download_a_moment_and_no_byte() {
    if !require::laboratory() {
        return;
    }
    let mut world = World::new();
    let address = resolve(world.client.host(), "www.example.test", "A");
    let mut stream = world
        .client
        .host()
        .inside(|| TcpStream::connect((address, 80)).unwrap())
        .unwrap();
    let before = world.passed();
    let request = format!(
        "GET /bytes/{SIZE} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    skip_head(&mut stream);

    let mut position = 0;
    let mut killed = None;
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let mut buffer = vec![0; 64 * 1024];
    while position < SIZE {
        let want = (SIZE - position).min(buffer.len() as u64) as usize;
        let count = stream
            .read(&mut buffer[..want])
            .unwrap_or_else(|error| panic!("{error} at {position}, killed {killed:?}"));
        assert_ne!(
            count, 0,
            "the stream ended at {position}, killed {killed:?}"
        );
        assert_eq!(content::first_difference(position, &buffer[..count]), None);
        position += count as u64;
        if killed.is_some() {
            longest = longest.max(last.elapsed());
        } else if position > SIZE / 10 {
            let relay = world.relay_in_use(&before);
            world.swarm.nodes[relay].kill().unwrap();
            killed = Some((world.swarm.nodes[relay].host().name().to_owned(), position));
        }
        last = Instant::now();
    }
    println!(
        "MEASURED: killed {killed:?}; longest pause of the download {longest:?}; all {position} bytes are right"
    );
    assert!(longest < Duration::from_secs(10), "{longest:?}");
}

/// Eight Nodes and a late one that captures its host.
#[test]
fn a_late_joiner_reaches_the_origin_over_three_hops() {
    if !require::laboratory() {
        return;
    }
    let world = World::new();
    let authority = world.site.files.authority.to_string_lossy().into_owned();
    for url in ["http://www.example.test/", "https://www.example.test/"] {
        let output = world
            .client
            .host()
            .run(LIMIT, "curl", &["-sS", "--cacert", &authority, url])
            .unwrap();
        let page = masq_lab::process::text(&output).unwrap();
        assert!(page.contains("this is the origin"), "{url}: {page}");
    }
    let (flows, _) = wait::until_some("the flows in the log", JOIN, || {
        let flows = world.client.flows().ok()?;
        let tcp: Vec<_> = flows
            .into_iter()
            .filter(|flow| flow.protocol == "tcp")
            .collect();
        (tcp.len() >= 2).then_some(tcp)
    })
    .unwrap();
    for flow in flows {
        assert_eq!(flow.hops.len(), 3, "{flow:?}");
        let known = |hop: &String| world.swarm.nodes.iter().any(|node| node.short_id() == *hop);
        assert!(flow.hops.iter().all(known), "{flow:?}");
    }
}

struct World {
    swarm: Swarm,
    client: Node,
    site: Site,
    lab: Lab,
}

impl World {
    fn new() -> Self {
        let mut lab = Lab::new().unwrap();
        let site = Site::start(&mut lab).unwrap();
        let swarm = Swarm::start(&mut lab, 8, |_| 1).unwrap();
        swarm.await_stage(ROUTE, JOIN).unwrap();
        let seed = swarm.nodes[0].status().unwrap().descriptor.unwrap();
        let client = prepare_captured(&mut lab, "client", |_| {}).unwrap();
        let client = client.knowing(&seed);
        for host in swarm.hosts() {
            wire::watch(&lab.wan(), host, &swarm.hosts()).unwrap();
            wire::watch_pair(&lab.wan(), host, &client.plan.host).unwrap();
        }
        let mut client = client.launch().unwrap();
        client.await_ready(JOIN).unwrap();
        Self {
            swarm,
            client,
            site,
            lab,
        }
    }

    /// What each Node has sent so far: in all, and to the client.
    fn passed(&self) -> Vec<(u64, u64)> {
        let wan = self.lab.wan();
        let of = |host: &Host| {
            let counts = wire::read(&wan, host).unwrap();
            let to_client = wire::read_pair(&wan, host, self.client.host()).unwrap();
            (counts.mesh.bytes + counts.other.bytes, to_client.bytes)
        };
        self.swarm.hosts().into_iter().map(of).collect()
    }

    /// The Node that moves most and is neither the first on the way nor the exit.
    fn relay_in_use(&self, before: &[(u64, u64)]) -> usize {
        let output = self
            .site
            .origin
            .run(LIMIT, "ss", &["-Htn", "state", "established"])
            .unwrap();
        let peers = masq_lab::process::text(&output).unwrap();
        let now = self.passed();
        let moved = |index: &usize| now[*index].0 - before[*index].0;
        let first = (0..now.len())
            .max_by_key(|index| now[*index].1 - before[*index].1)
            .unwrap();
        (0..now.len())
            .filter(|index| *index != first)
            .filter(|index| !peers.contains(&format!("{}]", self.swarm.nodes[*index].host().v4())))
            .filter(|index| !peers.contains(&format!("{}:", self.swarm.nodes[*index].host().v4())))
            .filter(|index| !peers.contains(&self.swarm.nodes[*index].host().v6().to_string()))
            .max_by_key(moved)
            .unwrap()
    }
}

/// Reads to the empty line that ends the head of an HTTP answer.
fn skip_head(stream: &mut TcpStream) {
    let mut tail = [0; 4];
    while tail != *b"\r\n\r\n" {
        tail.rotate_left(1);
        stream.read_exact(&mut tail[3..]).unwrap();
    }
}

/// What a mesh costs when nobody uses it: the gossip itself, and all that its links do.
#[test]
fn an_idle_mesh_is_nearly_silent() {
    if !require::laboratory() {
        return;
    }
    const SECONDS: u64 = 30;
    let mut lab = Lab::new().unwrap();
    let swarm = Swarm::start(&mut lab, 16, |_| 1).unwrap();
    for host in swarm.hosts() {
        wire::watch(&lab.wan(), host, &swarm.hosts()).unwrap();
    }
    swarm.await_stage(ROUTE, JOIN).unwrap();
    // Neighbors are still sought for a while.
    thread::sleep(Duration::from_secs(45));
    let read = || -> Vec<[u64; 3]> {
        let of = |node: &Node| {
            let counts = wire::read(&lab.wan(), node.host()).unwrap();
            let status = node.status().unwrap();
            [
                status.gossip.bytes_out,
                counts.mesh.bytes + counts.other.bytes,
                counts.mesh.packets + counts.other.packets,
            ]
        };
        swarm.nodes.iter().map(of).collect()
    };
    let before = read();
    let cpu = || -> f64 {
        let of = |node: &Node| masq_lab::process::cpu_seconds(node.pid());
        swarm.nodes.iter().filter_map(of).sum()
    };
    let worked = cpu();
    thread::sleep(Duration::from_secs(SECONDS));
    let worked = cpu() - worked;
    let rates: Vec<[u64; 3]> = read()
        .iter()
        .zip(&before)
        .map(|(after, before)| std::array::from_fn(|kind| (after[kind] - before[kind]) / SECONDS))
        .collect();
    let mean = |kind: usize| rates.iter().map(|rate| rate[kind]).sum::<u64>() / 16;
    let most = |kind: usize| {
        rates
            .iter()
            .map(|rate| rate[kind])
            .max()
            .unwrap_or_default()
    };
    println!(
        "MEASURED: idle, sent by each of 16 Nodes a second: gossip {} bytes (most {}); on the wire with \
         everything that links do {} bytes (most {}) in {} packets; CPU {:.2} % of a core each",
        mean(0),
        most(0),
        mean(1),
        most(1),
        mean(2),
        worked * 100.0 / 16.0 / SECONDS as f64
    );
    assert!(most(0) < 1_000, "{rates:?}");
}
