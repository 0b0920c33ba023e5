//! Whose a flow is, and who finds that out.

use masq_capture::{Container, FlowOwner, Owned, Protocol};
use serde::Serialize;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

/// The process that a flow belongs to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct App {
    pub pid: u32,
    pub uid: u32,
    /// Of the process, as the system lists it.
    pub name: String,
    /// Of its executable.
    pub path: Option<String>,
    /// What it runs, where it is an interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Name or number of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// All that is known of it.
    #[serde(skip)]
    pub facts: Rc<FlowOwner>,
}

/// Whose a flow is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    App(Box<App>),
    /// Not this machine's: of the container that has the source address, where
    /// one is known.
    Forwarded(Option<Container>),
    Unknown,
}

/// So many look-ups wait that this one has had no turn in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many flows wait for their owners")]
pub struct TooMany;

pub type OwnerFuture = Pin<Box<dyn Future<Output = Result<Owner, TooMany>>>>;

/// Finds whose a flow is.
pub trait Owners {
    /// Answers within a second, if only that nobody can tell.
    fn owner(&self, protocol: Protocol, source: SocketAddr, destination: SocketAddr)
    -> OwnerFuture;
}

impl Owner {
    pub fn app(&self) -> Option<&App> {
        match self {
            Owner::App(app) => Some(app),
            Owner::Forwarded(_) | Owner::Unknown => None,
        }
    }
}

/// Where nobody can tell.
#[derive(Clone, Copy, Debug)]
pub struct NoOwners;

impl Owners for NoOwners {
    fn owner(&self, _: Protocol, _: SocketAddr, _: SocketAddr) -> OwnerFuture {
        Box::pin(std::future::ready(Ok(Owner::Unknown)))
    }
}

impl From<Owned> for Owner {
    fn from(owned: Owned) -> Self {
        match owned {
            Owned::By(owner) => Owner::App(Box::new(App::from(*owner))),
            Owned::Forwarded(container) => Owner::Forwarded(container),
            Owned::Unknown => Owner::Unknown,
        }
    }
}

impl From<FlowOwner> for App {
    fn from(owner: FlowOwner) -> Self {
        let path = owner.path.to_string_lossy();
        // A process that ended meanwhile has no name left, but its program has.
        let name = match owner.path.file_name() {
            Some(file) if owner.name.is_empty() => file.to_string_lossy().into_owned(),
            Some(_) | None => owner.name.clone(),
        };
        let container = owner.container.as_ref();
        let script = owner.script.as_ref();
        App {
            pid: owner.pid,
            uid: owner.uid,
            name,
            path: (!path.is_empty()).then(|| path.into_owned()),
            script: script.map(|script| script.to_string_lossy().into_owned()),
            user: (!owner.user.is_empty()).then(|| owner.user.clone()),
            unit: owner.unit.clone(),
            container: container.map(|one| one.name.clone().unwrap_or_else(|| one.id.clone())),
            facts: Rc::new(owner),
        }
    }
}
