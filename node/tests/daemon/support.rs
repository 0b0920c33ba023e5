//! A Daemon of the real program, UIs that speak to it, and what the kernel says
//! of its processes.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use masq_ui_protocol::message::{
    Redirect, SetupRequest, SetupRequestValue, SetupResponse, StartRequest, StartResponse,
};
use masq_ui_protocol::{Frame, Message as _, PROTOCOL, UiError};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::LIMIT;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_MASQNode");
/// Whom the Node works as.
const NOBODY: u32 = 65_534;

pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

#[expect(clippy::print_stderr, reason = "says which test did not run")]
pub(crate) fn is_root(test: &str) -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("SKIPPED: {test}: needs root");
    }
    root
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A Daemon that serves; it ends with this.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Daemon {
    pub(crate) async fn start() -> Daemon {
        Daemon::start_with(&[]).await
    }

    /// With these variables in its environment.
    pub(crate) async fn start_with(environment: &[(&str, &str)]) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let config = "capture = false\n";
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let port = free_port();
        let mut child = command(port, folder.path(), environment).spawn().unwrap();
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "{}",
                read_log(folder.path())
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Daemon {
            child,
            port,
            folder,
        }
    }

    pub(crate) fn log(&self) -> String {
        read_log(self.folder.path())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that a Node without capture needs.
    pub(crate) async fn prepare(&self, ui: &mut Ui) {
        self.prepare_mode(ui, "zero-hop").await;
    }

    pub(crate) async fn prepare_mode(&self, ui: &mut Ui, mode: &str) {
        let config = self.folder.path().join("config.toml");
        let data = self.data();
        let answer = ui
            .setup(&[
                ("neighborhood-mode", Some(mode)),
                ("data-directory", Some(data.to_str().unwrap())),
                ("config-file", Some(config.to_str().unwrap())),
            ])
            .await;
        assert_eq!(answer.errors, []);
    }

    /// Asks for an end and waits for it.
    pub(crate) fn end(&mut self) -> ExitStatus {
        signal("TERM", self.pid());
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the Daemon does not end: {}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal("TERM", self.pid());
            let _ = self.child.wait();
        }
    }
}

pub(crate) fn command(port: u16, folder: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["--initialization", "--ui-port", &port.to_string()])
        .env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string())
        .env("HOME", folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("daemon.log")).unwrap());
    command
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("daemon.log")).unwrap()
}

/// To one process, by its number.
pub(crate) fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// A connected UI.
pub(crate) struct Ui {
    stream: WebSocketStream<TcpStream>,
    context: u64,
}

impl Ui {
    pub(crate) async fn connect(port: u16) -> Ui {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut request = format!("ws://127.0.0.1:{port}/")
            .into_client_request()
            .unwrap();
        let protocol = HeaderValue::from_static(PROTOCOL);
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (stream, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        Ui { stream, context: 0 }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.send(text.into()).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn hear(&mut self) -> Frame {
        match timeout(LIMIT, self.stream.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => Frame::parse(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        let heard = timeout(Duration::from_millis(300), self.stream.next()).await;
        heard.is_err()
    }

    /// Asks, and hears whatever comes next.
    pub(crate) async fn ask(&mut self, mut frame: Frame) -> Frame {
        self.context += 1;
        frame.context_id = Some(self.context);
        self.send(&frame.to_text()).await;
        self.hear().await
    }

    pub(crate) async fn setup(&mut self, values: &[(&str, Option<&str>)]) -> SetupResponse {
        let values = values
            .iter()
            .map(|(name, value)| SetupRequestValue {
                name: (*name).to_owned(),
                value: value.map(str::to_owned),
            })
            .collect();
        let answer = self.ask(Frame::of(&SetupRequest { values }, None)).await;
        assert_eq!(answer.context_id, Some(self.context));
        answer.message().unwrap()
    }

    pub(crate) async fn start(&mut self) -> Result<StartResponse, UiError> {
        let answer = self.ask(Frame::of(&StartRequest {}, None)).await;
        assert_eq!(answer.opcode, StartRequest::OPCODE);
        answer.message()
    }

    /// Where the Node is asked instead.
    pub(crate) async fn redirected(&mut self, frame: Frame) -> Redirect {
        self.ask(frame).await.message().unwrap()
    }
}

/// A process and all that it started, as the kernel tells.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for task in tasks {
            let children = task.unwrap().path().join("children");
            let children = fs::read_to_string(children).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .map(|pid| pid.parse::<u32>().unwrap()),
            );
        }
    }
    found
}

/// Whether a process is there and is no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    field(pid, "State").is_some_and(|state| !state.starts_with('Z'))
}

/// A line of a process's status.
pub(crate) fn field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

/// The inodes of a process's sockets.
pub(crate) fn sockets(pid: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let Ok(target) = fs::read_link(entry.unwrap().path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[") {
            found.push(inode.trim_end_matches(']').to_owned());
        }
    }
    found
}

/// Whether `needle` is anywhere in a file that a process may change meanwhile.
pub(crate) fn holds(path: &Path, needle: &str) -> bool {
    let mut bytes = Vec::new();
    if let Ok(mut file) = fs::File::open(path) {
        let _ = file.read_to_end(&mut bytes);
    }
    bytes
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}
