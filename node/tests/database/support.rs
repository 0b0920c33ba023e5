//! Neighbors by number, and this program as another process.

use masq_core::guards::Guard;
use masq_core::identity::NodeId;
use masq_core::reputation::Reputation;
use masq_node::database::{PastNeighbor, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// The folder that a part of a test in another process works in.
pub(crate) const FOLDER: &str = "MASQ_DATABASE_TEST";

pub(crate) fn id(number: u8) -> NodeId {
    NodeId::new([number; 32])
}

pub(crate) fn neighbor(number: u8, last_seen_unix: u64) -> PastNeighbor {
    let descriptor = format!("masq://dev:{}@192.0.2.{number}:4000/4001", id(number));
    PastNeighbor {
        descriptor: descriptor.parse().unwrap(),
        last_seen_unix,
        guard: false,
    }
}

pub(crate) fn guard(number: u8) -> Guard {
    Guard {
        id: id(number),
        added_unix: 1_000,
        expires_unix: 2_000,
        down_since_unix: number.is_multiple_of(2).then_some(1_500),
    }
}

pub(crate) fn reputation(number: u8, seen_unix: u64) -> (NodeId, Reputation) {
    let reputation = Reputation {
        latency_us: number.is_multiple_of(2).then_some(12_000),
        reliability: 9_000,
        seen_unix,
    };
    (id(number), reputation)
}

pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("node-data.db")
}

pub(crate) fn neighbors(folder: &Path) -> Vec<PastNeighbor> {
    Store::open(folder).unwrap().1.neighbors
}

/// SQLite's own opinion.
pub(crate) fn assert_whole(folder: &Path) {
    let connection = rusqlite::Connection::open(file(folder)).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

/// This very program, to run one ignored test with a folder of its own.
pub(crate) fn part(prefix: &[&str], test: &str, folder: &Path) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match prefix {
        [] => Command::new(&own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&own);
            command
        }
    };
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(FOLDER, folder);
    command
}

/// Runs a part with `mount ARGUMENTS FOLDER` done before.
pub(crate) fn mounted(arguments: &str, test: &str, folder: &Path) {
    let script = format!("mount {arguments} \"$0\" && exec \"$@\"");
    let place = folder.to_string_lossy();
    let prefix = ["unshare", "--mount", "sh", "-c", &script, &place];
    let output = part(&prefix, test, folder).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && words.contains("1 passed"),
        "{words}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Leaves no byte of a small file system free.
pub(crate) fn fill(path: &Path) {
    let mut size = 1 << 20;
    let mut bytes = Vec::new();
    while size >= 512 {
        let more = vec![0; bytes.len() + size];
        if std::fs::write(path, &more).is_ok() {
            bytes = more;
        } else {
            size /= 2;
        }
    }
    std::fs::write(path, &bytes).unwrap();
}

/// The folder of a part; none when somebody runs it by itself.
pub(crate) fn folder_of_part() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "a skip is said aloud")]
pub(crate) fn is_root() -> bool {
    let root = effective_user() == Some(0);
    if !root {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED: {test}: needs root");
    }
    root
}

fn effective_user() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("Uid:"))?;
    line.split_whitespace().nth(2)?.parse().ok()
}
