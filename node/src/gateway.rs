//! The Node's side of the UI protocol: what user interfaces ask goes to whoever
//! knows ([`dispatch`]), and all of them hear of what changes.
//!
//! A thin shell. It never waits for a UI, and no UI can make it wait.

use crate::clock;
use crate::ui::{Admission, ClientId, Event, Server};
use dispatch::{Dispatch, Told};
use log::Lines;
use masq_ui_protocol::Frame;
use masq_ui_protocol::message::{ConnectionChange, ConnectionStage, LogBroadcast, LogLevel};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

pub mod dispatch;
pub mod exits;
pub mod graph;
pub mod log;
pub mod place;

/// Requests that are served before other tasks have their turn.
const BURST: usize = 32;
/// Time between two looks at the stage.
const SETTLE: Duration = Duration::from_millis(50);

/// How far the Node is connected.
pub struct Stages {
    pub now: Box<dyn Fn() -> ConnectionStage>,
    /// Says when it may have changed.
    pub changes: watch::Receiver<u64>,
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stages").field(&(self.now)()).finish()
    }
}

/// The Node's side, while it runs.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    events: Receiver<Event>,
    lines: Option<Lines>,
}

impl Gateway {
    /// Listens for UIs of root and the given users.
    pub async fn listen(port: u16, users: Vec<u32>) -> io::Result<Gateway> {
        let (server, events) = Server::bind(port, Admission { users }).await?;
        Ok(Gateway {
            server,
            events,
            lines: log::take_lines(),
        })
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Serves UIs until one of them tells the Node to end.
    pub async fn serve(&mut self, mut dispatch: Dispatch, stages: Stages) {
        let server = self.server.clone();
        tokio::select! {
            () = requests(&server, &mut self.events, &mut dispatch) => {}
            () = tell_stages(&server, stages) => {}
            () = tell_lines(&server, self.lines.as_ref()) => {}
        }
    }

    /// Sends what is to be sent, at the longest for so long, and ends.
    pub async fn close(self, limit: Duration) {
        self.server.close(limit).await;
    }
}

/// How long connections outlive the answer to a shutdown. The original's `masq`
/// looks whether the port that it is connected to is free; without a connection
/// it would look at the Daemon's.
const LINGER: Duration = Duration::from_millis(100);

async fn requests(server: &Server, events: &mut Receiver<Event>, dispatch: &mut Dispatch) {
    let mut served = 0;
    while let Some(event) = events.recv().await {
        match event {
            Event::Frame(client, frame) => {
                let told = dispatch.tell(&frame, clock::unix_seconds());
                if told.end {
                    // Whoever is answered may look at once whether the port is free.
                    server.stop_listening().await;
                }
                if pass_on(server, client, told) {
                    tokio::time::sleep(LINGER).await;
                    return;
                }
            }
            Event::Connected(_) | Event::Gone(_) => {}
        }
        served += 1;
        if served % BURST == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Whether the Node is told to end.
fn pass_on(server: &Server, client: ClientId, told: Told) -> bool {
    if let Some(answer) = &told.answer {
        server.send(client, answer);
    }
    if let Some(news) = &told.others {
        server.broadcast(Some(client), news);
    }
    told.end
}

/// Tells UIs each time that the stage changes. Does not end.
async fn tell_stages(server: &Server, mut stages: Stages) {
    let mut told = (stages.now)();
    loop {
        stages.changes.mark_unchanged();
        let stage = (stages.now)();
        if stage != told {
            told = stage;
            server.broadcast(None, &Frame::of(&ConnectionChange { stage }, None));
        }
        if stages.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// Tells UIs the lines of the log. Does not end.
async fn tell_lines(server: &Server, lines: Option<&Lines>) {
    let Some(lines) = lines else {
        return std::future::pending().await;
    };
    loop {
        let (new, lost) = lines.next().await;
        for line in new {
            server.broadcast(None, &Frame::of(&line, None));
        }
        if lost > 0 {
            let line = LogBroadcast {
                msg: format!("{lost} lines of the log were left out here"),
                log_level: LogLevel::Warn,
            };
            server.broadcast(None, &Frame::of(&line, None));
        }
    }
}
