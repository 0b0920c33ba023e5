//! A machine that sleeps: every process of the host stands still, while the world goes on.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use masq_lab::{Mesh, namespace, require};
use nix::sys::signal::{Signal, kill};

use super::{TUN, begin_download, interface_number, sent_past_the_mesh, watch};
use crate::support::{LIMIT, mesh, read_content, resolve};

const SIZE: u64 = 20_000_000;

fn signal_all(mesh: &Mesh, signal: Signal) {
    for pid in namespace::processes_in(mesh.app().namespace()) {
        if pid != nix::unistd::Pid::this() {
            kill(pid, signal).unwrap();
        }
    }
}

fn sleep_through(mesh: &Mesh, time: Duration) -> Instant {
    signal_all(mesh, Signal::SIGSTOP);
    thread::sleep(time);
    signal_all(mesh, Signal::SIGCONT);
    Instant::now()
}

/// The exit keeps a flow whose circuit is lost for 15 seconds.
#[test]
fn a_download_lives_through_a_short_sleep() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    watch(&mesh.lab, &mesh.site, mesh.app());
    let tun = interface_number(mesh.app(), TUN);
    let address = resolve(mesh.app(), "www.example.test", "A");
    let mut download = begin_download(mesh.app(), address, SIZE);
    read_content(&mut download, 0, SIZE / 2);
    let awake = sleep_through(&mesh, Duration::from_secs(8));
    read_content(&mut download, SIZE / 2, SIZE / 2);
    println!(
        "MEASURED: the rest of the download after a sleep of 8 s: {:?}",
        awake.elapsed()
    );
    assert_eq!(interface_number(mesh.app(), TUN), tun);
    assert_eq!(sent_past_the_mesh(&mesh), 0);
}

#[test]
fn a_new_flow_is_carried_soon_after_a_long_sleep() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    watch(&mesh.lab, &mesh.site, mesh.app());
    let tun = interface_number(mesh.app(), TUN);
    let address = resolve(mesh.app(), "origin.example.test", "A");
    let awake = sleep_through(&mesh, Duration::from_secs(45));
    let mut tries = 0;
    loop {
        tries += 1;
        let echoed = mesh.app().inside(|| echo(address)).unwrap();
        if echoed.is_ok() {
            break;
        }
        assert!(awake.elapsed() < LIMIT, "{echoed:?} after {tries} tries");
        thread::sleep(Duration::from_millis(100));
    }
    println!(
        "MEASURED: the first flow after a sleep of 45 s: {:?}, {tries} tries",
        awake.elapsed()
    );
    assert!(
        awake.elapsed() < Duration::from_secs(10),
        "{:?}",
        awake.elapsed()
    );
    assert_eq!(interface_number(mesh.app(), TUN), tun);
    assert_eq!(sent_past_the_mesh(&mesh), 0);
}

fn echo(address: std::net::IpAddr) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect_timeout(&(address, 7).into(), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"awake")?;
    let mut heard = [0; 5];
    stream.read_exact(&mut heard)
}
