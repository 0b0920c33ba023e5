//! Network namespaces for tests: the calling thread's own, a world beyond it
//! behind a veth pair, and a fake Node with its capture helper in the first.
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Why the machine cannot run these tests, if it cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        Some("needs root")
    } else if !Path::new("/dev/net/tun").exists() {
        Some("needs /dev/net/tun")
    } else if !["/usr/sbin/nft", "/sbin/nft"]
        .iter()
        .any(|path| Path::new(path).exists())
    {
        Some("needs nft")
    } else {
        None
    }
}

/// The machine under test (this thread) and the world beyond.
pub(crate) struct Lab {
    world: Child,
    pub(crate) journal: tempfile::TempDir,
}

/// An address of the machine under test and one of the world.
pub(crate) const MACHINE: &str = "45.0.0.1";
pub(crate) const WORLD: &str = "45.0.0.2";

impl Lab {
    pub(crate) fn new() -> Lab {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let lab = Lab {
            world: namespace(),
            journal: tempfile::tempdir().unwrap(),
        };
        // Without duplicate address detection nothing changes by itself.
        let still = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";
        sh(&format!("{still}; ip link set lo up"));
        lab.world_sh(still);
        sh(&format!(
            "ip link add eth0 type veth peer name eth1 netns {}",
            lab.world.id()
        ));
        sh(&format!(
            "ip addr add {MACHINE}/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad"
        ));
        sh("ip addr add 192.168.7.1/24 dev eth0; ip link set eth0 up");
        lab.world_sh("ip link set lo up; ip link set eth1 up");
        lab.world_sh(&format!(
            "ip addr add {WORLD}/24 dev eth1; ip addr add 8.8.4.4/32 dev eth1"
        ));
        lab.world_sh(
            "ip addr add 192.168.7.2/24 dev eth1; ip addr add 2001:db8::2/64 dev eth1 nodad",
        );
        sh(&format!(
            "ip route add default via {WORLD}; ip -6 route add default via 2001:db8::2"
        ));
        lab
    }

    pub(crate) fn in_world(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.world.id()))
            .arg(program)
            .args(arguments);
        command
    }

    /// Runs on a thread of the world.
    pub(crate) fn inside_world<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let path = format!("/proc/{}/ns/net", self.world.id());
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let network = std::fs::File::open(path).unwrap();
                nix::sched::setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    pub(crate) fn guest(&self) -> Guest {
        let guest = namespace();
        let inside = format!("nsenter --net=/proc/{}/ns/net", guest.id());
        sh(&format!(
            "ip link add guest0 type veth peer name eth0 netns {}",
            guest.id()
        ));
        sh("ip addr add 172.17.0.1/16 dev guest0; ip link set guest0 up");
        sh(&format!(
            "{inside} ip addr add 172.17.0.2/16 dev eth0; {inside} ip link set eth0 up"
        ));
        sh(&format!("{inside} ip route add default via 172.17.0.1"));
        Guest(guest)
    }

    pub(crate) fn traffic_in_world(&self, arguments: &[&str]) -> Command {
        let program = example("traffic");
        self.in_world(&program.to_string_lossy(), arguments)
    }

    /// A client beyond that says again whatever it hears.
    pub(crate) fn connect_from_world(&self, port: u16) -> Child {
        let script = format!(
            "exec 3<>/dev/tcp/{MACHINE}/{port}; while read -r -N 2 x <&3; do printf %s \"$x\" >&3; done"
        );
        self.in_world("bash", &["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub(crate) fn world_sh(&self, script: &str) -> String {
        output(self.in_world("sh", &["-ec", script]))
    }

    /// A Node after whose failure traffic is refused.
    pub(crate) fn node(&self, halt: Option<&str>) -> FakeNode {
        self.node_that(halt, "block")
    }

    pub(crate) fn node_that(&self, halt: Option<&str>, on_failure: &str) -> FakeNode {
        let mut command = Command::new(example("fake_node"));
        command
            .arg(example("capture_helper"))
            .arg(self.journal.path())
            .arg(on_failure);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        match halt {
            Some(halt) => command.env("MASQ_TEST_HALT_AT", halt),
            None => command.env_remove("MASQ_TEST_HALT_AT"),
        };
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        FakeNode {
            child,
            stdin: Some(stdin),
            lines,
            helper: None,
        }
    }
}

/// A container of the machine: 172.17.0.2 behind a bridge of its own.
pub(crate) struct Guest(Child);

impl Guest {
    pub(crate) fn traffic(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.id()));
        command.arg(example("traffic")).args(arguments);
        command
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.world.kill();
        let _ = self.world.wait();
    }
}

