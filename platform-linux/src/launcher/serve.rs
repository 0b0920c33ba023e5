//! The launcher's own process: one thread that waits for the Daemon, the Node's
//! two pipes and the end of its process.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid, getppid, pipe2};

use super::message::{Ending, Order, Report};
use super::tail::{Tail, parse};
use super::{END, LAUNCHER_DESCRIPTOR};
use crate::channel::{Channel, Received};
use crate::supervise::above;
use crate::sys;

/// Numbers under which the Node finds its configuration and where to say that
/// it is ready.
const CONFIGURATION: i32 = 4;
const READY: i32 = 5;
/// Reasons that are passed on, of a Node that has no end of them.
const REASONS: usize = 64;

/// Serves the Daemon at the other end of descriptor 3 until it is gone, then
/// ends the Node.
pub fn serve() -> io::Result<()> {
    let signals = take_signals()?;
    let mut launcher = Serving {
        channel: Channel::from_inherited(LAUNCHER_DESCRIPTOR)?,
        node: None,
    };
    while launcher.step(&signals)? {}
    if let Some(node) = &mut launcher.node {
        node.orphan();
    }
    while let Some(node) = &launcher.node {
        if !node.is_worth_waiting_for() {
            break;
        }
        launcher.wait_for_node(&signals)?;
    }
    Ok(())
}

/// The end of a child is read, not delivered. Who asks for an end asks the
/// Daemon.
fn take_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        set.add(signal);
    }
    set.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&set, flags)?)
}

struct Serving {
    channel: Channel,
    node: Option<Node>,
}

impl Serving {
    /// Waits for something and deals with it; false when the Daemon is gone.
    fn step(&mut self, signals: &SignalFd) -> io::Result<bool> {
        let called = self.wait(signals, true)?;
        self.hear_node()?;
        if !called {
            return Ok(true);
        }
        let Ok(Some(received)) = self.channel.receive() else {
            return Ok(false);
        };
        self.obey(received)?;
        Ok(true)
    }

    fn wait_for_node(&mut self, signals: &SignalFd) -> io::Result<()> {
        self.wait(signals, false)?;
        // Nobody is there to be told.
        let _ = self.hear_node();
        Ok(())
    }

