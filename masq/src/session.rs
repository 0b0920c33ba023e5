//! What a command has at hand: the client, standard output, and the person who gives the order.
//!
//! One session is one line of a shell, or one whole interactive stay.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use masq_ui_protocol::Message;
use serde::Serialize;

use crate::ask;
use crate::client::{Client, Failure, Heard, Place};
use crate::page;

pub(crate) struct Session {
    client: Client,
}

impl Session {
    /// For one command: broadcasts are not shown, Ctrl-C ends the program.
    pub(crate) fn one_shot(port: u16) -> io::Result<Session> {
        let client = Client::new(port, false, Box::new(|_| ()))?;
        Ok(Session { client })
    }

    /// For many commands: Ctrl-C ends a command, what is heard besides answers goes to `listener`.
    pub(crate) fn interactive(port: u16, listener: Box<dyn FnMut(Heard)>) -> io::Result<Session> {
        let client = Client::new(port, true, listener)?;
        Ok(Session { client })
    }

    /// Opens the link to the Daemon; the first request would too.
    pub(crate) fn connect(&mut self) -> Result<(), Failure> {
        self.client.connect()
    }

    /// Asks the Daemon or the Node, whoever understands it, and waits for the answer.
    pub(crate) fn request<Q: Message, A: Message>(
        &mut self,
        question: &Q,
        limit: Duration,
    ) -> Result<A, Failure> {
        self.client.request(question, limit)
    }

    /// Says what expects no answer.
    pub(crate) fn tell<M: Message>(&mut self, message: &M) -> Result<(), Failure> {
        self.client.tell(message)
    }

    /// Waits; ends early with a failure at Ctrl-C in an interactive session.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        self.client.wait(time)
    }

    /// Listens until something else is ready.
    pub(crate) fn until<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Failure> {
        self.client.until(other)
    }

    pub(crate) fn is_up(&self, place: Place) -> bool {
        self.client.is_up(place)
    }

    /// A page on standard output, with a line end.
    #[expect(clippy::unused_self, reason = "who prints has a session")]
    pub(crate) fn print(&mut self, page: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", page::plain(page.trim_end())).and_then(|()| out.flush()) {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("cannot write to standard output"),
        }
    }

    /// An answer as JSON on standard output.
    pub(crate) fn print_json<T: Serialize>(&mut self, answer: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(answer).context("the answer is no JSON")?;
        self.print(&text)
    }

    /// What was given, or what the person types unseen.
    #[expect(clippy::unused_self, reason = "who asks has a session")]
    pub(crate) fn secret(&mut self, given: Option<String>, what: &str) -> Result<String> {
        given.map_or_else(|| ask::secret(what), Ok)
    }

    /// The same for something new, which is typed twice.
    #[expect(clippy::unused_self, reason = "who asks has a session")]
    pub(crate) fn new_secret(&mut self, given: Option<String>, what: &str) -> Result<String> {
        given.map_or_else(|| ask::new_secret(what), Ok)
    }

    /// Asks the person for yes or no; no when nobody is there.
    #[expect(clippy::unused_self, reason = "who asks has a session")]
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool> {
        ask::confirm(question)
    }
}
