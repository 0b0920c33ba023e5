//! The client of the UI protocol: the shell around [`machine`], for one thread that may block.
//!
//! Time and sockets: those of a tokio runtime of its own, which runs only while a call does. What
//! is heard meanwhile and is no answer goes to the listener.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use masq_ui_protocol::{Frame, Message};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

mod failure;
mod link;
mod machine;

pub(crate) use failure::Failure;
pub(crate) use machine::Place;
use machine::{Action, Event, Machine, Ticket};

/// For what has no limit of its own.
pub(crate) const ORDINARY: Duration = Duration::from_secs(1);

/// For what derives keys from passwords, which is slow on purpose.
pub(crate) const SECRETS: Duration = Duration::from_secs(5);

/// How long the Daemon may name a Node that has just ended, until it says so.
const FALL_BACK: Duration = Duration::from_secs(5);
const FALL_BACK_PAUSE: Duration = Duration::from_millis(200);

/// How long the other side may leave what we send unread.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<tokio::net::TcpStream>;

/// What was heard besides answers.
#[derive(Debug)]
pub(crate) enum Heard {
    Broadcast(Frame),
    /// Something that is no frame, and why.
    Illegible(String),
}

pub(crate) struct Client {
    runtime: Runtime,
    engine: Engine,
}

struct Engine {
    machine: Machine,
    daemon: Option<Socket>,
    node: Option<Socket>,
    listener: Box<dyn FnMut(Heard)>,
    /// Ctrl-C ends a wait, not the program.
    interruptible: bool,
    was_connected: bool,
}

impl Client {
    pub(crate) fn new(
        port: u16,
        interruptible: bool,
        listener: Box<dyn FnMut(Heard)>,
    ) -> io::Result<Client> {
        let engine = Engine {
            machine: Machine::new(port),
            daemon: None,
            node: None,
            listener,
            interruptible,
            was_connected: false,
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Client { runtime, engine })
    }

    /// Opens the link to the Daemon, if it is not open.
    pub(crate) fn connect(&mut self) -> Result<(), Failure> {
        let engine = &mut self.engine;
        self.runtime.block_on(async {
            engine.machine.open();
            loop {
                let event = engine.step().await?;
                if event == Event::Connected(Place::Daemon) {
                    return Ok(());
                }
                if let Event::Unreachable(Place::Daemon, failure) = event {
                    return Err(failure);
                }
                engine.note(event);
            }
        })
    }

    /// Asks, and waits for the answer.
    pub(crate) fn request<Q: Message, A: Message>(
        &mut self,
        question: &Q,
        limit: Duration,
    ) -> Result<A, Failure> {
        let frame = self.settle(question, limit)?;
        frame.message::<A>().map_err(Failure::Refused)
    }

    /// Says what expects no answer.
    pub(crate) fn tell<M: Message>(&mut self, message: &M) -> Result<(), Failure> {
        self.settle(message, ORDINARY).map(drop)
    }

    /// Waits, and listens meanwhile.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        self.until(async move { sleep(time).await })
    }

    /// Listens until something else is ready or the Daemon is gone.
    pub(crate) fn until<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Failure> {
        let engine = &mut self.engine;
        if engine.was_connected && !engine.machine.is_up(Place::Daemon) {
            return Err(Failure::Gone(Place::Daemon));
        }
        self.runtime.block_on(async {
            tokio::pin!(other);
            loop {
                tokio::select! {
                    biased;
                    result = &mut other => return Ok(result),
                    event = engine.step() => {
                        let event = event?;
                        if event == Event::Gone(Place::Daemon) {
                            return Err(Failure::Gone(Place::Daemon));
                        }
                        engine.note(event);
                    }
                }
            }
        })
    }

    /// Whether a link is open.
    pub(crate) fn is_up(&self, place: Place) -> bool {
        self.engine.machine.is_up(place)
    }

    fn settle<M: Message>(&mut self, message: &M, limit: Duration) -> Result<Frame, Failure> {
        let mut left = FALL_BACK;
        loop {
            let engine = &mut self.engine;
            let outcome = self.runtime.block_on(async {
                let ticket = engine.machine.submit(message, limit, now());
                let outcome = engine.settled(ticket).await;
                engine.machine.abandon(ticket);
                outcome
            });
            // It was not sent, so nothing is done twice.
            if !matches!(outcome, Err(Failure::NoNode { .. })) || left.is_zero() {
                return outcome;
            }
            self.wait(FALL_BACK_PAUSE)?;
            left = left.saturating_sub(FALL_BACK_PAUSE);
        }
    }
}

