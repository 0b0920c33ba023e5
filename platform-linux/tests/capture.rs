//! Capture of a whole machine, in network namespaces of the test's own.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use support::{Lab, MACHINE, WORLD, obstacle, sh, state, until};

macro_rules! need_lab {
    () => {
        if let Some(reason) = obstacle() {
            eprintln!("skipped: {reason}");
            return;
        }
    };
}

#[test]
fn all_but_the_local_networks_goes_into_the_tun() {
    need_lab!();
    let lab = Lab::new();
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");

    let udp = |to: &str| {
        let local = if to.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let _ = UdpSocket::bind(local)
            .unwrap()
            .send_to(b"x", to)
            .map_err(|error| panic!("{to}: {error}"));
    };
    for captured in [
        "45.0.0.2:1000",
        "9.9.9.9:443",
        "192.168.7.2:53",
        "10.1.2.3:80",
        "198.18.0.7:80",
        "[2001:db8::2]:1000",
        "[2606:4700::1]:443",
        "[2001:db8::2]:53",
    ] {
        udp(captured);
        let seen = node.ask("packets");
        assert_eq!(seen, format!("packets 17:{captured}"));
    }
    for direct in [
        "192.168.7.2:80",
        "224.0.0.251:5353",
        "127.0.0.1:53",
        "255.255.255.255:67",
    ] {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_broadcast(true).unwrap();
        let _ = socket.send_to(b"x", direct);
        assert_eq!(node.ask("packets"), "packets", "{direct}");
    }
    assert_eq!(node.ask("suspend"), "Some(Suspended)");
    udp("9.9.9.9:443");
    assert_eq!(node.ask("packets"), "packets");
    assert_eq!(node.ask("resume"), "Some(Active)");
    udp("9.9.9.9:443");
    assert_eq!(node.ask("packets"), "packets 17:9.9.9.9:443");
}

#[test]
fn a_socket_that_picks_an_interface_does_not_leak() {
    need_lab!();
    let lab = Lab::new();
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    let python = "import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.setsockopt(*eval(sys.argv[1]))
try:
  s.sendto(b'x',('9.9.9.9',443)); print('sent')
except OSError as e: print(e.errno)";
    let run = |option: &str| {
        std::fs::write(lab.journal.path().join("s.py"), python).unwrap();
        sh(&format!(
            "python3 {}/s.py \"{option}\"",
            lab.journal.path().display()
        ))
    };
    if std::process::Command::new("python3")
        .arg("-V")
        .output()
        .is_err()
    {
        return;
    }
    let rx = |lab: &Lab| {
        lab.world_sh("ip -s -o link show eth1 | tr -s ' \\\\' '\\n' | grep -n . >/dev/null; cat /proc/net/dev | awk '/eth1/ {print $3}'")
    };
    std::thread::sleep(Duration::from_millis(300));
    let before = rx(&lab);
    // IP_UNICAST_IF is diverted, SO_BINDTODEVICE refused.
    let _ = node.ask("packets");
    let index = sh("ip -o link show eth0 | cut -d: -f1");
    let unicast = format!(
        "(0, 50, socket.htonl({}).to_bytes(4,'little'))",
        index.trim()
    );
    assert_eq!(run(&unicast).trim(), "sent");
    assert_eq!(node.ask("packets"), "packets 17:9.9.9.9:443");
    assert_eq!(run("(1, 25, b'eth0')").trim(), "1");
    assert_eq!(node.ask("packets"), "packets");
    assert_eq!(rx(&lab), before);
}

#[test]
fn the_nodes_own_sockets_pass_by() {
    need_lab!();
    let lab = Lab::new();
    let mut server = lab
        .in_world("python3", &["-m", "http.server", "8000", "--bind", WORLD])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a server", || lab.world_sh("ss -Hltn").contains(":8000"));
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    assert_eq!(node.ask(&format!("connect {WORLD}:8000")), "connected");
    assert_eq!(node.ask("packets"), "packets");
    // The host behind no route is not looked for in the TUN either.
    sh("ip route del default");
    assert_eq!(node.ask("connect 9.9.9.9:80"), "not connected");
    assert_eq!(node.ask("packets"), "packets");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn services_stay_reachable_from_outside() {
    need_lab!();
    for strict in [false, true] {
        let lab = Lab::new();
        if strict {
            sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
        }
        let before = state();
        let early = TcpListener::bind((MACHINE, 7000)).unwrap();
        let mut early_client = talk(&lab, 7000);
        let (mut early_peer, _) = early.accept().unwrap();
        let mut node = lab.node(None);
        node.active();

        let late = TcpListener::bind((MACHINE, 7001)).unwrap();
        let mut late_client = talk(&lab, 7001);
        let (mut late_peer, _) = late.accept().unwrap();
        for (peer, client) in [
            (&mut early_peer, &mut early_client),
            (&mut late_peer, &mut late_client),
        ] {
            echo(peer);
            assert!(client.wait().unwrap().success());
        }
        let udp = UdpSocket::bind((MACHINE, 7002)).unwrap();
        udp.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut asking = lab
            .in_world("python3", &["-c", UDP_CLIENT, MACHINE, "7002"])
            .spawn()
            .unwrap();
        let mut buffer = [0; 16];
        let (length, from) = udp.recv_from(&mut buffer).unwrap();
        udp.send_to(&buffer[..length], from).unwrap();
        assert!(asking.wait().unwrap().success());
        support::output(lab.in_world("python3", &["-c", PING, MACHINE]));
        assert_eq!(node.ask("stop"), "stopped true");
        assert_eq!(state(), before, "strict {strict}");
    }
}

const TCP_CLIENT: &str = "import socket,sys,time
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),3)
s.settimeout(8)
for i in range(3):
  time.sleep(0.1)
  d=s.recv(2); assert d==b'hi',d
  s.sendall(b'ho')
assert s.recv(2)==b'ok'";

const UDP_CLIENT: &str = "import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(b'hello',(sys.argv[1],int(sys.argv[2])))
assert s.recv(16)==b'hello'";

const PING: &str = "import socket,struct,sys
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,1)
s.settimeout(3)
s.sendto(struct.pack('!BBHHH',8,0,0xf7fd,1,1),(sys.argv[1],0))
while s.recv(64)[20]!=0: pass";

fn talk(lab: &Lab, port: u16) -> std::process::Child {
    lab.in_world("python3", &["-c", TCP_CLIENT, MACHINE, &port.to_string()])
        .spawn()
        .unwrap()
}

fn echo(peer: &mut TcpStream) {
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 2];
    for _ in 0..3 {
        peer.write_all(b"hi").unwrap();
        peer.read_exact(&mut buffer).unwrap();
    }
    peer.write_all(b"ok").unwrap();
}
