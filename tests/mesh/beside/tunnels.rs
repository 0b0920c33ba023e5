//! Beside tunnels of other programs: a real WireGuard with a real wg-quick, and Tailscale's rules and routes.
//! What leaves is counted at the router, on the host's cable and on that of the tunnel's server.

use std::time::Duration;

use masq_lab::tunnels::{self, INSIDE4, INSIDE6, Tunnel};
use masq_lab::{Mesh, require, wait, wire};

use super::{TUN, begin_download, fetch, interface_number, ip, sent_past_the_mesh, watch};
use crate::support::{LIMIT, mesh, read_content, resolve};

const EVERYTHING: &str = "0.0.0.0/0, ::/0";
const SIZE: u64 = 20_000_000;

/// As tailscaled sets them.
const TAILSCALE: [&str; 8] = [
    "-4 rule add pref 5210 fwmark 0x80000/0xff0000 table main",
    "-4 rule add pref 5230 fwmark 0x80000/0xff0000 table default",
    "-4 rule add pref 5250 fwmark 0x80000/0xff0000 type unreachable",
    "-4 rule add pref 5270 table 52",
    "-6 rule add pref 5210 fwmark 0x80000/0xff0000 table main",
    "-6 rule add pref 5230 fwmark 0x80000/0xff0000 table default",
    "-6 rule add pref 5250 fwmark 0x80000/0xff0000 type unreachable",
    "-6 rule add pref 5270 table 52",
];
const TAILSCALE_ROUTES: [&str; 4] = [
    "addr add 100.99.0.2/32 dev DEV",
    "addr add fd7a:115c:a1e0::2/128 dev DEV",
    "route add 100.99.0.1/32 dev DEV table 52",
    "route add fd7a:115c:a1e0::1/128 dev DEV table 52",
];

struct Beside {
    mesh: Mesh,
    tunnel: Tunnel,
}

fn begin(allowed: &str) -> Option<Beside> {
    if !require::laboratory() || !tunnels::are_there() {
        return None;
    }
    let mut mesh = mesh();
    let app = mesh.app().clone();
    let tunnel = Tunnel::new(&mut mesh.lab, &app, allowed).unwrap();
    watch(&mesh.lab, &mesh.site, &app);
    watch(&mesh.lab, &mesh.site, &tunnel.server);
    Some(Beside { mesh, tunnel })
}

impl Beside {
    /// What went past the mesh, be it through the tunnel.
    fn leaked(&self) -> u64 {
        let server = &self.tunnel.server;
        let through = |receiver| wire::read_pair(&self.mesh.lab.wan(), server, receiver).unwrap();
        let (origin, dns) = (&self.mesh.site.origin, &self.mesh.site.dns);
        sent_past_the_mesh(&self.mesh) + through(origin).packets + through(dns).packets
    }

    fn reaches(&self, address: &str) -> bool {
        let ping = ["-c", "1", "-W", "1", address];
        let output = self.mesh.app().run(LIMIT, "ping", &ping).unwrap();
        output.status.success()
    }

    fn awaits(&self, address: &str) {
        wait::until(address, LIMIT, || self.reaches(address)).unwrap();
    }

    /// Apps go over the mesh, both families, and nothing else left: neither now nor while our rules moved.
    fn carries(&self, when: &str) -> Duration {
        let app = self.mesh.app();
        let took = wait::until(when, LIMIT, || fetch(app, "-4").is_ok()).unwrap();
        for family in ["-4", "-6"] {
            let page = fetch(app, family);
            let page = page.unwrap_or_else(|error| panic!("{when}, {family}: {error:#}"));
            assert!(page.contains("this is the origin"), "{when}: {page}");
        }
        assert_eq!(self.leaked(), 0, "{when}");
        took
    }

    /// What a new download costs on the cable to the tunnel's server.
    fn packets_of_a_download(&self) -> u64 {
        let app = self.mesh.app();
        let address = resolve(app, "www.example.test", "A");
        let before = self.tunnel.packets().unwrap();
        let mut download = begin_download(app, address, SIZE / 8);
        read_content(&mut download, 0, SIZE / 8);
        self.tunnel.packets().unwrap() - before
    }
}

