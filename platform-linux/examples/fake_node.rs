//! A Node as the capture helper sees it, for the tests of this crate.
//!
//! `fake_node HELPER JOURNAL-DIRECTORY [direct]` prints a line for each thing it did
//! and takes commands on its standard input; it ends with the helper.
#![expect(clippy::print_stdout, reason = "the test reads it")]

use std::io::BufRead;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use masq_capture::helper::{Parameters, Reply, Request, Subjects};
use masq_capture::states::{LocalNetwork, OnFailure};
use masq_capture::{FiveTuple, PacketDevice, Protocol};
use masq_platform_linux::spawn_helper;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let parameters = Parameters {
        tun_name: "masq0".to_owned(),
        journal_directory: PathBuf::from(&arguments[2]),
        node_pid: std::process::id(),
        excluded: Vec::new(),
        captured: vec!["198.18.0.0/15".parse().expect("a network")],
        on_failure: match arguments.get(3).map(String::as_str) {
            Some("direct") => OnFailure::Direct,
            Some(_) | None => OnFailure::Block,
        },
        local_network: LocalNetwork::Allow,
    };
    let (helper, tun) = match spawn_helper(arguments[1].as_ref(), &parameters) {
        Ok(started) => started,
        Err(error) => {
            println!("failed {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    println!("tun {}", helper.pid());
    if let Err(error) = helper.activate() {
        println!("failed {error}");
        return std::process::ExitCode::FAILURE;
    }
    println!("active");
    while helper_lives(&helper) {
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
        let line = line.trim_end();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["connect", to] => {
                let to: SocketAddr = to.parse().expect("an address");
                let result = TcpStream::connect_timeout(&to, Duration::from_secs(1));
                println!(
                    "{}",
                    if result.is_ok() {
                        "connected"
                    } else {
                        "not connected"
                    }
                );
            }
            ["packets"] => {
                let mut buffer = vec![0; tun.device.mtu()];
                let mut destinations = Vec::new();
                while let Ok(length) = tun.device.read_packet(&mut buffer) {
                    destinations.push(describe(&buffer[..length]));
                }
                println!("packets {}", destinations.join(" "));
            }
            ["owner", protocol, source, destination] => {
                let tuple = FiveTuple {
                    protocol: if protocol == "tcp" {
                        Protocol::Tcp
                    } else {
                        Protocol::Udp
                    },
                    source: source.parse().expect("an address"),
                    destination: destination.parse().expect("an address"),
                };
                println!("{:?}", ask(&helper, &Request::Owner { id: 1, tuple }));
            }
            ["admit", pid] => {
                let pid = pid.parse().expect("a number");
                println!("{:?}", ask(&helper, &Request::Admit { id: 2, pid }));
            }
            ["bypass", subject] => {
                let mut subjects = Subjects::default();
                if let Some(unit) = subject.strip_prefix("unit:") {
                    subjects.units.push(unit.to_owned());
                } else if let Some(group) = subject.strip_prefix("cgroup:") {
                    subjects.cgroups.push(PathBuf::from(group));
                } else if let Some(name) = subject.strip_prefix("name:") {
                    subjects.names.push(name.to_owned());
                } else if let Some(path) = subject.strip_prefix("path:") {
                    subjects.paths.push(PathBuf::from(path));
                } else {
                    subjects.users.extend(subject.parse::<u32>());
                }
                println!("{:?}", ask(&helper, &Request::Bypass { id: 3, subjects }));
            }
            ["local", word] => {
                let allowed = word == "allow";
                println!(
                    "{:?}",
                    ask(&helper, &Request::LocalNetwork { id: 4, allowed })
                );
            }
            ["suspend", ref seconds @ ..] => {
                let seconds = seconds.first().unwrap_or(&"0");
                let seconds = seconds.parse().expect("a number");
                println!("{:?}", ask(&helper, &Request::Suspend { seconds }));
            }
            ["resume"] => println!("{:?}", ask(&helper, &Request::Resume)),
            ["stop"] => {
                drop(tun);
                let stopped = helper.stop();
                println!("stopped {stopped}");
                return std::process::ExitCode::SUCCESS;
            }
            _ => println!("what?"),
        }
    }
    std::process::ExitCode::SUCCESS
}

/// Waits for a command; false when the helper is gone.
fn helper_lives(helper: &masq_platform_linux::HelperClient) -> bool {
    let stdin = std::io::stdin();
    let mut sources = [
        PollFd::new(helper.as_fd(), PollFlags::POLLIN),
        PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
    ];
    poll(&mut sources, PollTimeout::NONE).is_ok() && !sources[0].any().unwrap_or(true)
}

fn ask(helper: &masq_platform_linux::HelperClient, request: &Request) -> Option<Reply> {
    helper.send(request).ok()?;
    helper.receive().ok()?
}

/// The protocol and destination of a packet: `6:1.2.3.4:80`.
fn describe(packet: &[u8]) -> String {
    let (protocol, address, transport) = match packet[0] >> 4 {
        4 => {
            let octets: [u8; 4] = packet[16..20].try_into().expect("four bytes");
            (packet[9], std::net::IpAddr::from(octets), &packet[20..])
        }
        _ => {
            let octets: [u8; 16] = packet[24..40].try_into().expect("sixteen bytes");
            (packet[6], std::net::IpAddr::from(octets), &packet[40..])
        }
    };
    let port = match protocol {
        6 | 17 => u16::from_be_bytes([transport[2], transport[3]]),
        _ => 0,
    };
    format!("{protocol}:{}", SocketAddr::new(address, port))
}
