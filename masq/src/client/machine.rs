//! What the client decides: where a message goes, who is redirected, what an answer belongs to.
//!
//! Two links: one to the Daemon, kept; one to the Node, opened at the first redirect and used
//! for what is the Node's until it goes, after which the Daemon is asked again. No sockets and no
//! clock here: texts and times come in, [`Action`]s and [`Event`]s are polled.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use masq_ui_protocol::message::{By, Crashed, Kind, Redirect, Undelivered};
use masq_ui_protocol::{Code, Frame, Message, UiError};

use super::failure::Failure;

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Daemon,
    Node,
}

/// A message that is under way. In conversations it is the context id too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Connect(Place, u16),
    Send(Place, String),
    Close(Place),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Connected(Place),
    /// Settled: the answer, or for what expects none the message itself.
    Settled(Ticket, Result<Frame, Failure>),
    Broadcast(Frame),
    Illegible(String),
    Unreachable(Place, Failure),
    Gone(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Opening,
    Up,
}

#[derive(Debug)]
struct Open {
    frame: Frame,
    kind: Kind,
    limit: Duration,
    at: Place,
    /// When it is given up; absent until it is sent.
    deadline: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Machine {
    daemon: u16,
    node: u16,
    to_daemon: Link,
    to_node: Link,
    last: u64,
    open: BTreeMap<Ticket, Open>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
}

impl Machine {
    pub(crate) fn new(port: u16) -> Machine {
        Machine {
            daemon: port,
            node: 0,
            to_daemon: Link::Down,
            to_node: Link::Down,
            last: 0,
            open: BTreeMap::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens the link to the Daemon.
    pub(crate) fn open(&mut self) {
        match self.to_daemon {
            Link::Down => self.connect(Place::Daemon),
            Link::Opening => (),
            Link::Up => self.events.push_back(Event::Connected(Place::Daemon)),
        }
    }

    pub(crate) fn submit<M: Message>(
        &mut self,
        message: &M,
        limit: Duration,
        now: Instant,
    ) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        let context = (M::KIND == Kind::Conversation).then_some(ticket.0);
        let at = match (M::BY, self.to_node) {
            (By::Node, Link::Up | Link::Opening) => Place::Node,
            (By::Node | By::Daemon | By::Both, _) => Place::Daemon,
        };
        let open = Open {
            frame: Frame::of(message, context),
            kind: M::KIND,
            limit,
            at,
            deadline: None,
        };
        self.open.insert(ticket, open);
        self.flush(at, now);
        ticket
    }

    /// Forgets a message; its answer will mean nothing.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.open.remove(&ticket);
    }

    pub(crate) fn is_up(&self, place: Place) -> bool {
        *self.link_ref(place) == Link::Up
    }

    pub(crate) fn is_opening(&self, place: Place) -> bool {
        *self.link_ref(place) == Link::Opening
    }

    /// Whether the shell has not yet been told to open this link.
    pub(crate) fn will_connect(&self, place: Place) -> bool {
        let connects = |action: &Action| matches!(action, Action::Connect(to, _) if *to == place);
        self.actions.iter().any(connects)
    }

    pub(crate) fn handle_connected(&mut self, place: Place, now: Instant) {
        *self.link(place) = Link::Up;
        self.events.push_back(Event::Connected(place));
        self.flush(place, now);
    }

    pub(crate) fn handle_unreachable(&mut self, place: Place, failure: &Failure) {
        *self.link(place) = Link::Down;
        self.fail_all(place, failure);
        self.events
            .push_back(Event::Unreachable(place, failure.clone()));
    }

    pub(crate) fn handle_closed(&mut self, place: Place) {
        if *self.link(place) == Link::Down {
            return;
        }
        *self.link(place) = Link::Down;
        self.fail_all(place, &Failure::Gone(place));
        self.events.push_back(Event::Gone(place));
    }