#[test]
fn a_full_tunnel_that_comes_later_carries_the_links_and_no_app() {
    let Some(beside) = begin(EVERYTHING) else {
        return;
    };
    let host = beside.mesh.app().clone();
    let tun = interface_number(&host, TUN);
    beside.carries("without a tunnel");
    let address = resolve(&host, "www.example.test", "A");
    let mut download = begin_download(&host, address, SIZE);
    read_content(&mut download, 0, SIZE / 4);
    for round in 0..2 {
        beside.tunnel.up().unwrap();
        beside.awaits(INSIDE4);
        beside.awaits(INSIDE6);
        let took = beside.carries("with the tunnel");
        println!("MEASURED: the first flow beside a tunnel is carried after {took:?}");
        let sent = beside.packets_of_a_download();
        println!(
            "MEASURED: {sent} packets of the tunnel for {} bytes",
            SIZE / 8
        );
        assert!(sent >= 50, "the links are within the tunnel: {sent}");
        read_content(&mut download, SIZE / 4 * (round + 1), SIZE / 8);
        beside.tunnel.down().unwrap();
        beside.carries("after the tunnel");
        let position = SIZE / 4 * (round + 1) + SIZE / 8;
        read_content(&mut download, position, SIZE / 8);
        assert!(!beside.reaches(INSIDE4));
    }
    assert_eq!(interface_number(&host, TUN), tun);
    assert_eq!(beside.leaked(), 0);
}

#[test]
fn a_full_tunnel_that_was_there_first_carries_the_links_and_no_app() {
    let Some(mut beside) = begin(EVERYTHING) else {
        return;
    };
    beside.mesh.originator.stop().unwrap();
    beside.tunnel.up().unwrap();
    beside.awaits(INSIDE4);
    // The count can be another: without a Node the tunnel carries apps.
    let before = beside.leaked();
    let page = fetch(beside.mesh.app(), "-4").unwrap();
    assert!(page.contains("this is the origin"), "{page}");
    let seen = beside.leaked();
    assert!(seen > before);
    beside.mesh.originator.restart().unwrap();
    beside.mesh.originator.await_ready(LIMIT).unwrap();
    let carries = |beside: &Beside, when: &str| {
        for family in ["-4", "-6"] {
            let page = fetch(beside.mesh.app(), family);
            let page = page.or_else(|_| fetch(beside.mesh.app(), family)).unwrap();
            assert!(page.contains("this is the origin"), "{when}: {page}");
        }
        assert_eq!(beside.leaked(), seen, "{when}");
    };
    carries(&beside, "with the tunnel");
    beside.awaits(INSIDE4);
    beside.awaits(INSIDE6);
    beside.tunnel.down().unwrap();
    carries(&beside, "after the tunnel");
    // All of ours go with the Node.
    beside.mesh.originator.stop().unwrap();
    for family in ["-4", "-6"] {
        let rules = beside
            .tunnel
            .on(beside.mesh.app(), &format!("ip {family} rule show"))
            .unwrap();
        assert_eq!(
            rules.lines().count(),
            if family == "-4" { 3 } else { 2 },
            "{rules}"
        );
    }
}

#[test]
fn a_tunnel_to_a_network_is_a_local_network() {
    let Some(beside) = begin("10.99.0.0/24, fd99::/64") else {
        return;
    };
    beside.tunnel.up().unwrap();
    beside.awaits(INSIDE4);
    beside.awaits(INSIDE6);
    beside.carries("with the tunnel");
    beside.tunnel.down().unwrap();
    beside.carries("after the tunnel");
}

#[test]
fn the_network_of_tailscale_is_a_local_network_and_its_exit_carries_the_links() {
    let Some(beside) = begin(EVERYTHING) else {
        return;
    };
    let app = beside.mesh.app().clone();
    assert!(!beside.reaches("100.99.0.1"));
    let lines: Vec<&str> = TAILSCALE.into_iter().chain(TAILSCALE_ROUTES).collect();
    beside.tunnel.up_by_hand("0x80000", &lines).unwrap();
    let both = |beside: &Beside| {
        beside.awaits("100.99.0.1");
        beside.awaits("fd7a:115c:a1e0::1");
    };
    both(&beside);
    beside.carries("with Tailscale");
    // An address of that range that no peer has is not local, and reaches nobody.
    let before = beside.leaked();
    assert!(!beside.reaches("100.99.0.77"));
    assert_eq!(beside.leaked(), before);
    // With an exit node chosen, its table has the default route too.
    let device = format!("wgc{}", std::process::id() % 1_000_000);
    ip(&app, &format!("route add default dev {device} table 52\n"));
    beside.carries("with an exit node");
    assert!(beside.packets_of_a_download() >= 50);
    ip(&app, &format!("route del default dev {device} table 52\n"));
    let mut beside = beside;
    beside.mesh.originator.stop().unwrap();
    beside.mesh.originator.restart().unwrap();
    beside.mesh.originator.await_ready(LIMIT).unwrap();
    both(&beside);
    beside.carries("with Tailscale first");
    ip(&app, &format!("link del {device}\n"));
    beside.carries("after Tailscale");
}
