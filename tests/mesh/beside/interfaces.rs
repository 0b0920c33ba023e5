//! Several interfaces, other default routes, other addresses: what can live, lives, and the TUN stays.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use masq_lab::lab::UPLINK;
use masq_lab::{Mesh, namespace, require};

use super::{TUN, begin_download, interface_number, ip, sent_past_the_mesh, watch};
use crate::support::{LIMIT, mesh, read_content, resolve};

const SIZE: u64 = 20_000_000;
const PIECE: u64 = SIZE / 10;

struct Moving {
    mesh: Mesh,
    download: TcpStream,
    position: u64,
    tun: u32,
}

impl Moving {
    fn begin() -> Self {
        let mesh = mesh();
        watch(&mesh.lab, &mesh.site, mesh.app());
        let address = resolve(mesh.app(), "www.example.test", "A");
        let mut download = begin_download(mesh.app(), address, SIZE);
        read_content(&mut download, 0, PIECE);
        Self {
            tun: interface_number(mesh.app(), TUN),
            mesh,
            download,
            position: PIECE,
        }
    }

    /// The download goes on, over the same interface, and nothing went past the mesh.
    fn goes_on(&mut self, after: &str) -> Duration {
        let begin = Instant::now();
        read_content(&mut self.download, self.position, PIECE);
        let taken = begin.elapsed();
        self.position += PIECE;
        assert_eq!(interface_number(self.mesh.app(), TUN), self.tun, "{after}");
        assert_eq!(sent_past_the_mesh(&self.mesh), 0, "{after}");
        taken
    }

    /// What was not sent when it all happened.
    fn ends(mut self) {
        read_content(&mut self.download, self.position, SIZE - self.position);
        assert_eq!(sent_past_the_mesh(&self.mesh), 0);
    }

    /// A second way to the router, of an address of its own.
    fn second_uplink(&self) {
        let (wan, inside) = (self.mesh.lab.wan(), self.mesh.app().namespace());
        namespace::ip(&[
            "-n", &wan, "link", "add", "second", "type", "veth", "peer", "name", "wlan0", "netns",
            inside,
        ])
        .unwrap();
        namespace::ip_batch(
            &wan,
            "addr add 198.51.100.1/30 dev second\naddr add 2001:db8:6d61:200::1/64 dev second nodad\n\
             link set second up\n",
        )
        .unwrap();
        ip(
            self.mesh.app(),
            "addr add 198.51.100.2/30 dev wlan0\naddr add 2001:db8:6d61:200::2/64 dev wlan0 nodad\n\
             link set wlan0 up\n",
        );
    }
}

#[test]
fn a_download_goes_on_when_the_default_route_moves_to_another_interface() {
    if !require::laboratory() {
        return;
    }
    let mut moving = Moving::begin();
    moving.second_uplink();
    let host = moving.mesh.app().clone();
    // A second default route that counts less, as of a wireless network beside a cable.
    ip(
        &host,
        "route add default via 198.51.100.1 dev wlan0 metric 600\n\
         route add default via 2001:db8:6d61:200::1 dev wlan0 metric 2000\n",
    );
    let taken = moving.goes_on("a second default route");
    println!("MEASURED: {PIECE} bytes after a second default route: {taken:?}");
    // The cable is pulled: its routes go, the other one counts.
    ip(&host, &format!("link set {UPLINK} down\n"));
    let taken = moving.goes_on("the loss of the first interface");
    println!("MEASURED: {PIECE} bytes after the loss of the first interface: {taken:?}");
    let gateway = std::net::Ipv4Addr::from(u32::from(host.v4()) - 1);
    ip(
        &host,
        &format!(
            "link set {UPLINK} up\n\
             addr replace {}/64 dev {UPLINK} nodad\n\
             route add default via {gateway} dev {UPLINK} metric 100\n",
            host.v6()
        ),
    );
    let taken = moving.goes_on("its return");
    println!("MEASURED: {PIECE} bytes after its return: {taken:?}");
    ip(&host, "link del wlan0\n");
    let taken = moving.goes_on("the loss of the second interface");
    println!("MEASURED: {PIECE} bytes after the loss of the second interface: {taken:?}");
    moving.ends();
}

#[test]
fn a_download_goes_on_when_the_gateway_is_lost_for_a_while() {
    if !require::laboratory() {
        return;
    }
    let mut moving = Moving::begin();
    let host = moving.mesh.app().clone();
    let gateway = std::net::Ipv4Addr::from(u32::from(host.v4()) - 1);
    ip(&host, "route del default\n");
    thread::sleep(Duration::from_secs(5));
    ip(
        &host,
        &format!("route add default via {gateway} dev {UPLINK} metric 50\n"),
    );
    let taken = moving.goes_on("five seconds without a default route");
    println!("MEASURED: {PIECE} bytes after five seconds without a default route: {taken:?}");
    moving.mesh.lab.plug(&host, false).unwrap();
    thread::sleep(Duration::from_secs(5));
    moving.mesh.lab.plug(&host, true).unwrap();
    let taken = moving.goes_on("five seconds without a cable");
    println!("MEASURED: {PIECE} bytes after five seconds without a cable: {taken:?}");
    moving.ends();
}

#[test]
fn a_download_goes_on_when_the_host_gets_other_addresses() {
    if !require::laboratory() {
        return;
    }
    let mut moving = Moving::begin();
    let host = moving.mesh.app().clone();
    // A lease is renewed with another address.
    moving.mesh.lab.renumber(&host).unwrap();
    let taken = moving.goes_on("another IPv4 address");
    println!("MEASURED: {PIECE} bytes after another IPv4 address: {taken:?}");
    // The provider hands out another prefix.
    namespace::ip_batch(
        &moving.mesh.lab.wan(),
        &format!(
            "addr add 2001:db8:6d61:300::1/64 dev {} nodad\n",
            host.name()
        ),
    )
    .unwrap();
    ip(
        &host,
        &format!(
            "addr add 2001:db8:6d61:300::2/64 dev {UPLINK} nodad\n\
             route replace default via 2001:db8:6d61:300::1 dev {UPLINK}\n\
             addr del {}/64 dev {UPLINK}\n",
            host.v6()
        ),
    );
    let taken = moving.goes_on("another IPv6 address");
    println!("MEASURED: {PIECE} bytes after another IPv6 address: {taken:?}");
    let begin = Instant::now();
    let address = resolve(&host, "origin.example.test", "A");
    host.inside(|| TcpStream::connect_timeout(&(address, 7).into(), LIMIT).unwrap())
        .unwrap();
    assert!(begin.elapsed() < LIMIT);
    moving.ends();
}
