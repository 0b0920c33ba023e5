use std::net::{TcpListener, TcpStream, UdpSocket};

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

fn assert_own(owned: Owned) {
    let Owned::By(owner) = owned else {
        panic!("no owner: {owned:?}");
    };
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
    assert_eq!(owners.look_up(&tuple), Owned::Unknown);
    // A listener that only shares the port is not the owner.
    let tuple = FiveTuple {
        protocol: Protocol::Tcp,
        source: listener.local_addr().unwrap(),
        destination: "127.0.0.1:9".parse().unwrap(),
    };
    assert_eq!(owners.look_up(&tuple), Owned::Unknown);
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
    let Owned::By(owner) = owners.look_up(&tuple) else {
        panic!("no owner");
    };
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
fn an_echo_request_belongs_to_the_process_of_its_ping_socket() {
    let socket = |domain| {
        nix::sys::socket::socket(
            domain,
            nix::sys::socket::SockType::Datagram,
            nix::sys::socket::SockFlag::empty(),
            nix::sys::socket::SockProtocol::Icmp,
        )
    };
    // Whoever may not make one (ping_group_range) is not asked.
    let Ok(socket) = socket(nix::sys::socket::AddressFamily::Inet) else {
        return;
    };
    let address = nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 4_321);
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).unwrap();
    let tuple = FiveTuple {
        protocol: Protocol::Icmp,
        source: "127.0.0.1:4321".parse().unwrap(),
        destination: "127.0.0.9:0".parse().unwrap(),
    };
    assert_own(Owners::new().unwrap().look_up(&tuple));
}

#[test]
fn a_flow_from_elsewhere_is_forwarded() {
    let tuple = FiveTuple {
        protocol: Protocol::Udp,
        source: "192.0.2.77:5000".parse().unwrap(),
        destination: "192.0.2.78:53".parse().unwrap(),
    };
    let owned = Owners::new().unwrap().look_up(&tuple);
    assert_eq!(owned, Owned::Forwarded(None));
}