    /// Answers whether the Daemon says something, where it is listened to.
    fn wait(&self, signals: &SignalFd, daemon: bool) -> io::Result<bool> {
        let mut sources = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let mut timeout = PollTimeout::NONE;
        if daemon {
            sources.push(PollFd::new(self.channel.as_fd(), PollFlags::POLLIN));
        }
        if let Some(node) = &self.node {
            if let Some(stderr) = &node.stderr {
                sources.push(PollFd::new(stderr.as_fd(), PollFlags::POLLIN));
            }
            if let Some(ready) = &node.ready {
                sources.push(PollFd::new(ready.as_fd(), PollFlags::POLLIN));
            }
            if let Some(deadline) = node.deadline {
                let left = deadline.saturating_duration_since(now());
                // A poll counts whole milliseconds.
                let left = left + Duration::from_millis(1);
                timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            }
        }
        match poll(&mut sources, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let called = daemon && sources.get(1).and_then(PollFd::any).unwrap_or(false);
        drop(sources);
        while signals.read_signal()?.is_some() {}
        Ok(called)
    }

    fn hear_node(&mut self) -> io::Result<()> {
        let Some(node) = &mut self.node else {
            return Ok(());
        };
        let run = node.run;
        // Before its pipes are read for the last time.
        let ended = node.child.try_wait()?;
        let mut reports = node.read();
        if let Some(status) = ended {
            reports.extend(
                node.stderr_tail
                    .take_all()
                    .into_iter()
                    .map(Report::LastLine),
            );
            reports.push(Report::Ended(ending(status)));
            self.node = None;
        } else {
            node.force_when_late();
        }
        for report in reports {
            self.channel.send(&report.encode(run), None)?;
        }
        Ok(())
    }

    fn obey(&mut self, received: Received) -> io::Result<()> {
        match (Order::decode(&received.bytes), received.descriptor) {
            (Some(Order::Launch { run }), Some(configuration)) => {
                let report = match self.launch(run, configuration) {
                    Ok(pid) => Report::Started { pid },
                    Err(error) => Report::NotStarted(format!("start the Node: {error}")),
                };
                self.channel.send(&report.encode(run), None)
            }
            (Some(Order::Kill { run }), _) => {
                match &mut self.node {
                    Some(node) if node.run == run => node.end(),
                    // It has ended, and that was told.
                    Some(_) | None => {}
                }
                Ok(())
            }
            (Some(Order::Launch { .. }) | None, _) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn launch(&mut self, run: u64, configuration: OwnedFd) -> io::Result<u32> {
        if self.node.is_some() {
            return Err(io::Error::other("another one has not ended"));
        }
        let node = Node::start(run, configuration)?;
        let pid = node.child.id();
        self.node = Some(node);
        Ok(pid)
    }
}

struct Node {
    run: u64,
    child: Child,
    stderr: Option<ChildStderr>,
    stderr_tail: Tail,
    ready: Option<File>,
    ready_tail: Tail,
    reasons: usize,
    /// When it is killed, once it was asked to end.
    deadline: Option<Instant>,
    killed: bool,
}

impl Node {
    fn start(run: u64, configuration: OwnedFd) -> io::Result<Node> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        let handed = [
            (above(&configuration)?, CONFIGURATION),
            (above(&theirs)?, READY),
        ];
        drop((configuration, theirs));
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--config-file")
            .arg(format!("/proc/self/fd/{CONFIGURATION}"))
            .args(["--ui-port", "0", "--ready-fd", &READY.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let parent = getpid();
        sys::after_fork(&mut command, move || {
            SigSet::empty().thread_set_mask()?;
            for (from, to) in &handed {
                sys::replace_descriptor(from.as_fd(), *to)?;
            }
            sys::set_parent_death_signal(Signal::SIGHUP)?;
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        });
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        set_nonblocking(&ours)?;
        if let Some(stderr) = &stderr {
            set_nonblocking(stderr)?;
        }
        Ok(Node {
            run,
            child,
            stderr,
            stderr_tail: Tail::default(),
            ready: Some(ours.into()),
            ready_tail: Tail::default(),
            reasons: 0,
            deadline: None,
            killed: false,
        })
    }

    /// Takes in what it wrote; answers what that says.
    fn read(&mut self) -> Vec<Report> {
        drain(&mut self.stderr, &mut self.stderr_tail);
        drain(&mut self.ready, &mut self.ready_tail);
        let mut reports = Vec::new();
        for report in self.ready_tail.take().iter().filter_map(|line| parse(line)) {
            let is_reason = matches!(report, Report::Reason { .. });
            if is_reason {
                self.reasons += 1;
            }
            if !is_reason || self.reasons <= REASONS {
                reports.push(report);
            }
        }
        reports
    }

    /// Asks it to end, as the user wants; [`Node::force_when_late`] makes it.
    fn end(&mut self) {
        self.end_by(Signal::SIGTERM);
    }

    /// Nobody watches it any more, which is nobody's wish: it ends, and leaves
    /// traffic refused.
    fn orphan(&mut self) {
        self.end_by(Signal::SIGHUP);
    }

    fn end_by(&mut self, signal: Signal) {
        if self.deadline.is_none() {
            // Not reaped yet, so the number is still its own.
            let _ = kill(self.pid(), signal);
            self.deadline = Some(now() + END);
        }
    }

    fn force_when_late(&mut self) {
        if self.deadline.is_some_and(|deadline| deadline <= now()) {
            let _ = kill(self.pid(), Signal::SIGKILL);
            self.killed = true;
            self.deadline = None;
        }
    }

    /// False when even a kill did not end it.
    fn is_worth_waiting_for(&self) -> bool {
        self.deadline.is_some() || self.killed
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

/// Reads what is there and forgets a pipe that is closed.
fn drain(pipe: &mut Option<impl Read>, tail: &mut Tail) {
    // Bounded, so that one that never stops does not keep the launcher.
    for _ in 0..64 {
        let Some(open) = pipe else { return };
        let mut buffer = [0; 4096];
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => tail.add(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => *pipe = None,
        }
    }
}

fn set_nonblocking(descriptor: &impl AsFd) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline of a process to end"
)]
fn now() -> Instant {
    Instant::now()
}
