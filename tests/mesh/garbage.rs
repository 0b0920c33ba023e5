//! What a stranger may throw at a Node: junk at its port, and nonsense under a valid key.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use masq_core::identity::{Identity, Validity};
use masq_core::random::SystemRandom;
use masq_lab::{Host, Lab, Swarm, content, require, wait, wire};
use masq_node::link::Link;
use masq_node::link::quic::QuicEndpoint;

use crate::support::{JOIN, ROUTE};

#[test]
fn junk_at_the_port_gets_no_answer_and_harms_nobody() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 5, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    let stranger = lab.host("stranger").unwrap();
    let target = swarm.nodes[0].host().clone();

    let answers = knock(&stranger, &target, (0..20_000).map(junk));
    println!("MEASURED: {answers} answers to 20000 junk datagrams");
    assert!(answers < 20_000, "as many answers as junk");
    assert!(swarm.nodes[0].process().is_running());
    swarm.await_stage(ROUTE, JOIN).unwrap();
    assert!(swarm.nodes[0].status().unwrap().neighbor_ids().len() >= 3);
}

/// A key costs nothing, so holding one must be worth nothing.
#[test]
fn nonsense_under_a_valid_key_gets_its_sender_banned() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut swarm = Swarm::start(&mut lab, 5, |_| 1).unwrap();
    swarm.await_stage(ROUTE, JOIN).unwrap();
    let stranger = lab.host("stranger").unwrap();
    let victim = &swarm.nodes[0];
    let peer = victim.id().unwrap().parse().unwrap();
    let address = SocketAddr::from((victim.host().v4(), wire::MESH_PORT));
    let before = victim.status().unwrap();

    let mut closed = 0;
    let mut refused = 0;
    for seed in 0..12u64 {
        // The same key each time in the first half: a ban is of a key.
        let number = if seed < 6 { 0 } else { seed };
        let ended = stranger
            .inside(|| block_on(insult(number, peer, address, seed)))
            .unwrap();
        match ended {
            Insult::Refused => refused += 1,
            Insult::Closed => closed += 1,
            Insult::Borne => {}
        }
    }
    println!("MEASURED: {closed} links closed, {refused} refused from the start, of 12");
    assert!(closed + refused >= 10, "{closed} closed, {refused} refused");
    assert!(refused >= 1, "a banned key was let in again");
    let log = swarm.nodes[0].process().log();
    assert!(
        log.contains("banned"),
        "{}",
        masq_lab::process::tail(&log, 20)
    );
    assert!(swarm.nodes[0].process().is_running());
    let after = swarm.nodes[0].status().unwrap();
    assert_eq!(after.stage.as_deref(), Some(ROUTE));
    assert_eq!(after.records, before.records, "{}", swarm.picture());
    wait::until("all neighbors to be there", JOIN, || {
        let now = swarm.nodes[0].status().unwrap();
        before
            .neighbor_ids()
            .iter()
            .all(|id| now.neighbor_ids().contains(id))
    })
    .unwrap();
}

enum Insult {
    /// No link came about.
    Refused,
    /// The link was closed soon.
    Closed,
    /// It was still open in the end.
    Borne,
}

async fn insult(
    key: u64,
    peer: masq_core::identity::NodeId,
    address: SocketAddr,
    seed: u64,
) -> Insult {
    let identity = identity_number(key);
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let endpoint = QuicEndpoint::new(&identity, socket, false).unwrap();
    let dialled = tokio::time::timeout(Duration::from_secs(10), endpoint.dial(peer, address)).await;
    let Ok(Ok(link)) = dialled else {
        return Insult::Refused;
    };
    let nonsense = async {
        for round in 0..2_000u64 {
            let mut message = vec![0; 1 + (round * 977 % 5_000) as usize];
            content::fill(seed * 1_000_003 + round * 7, &mut message);
            // The kinds that there are, and some that there are not.
            message[0] = (round % 14) as u8;
            if link.send_message(Bytes::from(message)).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = nonsense => Insult::Borne,
        reason = link.closed() => match reason.to_string().contains("refused") {
            true => Insult::Refused,
            false => Insult::Closed,
        },
        () = tokio::time::sleep(Duration::from_secs(10)) => Insult::Borne,
    }
}

/// The same identity for the same number, so that it can come back.
fn identity_number(number: u64) -> Identity {
    static KEPT: Mutex<BTreeMap<u64, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap();
    let bytes = kept.entry(number).or_insert_with(|| {
        let validity = Validity::new(0, u64::MAX).unwrap();
        Identity::generate(validity, &mut SystemRandom)
            .to_bytes()
            .to_vec()
    });
    Identity::from_bytes(bytes).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Some of it looks like the beginning of QUIC's long header, version 1 or unknown.
fn junk(round: u64) -> Vec<u8> {
    let mut junk = vec![0; 5 + (round * 31 % 1_395) as usize];
    content::fill(round * 7_919, &mut junk);
    match round % 4 {
        0 => junk[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]),
        1 => junk[0] |= 0x80,
        _ => {}
    }
    junk
}

/// Sends datagrams to the mesh's port and counts what comes back.
pub(crate) fn knock(
    from: &Host,
    to: &Host,
    datagrams: impl Iterator<Item = Vec<u8>> + Send,
) -> usize {
    let target = (to.v4(), wire::MESH_PORT);
    from.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect(target).unwrap();
        let mut buffer = [0; 2_000];
        let mut answers = 0;
        for datagram in datagrams {
            // A closed port is heard of here.
            let _ = socket.send(&datagram);
            socket.set_nonblocking(true).unwrap();
            while socket.recv(&mut buffer).is_ok() {
                answers += 1;
            }
        }
        socket.set_nonblocking(false).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        while socket.recv(&mut buffer).is_ok() {
            answers += 1;
        }
        answers
    })
    .unwrap()
}
