//! Bytes through three hops: all of them, in order, both ways, many flows at once, none by another way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use masq_lab::{Host, Mesh, content, process, require};

use crate::support::{
    LIMIT, assert_nothing_leaked, assert_owners_are, mesh, read_content, resolve,
};

const MEGABYTE: u64 = 1_000_000;

#[test]
fn a_large_file_arrives_whole_in_both_directions() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let size = 100 * MEGABYTE;
    let digest = content::digest_of(size);
    let url = format!("https://www.example.test/bytes/{size}");
    let authority = mesh.site.files.authority.display();
    let command = format!("curl -sS --cacert {authority} {url} | sha256sum");
    let output = mesh
        .app()
        .run(LIMIT * 4, "bash", &["-c", &command])
        .unwrap();
    assert_eq!(
        process::text(&output).unwrap().split_whitespace().next(),
        Some(digest.as_str())
    );

    let address = resolve(mesh.app(), "origin.example.test", "A");
    let sent = upload(mesh.app(), (address, 9).into(), size);
    assert_eq!(sent.0, format!("{size} {digest}\n"));
    assert_nothing_leaked(&mesh);
}

#[test]
fn an_upload_is_as_fast_as_a_download() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let size = 20 * MEGABYTE;
    let download = mesh
        .app()
        .inside(|| {
            let mut stream = TcpStream::connect((address, 19)).unwrap();
            let start = Instant::now();
            read_content(&mut stream, 0, size);
            start.elapsed()
        })
        .unwrap();
    let (answer, upload) = upload(mesh.app(), (address, 9).into(), size);
    assert!(answer.starts_with(&format!("{size} ")));
    let ratio = upload.as_secs_f64() / download.as_secs_f64();
    assert!(ratio < 4.0, "up {upload:?}, down {download:?}");
}

#[test]
fn a_thousand_flows_at_once_get_their_own_bytes() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let count = 1000;
    let all_open = Barrier::new(count);
    mesh.app()
        .inside(|| {
            thread::scope(|scope| {
                for number in 0..count {
                    let all_open = &all_open;
                    thread::Builder::new()
                        .stack_size(128 * 1024)
                        .spawn_scoped(scope, move || {
                            let stream = TcpStream::connect((address, 7));
                            all_open.wait();
                            echo(&mut stream.unwrap(), number as u64 * 1_000_003, 10_000);
                        })
                        .unwrap();
                }
            });
        })
        .unwrap();
    assert_nothing_leaked(&mesh);
}

#[test]
fn a_slow_reader_does_not_slow_another_flow() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    mesh.app()
        .inside(|| {
            let mut slow = TcpStream::connect((address, 19)).unwrap();
            read_content(&mut slow, 0, 1000);
            // All buffers between the origin and here fill up meanwhile.
            thread::sleep(Duration::from_secs(2));
            let mut fast = TcpStream::connect((address, 19)).unwrap();
            let start = Instant::now();
            read_content(&mut fast, 0, 20 * MEGABYTE);
            let taken = start.elapsed();
            assert!(
                taken < Duration::from_secs(10),
                "20 MB beside a slow reader took {taken:?}"
            );
            read_content(&mut slow, 1000, 5 * MEGABYTE);
        })
        .unwrap();
}

#[test]
fn each_direction_ends_by_itself() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let (answer, _) = upload(mesh.app(), (address, 9).into(), 100_000);
    assert_eq!(answer, format!("100000 {}\n", content::digest_of(100_000)));
}

#[test]
fn a_server_may_speak_first() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let address = resolve(mesh.app(), "origin.example.test", "A");
    mesh.app()
        .inside(|| {
            let mut stream = TcpStream::connect((address, 21)).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut greeting = [0; 18];
            stream.read_exact(&mut greeting).unwrap();
            assert_eq!(&greeting, b"220 origin ready\r\n");
            echo(&mut stream, 0, 1000);
        })
        .unwrap();
}

#[test]
fn tls_and_plain_http_share_a_machine_in_both_families() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    for family in ["-4", "-6"] {
        for url in [
            "https://www.example.test/bytes/1000",
            "http://www.example.test/bytes/1000",
        ] {
            let output = mesh
                .curl(
                    LIMIT,
                    &[family, "-o", "/dev/null", "-w", "%{http_code}", url],
                )
                .unwrap();
            assert_eq!(process::text(&output).unwrap(), "200", "{family} {url}");
        }
    }
    let literal = format!("http://[{}]/bytes/1000", mesh.site.origin.v6());
    let output = mesh
        .curl(LIMIT, &["-o", "/dev/null", "-w", "%{http_code}", &literal])
        .unwrap();
    assert_eq!(process::text(&output).unwrap(), "200");
    assert_nothing_leaked(&mesh);
    let flows = mesh.originator.flows().unwrap();
    let flows = flows.into_iter().filter(|flow| flow.protocol == "tcp");
    assert!(flows.clone().all(|flow| flow.hops.len() == 3));
    assert_owners_are("curl", flows);
}

#[test]
fn datagrams_come_back_in_both_families() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let name = resolve(mesh.app(), "origin.example.test", "A");
    for address in [
        name,
        mesh.site.origin.v4().into(),
        mesh.site.origin.v6().into(),
    ] {
        mesh.app()
            .inside(|| exchange(&mesh, (address, 7).into()))
            .unwrap();
    }
    assert_nothing_leaked(&mesh);
}

#[test]
fn an_echo_is_answered_for_those_who_would_answer() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let ping = |arguments: &[&str]| {
        mesh.app()
            .run(LIMIT, "ping", &[&["-c1", "-W5"], arguments].concat())
            .unwrap()
    };
    let v6 = mesh.site.origin.v6().to_string();
    for target in [
        "origin.example.test",
        &mesh.site.origin.v4().to_string(),
        &v6,
    ] {
        let output = ping(&[target]);
        assert!(output.status.success(), "{target}: {output:?}");
    }
    // A subnet of the laboratory's without a host.
    let output = ping(&["203.0.113.254"]);
    assert!(!output.status.success(), "{output:?}");
    assert_nothing_leaked(&mesh);
}

fn exchange(mesh: &Mesh, target: SocketAddr) {
    let any = if target.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(any).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    socket.connect(target).unwrap();
    let mut answered = 0;
    for number in 0..50u64 {
        let size = 1 + (number as usize * 24);
        let mut datagram = vec![0; size];
        content::fill(number, &mut datagram);
        socket.send(&datagram).unwrap();
        let mut buffer = vec![0; 2000];
        if let Ok(count) = socket.recv(&mut buffer) {
            assert_eq!(buffer[..count], datagram[..], "to {target}");
            answered += 1;
        }
    }
    assert_eq!(
        answered,
        50,
        "of 50 datagrams to {target} in {}",
        mesh.lab.name()
    );
}

fn echo(stream: &mut TcpStream, offset: u64, count: usize) {
    let mut bytes = vec![0; count];
    content::fill(offset, &mut bytes);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut returned = vec![0; count];
    stream.read_exact(&mut returned).unwrap();
    assert!(returned == bytes, "another flow's bytes");
}

/// Sends content, ends that direction, and answers what the origin says, and after what time.
fn upload(host: &Host, target: SocketAddr, size: u64) -> (String, Duration) {
    host.inside(|| {
        let mut stream = TcpStream::connect(target).unwrap();
        let start = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        let mut position = 0;
        while position < size {
            let count = (size - position).min(buffer.len() as u64) as usize;
            content::fill(position, &mut buffer[..count]);
            stream.write_all(&buffer[..count]).unwrap();
            position += count as u64;
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        (answer, start.elapsed())
    })
    .unwrap()
}