/// A process in a network namespace of its own.
fn namespace() -> Child {
    let holder = Command::new("unshare")
        .args(["-n", "sleep", "600"])
        .spawn()
        .unwrap();
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let path = format!("/proc/{}/ns/net", holder.id());
    until("a namespace", || {
        std::fs::read_link(&path).is_ok_and(|link| link != own)
            && std::fs::read_to_string(format!("/proc/{}/comm", holder.id()))
                .is_ok_and(|name| name == "sleep\n")
    });
    holder
}

pub(crate) struct FakeNode {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
    pub(crate) helper: Option<u32>,
}

impl FakeNode {
    /// The next line that the Node prints; empty when it has ended.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Waits until it captures.
    pub(crate) fn active(&mut self) {
        let line = self.line();
        let helper = line
            .strip_prefix("tun ")
            .unwrap_or_else(|| panic!("{line}"));
        self.helper = Some(helper.parse().unwrap());
        assert_eq!(self.line(), "active");
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.line()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn kill_helper(&self) {
        let pid = i32::try_from(self.helper.unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All of the machine's network that capture could have changed.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct State {
    /// Gone when the processes are: what decides where packets go.
    pub(crate) links: String,
    pub(crate) routes: String,
    pub(crate) firewall: String,
    /// What may stay without effect until the next start.
    pub(crate) rules: String,
    pub(crate) groups: BTreeSet<PathBuf>,
    pub(crate) valid_mark: String,
}

pub(crate) fn state() -> State {
    let namespace = nix::sys::stat::stat("/proc/thread-self/ns/net")
        .unwrap()
        .st_ino;
    State {
        links: sh("ip -o link | cut -d: -f2; ip -o addr | sed 's/ valid_lft.*//'"),
        routes: sh(
            "ip route show table all; ip -6 route show table all | grep -v '^anycast\\|^multicast'",
        ),
        firewall: sh("nft list tables"),
        rules: sh("ip rule; ip -6 rule"),
        groups: groups(namespace),
        valid_mark: sh("cat /proc/sys/net/ipv4/conf/all/src_valid_mark"),
    }
}

/// The control groups that were made for a Node in this namespace.
fn groups(namespace: u64) -> BTreeSet<PathBuf> {
    let found = sh(&format!(
        "find $(awk '$3 == \"cgroup2\" {{ print $2 }}' /proc/mounts) -type d -name 'masq-{namespace}-*' 2>/dev/null || true"
    ));
    found.lines().map(PathBuf::from).collect()
}

pub(crate) fn sh(script: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-ec", script]);
    output(command)
}

pub(crate) fn output(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn until(what: &str, mut reached: impl FnMut() -> bool) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test's own deadline")]
    let now = Instant::now;
    let start = now();
    while !reached() {
        assert!(
            now() - start < Duration::from_secs(10),
            "waited 10 s for {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    now() - start
}

pub(crate) fn traffic(arguments: &[&str]) -> Command {
    let mut command = Command::new(example("traffic"));
    command.args(arguments);
    command
}

/// A program of this package's examples; a run that names one test target
/// does not build them.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "build with `cargo build -p masq-platform-linux --examples`"
    );
    path
}
