//! The Node's side of its capture on Linux: the TUN and the helper that gave
//! it, who owns a flow, and the news that the helper is gone.

use crate::entry::record::{App, Kind, OwnerFuture, Owners};
use crate::node::Capture;
use crate::steering::{Capturer, Fixed};
use anyhow::{Context, Result};
use masq_capture::helper::{Reply, Request};
use masq_capture::{FiveTuple, FlowOwner, Protocol};
use masq_platform_linux::{HelperClient, TunDevice};
use masq_ui_protocol::message::CaptureState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// Questions to the helper that wait for an answer; beyond it flows go on
/// without an owner.
const OPEN_QUESTIONS: usize = 256;

/// A capture whose TUN somebody else made and keeps (`masq run`).
pub fn adopted(device: TunDevice) -> Capture<TunDevice> {
    Capture {
        device,
        capturer: Rc::new(Fixed(CaptureState::On)),
        owners: Rc::new(crate::entry::record::NoOwners),
        activate: Box::new(|| Ok(())),
        lost: Box::pin(std::future::pending()),
    }
}

/// A capture of the whole machine, kept by a helper.
pub fn by_helper(client: HelperClient, device: TunDevice) -> Capture<TunDevice> {
    let helper = Rc::new(Helper {
        client: RefCell::new(Some(Descriptor(client))),
        questions: RefCell::default(),
        next: Cell::new(0),
        watched: RefCell::new(None),
        state: Cell::new(CaptureState::Changing),
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
    questions: RefCell<HashMap<u32, oneshot::Sender<Option<App>>>>,
    next: Cell<u32>,
    state: Cell<CaptureState>,
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
                Ok(Some(Reply::Owner { id, owner })) => {
                    if let Some(question) = self.questions.borrow_mut().remove(&id) {
                        // A flow that ended meanwhile needs no owner.
                        let _ = question.send(owner.map(app));
                    }
                }
                Ok(Some(Reply::Failed(error))) => return error.to_string(),
                Ok(Some(Reply::Stopped) | None) => return "the helper has ended".to_string(),
                Ok(Some(Reply::Active)) => self.state.set(CaptureState::On),
                Ok(Some(Reply::Suspended)) => self.state.set(CaptureState::Paused),
                Ok(Some(Reply::Done { refused, .. })) => {
                    if let Some(error) = refused {
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
        self.next.replace(self.next.get().wrapping_add(1))
    }

    fn ask(&self, tuple: FiveTuple) -> Option<oneshot::Receiver<Option<App>>> {
        let watched = self.watched.borrow();
        let mut questions = self.questions.borrow_mut();
        if questions.len() >= OPEN_QUESTIONS {
            return None;
        }
        let id = self.number();
        watched
            .as_ref()?
            .get_ref()
            .0
            .send(&Request::Owner { id, tuple })
            .ok()?;
        let (sender, receiver) = oneshot::channel();
        questions.insert(id, sender);
        Some(receiver)
    }
}

impl Capturer for Helper {
    fn state(&self) -> CaptureState {
        self.state.get()
    }

    fn pause(&self) -> bool {
        self.state.set(CaptureState::Changing);
        self.send(&Request::Suspend)
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

    fn release(&self) {
        if let Some(watched) = self.watched.borrow().as_ref() {
            watched.get_ref().0.release();
        }
    }
}

struct Asker(Rc<Helper>);

impl Owners for Asker {
    fn owner(&self, kind: Kind, source: SocketAddr, destination: SocketAddr) -> OwnerFuture {
        let protocol = match kind {
            Kind::Tcp => Protocol::Tcp,
            Kind::Udp | Kind::Dns => Protocol::Udp,
        };
        let answer = self.0.ask(FiveTuple {
            protocol,
            source,
            destination,
        });
        Box::pin(async move { answer?.await.ok().flatten() })
    }
}

fn app(owner: FlowOwner) -> App {
    let path = owner.path.to_string_lossy();
    // A process that ended meanwhile has no name left, but its program has.
    let name = match owner.path.file_name() {
        Some(file) if owner.name.is_empty() => file.to_string_lossy().into_owned(),
        Some(_) | None => owner.name,
    };
    App {
        pid: owner.pid,
        uid: owner.uid,
        name,
        path: (!path.is_empty()).then(|| path.into_owned()),
    }
}
