//! The Node's side of its capture on Linux: the TUN and the helper that gave
//! it, who owns a flow, and the news that the helper is gone.

use crate::entry::owner::{NoOwners, Owner, OwnerFuture, Owners, TooMany};
use crate::node::Capture;
use crate::steering::{Capturer, Fixed};
use anyhow::{Context, Result};
use masq_capture::helper::{Reply, Request, Subjects};
use masq_capture::{FiveTuple, Owned, Protocol};
use masq_platform_linux::{HelperClient, TunDevice};
use masq_ui_protocol::message::CaptureState;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// Questions that the helper has at one time; they fit into the socket pair.
const OPEN_QUESTIONS: usize = 64;
/// Questions that wait for their turn; flows beyond it are refused.
const WAITING_QUESTIONS: usize = 4_096;
/// How long a flow waits for its owner.
const PATIENCE: Duration = Duration::from_millis(500);

/// A capture whose TUN somebody else made and keeps (`masq run`).
pub fn adopted(device: TunDevice) -> Capture<TunDevice> {
    Capture {
        device,
        capturer: Rc::new(Fixed(CaptureState::On)),
        owners: Rc::new(NoOwners),
        activate: Box::new(|| Ok(())),
        lost: Box::pin(std::future::pending()),
    }
}

/// A capture of the whole machine, kept by a helper.
pub fn by_helper(client: HelperClient, device: TunDevice) -> Capture<TunDevice> {
    let helper = Rc::new(Helper {
        client: RefCell::new(Some(Descriptor(client))),
        questions: RefCell::default(),
        watched: RefCell::new(None),
        state: Cell::new(CaptureState::Changing),
        refused: RefCell::default(),
    });
    let starter = helper.clone();
    let watcher = helper.clone();
    Capture {
        device,
        capturer: helper.clone(),
        owners: Rc::new(Asker(helper)),
        activate: Box::new(move || starter.activate()),
        lost: Box::pin(async move { watcher.watch().await }),
    }
}

/// Lets an event loop wait for the helper.
#[derive(Debug)]
struct Descriptor(HelperClient);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

struct Helper {
    client: RefCell<Option<Descriptor>>,
    watched: RefCell<Option<Rc<AsyncFd<Descriptor>>>>,
    questions: RefCell<Questions>,
    state: Cell<CaptureState>,
    /// What was refused last: what is asked for again and again is told once.
    refused: RefCell<String>,
}

/// What flows ask the helper.
#[derive(Default)]
struct Questions {
    /// Those that were not sent yet, in their order.
    waiting: VecDeque<(u32, FiveTuple)>,
    /// All whose flow still waits: a flow that does not takes its question back.
    open: HashMap<u32, Question>,
    sent: usize,
    next: u32,
}

impl Questions {
    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }
}

struct Question {
    answer: oneshot::Sender<Owned>,
    sent: bool,
}

impl Helper {
    fn activate(&self) -> Result<()> {
        let client = self.client.borrow_mut().take();
        let client = client.context("The capture was activated twice")?;
        client.0.activate().map_err(anyhow::Error::new)?;
        client.0.set_nonblocking(true)?;
        #[expect(deprecated, reason = "the safe form; the client owns its descriptor")]
        let watched = AsyncFd::with_interest(client, Interest::READABLE)?;
        *self.watched.borrow_mut() = Some(Rc::new(watched));
        self.state.set(CaptureState::On);
        Ok(())
    }

