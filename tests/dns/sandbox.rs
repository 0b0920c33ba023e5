//! The sandbox: a test starts itself again in namespaces for mounts, processes and network, as their first
//! process, so that everything it starts there ends with it.
//!
//! The programs are the machine's with the unpacked packages laid over them; `/etc` and `/run` are new and
//! in memory, `/var/lib` is the machine's, with what changes kept in memory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use masq_lab::{process, require};
use nix::mount::{MsFlags, mount};
use nix::unistd::Uid;

const INSIDE: &str = "MASQ_DNS_SANDBOX";
const LIMIT: Duration = Duration::from_secs(100);
/// What the sandbox keeps for itself.
pub(crate) const OWN: &str = "/run/sandbox";
/// The build, wherever it lies: it may be below a folder that something is laid over.
const BUILD: &str = "/run/sandbox/build";

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\n\
    dnsmasq:x:961:961::/run:/usr/sbin/nologin\n\
    messagebus:x:962:962::/run:/usr/sbin/nologin\n\
    systemd-network:x:964:964::/run:/usr/sbin/nologin\n\
    systemd-resolve:x:963:963::/run:/usr/sbin/nologin\n\
    nobody:x:65534:65534::/run:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\ndnsmasq:x:961:\nmessagebus:x:962:\nsystemd-network:x:964:\nsystemd-resolve:x:963:\n\
    nogroup:x:65534:\n";
/// The C library asks whom `resolv.conf` names, and nobody else.
pub(crate) const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Runs `body` in a sandbox with these layers, the first on top.
pub(crate) fn run(layers: &[&str], body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        furnish(layers);
        body();
        return;
    }
    if let Some(reason) = obstacle() {
        require::skip(&reason);
        return;
    }
    let test = thread::current().name().map(str::to_owned).unwrap();
    let profile = process::binary("dns_utility").unwrap();
    let profile = profile.parent().and_then(Path::file_name).unwrap();
    let programs = env::var_os("MASQ_BIN_DIR").map(PathBuf::from);
    let mut again = Command::new("unshare");
    again
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "--propagation", "private", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, "1")
        .env(
            "MASQ_BIN_DIR",
            programs.unwrap_or(Path::new(BUILD).join(profile)),
        )
        .env("LC_ALL", "C");
    let output = process::output_within(again, LIMIT).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        // A test that was not found is a success of none.
        output.status.success() && said.contains("1 passed"),
        "{test}: {}\n{said}{errors}",
        output.status
    );
    say(&errors);
}

#[expect(clippy::print_stderr, reason = "what was said inside is said here")]
fn say(words: &str) {
    eprint!("{words}");
}

fn obstacle() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("needs root to make namespaces".to_owned());
    }
    let build = process::target_folder();
    if !build.is_some_and(|build| build.join("dns-parts/complete").is_file()) {
        return Some("needs the resolver's managers (`cargo xtask setup`)".to_owned());
    }
    let spaces = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "true"])
        .status();
    if !spaces.is_ok_and(|status| status.success()) {
        return Some("needs namespaces for mounts, network and processes".to_owned());
    }
    None
}

fn furnish(layers: &[&str]) {
    let build = process::target_folder().unwrap();
    memory("/run");
    for folder in ["build", "changed", "log", "work"] {
        fs::create_dir_all(Path::new(OWN).join(folder)).unwrap();
    }
    fresh_run();
    mount(
        Some(&build),
        BUILD,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
    let parts = Path::new(BUILD).join("dns-parts");
    let of_usr: Vec<String> = layers
        .iter()
        .map(|layer| parts.join(layer).join("usr").display().to_string())
        .collect();
    overlay("/usr", &format!("lowerdir={}:/usr", of_usr.join(":")));
    overlay(
        "/var/lib",
        &format!("lowerdir=/var/lib,upperdir={OWN}/changed,workdir={OWN}/work"),
    );
    let loader = fs::read("/etc/ld.so.cache").unwrap_or_default();
    memory("/etc");
    for layer in layers.iter().rev() {
        copy_all(&parts.join(layer).join("etc"), Path::new("/etc"));
    }
    // Its hook is for a server that is not there.
    let _ = fs::remove_file("/etc/resolvconf/update.d/unbound");
    for (path, text) in [
        ("/etc/passwd", PASSWD),
        ("/etc/group", GROUP),
        ("/etc/nsswitch.conf", NSSWITCH),
        ("/etc/hosts", "127.0.0.1 localhost\n"),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ] {
        fs::write(path, text).unwrap();
    }
    fs::write("/etc/ld.so.cache", loader).unwrap();
    fs::create_dir_all("/var/lib/NetworkManager").unwrap();
    // NetworkManager waits for udev unless it may not write here.
    let read_only = MsFlags::MS_RDONLY;
    mount(
        Some("sysfs"),
        "/sys",
        Some("sysfs"),
        read_only,
        None::<&str>,
    )
    .unwrap();
}

/// What the boot makes in an empty `/run`.
pub(crate) fn fresh_run() {
    for folder in ["dbus", "lock", "systemd", "NetworkManager", "netns"] {
        fs::create_dir_all(Path::new("/run").join(folder)).unwrap();
    }
}

fn memory(place: &str) {
    let options = Some("mode=0755");
    mount(
        Some("memory"),
        place,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
    .unwrap();
}

fn overlay(place: &str, options: &str) {
    let laid = mount(
        Some("overlay"),
        place,
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    );
    assert!(laid.is_ok(), "an overlay of {place} ({options}): {laid:?}");
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        let status = Command::new("cp")
            .arg("-a")
            .arg(from.join("."))
            .arg(to)
            .status();
        assert!(status.unwrap().success());
    }
}
