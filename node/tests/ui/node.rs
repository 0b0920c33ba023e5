//! The real program with a port for user interfaces: what it says of itself,
//! what changes at once, and how it ends.

use crate::LIMIT;
use crate::support::{Client, connect, run, uid};
use futures_util::{SinkExt, StreamExt};
use masq_ui_protocol::message::{
    ConnectionChange, ConnectionStage, ConnectionStatusRequest, ConnectionStatusResponse,
    CountryGroup, DescriptorRequest, DescriptorResponse, ExitLocationRequest, ExitLocationResponse,
    HealthRequest, HealthResponse, LogBroadcast, NeighborhoodGraphRequest,
    NeighborhoodGraphResponse, SetConfigurationRequest, SetConfigurationResponse, Shutdown,
};
use masq_ui_protocol::{Code, Frame, Message, UiError};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Message as WebMessage;

/// The user that the program works as when root starts it.
const USER: u32 = 54_322;

struct Node {
    child: Child,
    folder: PathBuf,
}

impl Node {
    /// Starts one that listens on a free port of loopback for links and UIs.
    fn start(folder: &TempDir, name: &str, more: &str, ui_port: u16) -> Node {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let data = folder.join("data");
        let (data, home) = (data.display(), folder.display());
        let user = match uid() {
            0 => format!("real-user = \"{USER}:{USER}:{home}\"\n"),
            _ => String::new(),
        };
        let config = format!(
            "chain = \"dev\"\ncapture = false\nmin-hops = 1\ndata-directory = \"{data}\"\n{user}{more}"
        );
        let file = folder.join("config.toml");
        fs::write(&file, config).unwrap();
        // The shell gives it a descriptor to say that it is ready.
        let script = "exec \"$0\" --config-file \"$1\" --ui-port \"$2\" --ready-fd 3 3>\"$3\"";
        let child = Command::new("bash")
            .args(["-c", script, env!("CARGO_BIN_EXE_MASQNode")])
            .args([&file, Path::new(&ui_port.to_string())])
            .arg(folder.join("ready"))
            .stdin(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        Node { child, folder }
    }

    fn standard(folder: &TempDir, name: &str, more: &str) -> Node {
        // Free a moment ago, and hardly taken since.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        let more = format!("ip = \"127.0.0.1\"\nclandestine-port = {port}\n{more}");
        Node::start(folder, name, &more, 0)
    }

    /// What it says as it starts.
    async fn told(&self) -> String {
        let said = async {
            loop {
                let text = fs::read_to_string(self.folder.join("ready")).unwrap_or_default();
                if text.ends_with('\n') {
                    return text.trim_end().to_owned();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, said)
            .await
            .unwrap_or_else(|_| panic!("not ready: {}", self.log()))
    }

    async fn ui(&self) -> Client {
        let told = self.told().await;
        let port = told.strip_prefix("ready ").unwrap().parse().unwrap();
        connect(port).await
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    async fn ended(&mut self) -> ExitStatus {
        let end = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, end).await.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

async fn next(client: &mut Client) -> Frame {
    match timeout(LIMIT, client.next()).await.unwrap() {
        Some(Ok(WebMessage::Text(text))) => Frame::parse(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Asks and waits for the answer; broadcasts that come before it are dropped.
async fn ask<Q: Message, A: Message>(client: &mut Client, question: &Q) -> Result<A, UiError> {
    let frame = Frame::of(question, Some(77));
    client.send(frame.to_text().into()).await.unwrap();
    loop {
        let frame = next(client).await;
        if frame.context_id == Some(77) {
            return frame.message();
        }
    }
}

async fn wait_for_stage(client: &mut Client, wanted: ConnectionStage) {
    let asked = ask(client, &ConnectionStatusRequest {}).await;
    let ConnectionStatusResponse { mut stage } = asked.unwrap();
    while stage != wanted {
        let frame = next(client).await;
        if frame.opcode == ConnectionChange::OPCODE {
            stage = frame.message::<ConnectionChange>().unwrap().stage;
        }
    }
}

fn exits(codes: &[&str]) -> ExitLocationRequest {
    let group = CountryGroup {
        country_codes: codes.iter().map(ToString::to_string).collect(),
        priority: 1,
    };
    ExitLocationRequest {
        fallback_routing: false,
        exit_locations: vec![group],
        show_countries: false,
    }
}

fn min_hops(value: &str) -> SetConfigurationRequest {
    SetConfigurationRequest {
        name: "min-hops".to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn a_node_tells_how_it_stands_and_changes_while_it_runs() {
    run(async {
        let folder = folder();
        let exit = Node::standard(&folder, "exit", "country = \"CZ\"\nexit = true\n");
        let mut at_exit = exit.ui().await;
        let asked = ask(&mut at_exit, &DescriptorRequest {}).await;
        let DescriptorResponse {
            node_descriptor_opt,
        } = asked.unwrap();
        let descriptor = node_descriptor_opt.unwrap();
        assert!(descriptor.starts_with("masq://dev:"), "{descriptor}");

        let more = format!("country = \"SK\"\nexit = false\nneighbors = \"{descriptor}\"\n");
        let mut node = Node::standard(&folder, "node", &more);
        let mut client = node.ui().await;
        wait_for_stage(&mut client, ConnectionStage::RouteFound).await;

        let asked = ask(&mut client, &NeighborhoodGraphRequest {}).await;
        let NeighborhoodGraphResponse { graph } = asked.unwrap();
        let exit_id = descriptor.split([':', '@']).nth(2).unwrap();
        assert!(graph.contains(&format!("-> \"{exit_id}\"")), "{graph}");
        assert!(graph.contains("relay, exit\\nCZ\"]"), "{graph}");

        let show = ExitLocationRequest {
            show_countries: true,
            ..exits(&[])
        };
        let shown: ExitLocationResponse = ask(&mut client, &show).await.unwrap();
        assert_eq!(shown.exit_countries.unwrap(), ["CZ"]);
        let missing: Result<ExitLocationResponse, _> = ask(&mut client, &exits(&["DE"])).await;
        assert_eq!(missing.unwrap_err().code, Code::EXIT_COUNTRY_MISSING);
        let chosen: Result<ExitLocationResponse, _> = ask(&mut client, &exits(&["DE", "CZ"])).await;
        let chosen = chosen.unwrap();
        assert_eq!(chosen.missing_countries, ["DE"]);
        assert_eq!(chosen.exit_country_selection[0].country_codes, ["CZ"]);

        // No mesh of two Nodes has a route over six.
        let wrong: Result<SetConfigurationResponse, _> = ask(&mut client, &min_hops("7")).await;
        assert_eq!(wrong.unwrap_err().code, Code::NON_PARSABLE_VALUE);
        let set: SetConfigurationResponse = ask(&mut client, &min_hops("6")).await.unwrap();
        assert_eq!(set, SetConfigurationResponse {});
        wait_for_stage(&mut client, ConnectionStage::ConnectedToNeighbor).await;
        let health: HealthResponse = ask(&mut client, &HealthRequest {}).await.unwrap();
        let codes: Vec<_> = health
            .findings
            .iter()
            .map(|one| one.code.as_str())
            .collect();
        assert!(codes.contains(&"no-route"), "{codes:?}");
        let _: SetConfigurationResponse = ask(&mut client, &min_hops("1")).await.unwrap();
        wait_for_stage(&mut client, ConnectionStage::RouteFound).await;

        let began = Instant::now();
        let mut second = node.ui().await;
        let answer: Shutdown = ask(&mut client, &Shutdown {}).await.unwrap();
        assert_eq!(answer, Shutdown {});
        for client in [&mut client, &mut second] {
            // Broadcasts may come before.
            loop {
                match timeout(LIMIT, client.next()).await.unwrap() {
                    Some(Ok(WebMessage::Close(_))) => break,
                    Some(Ok(WebMessage::Text(_))) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let status = node.ended().await;
        assert_eq!(status.code(), Some(0), "{}", node.log());
        assert!(began.elapsed() < Duration::from_secs(2));
        wait_for_stage(&mut at_exit, ConnectionStage::NotConnected).await;
    });
}

#[test]
fn lines_of_the_log_come_to_every_user_interface() {
    run(async {
        let folder = folder();
        let node = Node::standard(&folder, "node", "");
        let (mut one, mut two) = (node.ui().await, node.ui().await);
        // It has two uis before it says something.
        let _: ConnectionStatusResponse = ask(&mut two, &ConnectionStatusRequest {}).await.unwrap();
        let _: SetConfigurationResponse = ask(&mut one, &min_hops("2")).await.unwrap();
        for client in [&mut one, &mut two] {
            loop {
                let frame = next(client).await;
                if frame.opcode != LogBroadcast::OPCODE {
                    continue;
                }
                let line: LogBroadcast = frame.message().unwrap();
                if line.msg.contains("min-hops-changed") {
                    break;
                }
            }
        }
    });
}

#[test]
fn a_crash_is_heeded_only_with_a_crash_point() {
    run(async {
        let folder = folder();
        let crash = r#"{"opcode":"crash","payload":{"actor":"DISPATCHER","panicMessage":"boom"}}"#;
        let node = Node::standard(&folder, "sane", "");
        let mut client = node.ui().await;
        client.send(WebMessage::text(crash)).await.unwrap();
        let _: ConnectionStatusResponse =
            ask(&mut client, &ConnectionStatusRequest {}).await.unwrap();

        let mut node = Node::standard(&folder, "odd", "crash-point = \"message\"\n");
        let mut client = node.ui().await;
        client.send(WebMessage::text(crash)).await.unwrap();
        let status = node.ended().await;
        assert!(!status.success());
        assert!(node.log().contains("DISPATCHER: boom"), "{}", node.log());
    });
}

#[test]
fn a_port_that_is_taken_is_told_to_who_started_the_node() {
    run(async {
        let folder = folder();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut node = Node::start(&folder, "node", "", port);
        let told = node.told().await;
        assert!(told.starts_with("error ui-port "), "{told}");
        assert!(told.contains(&port.to_string()), "{told}");
        assert_eq!(node.ended().await.code(), Some(1));
    });
}

#[test]
fn ten_thousand_requests_to_a_node_are_answered() {
    run(async {
        let folder = folder();
        let mut node = Node::standard(&folder, "node", "");
        let mut client = node.ui().await;
        let resident = |node: &Node| {
            let path = format!("/proc/{}/statm", node.child.id());
            let text = fs::read_to_string(path).unwrap();
            let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4_096
        };
        let _: DescriptorResponse = ask(&mut client, &DescriptorRequest {}).await.unwrap();
        let before = resident(&node);
        let began = Instant::now();
        for _ in 0..2_500 {
            let _: ConnectionStatusResponse =
                ask(&mut client, &ConnectionStatusRequest {}).await.unwrap();
            let _: DescriptorResponse = ask(&mut client, &DescriptorRequest {}).await.unwrap();
            let _: NeighborhoodGraphResponse = ask(&mut client, &NeighborhoodGraphRequest {})
                .await
                .unwrap();
            let _: HealthResponse = ask(&mut client, &HealthRequest {}).await.unwrap();
        }
        let grown = resident(&node).saturating_sub(before);
        println!(
            "10,000 requests in {:?}, {grown} bytes more",
            began.elapsed()
        );
        assert!(grown < 8 << 20, "{grown}");
        let _: Shutdown = ask(&mut client, &Shutdown {}).await.unwrap();
        assert_eq!(node.ended().await.code(), Some(0));
    });
}
