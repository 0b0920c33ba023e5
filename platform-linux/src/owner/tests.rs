use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Instant;

use masq_capture::Protocol;

use super::*;

fn tcp(stream: &TcpStream) -> FiveTuple {
    FiveTuple {
        protocol: Protocol::Tcp,
        source: stream.local_addr().unwrap(),
        destination: stream.peer_addr().unwrap(),
    }
}

fn udp(source: &UdpSocket, destination: &str) -> FiveTuple {
    FiveTuple {
        protocol: Protocol::Udp,
        source: source.local_addr().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

fn assert_own(owner: Option<FlowOwner>) {
    let owner = owner.expect("an owner");
    assert_eq!(owner.pid, std::process::id());
    assert_eq!(owner.path, std::env::current_exe().unwrap());
    assert!(!owner.name.is_empty());
}

#[test]
fn a_connection_belongs_to_this_process() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_own(Owners::new().unwrap().look_up(&tcp(&stream)));
    }
}

#[test]
fn a_datagram_socket_belongs_to_this_process() {
    let mut owners = Owners::new().unwrap();
    for (local, remote) in [("127.0.0.1:0", "127.0.0.9:53"), ("[::1]:0", "[::1]:53")] {
        let unconnected = UdpSocket::bind(local).unwrap();
        assert_own(owners.look_up(&udp(&unconnected, remote)));
        let connected = UdpSocket::bind(local).unwrap();
        connected.connect(remote).unwrap();
        assert_own(owners.look_up(&udp(&connected, remote)));
    }
    let wildcard = UdpSocket::bind("0.0.0.0:0").unwrap();
    let mut tuple = udp(&wildcard, "127.0.0.9:53");
    tuple.source.set_ip("127.0.0.1".parse().unwrap());
    assert_own(owners.look_up(&tuple));
    let both = UdpSocket::bind("[::]:0").unwrap();
    tuple.source.set_port(both.local_addr().unwrap().port());
    assert_own(owners.look_up(&tuple));
}

#[test]
fn what_is_gone_has_no_owner() {
    let mut owners = Owners::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let tuple = tcp(&stream);
    drop(stream);
    assert_eq!(owners.look_up(&tuple), None);
    // A listener that only shares the port is not the owner.
    let tuple = FiveTuple {
        protocol: Protocol::Tcp,
        source: listener.local_addr().unwrap(),
        destination: "127.0.0.1:9".parse().unwrap(),
    };
    assert_eq!(owners.look_up(&tuple), None);
}

#[test]
fn the_cache_is_bounded() {
    let mut owners = Owners::new().unwrap();
    for pid in 0..100 {
        owners.remember(pid);
    }
    assert_eq!(owners.recent.len(), RECENT);
    owners.remember(99);
    assert_eq!(owners.recent.iter().filter(|&&pid| pid == 99).count(), 1);
}

#[test]
fn a_maker_is_known_after_its_end() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut owners = Owners::new().unwrap();
    owners.record(&Hierarchy::open().unwrap()).unwrap();
    let wildcard = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tuple = udp(&wildcard, "127.0.0.9:53");
    assert_own(owners.look_up(&tuple));
    let socket = owners.query.find(&tuple).unwrap().unwrap();
    let maker = owners
        .recorder
        .as_ref()
        .unwrap()
        .maker(socket.cookie)
        .unwrap();
    assert_eq!(maker.pid, std::process::id());
    owners.proc = PathBuf::from("/nonexistent");
    let owner = owners.look_up(&tuple).unwrap();
    assert_eq!(
        (owner.pid, owner.uid, owner.name),
        (maker.pid, maker.uid, maker.name)
    );
    owners.proc = PathBuf::from("/proc");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let tuple = tcp(&stream);
    drop(stream);
    assert_own(owners.look_up(&tuple));
}

#[test]
fn figures() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let streams: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
        .collect();
    let tuple = tcp(streams.last().unwrap());
    let mut owners = Owners::new().unwrap();
    let mut measure = |what: &str, rounds: u32, run: &mut dyn FnMut(&mut Owners)| {
        #[expect(clippy::disallowed_methods, reason = "a figure for the log")]
        let start = Instant::now();
        for _ in 0..rounds {
            run(&mut owners);
        }
        eprintln!(
            "{what}: {:.1} us",
            start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
        );
    };
    measure("exact query", 200, &mut |owners| {
        owners.query.find(&tuple).unwrap().unwrap();
    });
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let link = format!(
        "socket:[{}]",
        SocketQuery::open()
            .unwrap()
            .find(&tuple)
            .unwrap()
            .unwrap()
            .inode
    );
    measure("check of one process", 200, &mut |_| {
        assert!(holds(&own, &link))
    });
    measure("description", 200, &mut |_| {
        assert_eq!(describe(&own, 1, 0).pid, 1)
    });
    measure("owner, cold", 20, &mut |owners| {
        owners.recent.clear();
        assert_own(owners.look_up(&tuple));
    });
    measure("owner, remembered", 200, &mut |owners| {
        assert_own(owners.look_up(&tuple))
    });
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut owners = Owners::new().unwrap();
    owners.record(&Hierarchy::open().unwrap()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tuple = udp(&socket, "127.0.0.9:53");
    #[expect(clippy::disallowed_methods, reason = "a figure for the log")]
    let start = Instant::now();
    for _ in 0..200 {
        assert_own(owners.look_up(&tuple));
    }
    eprintln!(
        "owner, noted by the kernel: {:.1} us",
        start.elapsed().as_secs_f64() * 5e3
    );
}
