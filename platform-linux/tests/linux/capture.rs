//! Capture of a whole machine, in network namespaces of the test's own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use masq_capture::FailureCode;
use masq_platform_linux::firewall::OwnedTable;

use crate::support::{Lab, MACHINE, WORLD, obstacle, output, sh, state, traffic, until};

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
    lab.world_sh(
        "nft 'add table ip seen { chain in { type filter hook prerouting priority 0; \
         ip daddr 9.9.9.9 counter; }; }'",
    );
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    // IP_UNICAST_IF is diverted, SO_BINDTODEVICE refused.
    let to = "9.9.9.9:443";
    assert!(
        traffic(&["unicast-interface", "eth0", to])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(node.ask("packets"), "packets 17:9.9.9.9:443");
    let bound = traffic(&["bound", "eth0", to]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&bound.stderr).contains("PermissionDenied"),
        "{bound:?}"
    );
    assert_eq!(node.ask("packets"), "packets");
    assert!(
        lab.world_sh("nft list table ip seen")
            .contains("packets 0 bytes 0")
    );
    assert_eq!(node.ask("suspend"), "Some(Suspended)");
    assert!(traffic(&["bound", "eth0", to]).status().unwrap().success());
    assert!(
        lab.world_sh("nft list table ip seen")
            .contains("packets 1 ")
    );
}

#[test]
fn the_nodes_own_sockets_pass_by() {
    need_lab!();
    let lab = Lab::new();
    let at = format!("{WORLD}:8000");
    let mut server = lab.traffic_in_world(&["tcp-server", &at]).spawn().unwrap();
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
        let at = format!("{MACHINE}:7002");
        let mut asking = lab.traffic_in_world(&["udp-client", &at]).spawn().unwrap();
        let mut buffer = [0; 16];
        let (length, from) = udp.recv_from(&mut buffer).unwrap();
        udp.send_to(&buffer[..length], from).unwrap();
        assert!(asking.wait().unwrap().success());
        output(lab.traffic_in_world(&["ping", MACHINE]));
        assert_eq!(node.ask("stop"), "stopped true");
        assert_eq!(state(), before, "strict {strict}");
    }
}

fn talk(lab: &Lab, port: u16) -> std::process::Child {
    lab.traffic_in_world(&["tcp-client", &format!("{MACHINE}:{port}")])
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

#[test]
fn a_flow_in_the_tun_has_its_owner() {
    need_lab!();
    let lab = Lab::new();
    let mut node = lab.node(None);
    node.active();
    let own = format!("pid: {},", std::process::id());

    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("9.9.9.9:443").unwrap();
    let from = socket.local_addr().unwrap();
    let answer = node.ask(&format!("owner udp {from} 9.9.9.9:443"));
    assert!(answer.contains(&own), "{answer}");

    // A connection whose first packet has no answer yet.
    let mut client = traffic(&["tcp-client", "9.9.9.9:443"]).spawn().unwrap();
    let mut from = String::new();
    until("a connection", || {
        let sockets = sh("ss -Htn state syn-sent dst 9.9.9.9");
        from = sockets
            .split_ascii_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        !from.is_empty()
    });
    let answer = node.ask(&format!("owner tcp {from} 9.9.9.9:443"));
    assert!(
        answer.contains(&format!("pid: {},", client.id())),
        "{answer}"
    );
    assert!(answer.contains("/examples/traffic\""), "{answer}");
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn forwarded_traffic_is_captured() {
    need_lab!();
    let lab = Lab::new();
    sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    let guest = lab.guest();
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    output(guest.traffic(&["send", "9.9.9.9:443"]));
    output(guest.traffic(&["send", "192.168.7.2:53"]));
    assert_eq!(
        node.ask("packets"),
        "packets 17:9.9.9.9:443 17:192.168.7.2:53"
    );
    output(guest.traffic(&["send", "192.168.7.2:80"]));
    assert_eq!(node.ask("packets"), "packets");
}

#[test]
fn a_refused_firewall_table_says_why() {
    need_lab!();
    let _lab = Lab::new();
    let error = OwnedTable::add("masq_x", "add table inet masq_x { nonsense }").unwrap_err();
    assert_eq!(error.code, FailureCode::FirewallUnavailable);
    assert!(error.text.contains("syntax error"), "{error}");
    let table = OwnedTable::add("masq_x", "add table inet masq_x { flags owner; }").unwrap();
    assert!(sh("nft list tables").contains("masq_x"));
    table.remove();
    assert!(!sh("nft list tables").contains("masq_x"));
}
