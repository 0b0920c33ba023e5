//! Answers what concerns the Node's place in the mesh, and changes the wishes
//! for routes while it runs. Opens no socket.

use super::dispatch::{Reply, answer};
use super::exits;
use super::graph::{self, Place};
use masq_core::config::{CountryCode, ExitCountries, HopCount};
use masq_core::directory::Directory;
use masq_ui_protocol::message::{
    ConnectionStage, ConnectionStatusRequest, ConnectionStatusResponse, DescriptorRequest,
    DescriptorResponse, ExitLocationRequest, ExitLocationResponse, NeighborhoodGraphRequest,
    NeighborhoodGraphResponse,
};
use masq_ui_protocol::{Frame, Message, UiError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// What routes shall be like; may change while the Node runs.
#[derive(Debug)]
pub struct Wishes {
    pub hops: Cell<u8>,
    pub countries: RefCell<ExitCountries>,
}

/// What is asked of the rest of the Node.
pub struct Surroundings {
    pub stage: Box<dyn Fn() -> ConnectionStage>,
    pub descriptor: Box<dyn Fn() -> Option<String>>,
    pub directory: Rc<RefCell<Directory>>,
    /// This Node itself, for the graph.
    pub own: Box<dyn Fn() -> Place>,
    pub wishes: Rc<Wishes>,
    /// The wishes are others now.
    pub wished: Box<dyn Fn(&Wishes)>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// The answer to a frame; None when its opcode is another's.
    pub fn handle(&self, frame: &Frame) -> Option<Reply> {
        let answer = match frame.opcode.as_str() {
            ConnectionStatusRequest::OPCODE => answer(frame, |ConnectionStatusRequest {}| {
                let stage = (self.stage)();
                Ok(ConnectionStatusResponse { stage })
            }),
            DescriptorRequest::OPCODE => answer(frame, |DescriptorRequest {}| {
                let node_descriptor_opt = (self.descriptor)();
                Ok(DescriptorResponse {
                    node_descriptor_opt,
                })
            }),
            NeighborhoodGraphRequest::OPCODE => answer(frame, |NeighborhoodGraphRequest {}| {
                let directory = self.directory.borrow();
                let others = directory.records().map(|record| Place::from(&**record));
                let graph = graph::dot((self.own)(), others);
                Ok(NeighborhoodGraphResponse { graph })
            }),
            ExitLocationRequest::OPCODE => answer(frame, |asked| self.exit_location(&asked)),
            _ => return None,
        };
        Some(answer.into())
    }

    /// New flows go over so many Nodes.
    pub fn set_hops(&self, hops: HopCount) {
        let hops = u8::try_from(hops.get()).unwrap_or(u8::MAX);
        if self.wishes.hops.replace(hops) != hops {
            tracing::info!(event = "min-hops-changed", hops);
            (self.wished)(&self.wishes);
        }
    }

    fn exit_location(&self, asked: &ExitLocationRequest) -> Result<ExitLocationResponse, UiError> {
        let resolution = {
            let current = self.wishes.countries.borrow();
            exits::resolve(asked, &self.countries(), &current)?
        };
        if let Some(choice) = resolution.choice {
            tracing::info!(event = "exit-countries-changed", countries = %choice, fallback = choice.fallback);
            self.wishes.countries.replace(choice);
            (self.wished)(&self.wishes);
        }
        Ok(resolution.response)
    }

    /// Where there are exits.
    fn countries(&self) -> BTreeSet<CountryCode> {
        let directory = self.directory.borrow();
        let exits = directory.records().filter(|record| record.roles().exit);
        let countries = exits.map(|record| record.country());
        countries.filter(CountryCode::is_assigned).collect()
    }
}
