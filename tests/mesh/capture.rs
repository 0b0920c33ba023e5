//! The whole machine captured, without a mesh: the Node as a transparent proxy.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Host, Lab, Node, NodePlan, content, process, require, wait};

use crate::support::{LIMIT, assert_owners_are, read_content, resolve};

struct Captured {
    node: Node,
    site: Site,
    lab: Lab,
}

fn captured() -> Captured {
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let host = lab.host("originator").unwrap();
    let plan = NodePlan::zero_hop(&host).unwrap();
    plan.make_identity().unwrap();
    let mut node = plan.start().unwrap();
    node.await_ready(LIMIT).unwrap();
    Captured { node, site, lab }
}

#[test]
fn unmodified_programs_work_and_are_named_in_the_flow_log() {
    if !require::laboratory() {
        return;
    }
    let captured = captured();
    let host = captured.node.host();
    let authority = captured.site.files.authority.to_string_lossy().into_owned();
    for url in [
        "https://www.example.test/bytes/100000",
        "http://www.example.test/bytes/100000",
    ] {
        for family in ["-4", "-6"] {
            let arguments = [
                family,
                "-sS",
                "--cacert",
                &authority,
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                url,
            ];
            let output = host.run(LIMIT, "curl", &arguments).unwrap();
            assert_eq!(process::text(&output).unwrap(), "200", "{family} {url}");
        }
    }
    let flows = || {
        captured
            .node
            .flows()
            .unwrap()
            .into_iter()
            .filter(|flow| flow.protocol == "tcp")
    };
    wait::until("four flows in the log", LIMIT, || flows().count() == 4).unwrap();
    for flow in flows() {
        assert_eq!(flow.name.as_deref(), Some("www.example.test"));
        assert!(flow.received > 100_000, "{flow:?}");
        assert!(flow.hops.is_empty(), "{flow:?}");
    }
    assert_owners_are("curl", flows());
}

#[test]
fn flows_without_a_mesh_do_not_mix() {
    if !require::laboratory() {
        return;
    }
    let captured = captured();
    let address = resolve(captured.node.host(), "origin.example.test", "A");
    captured
        .node
        .host()
        .inside(|| {
            let mut streams: Vec<_> = (0..40)
                .map(|_| TcpStream::connect((address, 7)).unwrap())
                .collect();
            for round in 0..5u64 {
                for (number, stream) in (0u64..).zip(&mut streams) {
                    let mut sent = vec![0; 5_000];
                    content::fill((number << 32) + round * 5_000, &mut sent);
                    stream.write_all(&sent).unwrap();
                }
                for (number, stream) in (0u64..).zip(&mut streams) {
                    read_content(stream, (number << 32) + round * 5_000, 5_000);
                }
            }
        })
        .unwrap();
}

/// A file many times as large as what the Node may use, to a client that is slower than the server.
#[test]
fn a_large_file_passes_in_little_memory() {
    if !require::laboratory() {
        return;
    }
    const SIZE: u64 = 300_000_000;
    let captured = captured();
    let address = resolve(captured.node.host(), "origin.example.test", "A");
    let mut most = 0;
    captured
        .node
        .host()
        .inside(|| {
            let mut stream = TcpStream::connect((address, 19)).unwrap();
            for piece in 0..30 {
                read_content(&mut stream, piece * SIZE / 30, SIZE / 30);
                std::thread::sleep(Duration::from_millis(20));
                most = most.max(process::resident_bytes(captured.node.pid()).unwrap());
            }
        })
        .unwrap();
    println!(
        "MEASURED: {} MB of memory for {} MB",
        most / 1_000_000,
        SIZE / 1_000_000
    );
    assert!(most < 120_000_000, "{most} bytes");
}

#[test]
fn a_name_that_does_not_exist_is_said_without_a_mesh_too() {
    if !require::laboratory() {
        return;
    }
    let captured = captured();
    let host = captured.node.host();
    let output = host
        .run(LIMIT, "curl", &["-sS", "http://nx.example.test/"])
        .unwrap();
    let page = process::text(&output).unwrap();
    assert!(
        page.contains("name-not-found") && page.contains("nx.example.test"),
        "{page}"
    );
    let output = host
        .run(LIMIT, "curl", &["-sSv", "https://nx.example.test/"])
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("unrecognized name"), "{words}");
}

#[test]
fn a_service_on_the_machine_stays_reachable_from_outside() {
    if !require::laboratory() {
        return;
    }
    let mut captured = captured();
    let visitor = captured.lab.host("visitor").unwrap();
    let host = captured.node.host().clone();
    assert_eq!(visit(&host, &visitor), "hello from inside");
}

fn visit(host: &Host, visitor: &Host) -> String {
    let listener = host
        .inside(|| TcpListener::bind("[::]:8080").unwrap())
        .unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello from inside").unwrap();
    });
    let target = (host.v4(), 8080).into();
    let words = visitor
        .inside(|| {
            let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(5)).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut words = String::new();
            stream.read_to_string(&mut words).unwrap();
            words
        })
        .unwrap();
    server.join().unwrap();
    words
}
