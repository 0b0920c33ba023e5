//! `masq run`: a confined command and the Node that carries its traffic.
//!
//! The command stays in the terminal's foreground group, so keys and job
//! control reach it as ever; signals that somebody sends to this process are
//! passed on. The Node runs outside of the namespaces in a session of its
//! own and ends with this process. If the Node ends first, the command's
//! network fails; it never goes another way.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use masq_capture::{CaptureError, FailureCode};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid, getpid, getppid};

mod node_log;

use crate::confined::Confined;
use crate::sys;
use node_log::NodeLog;

/// What to run, and on which Node.
#[derive(Debug)]
pub struct Run {
    pub node: PathBuf,
    /// The Node's configuration; none stands for a Node that connects by itself.
    pub config_file: Option<PathBuf>,
    pub command: Vec<OsString>,
    /// Whether to show the Node's log.
    pub verbose: bool,
}

/// A Node that connects by itself, as the user who asked for it; for root
/// without sudo as nobody.
fn zero_hop_config() -> String {
    let mut config = "neighborhood-mode = \"zero-hop\"\nexit-allow-private = true\n".to_owned();
    if geteuid().is_root() {
        let number = |name: &str| {
            std::env::var(name)
                .ok()?
                .parse()
                .ok()
                .filter(|&id: &u32| id != 0)
        };
        let uid = number("SUDO_UID").unwrap_or(NOBODY);
        let gid = number("SUDO_GID").unwrap_or(NOBODY);
        config += &format!("real-user = \"{uid}:{gid}:/\"\n");
        config += &format!("data-directory = \"/var/lib/masq/run-{uid}\"\n");
    }
    config
}

const NOBODY: u32 = 65_534;

/// How long a Node may take to be ready before the command starts anyway.
const READY: Duration = Duration::from_secs(10);
/// How long a Node may take to end.
const END: Duration = Duration::from_millis(1500);

/// Runs to the command's end; answers its exit status, 128 + N for signal N.
///
/// To be called while the process has one thread.
pub fn run(run: &Run) -> Result<i32, CaptureError> {
    let (signals, blocked) = take_signals().map_err(|error| failed("take signals", &error))?;
    let (confined, device) = Confined::prepare(&run.command, &blocked)?;
    let mut node = Node::start(run, device.into_descriptor())?;
    node.wait_until_ready()?;
    let command = confined
        .start()
        .map_err(|error| failed("start the command", &error))?;
    let status = watch(command, &signals, &mut node).map_err(|error| failed("wait", &error))?;
    node.end();
    Ok(status)
}

/// From here on these signals are read, not delivered; also answers those
/// that were blocked before.
fn take_signals() -> io::Result<(SignalFd, SigSet)> {
    let mut set = SigSet::empty();
    for signal in PASSED_ON
        .into_iter()
        .chain([Signal::SIGCHLD, Signal::SIGTSTP])
    {
        set.add(signal);
    }
    let blocked = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok((SignalFd::with_flags(&set, flags)?, blocked))
}

const PASSED_ON: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

