//! How flows end when something goes: a relay, an exit, a client, patience.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use masq_lab::{Mesh, content, process, require, wait};

use crate::support::{LIMIT, mesh, read_content, resolve};

#[test]
fn a_killed_relay_ends_no_flow_and_new_ones_take_another_way() {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let mut stream = mesh
        .app()
        .inside(|| TcpStream::connect((address, 19)).unwrap())
        .unwrap();
    read_content(&mut stream, 0, 1_000_000);

    let busiest = busiest_relay(&mesh);
    for pid in mesh.relays[busiest].process_ids() {
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    read_content(&mut stream, 1_000_000, 20_000_000);

    // Until the link is known to be lost a flow may still be sent that way, and a request that it may have
    // delivered is not sent twice.
    let link_down = |line: &str| line.contains("link-down");
    let log = mesh.originator.process();
    log.await_log(
        "aware of the relay's end",
        Duration::from_secs(10),
        link_down,
    )
    .unwrap();
    for _ in 0..5 {
        let url = "http://www.example.test/bytes/1000";
        let output = mesh
            .curl(LIMIT, &["-o", "/dev/null", "-w", "%{http_code}", url])
            .unwrap();
        assert_eq!(process::text(&output).unwrap(), "200");
    }
}

#[test]
fn an_aborted_download_stops_at_every_hop_within_a_second() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let authority = mesh.site.files.authority.display();
    let command = format!(
        "curl -sS --cacert {authority} https://www.example.test/bytes/100000000 | head -c 3000000 >/dev/null"
    );
    mesh.app().run(LIMIT, "bash", &["-c", &command]).unwrap();
    thread::sleep(Duration::from_secs(1));
    let before = received(&mesh);
    thread::sleep(Duration::from_secs(2));
    let after = received(&mesh);
    // Links keep themselves alive; a download would be megabytes.
    assert!(
        after - before < 50_000,
        "{} bytes after the abort",
        after - before
    );
    assert_eq!(mesh.site.open_connections().unwrap(), 0);
}

#[test]
fn a_closed_port_is_refused_at_once() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let name = resolve(mesh.app(), "origin.example.test", "A");
    for address in [name, mesh.site.origin.v6().into()] {
        let (outcome, taken) = connect(&mesh, (address, 81).into());
        assert_eq!(
            outcome.map(drop),
            Err(ErrorKind::ConnectionRefused),
            "{address}"
        );
        assert!(
            taken < Duration::from_secs(1),
            "{address} was refused after {taken:?}"
        );
    }
}

/// With nothing else going on that would carry the news.
#[test]
fn a_server_that_closes_is_heard_at_once() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let mut stream = mesh
        .app()
        .inside(|| TcpStream::connect((address, 80)).unwrap())
        .unwrap();
    let request = "GET / HTTP/1.1\r\nHost: origin.example.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let start = Instant::now();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(2), "closed after {taken:?}");
}

#[test]
fn without_exits_a_connection_fails_at_once() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    for exit in &mesh.exits {
        for pid in exit.process_ids() {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
    }
    let (outcome, taken) = connect(&mesh, (address, 7).into());
    assert!(outcome.is_err());
    assert!(taken < Duration::from_secs(10), "failed after {taken:?}");
    // By then every relay knows, and says so without waiting.
    thread::sleep(Duration::from_secs(5));
    let (outcome, taken) = connect(&mesh, (address, 7).into());
    assert!(outcome.is_err());
    assert!(taken < Duration::from_secs(2), "failed after {taken:?}");
    let end = wait::until_some("a failed flow in the log", LIMIT, || {
        mesh.originator
            .flows()
            .unwrap()
            .into_iter()
            .rfind(|flow| flow.protocol == "tcp")
            .map(|flow| flow.end)
    });
    assert_ne!(end.unwrap().0, "finished");
}

#[test]
fn a_long_pause_of_the_server_loses_nothing() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let url = "http://www.example.test/pause/130/1000000";
    let command = format!("curl -sS {url} | sha256sum");
    let start = Instant::now();
    let output = mesh
        .app()
        .run(Duration::from_secs(160), "bash", &["-c", &command])
        .unwrap();
    assert!(start.elapsed() > Duration::from_secs(129));
    assert_eq!(
        process::text(&output).unwrap().split_whitespace().next(),
        Some(content::digest_of(1_000_000).as_str())
    );
}

fn connect(mesh: &Mesh, target: std::net::SocketAddr) -> (Result<TcpStream, ErrorKind>, Duration) {
    mesh.app()
        .inside(|| {
            let start = Instant::now();
            let outcome = TcpStream::connect_timeout(&target, LIMIT).map_err(|error| error.kind());
            (outcome, start.elapsed())
        })
        .unwrap()
}

fn busiest_relay(mesh: &Mesh) -> usize {
    let bytes = |index: &usize| mesh.counts(mesh.relays[*index].host()).unwrap().mesh.bytes;
    (0..mesh.relays.len()).max_by_key(bytes).unwrap()
}

/// Bytes that were delivered to all hosts of the mesh so far.
fn received(mesh: &Mesh) -> u64 {
    mesh.lab
        .hosts()
        .map(|host| mesh.counts(host).unwrap().received.bytes)
        .sum()
}

#[test]
fn flows_that_a_stopped_node_carried_are_logged_with_the_reason() {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let mut stream = mesh
        .app()
        .inside(|| TcpStream::connect((address, 19)).unwrap())
        .unwrap();
    read_content(&mut stream, 0, 100_000);
    let datagrams = mesh
        .app()
        .inside(|| {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
            socket.connect((address, 7)).unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket.send(b"there and back").unwrap();
            assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 14);
            socket
        })
        .unwrap();

    mesh.originator.stop().unwrap();
    let flows = mesh.originator.flows().unwrap();
    for (protocol, port) in [("tcp", 19), ("udp", 7)] {
        let end = format!(":{port}");
        let flow = flows
            .iter()
            .find(|flow| flow.protocol == protocol && flow.destination.ends_with(&end));
        let flow = flow.unwrap_or_else(|| panic!("no {protocol} flow in {flows:?}"));
        assert_eq!(flow.end, "shutting-down", "{flow:?}");
    }
    drop((stream, datagrams));
}