    pub(crate) fn handle_text(&mut self, place: Place, text: &str, now: Instant) {
        let frame = match Frame::parse(text) {
            Ok(frame) => frame,
            Err(error) => {
                self.events.push_back(Event::Illegible(error.to_string()));
                return;
            }
        };
        if let Some(context) = frame.context_id {
            let ticket = Ticket(context);
            let asked = |open: &Open| open.kind == Kind::Conversation && open.at == place;
            if self.open.get(&ticket).is_some_and(asked) {
                self.open.remove(&ticket);
                let answer = match frame.body {
                    Ok(_) => Ok(frame),
                    Err(error) => Err(Failure::Refused(error)),
                };
                self.events.push_back(Event::Settled(ticket, answer));
            }
        } else if frame.opcode == Redirect::OPCODE && place == Place::Daemon {
            self.handle_redirect(frame, now);
        } else if frame.opcode == Undelivered::OPCODE {
            self.handle_undelivered(frame);
        } else {
            if frame.opcode == Crashed::OPCODE && self.to_node != Link::Down {
                self.actions.push_back(Action::Close(Place::Node));
                self.handle_closed(Place::Node);
            }
            self.events.push_back(Event::Broadcast(frame));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late = |open: &Open| open.deadline.is_some_and(|deadline| deadline <= now);
        for (ticket, open) in self.open.extract_if(.., |_, open| late(open)) {
            let outcome = match open.kind {
                Kind::Conversation => Err(Failure::Silent {
                    opcode: open.frame.opcode,
                    limit: open.limit,
                }),
                // Nobody complained.
                Kind::FireAndForget | Kind::Broadcast => Ok(open.frame),
            };
            self.events.push_back(Event::Settled(ticket, outcome));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let deadlines = self.open.values().filter_map(|open| open.deadline);
        deadlines.min().map(|first| (first, "an answer is due"))
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_redirect(&mut self, frame: Frame, now: Instant) {
        let redirect = match frame.message::<Redirect>() {
            Ok(redirect) => redirect,
            Err(error) => {
                self.events.push_back(Event::Illegible(error.message));
                return;
            }
        };
        let ticket = match redirect.context_id {
            Some(context) => Some(Ticket(context)),
            None => self.oldest_without_answer(&redirect.opcode),
        };
        let waiting = ticket.and_then(|ticket| self.open.get_mut(&ticket));
        let Some(open) = waiting.filter(|open| open.at == Place::Daemon) else {
            return;
        };
        open.at = Place::Node;
        open.deadline = None;
        if self.node != redirect.port && self.to_node != Link::Down {
            self.actions.push_back(Action::Close(Place::Node));
            self.to_node = Link::Down;
        }
        self.node = redirect.port;
        self.flush(Place::Node, now);
    }

    fn handle_undelivered(&mut self, frame: Frame) {
        let opcode = frame.clone().message::<Undelivered>();
        let ticket = opcode
            .ok()
            .and_then(|it| self.oldest_without_answer(&it.opcode));
        match ticket.and_then(|ticket| self.open.remove_entry(&ticket)) {
            Some((ticket, open)) => {
                let failure = Failure::Refused(UiError {
                    code: Code::NODE_NOT_RUNNING,
                    message: format!("{}: the Node is not running", open.frame.opcode),
                });
                self.events.push_back(Event::Settled(ticket, Err(failure)));
            }
            None => self.events.push_back(Event::Broadcast(frame)),
        }
    }

    fn oldest_without_answer(&self, opcode: &str) -> Option<Ticket> {
        let mut open = self.open.iter();
        let fits = |open: &Open| {
            open.kind != Kind::Conversation
                && open.at == Place::Daemon
                && open.frame.opcode == opcode
        };
        open.find(|(_, open)| fits(open)).map(|(ticket, _)| *ticket)
    }

    /// Sends what waits for this place, or opens the link for it.
    fn flush(&mut self, place: Place, now: Instant) {
        let unsent = |open: &Open| open.at == place && open.deadline.is_none();
        match *self.link(place) {
            Link::Opening => (),
            Link::Down => {
                if self.open.values().any(unsent) {
                    self.connect(place);
                }
            }
            Link::Up => {
                for (ticket, open) in self.open.iter_mut().filter(|(_, open)| unsent(open)) {
                    let text = open.frame.to_text();
                    self.actions.push_back(Action::Send(place, text));
                    open.deadline = Some(now + open.limit);
                    if open.kind != Kind::Conversation && place == Place::Node {
                        let sent = Event::Settled(*ticket, Ok(open.frame.clone()));
                        self.events.push_back(sent);
                    }
                }
                let done = |open: &Open| open.kind != Kind::Conversation && open.at == Place::Node;
                self.open.retain(|_, open| !done(open));
            }
        }
    }

    fn connect(&mut self, place: Place) {
        *self.link(place) = Link::Opening;
        let port = match place {
            Place::Daemon => self.daemon,
            Place::Node => self.node,
        };
        self.actions.push_back(Action::Connect(place, port));
    }

    fn fail_all(&mut self, place: Place, failure: &Failure) {
        for (ticket, _) in self.open.extract_if(.., |_, open| open.at == place) {
            self.events
                .push_back(Event::Settled(ticket, Err(failure.clone())));
        }
    }

    fn link(&mut self, place: Place) -> &mut Link {
        match place {
            Place::Daemon => &mut self.to_daemon,
            Place::Node => &mut self.to_node,
        }
    }

    fn link_ref(&self, place: Place) -> &Link {
        match place {
            Place::Daemon => &self.to_daemon,
            Place::Node => &self.to_node,
        }
    }
}

#[cfg(test)]
mod tests;
