//! What several files need: a mesh, names, timed reads.

use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use masq_lab::flow_log::Flow;
use masq_lab::{Host, Mesh, MeshPlan, content, process};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The stages of `status.json`.
pub(crate) const LONELY: &str = "not-connected";
pub(crate) const CONNECTED: &str = "connected-to-neighbor";
pub(crate) const ROUTE: &str = "route-found";

/// How long a mesh may take to find itself on a machine that is busy with other things.
pub(crate) const JOIN: Duration = Duration::from_secs(60);

/// A mesh of three hops with two relays and two exits.
pub(crate) fn mesh() -> Mesh {
    Mesh::start(&MeshPlan::default()).unwrap()
}

/// What the host's resolver says for a name.
pub(crate) fn resolve(host: &Host, name: &str, kind: &str) -> IpAddr {
    let output = host.run(LIMIT, "dig", &["+short", kind, name]).unwrap();
    let text = process::text(&output).unwrap();
    text.lines()
        .find_map(|line| line.parse().ok())
        .unwrap_or_else(|| panic!("no address of {name}: {text:?}"))
}

/// What `dig` prints on the captured host.
pub(crate) fn dig(mesh: &Mesh, arguments: &[&str]) -> String {
    let output = mesh.app().run(LIMIT, "dig", arguments).unwrap();
    process::text(&output).unwrap()
}

/// Reads `count` bytes of the content that begins at `offset`, and compares.
pub(crate) fn read_content(stream: &mut TcpStream, offset: u64, count: u64) {
    let mut buffer = vec![0; 64 * 1024];
    let mut position = offset;
    while position < offset + count {
        let want = (offset + count - position).min(buffer.len() as u64) as usize;
        let got = stream.read(&mut buffer[..want]).unwrap();
        assert_ne!(got, 0, "the stream ended at {position}");
        assert_eq!(content::first_difference(position, &buffer[..got]), None);
        position += got as u64;
    }
}

/// Nothing but the mesh carried what the captured host sent.
pub(crate) fn assert_nothing_leaked(mesh: &Mesh) {
    let counts = mesh.counts(mesh.app()).unwrap();
    assert!(
        counts.mesh.packets > 0,
        "the mesh carried nothing: {counts:?}"
    );
    assert_eq!(
        counts.other.packets, 0,
        "packets left by another way: {counts:?}"
    );
}

/// Each flow is of this program; of one that was over before anybody could look, nobody knows.
pub(crate) fn assert_owners_are(name: &str, flows: impl Iterator<Item = Flow>) {
    let (known, unknown): (Vec<Flow>, Vec<Flow>) = flows.partition(|flow| flow.app.is_some());
    let names = known
        .iter()
        .filter_map(|flow| flow.app.as_ref()?.name.as_deref());
    assert!(names.clone().all(|found| found == name), "{known:?}");
    assert!(
        known.len() >= unknown.len(),
        "of unknown programs: {unknown:?}"
    );
}