fn watch(command: Pid, signals: &SignalFd, node: &mut Node) -> io::Result<i32> {
    loop {
        let mut sources = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if let Some(stderr) = &node.stderr {
            sources.push(PollFd::new(stderr.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let logged = sources.get(1).and_then(PollFd::any).unwrap_or(false);
        if logged && !node.hear() {
            tell("the Node has ended; the command has no network any more");
        }
        while let Some(signal) = signals.read_signal()? {
            // The kernel's own (a terminal's Ctrl-C) have reached the command.
            let from_kernel = signal.ssi_code > 0;
            let number = i32::try_from(signal.ssi_signo).map_err(io::Error::other)?;
            let signal = Signal::try_from(number)?;
            if PASSED_ON.contains(&signal) && !from_kernel {
                // It may have ended; then its status is next.
                let _ = kill(command, signal);
            }
        }
        if let Some(status) = reap(command)? {
            return Ok(status);
        }
    }
}

/// The command's exit status once it has one; stops with it until it goes on.
fn reap(command: Pid) -> io::Result<Option<i32>> {
    match waitpid(command, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
        WaitStatus::Exited(_, status) => Ok(Some(status)),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(128 + signal as i32)),
        WaitStatus::Stopped(..) => {
            kill(getpid(), Signal::SIGSTOP)?;
            kill(command, Signal::SIGCONT)?;
            Ok(None)
        }
        WaitStatus::StillAlive
        | WaitStatus::Continued(_)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_) => Ok(None),
    }
}

struct Node {
    child: Child,
    stderr: Option<ChildStderr>,
    log: NodeLog,
    verbose: bool,
}

impl Node {
    fn start(run: &Run, tun: OwnedFd) -> Result<Node, CaptureError> {
        let spawned = spawn(&run.node, tun, run.config_file.as_deref())
            .map_err(|error| failed(&format!("start {}", run.node.display()), &error))?;
        let mut child = spawned;
        let stderr = child.stderr.take();
        Ok(Node {
            child,
            stderr,
            log: NodeLog::default(),
            verbose: run.verbose,
        })
    }

    /// Takes in what the Node logged; whether it still runs.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let Some(stderr) = &mut self.stderr else {
            return false;
        };
        let length = stderr.read(&mut buffer).unwrap_or(0);
        if length == 0 {
            self.stderr = None;
            self.log.tell_last();
            return false;
        }
        self.log.add(&buffer[..length]);
        if self.verbose {
            let _ = io::stderr().write_all(&buffer[..length]);
        }
        true
    }

    fn wait_until_ready(&mut self) -> Result<(), CaptureError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the deadline of a process to start"
        )]
        let now = std::time::Instant::now;
        let deadline = now() + READY;
        while !self.log.is_ready() {
            let left = deadline.saturating_duration_since(now());
            let Some(stderr) = &self.stderr else {
                return Err(self.ended_early());
            };
            if left.is_zero() {
                tell("the Node is not ready yet; starting the command anyway");
                return Ok(());
            }
            let mut sources = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut sources, timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    self.hear();
                }
                Err(error) => return Err(failed("wait for the Node", &error.into())),
            }
        }
        Ok(())
    }

    fn ended_early(&mut self) -> CaptureError {
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |s| s.to_string());
        let text = format!("the Node ended before it was ready ({status})");
        CaptureError::new(FailureCode::HelperGone, text)
    }

    /// Asks it to end, then makes it.
    fn end(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < END {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(step);
            waited += step;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Starts a Node with the TUN as descriptor 3 and, where none is named, its
/// configuration as descriptor 4.
fn spawn(program: &Path, tun: OwnedFd, config_file: Option<&Path>) -> io::Result<Child> {
    const TUN: i32 = 3;
    const CONFIG: i32 = 4;
    let mut command = Command::new(program);
    command.args(["--tun-fd", &TUN.to_string(), "--config-file"]);
    let mut handed = vec![(above(&tun)?, TUN)];
    match config_file {
        Some(path) => {
            command.arg(path);
        }
        None => {
            command.arg(format!("/proc/self/fd/{CONFIG}"));
            let memory = memfd_create("masq-run.toml", MFdFlags::MFD_CLOEXEC)?;
            let mut file = std::fs::File::from(memory);
            file.write_all(zero_hop_config().as_bytes())?;
            handed.push((above(&file)?, CONFIG));
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let parent = getpid();
    // Keys of the terminal are for the command alone.
    sys::after_fork(&mut command, move || {
        nix::unistd::setsid()?;
        SigSet::empty().thread_set_mask()?;
        for (from, to) in &handed {
            sys::replace_descriptor(from.as_fd(), *to)?;
        }
        sys::set_parent_death_signal(Signal::SIGTERM)?;
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    });
    command.spawn()
}

/// A copy whose number none of the handed ones takes.
pub(crate) fn above(descriptor: &impl AsFd) -> io::Result<OwnedFd> {
    let number = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    Ok(sys::own(number))
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "masq: {text}");
}

fn failed(what: &str, error: &io::Error) -> CaptureError {
    CaptureError::new(
        FailureCode::NamespaceUnavailable,
        format!("{what}: {error}"),
    )
}
