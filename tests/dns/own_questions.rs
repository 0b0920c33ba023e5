//! A real Node with zero hops on such a machine: its own questions never come back to it, neither when it
//! captures what a forwarder asks nor when the system was led to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::thread;

use masq_lab::{namespace, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::machine::{self, Asked, PATIENCE, until};
use crate::managers::Mode;
use crate::node::{ANSWERS, configure};
use crate::sandbox::OWN;

const GREETING: &str = "hello from beyond";

/// Ends with a signal, as when it is told to.
struct Node(Child);

impl Node {
    fn start(settings: &str) -> Node {
        let config = configure(settings);
        let path = format!("{OWN}/log/node");
        let log = fs::File::create(&path).unwrap();
        let child = Command::new(process::binary("MASQNode").unwrap())
            .args(["--config-file", &config])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let ready = || fs::read_to_string(&path).is_ok_and(|text| text.contains("event=\"ready\""));
        until("the Node", ready);
        Node(child)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// Someone at the address that the network's name server gives to all names.
fn origin() {
    namespace::ip_batch("isp", "addr add 192.0.2.1/32 dev lo\n").unwrap();
    namespace::ip(&["route", "add", "default", "via", "10.9.0.1", "dev", "wan0"])
        .or_else(|_| {
            namespace::ip(&[
                "route", "replace", "default", "via", "10.9.0.1", "dev", "wan0",
            ])
        })
        .unwrap();
    let listener = namespace::inside("isp", || TcpListener::bind("192.0.2.1:80").unwrap());
    let listener = listener.unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // What is not read when it ends would reset the connection.
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(GREETING.as_bytes());
        }
    });
}

/// An app of this machine asks its resolver and connects, and hears the origin.
fn visit(name: &str) -> std::io::Result<(std::net::SocketAddr, String)> {
    let address = (name, 80).to_socket_addrs()?.find(|one| one.is_ipv4());
    let address = address.ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut heard = String::new();
    // The ports of the web are accepted before the other end is; so speak.
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    stream.read_to_string(&mut heard)?;
    Ok((address, heard))
}

fn captures(mode: Mode) {
    machine::with(mode, |machine| {
        machine.stop_node();
        origin();
        let node = Node::start("capture = true\nentry-dns = true\n");
        if mode == Mode::NetworkManagerDnsmasq {
            // It binds its questions to a device, which no route leads away from.
            machine.works("subvert");
        }
        let before = machine.upstream.asked();
        // Not one that a forwarder has the answer of.
        let (address, heard) = visit("new.who.test").unwrap();
        let ip = address.ip().to_string();
        assert!(
            ip.starts_with("198.18.") || ip.starts_with("198.19."),
            "no address that is captured: {ip}"
        );
        assert_eq!(heard, GREETING);
        let asked = machine.upstream.asked() - before;
        assert!((1..=4).contains(&asked), "{asked} questions");
        if mode == Mode::NetworkManagerDnsmasq {
            machine.works("revert");
        }
        drop(node);
        until("the network as before", || {
            machine.asked() == Asked::Upstream
        });
    });
}

#[test]
fn a_node_that_captures_asks_behind_systemd_resolved() {
    captures(Mode::Resolved);
}

#[test]
fn a_node_that_captures_asks_behind_systemd_resolved_that_network_manager_keeps() {
    captures(Mode::NetworkManagerResolved);
}

#[test]
fn a_node_that_captures_asks_behind_the_dnsmasq_of_network_manager() {
    captures(Mode::NetworkManagerDnsmasq);
}

/// The resolver is led to the Node, which asks whom the system asked before, also after a restart.
fn answers(mode: Mode) {
    machine::with(mode, |machine| {
        machine.stop_node();
        let before = machine.state();
        let mut node = Node::start(ANSWERS);
        machine.works("subvert");
        for restarted in [false, true] {
            if restarted {
                drop(node);
                node = Node::start(ANSWERS);
            }
            let asked = machine.upstream.asked();
            // A forwarder keeps what it was told before.
            let name = format!("{restarted}.who.test");
            let answer = machine::output("getent", &["ahostsv4", &name]);
            assert!(answer.starts_with("192.0.2.1 "), "{restarted}: {answer}");
            let asked = machine.upstream.asked() - asked;
            assert!((1..=4).contains(&asked), "{restarted}: {asked} questions");
        }
        machine.works("revert");
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn a_node_answers_a_machine_whose_file_was_switched() {
    answers(Mode::File);
}

#[test]
fn a_node_answers_a_machine_with_systemd_resolved() {
    answers(Mode::Resolved);
}

#[test]
fn a_node_answers_a_machine_with_network_manager() {
    answers(Mode::NetworkManager);
}

#[test]
fn a_node_answers_a_machine_with_network_manager_and_dnsmasq() {
    answers(Mode::NetworkManagerDnsmasq);
}

#[test]
fn a_node_answers_a_machine_with_openresolv() {
    answers(Mode::Openresolv);
}

#[test]
fn a_node_answers_a_machine_with_resolvconf() {
    answers(Mode::Resolvconf);
}
