//! The machine whose resolver is switched: an uplink with a name server beyond it, a server in the Node's
//! place, a manager that owns `/etc/resolv.conf`, and `dns_utility`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use masq_lab::{namespace, process, wait};

use crate::managers::{self, Mode};
use crate::sandbox::{self, OWN};
use crate::servers::Server;
use crate::state::State;

/// The name server that the network gives.
pub(crate) const UPSTREAM: &str = "10.9.0.53";
/// Where the Node is asked, and where it is beside another forwarder.
const NODE: &str = "127.0.0.1";
const NODE_BESIDE: &str = "127.65.83.81";
/// What they say.
const FROM_UPSTREAM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FROM_NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const NAME: &str = "who.test";
pub(crate) const JOURNAL: &str = "/var/lib/masq/journal/resolver.json";

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Whose answer a program of this machine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Upstream,
    Node,
    Nobody,
}

pub(crate) struct Machine {
    pub(crate) mode: Mode,
    daemons: BTreeMap<&'static str, Child>,
    pub(crate) upstream: Server,
    node: Option<Server>,
}

/// Makes the machine in a sandbox and gives it to `body`.
pub(crate) fn with(mode: Mode, body: impl FnOnce(&mut Machine)) {
    sandbox::run(mode.layers(), || {
        let mut machine = Machine::new(mode);
        managers::start(&mut machine);
        until("an answer", || machine.asked() == Asked::Upstream);
        body(&mut machine);
    });
}

impl Machine {
    fn new(mode: Mode) -> Machine {
        let isp = "isp";
        namespace::create(isp).unwrap();
        namespace::ip(&["link", "set", "lo", "up"]).unwrap();
        namespace::ip(&[
            "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", isp,
        ])
        .unwrap();
        namespace::ip_batch(
            isp,
            &format!(
                "link set lo up\naddr add {UPSTREAM}/24 dev eth0\naddr add 10.9.0.1/24 dev eth0\n\
                 link set eth0 up\n"
            ),
        )
        .unwrap();
        let socket = namespace::inside(isp, || UdpSocket::bind((UPSTREAM, 53)).unwrap()).unwrap();
        let mut machine = Machine {
            mode,
            daemons: BTreeMap::new(),
            upstream: Server::start(socket, FROM_UPSTREAM),
            node: None,
        };
        machine.start_node();
        machine
    }

    /// The Node listens at the second address only where somebody else has the first.
    pub(crate) fn start_node(&mut self) {
        let socket = UdpSocket::bind((self.node_address(), 53)).unwrap();
        self.node = Some(Server::start(socket, FROM_NODE));
    }

    pub(crate) fn stop_node(&mut self) {
        self.node = None;
    }

    /// What `inspect` says while the Node is asked.
    pub(crate) fn node_address(&self) -> &'static str {
        if self.mode == Mode::NetworkManagerDnsmasq {
            NODE_BESIDE
        } else {
            NODE
        }
    }

    /// Whose answer an unmodified program gets, and that nobody else was asked for it.
    pub(crate) fn asked(&self) -> Asked {
        let upstream = self.upstream.asked();
        let answer = run("getent", &["ahostsv4", NAME]);
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let word = text.split_whitespace().next().unwrap_or_default();
        if word == FROM_NODE.to_string() {
            assert_eq!(self.upstream.asked(), upstream, "the other was asked too");
            Asked::Node
        } else if word == FROM_UPSTREAM.to_string() {
            Asked::Upstream
        } else {
            Asked::Nobody
        }
    }

    /// Starts a manager's program; it is known by `name` from then on.
    pub(crate) fn daemon(&mut self, name: &'static str, program: &str, arguments: &[&str]) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(Path::new(OWN).join("log").join(name))
            .unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemons.insert(name, child);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.daemons.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As at the end of a power cut: no process is left, and `/run` is empty.
    pub(crate) fn reboot(&mut self) {
        let names: Vec<&str> = self.daemons.keys().copied().collect();
        for name in names {
            self.kill(name);
        }
        managers::after_death(self);
        for name in ["dbus", "resolvconf", "systemd", "NetworkManager"] {
            let _ = fs::remove_dir_all(Path::new("/run").join(name));
        }
        sandbox::fresh_run();
        new_boot();
        managers::boot(self);
    }

    pub(crate) fn state(&self) -> State {
        State::now(self.mode)
    }

    pub(crate) fn utility(&self, arguments: &[&str]) -> Said {
        self.utility_until(arguments, "")
    }

    /// Killed at this point, as by `kill -9`.
    pub(crate) fn utility_until(&self, arguments: &[&str], halt: &str) -> Said {
        let mut command = Command::new(process::binary("dns_utility").unwrap());
        command.args(arguments).env("MASQ_TEST_HALT_AT", halt);
        let output = process::output_within(command, PATIENCE * 2).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code(),
            signal: output.status.signal(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The same; it must work, and gives what was printed.
    pub(crate) fn works(&self, action: &str) -> String {
        let said = self.utility(&[action]);
        assert_eq!(said.code, Some(0), "{action}: {said:?}");
        assert_eq!(said.err, "", "{action}");
        said.out
    }
}

/// How a run of `dns_utility` ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Another identity of the boot, in the place of the kernel's.
fn new_boot() {
    let place = "/proc/sys/kernel/random/boot_id";
    let other = Path::new(OWN).join("boot_id");
    fs::write(&other, "11111111-2222-3333-4444-555555555555\n").unwrap();
    let flags = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(&other), place, None::<&str>, flags, None::<&str>).unwrap();
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    process::output_within(command, PATIENCE * 2).unwrap()
}

/// The output of a program that must work.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    process::text(&output).unwrap_or_else(|error| panic!("{program} {arguments:?}: {error:#}"))
}

pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    if let Err(error) = wait::until(what, PATIENCE, condition) {
        panic!("{error:#}\n{}", logs());
    }
}

fn logs() -> String {
    let mut all = String::new();
    for entry in fs::read_dir(Path::new(OWN).join("log")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        all += &format!(
            "{}:\n{}\n",
            entry.path().display(),
            process::tail(&text, 40)
        );
    }
    all
}