    /// Takes the helper's answers until it is gone.
    async fn watch(&self) -> String {
        let watched = self.watched.borrow().clone();
        let Some(watched) = watched else {
            return "it was never activated".to_string();
        };
        loop {
            let mut ready = match watched.readable().await {
                Ok(ready) => ready,
                Err(error) => return error.to_string(),
            };
            match watched.get_ref().0.receive() {
                Ok(Some(Reply::Owner { id, owned })) => {
                    if let Some(question) = self.take(id) {
                        // A flow that ended meanwhile needs no owner.
                        let _ = question.answer.send(owned);
                    }
                    self.send_waiting();
                }
                Ok(Some(Reply::Failed(error))) => return error.to_string(),
                Ok(Some(Reply::Stopped) | None) => return "the helper has ended".to_string(),
                Ok(Some(Reply::Active)) => self.state.set(CaptureState::On),
                Ok(Some(Reply::Suspended)) => self.state.set(CaptureState::Paused),
                Ok(Some(Reply::Done { refused, .. })) => {
                    if let Some(error) = refused
                        && self.refused.replace(error.text.clone()) != error.text
                    {
                        tracing::warn!(code = error.code.as_str(), "{}", error.text);
                    }
                }
                Ok(Some(Reply::Tun(_))) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Whether the helper could be asked.
    fn send(&self, request: &Request) -> bool {
        let watched = self.watched.borrow();
        let Some(watched) = watched.as_ref() else {
            return false;
        };
        watched.get_ref().0.send(request).is_ok()
    }

    fn number(&self) -> u32 {
        self.questions.borrow_mut().number()
    }

    fn take(&self, id: u32) -> Option<Question> {
        let mut questions = self.questions.borrow_mut();
        let question = questions.open.remove(&id)?;
        if question.sent {
            questions.sent -= 1;
        }
        Some(question)
    }

    /// Sends as many questions as the helper may have at one time.
    fn send_waiting(&self) {
        let watched = self.watched.borrow();
        let Some(watched) = watched.as_ref() else {
            return;
        };
        let mut questions = self.questions.borrow_mut();
        let Questions {
            waiting,
            open,
            sent,
            ..
        } = &mut *questions;
        while *sent < OPEN_QUESTIONS
            && let Some((id, tuple)) = waiting.front().copied()
        {
            // Of those that were taken back nobody is asked.
            if let Some(question) = open.get_mut(&id) {
                let asked = watched.get_ref().0.send(&Request::Owner { id, tuple });
                if asked.is_err() {
                    // A full pair has room after the next answer; a helper that is
                    // gone ends the Node.
                    return;
                }
                question.sent = true;
                *sent += 1;
            }
            waiting.pop_front();
        }
    }

    fn ask(self: &Rc<Self>, tuple: FiveTuple) -> Result<Ticket, TooMany> {
        let (answer, receiver) = oneshot::channel();
        let mut questions = self.questions.borrow_mut();
        if questions.waiting.len() >= WAITING_QUESTIONS {
            let Questions { waiting, open, .. } = &mut *questions;
            waiting.retain(|(id, _)| open.contains_key(id));
            if waiting.len() >= WAITING_QUESTIONS {
                return Err(TooMany);
            }
        }
        let id = questions.number();
        let sent = false;
        questions.open.insert(id, Question { answer, sent });
        questions.waiting.push_back((id, tuple));
        drop(questions);
        self.send_waiting();
        Ok(Ticket {
            helper: self.clone(),
            id,
            receiver,
        })
    }
}

/// A flow's question; dropped, it is asked no more.
struct Ticket {
    helper: Rc<Helper>,
    id: u32,
    receiver: oneshot::Receiver<Owned>,
}

impl Ticket {
    async fn answer(mut self) -> Result<Owner, TooMany> {
        match tokio::time::timeout(PATIENCE, &mut self.receiver).await {
            Ok(owned) => Ok(owned.unwrap_or(Owned::Unknown).into()),
            Err(_) => {
                let questions = self.helper.questions.borrow();
                match questions.open.get(&self.id) {
                    Some(Question { sent: false, .. }) => Err(TooMany),
                    Some(Question { sent: true, .. }) | None => Ok(Owner::Unknown),
                }
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.helper.take(self.id).is_some() {
            self.helper.send_waiting();
        }
    }
}

impl Capturer for Helper {
    fn state(&self) -> CaptureState {
        self.state.get()
    }

    fn pause(&self, seconds: Option<u64>) -> bool {
        self.state.set(CaptureState::Changing);
        // One of no time at all ends at once.
        let seconds = seconds.map_or(0, |seconds| {
            u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
        });
        self.send(&Request::Suspend { seconds })
    }

    fn resume(&self) -> bool {
        self.state.set(CaptureState::Changing);
        self.send(&Request::Resume)
    }

    fn admit(&self, pid: u32) -> bool {
        let id = self.number();
        self.send(&Request::Admit { id, pid })
    }

    fn set_local_network(&self, allowed: bool) -> bool {
        let id = self.number();
        self.send(&Request::LocalNetwork { id, allowed })
    }

    fn bypass(&self, subjects: Subjects) -> bool {
        let id = self.number();
        self.send(&Request::Bypass { id, subjects })
    }

    fn release(&self) {
        if let Some(watched) = self.watched.borrow().as_ref() {
            watched.get_ref().0.release();
        }
    }
}

struct Asker(Rc<Helper>);

impl Owners for Asker {
    fn owner(
        &self,
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> OwnerFuture {
        let ticket = self.0.ask(FiveTuple {
            protocol,
            source,
            destination,
        });
        Box::pin(async move { ticket?.answer().await })
    }
}