impl Engine {
    async fn settled(&mut self, wanted: Ticket) -> Result<Frame, Failure> {
        loop {
            let event = self.step().await?;
            if let Event::Settled(ticket, outcome) = event {
                if ticket == wanted {
                    return outcome;
                }
            } else {
                self.note(event);
            }
        }
    }

    /// Does what the machine wants until something happened.
    async fn step(&mut self) -> Result<Event, Failure> {
        // An earlier call may have been left while it connected.
        for place in [Place::Daemon, Place::Node] {
            if self.machine.is_opening(place) && !self.machine.will_connect(place) {
                self.machine
                    .handle_unreachable(place, &Failure::Interrupted);
            }
        }
        if !self.interruptible {
            return Ok(self.run().await);
        }
        tokio::select! {
            event = self.run() => Ok(event),
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    }

    async fn run(&mut self) -> Event {
        loop {
            while let Some(action) = self.machine.poll_action() {
                self.act(action).await;
            }
            if let Some(event) = self.machine.poll_event() {
                return event;
            }
            let deadline = self.machine.poll_timeout();
            let due = async {
                match deadline {
                    Some((at, _)) => sleep_until(Instant::from_std(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = next(&mut self.daemon) => self.take(Place::Daemon, message),
                message = next(&mut self.node) => self.take(Place::Node, message),
                () = due => self.machine.handle_timeout(now()),
            }
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Connect(place, port) => match link::open(place, port).await {
                Ok(socket) => {
                    *self.socket(place) = Some(socket);
                    self.was_connected = true;
                    self.machine.handle_connected(place, now());
                }
                Err(failure) => self.machine.handle_unreachable(place, &failure),
            },
            Action::Send(place, text) => {
                let Some(socket) = self.socket(place) else {
                    return;
                };
                let sent = timeout(WRITE_LIMIT, socket.send(text.into())).await;
                if !matches!(sent, Ok(Ok(()))) {
                    self.close(place);
                }
            }
            Action::Close(place) => *self.socket(place) = None,
        }
    }

    fn take(&mut self, place: Place, message: Option<tungstenite::Result<tungstenite::Message>>) {
        use tungstenite::Message as Ws;

        match message {
            Some(Ok(Ws::Text(text))) => self.machine.handle_text(place, text.as_str(), now()),
            Some(Ok(Ws::Binary(_) | Ws::Ping(_) | Ws::Pong(_) | Ws::Frame(_))) => (),
            Some(Ok(Ws::Close(_)) | Err(_)) | None => self.close(place),
        }
    }

    fn close(&mut self, place: Place) {
        *self.socket(place) = None;
        self.machine.handle_closed(place);
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Broadcast(frame) => (self.listener)(Heard::Broadcast(frame)),
            Event::Illegible(reason) => (self.listener)(Heard::Illegible(reason)),
            Event::Connected(_) | Event::Settled(..) | Event::Unreachable(..) | Event::Gone(_) => {}
        }
    }

    fn socket(&mut self, place: Place) -> &mut Option<Socket> {
        match place {
            Place::Daemon => &mut self.daemon,
            Place::Node => &mut self.node,
        }
    }
}

/// What comes next; never, on a link that is not there.
async fn next(socket: &mut Option<Socket>) -> Option<tungstenite::Result<tungstenite::Message>> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
