//! Containers behind a bridge, with the rules of dockerd.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use masq_lab::{Containers, Host, Mesh, require};

use super::{fetch, sent_past_the_mesh, watch};
use crate::support::{LIMIT, mesh};

const PUBLISHED: u16 = 8080;
const INSIDE: u16 = 80;

#[test]
fn containers_go_over_the_mesh_and_stay_reachable() {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    watch(&mesh.lab, &mesh.site, mesh.app());
    let containers = Containers::start(mesh.app(), PUBLISHED, INSIDE).unwrap();
    for family in ["-4", "-6"] {
        let page = fetch(&containers.first, family).unwrap();
        assert!(page.contains("this is the origin"), "{family}: {page}");
    }
    assert_eq!(sent_past_the_mesh(&mesh), 0);
    all_reach_each_other(&mut mesh, &containers);
    assert_eq!(sent_past_the_mesh(&mesh), 0);

    // The count can be another: after the end of the Node a container goes the usual way.
    mesh.originator.stop().unwrap();
    let page = fetch(&containers.first, "-4").unwrap();
    assert!(page.contains("this is the origin"), "{page}");
    assert!(sent_past_the_mesh(&mesh) > 0);
    all_reach_each_other(&mut mesh, &containers);
}

#[test]
fn containers_that_were_there_first_are_captured_and_refused_without_a_mesh() {
    if !require::laboratory() {
        return;
    }
    let mut mesh = mesh();
    watch(&mesh.lab, &mesh.site, mesh.app());
    mesh.originator.stop().unwrap();
    let containers = Containers::start(mesh.app(), PUBLISHED, INSIDE).unwrap();
    mesh.originator.restart().unwrap();
    mesh.originator.await_ready(LIMIT).unwrap();
    let page = fetch(&containers.first, "-4").unwrap();
    assert!(page.contains("this is the origin"), "{page}");
    all_reach_each_other(&mut mesh, &containers);
    for node in mesh.relays.iter_mut().chain(&mut mesh.exits) {
        node.kill().unwrap();
    }
    let origin = mesh.site.origin.v4().into();
    let refused = containers
        .first
        .inside(|| TcpStream::connect_timeout(&SocketAddr::new(origin, 7), LIMIT))
        .unwrap();
    let ended = refused.and_then(|mut stream| {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"hello")?;
        stream.read(&mut [0; 5])
    });
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    assert_eq!(sent_past_the_mesh(&mesh), 0);
}

/// A published port from outside, container to container, host to container and back.
fn all_reach_each_other(mesh: &mut Mesh, containers: &Containers) {
    let visitor = mesh.lab.host("visitor").unwrap();
    let host = mesh.app().clone();
    let (first, second) = (&containers.first, &containers.second);
    for ipv6 in [false, true] {
        let published = SocketAddr::new(host.address(ipv6), PUBLISHED);
        let inside = SocketAddr::new(first.address(ipv6), INSIDE);
        assert_eq!(visit(first, INSIDE, &visitor, published), "hello from c1");
        assert_eq!(visit(first, INSIDE, second, inside), "hello from c1");
        assert_eq!(visit(first, INSIDE, &host, inside), "hello from c1");
        assert_eq!(visit(first, INSIDE, &host, published), "hello from c1");
    }
    let gateway: IpAddr = [172, 17, 0, 1].into();
    let on_the_host = SocketAddr::new(gateway, 9090);
    assert_eq!(
        visit(&host, 9090, first, on_the_host),
        "hello from originator"
    );
}

fn visit(server: &Host, port: u16, client: &Host, target: SocketAddr) -> String {
    let listener = server
        .inside(|| TcpListener::bind(("::", port)).unwrap())
        .unwrap();
    let words = format!("hello from {}", server.name());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(words.as_bytes()).unwrap();
    });
    let heard = client
        .inside(|| {
            let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(5))
                .unwrap_or_else(|error| panic!("{} to {target}: {error}", client.name()));
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            heard
        })
        .unwrap();
    serving.join().unwrap();
    heard
}
