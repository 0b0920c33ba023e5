//! The Daemon's process on Linux: one thread, one listening socket, the pair
//! with the launcher, and no way to more once it serves.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use masq_platform_linux::launcher::{self, Launcher, Report, spawn_launcher};
use masq_platform_linux::{seccomp, user_files};
use masq_ui_protocol::DEFAULT_PORT;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::area::{self, Area};
use super::core::{Action, Core, Ending, NodeEvent};
use super::{Options, words};
use crate::clock;
use crate::ui::{Admission, ClientId, Event, Server};

/// How long UIs may take to read their last frames.
const FAREWELL: Duration = Duration::from_secs(1);

type Decisions = Core<ClientId, Area>;

/// Serves until a signal ends it. To be called while the process has one thread.
pub fn run(options: Options) -> Result<()> {
    if !user_files::is_root() {
        bail!(words::NOT_ROOT);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("Failed to start the runtime")?;
    LocalSet::new().block_on(&runtime, serve(options))
}

/// The process that starts the Node for the Daemon.
pub fn launcher() -> ExitCode {
    match launcher::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the launcher ended");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<()> {
    let port = options.ui_port.unwrap_or(DEFAULT_PORT);
    let admission = Admission {
        users: area::real_user(&area::environment())
            .uid
            .into_iter()
            .collect(),
    };
    let (server, events) = Server::bind(port, admission)
        .await
        .map_err(|error| anyhow::anyhow!(words::not_bound(port, &error)))?;
    let program = std::env::current_exe().context("Failed to find this program's file")?;
    let launcher = spawn_launcher(&program).context("Failed to start the launcher")?;
    let launcher = watch(launcher)?;
    let ends = Ends::new()?;
    // Nothing of the above is possible afterwards.
    seccomp::confine().context(
        "Failed to confine the Daemon, which does not serve unconfined: the kernel needs \
         CONFIG_SECCOMP_FILTER",
    )?;
    tracing::info!(event = "daemon-serves", port = server.port());
    let mut daemon = Daemon {
        core: Core::new(Area::new(options)),
        server,
        launcher,
        last_lines: Vec::new(),
    };
    let result = daemon.work(events, ends).await;
    let Daemon {
        server,
        launcher,
        core,
        ..
    } = daemon;
    if result.is_ok() {
        // Who ends the Daemon wants the end of its Node; a Daemon that just
        // disappears does not.
        let _ = launcher.get_ref().0.kill(core.last_run());
    }
    server.close(FAREWELL).await;
    if !launcher.into_inner().0.end() {
        bail!("The Node does not end; look for a process of MASQNode");
    }
    result
}

/// The signals that ask for an end.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> Result<Ends> {
        Ok(Ends {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Lets an event loop wait for the launcher.
#[derive(Debug)]
struct Descriptor(Launcher);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

fn watch(launcher: Launcher) -> Result<AsyncFd<Descriptor>> {
    launcher.set_nonblocking(true)?;
    #[expect(deprecated, reason = "the safe form; the launcher owns its descriptor")]
    let watched = AsyncFd::with_interest(Descriptor(launcher), Interest::READABLE)?;
    Ok(watched)
}

struct Daemon {
    core: Decisions,
    server: Server,
    launcher: AsyncFd<Descriptor>,
    /// Of a Node whose end is the next news.
    last_lines: Vec<String>,
}

impl Daemon {
    async fn work(&mut self, mut events: mpsc::Receiver<Event>, mut ends: Ends) -> Result<()> {
        loop {
            let deadline = self.core.poll_timeout().map(|(deadline, _)| deadline);
            tokio::select! {
                () = ends.wait() => return Ok(()),
                event = events.recv() => match event {
                    Some(event) => self.handle_ui(event),
                    None => bail!("The server of UIs is gone"),
                },
                news = next_report(&self.launcher) => match news {
                    Ok((run, report)) => self.handle_report(run, report),
                    Err(why) => {
                        self.core.handle_launcher_lost(&why, clock::now());
                        self.act();
                        bail!("{why}; the Daemon cannot start a Node any more");
                    }
                },
                () = until(deadline) => self.core.handle_timeout(clock::now()),
            }
            self.act();
        }
    }

    fn handle_ui(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Connected(client) => self.core.handle_connected(client, now),
            Event::Frame(client, frame) => self.core.handle_frame(client, frame, now),
            Event::Gone(_) => {}
        }
    }

    fn handle_report(&mut self, run: u64, report: Report) {
        let event = match report {
            Report::LastLine(line) => return self.last_lines.push(line),
            Report::Started { pid } => {
                tracing::info!(event = "node-started", pid);
                NodeEvent::Started { pid }
            }
            Report::NotStarted(why) => NodeEvent::NotStarted(why),
            Report::Reason { name, reason } => NodeEvent::Reason { name, reason },
            Report::Ready { port } => {
                tracing::info!(event = "node-ready", port);
                NodeEvent::Ready { port }
            }
            Report::Ended(ending) => {
                tracing::info!(event = "node-ended", how = ?ending);
                NodeEvent::Ended {
                    how: match ending {
                        launcher::Ending::Code(code) => Ending::Code(code),
                        launcher::Ending::Signal(signal) => Ending::Signal(signal),
                    },
                    last_lines: std::mem::take(&mut self.last_lines),
                }
            }
        };
        self.core.handle_node(run, event, clock::now());
    }

    fn act(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send(to, frame) => self.server.send(to, &frame),
                Action::Broadcast { but, frame } => self.server.broadcast(but, &frame),
                Action::Launch { run, settings } => {
                    let launched = self.launcher.get_ref().0.launch(run, settings.expose());
                    if let Err(error) = launched {
                        let event = NodeEvent::NotStarted(format!("tell the launcher: {error}"));
                        self.core.handle_node(run, event, clock::now());
                    }
                }
                Action::Kill { run } => {
                    if let Err(error) = self.launcher.get_ref().0.kill(run) {
                        tracing::error!(%error, "the launcher cannot be told to end the Node");
                    }
                }
            }
        }
    }
}

/// The next report, or why there will be none.
async fn next_report(launcher: &AsyncFd<Descriptor>) -> Result<(u64, Report), String> {
    loop {
        let mut ready = launcher
            .readable()
            .await
            .map_err(|error| format!("The launcher cannot be heard: {error}"))?;
        match launcher.get_ref().0.receive() {
            Ok(Some(report)) => return Ok(report),
            Ok(None) => return Err("The launcher has ended".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(format!("The launcher cannot be heard: {error}")),
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
