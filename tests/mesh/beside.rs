//! Living beside others that change the machine's network: what works, who wins, and that nothing leaks.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use masq_lab::mesh::Site;
use masq_lab::{Host, Lab, Mesh, namespace, process, wire};

use crate::support::LIMIT;

mod containers;
mod interfaces;
mod rules;
mod sleep;
mod tunnels;

/// The interface of a capture.
pub(crate) const TUN: &str = "masq0";

/// What the captured host sent by itself to those that only the mesh may reach for it.
pub(crate) fn sent_past_the_mesh(mesh: &Mesh) -> u64 {
    let pair = |receiver: &Host| wire::read_pair(&mesh.lab.wan(), mesh.app(), receiver).unwrap();
    pair(&mesh.site.origin).packets + pair(&mesh.site.dns).packets
}

/// Begins to count for [`sent_past_the_mesh`].
pub(crate) fn watch(lab: &Lab, site: &Site, host: &Host) {
    for receiver in [&site.origin, &site.dns] {
        wire::watch_pair(&lab.wan(), host, receiver).unwrap();
    }
}

/// What `curl` on this host fetches of the origin by its name.
pub(crate) fn fetch(host: &Host, family: &str) -> anyhow::Result<String> {
    let url = "http://www.example.test/";
    let output = host.run(LIMIT, "curl", &[family, "-sS", "--max-time", "10", url])?;
    process::text(&output)
}

/// The number of an interface: another one if it was made anew.
pub(crate) fn interface_number(host: &Host, name: &str) -> u32 {
    let output = host
        .run(LIMIT, "ip", &["-j", "link", "show", "dev", name])
        .unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let number = list[0]["ifindex"].as_u64();
    u32::try_from(number.unwrap_or_else(|| panic!("no interface {name}"))).unwrap()
}

/// One HTTP download that was begun, to be read piece by piece.
pub(crate) fn begin_download(host: &Host, address: IpAddr, size: u64) -> TcpStream {
    let mut stream = host
        .inside(|| TcpStream::connect((address, 80)).unwrap())
        .unwrap();
    let request = format!(
        "GET /bytes/{size} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut tail = [0; 4];
    while tail != *b"\r\n\r\n" {
        tail.rotate_left(1);
        stream.read_exact(&mut tail[3..]).unwrap();
    }
    stream
}

pub(crate) fn ip(host: &Host, lines: &str) {
    namespace::ip_batch(host.namespace(), lines).unwrap();
}
