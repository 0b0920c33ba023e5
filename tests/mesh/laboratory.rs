//! The laboratory by itself, without a Node: what the other tests stand on.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Lab, content, janitor, namespace, process, require, wait, wire};
use nix::sys::signal::{Signal, kill};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn unmodified_programs_reach_the_origin_by_name() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let user = lab.host("user").unwrap();
    let authority = site.files.authority.to_string_lossy().into_owned();
    for url in [
        "https://www.example.test/bytes/1000000",
        "http://v6only.example.test/bytes/1000000",
    ] {
        let output = user
            .run(
                LIMIT,
                "curl",
                &[
                    "-sS",
                    "--cacert",
                    &authority,
                    "-w",
                    "%{http_code}",
                    "-o",
                    "/dev/null",
                    url,
                ],
            )
            .unwrap();
        assert_eq!(process::text(&output).unwrap(), "200", "{url}");
    }
    let output = user
        .run(LIMIT, "dig", &["+short", "+tcp", "TXT", "big.example.test"])
        .unwrap();
    assert!(process::text(&output).unwrap().len() > 3000);
    let output = user.run(LIMIT, "dig", &["nx.example.test"]).unwrap();
    assert!(process::text(&output).unwrap().contains("NXDOMAIN"));
}

#[test]
fn the_services_do_what_they_say() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let user = lab.host("user").unwrap();
    let origin = site.origin.v4();
    user.inside(|| {
        let mut stream = TcpStream::connect((origin, 9)).unwrap();
        let mut bytes = vec![0; 100_000];
        content::fill(0, &mut bytes);
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("100000 {}\n", content::digest_of(100_000)));

        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((origin, 7)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.send(b"hello").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 5);
    })
    .unwrap();
}

#[test]
fn the_wire_counts_every_packet_of_a_watched_host() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let (user, relay) = (lab.host("user").unwrap(), lab.host("relay1").unwrap());
    wire::watch(&lab.wan(), &user, &[&relay]).unwrap();
    let before = wire::read(&lab.wan(), &user).unwrap();
    assert_eq!((before.other.packets, before.mesh.packets), (0, 0));
    let (address, elsewhere) = (relay.v4(), relay.v6());
    user.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"mesh", (address, wire::MESH_PORT)).unwrap();
        socket.send_to(b"leak", (address, 53)).unwrap();
        let socket = UdpSocket::bind("[::]:0").unwrap();
        socket.send_to(b"leak", (elsewhere, 53)).unwrap();
    })
    .unwrap();
    let after = wire::read(&lab.wan(), &user).unwrap();
    assert_eq!((after.mesh.packets, after.other.packets), (1, 2));
}

#[test]
fn nothing_is_left_of_a_dropped_laboratory() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let (name, pids) = (
        lab.name().to_owned(),
        site.processes().map(|process| process.pid()),
    );
    assert!(pids.iter().all(|pid| kill(*pid, None).is_ok()));
    drop(lab);
    drop(site);
    assert!(pids.iter().all(|pid| kill(*pid, None).is_err()));
    assert!(!janitor::folder(&name).exists());
    assert!(!namespace::path(&format!("{name}.wan")).exists());
}

/// `holder` is this very test program, which makes a laboratory and waits to be killed.
#[test]
fn a_laboratory_is_removed_when_its_owner_is_killed() {
    if !require::laboratory() {
        return;
    }
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "laboratory::holds_a_laboratory_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let name = format!("masqlab{}-0", holder.id());
    let marker = janitor::folder(&name).join("complete");
    wait::until("the holder's laboratory", LIMIT, || marker.exists()).unwrap();
    kill(
        nix::unistd::Pid::from_raw(holder.id().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    holder.wait().unwrap();
    wait::until("the janitor's work", LIMIT, || {
        !janitor::folder(&name).exists() && !namespace::path(&format!("{name}.origin")).exists()
    })
    .unwrap();
}

#[test]
#[ignore = "a part of a_laboratory_is_removed_when_its_owner_is_killed"]
fn holds_a_laboratory_until_killed() {
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    std::fs::write(lab.folder().join("complete"), "").unwrap();
    std::thread::sleep(LIMIT);
}
