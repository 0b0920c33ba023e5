//! Whether this machine can hold a laboratory.
//!
//! A test begins with `if !require::laboratory() { return; }`. Where the machine cannot, the reason is
//! printed after `SKIPPED:`; with `MASQ_REQUIRE_LAB=1` in the environment that is a failure instead.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use nix::unistd::Uid;

/// True where a laboratory can be made. Panics instead of skipping where one is required.
pub fn laboratory() -> bool {
    match obstacle() {
        None => true,
        Some(reason) => skip(&reason),
    }
}

/// Skips a test for a reason of its own.
pub fn skip(reason: &str) -> bool {
    assert!(
        env::var_os("MASQ_REQUIRE_LAB").is_none_or(|value| value != "1"),
        "the laboratory is required, but: {reason}"
    );
    announce(reason);
    false
}

fn obstacle() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("needs root to make network namespaces".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("needs /dev/net/tun".to_owned());
    }
    for program in ["curl", "dig", "ip", "nft", "ping", "unshare"] {
        if !has_program(program) {
            return Some(format!("needs the program {program} (`cargo xtask setup`)"));
        }
    }
    let namespaces = Command::new("unshare")
        .args(["--net", "true"])
        .stderr(Stdio::null())
        .status();
    if !namespaces.is_ok_and(|status| status.success()) {
        return Some("needs network namespaces".to_owned());
    }
    None
}

fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// On the terminal, and in the file that `cargo xtask test` prints at its end.
#[expect(clippy::print_stderr, reason = "a skip is said aloud")]
fn announce(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("SKIPPED: {test}: {reason}");
    if let Some(path) = env::var_os("MASQ_SKIP_LOG") {
        let line = format!("{test}: {reason}\n");
        let log = OpenOptions::new().create(true).append(true).open(path);
        // Best effort: the terminal has it already.
        let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
    }
}
