//! The routes that one flow tries until an exit has taken it, and whom a
//! failure speaks against.

use super::Entry;
use super::circuit::{self, Circuit};
use super::course::Terms;
use super::record::Flow;
use crate::link::Link;
use crate::outside::Outside;
use masq_core::failure::{Code, Failure, Place};
use masq_core::frame::Target;
use masq_core::identity::NodeId;

/// Exits that are asked for one flow: one and three others.
const EXITS: usize = 4;

/// What is left to try, and why it did not work so far.
#[derive(Debug)]
pub(super) struct Attempts {
    routes: usize,
    exclude: Vec<NodeId>,
    last: Option<Failure>,
}

impl Attempts {
    /// Tries at most so many routes.
    pub(super) fn new(routes: usize) -> Self {
        Self {
            routes,
            exclude: Vec::new(),
            last: None,
        }
    }

    /// A circuit to an exit that has not failed yet, unless nothing is left.
    pub(super) async fn next<L: Link, O: Outside>(
        &mut self,
        entry: &Entry<L, O>,
        flow: &Flow,
        terms: &Terms,
        target: &Target,
    ) -> Option<Box<Circuit<L>>> {
        self.routes = self.routes.checked_sub(1)?;
        match circuit::open(entry, terms, &self.exclude, target.clone()).await {
            Ok(circuit) => {
                flow.routed(&circuit.path);
                Some(circuit)
            }
            Err(failure) => {
                // That nothing is left to try says less than why the others failed.
                self.last.get_or_insert(failure);
                None
            }
        }
    }

    /// The exit at the end of `path` did not take the flow. Whether another
    /// route is worth it, for a flow whose begin is `repeatable`.
    pub(super) fn refused<L: Link, O: Outside>(
        &mut self,
        entry: &Entry<L, O>,
        path: &[NodeId],
        failure: Failure,
        repeatable: bool,
    ) -> bool {
        let again =
            failure.code.worth_another_route() && repeatable && self.exclude.len() + 1 < EXITS;
        tracing::debug!(code = %failure.code, again, "circuit did not open");
        let by_exit = matches!(failure.code.place(), Place::Exit | Place::Remote);
        self.failed(entry, path, failure, by_exit);
        again
    }

    /// The route `path` did not work; its exit is asked again or not.
    pub(super) fn failed<L: Link, O: Outside>(
        &mut self,
        entry: &Entry<L, O>,
        path: &[NodeId],
        failure: Failure,
        exclude_exit: bool,
    ) {
        entry.failed_at(&suspects(path, failure.code));
        if exclude_exit {
            self.exclude.extend(path.last());
        }
        self.last = Some(failure);
    }

    /// Why nothing worked.
    pub(super) fn into_failure(self) -> Failure {
        self.last
            .unwrap_or_else(|| Failure::bug("no attempt and no reason"))
    }
}

/// Whom a failure speaks against: an exit for what exits say, everyone on the
/// path for what nobody signs, and nobody for a name, which the exit alone is
/// avoided for.
fn suspects(path: &[NodeId], code: Code) -> Vec<NodeId> {
    if code.is_of_a_name() {
        return Vec::new();
    }
    match code.place() {
        Place::Exit | Place::Remote => path.last().copied().into_iter().collect(),
        Place::Mesh if code == Code::NoNextHop => path.iter().skip(1).copied().collect(),
        Place::Mesh | Place::Local | Place::Platform | Place::Payment | Place::Bug => path.to_vec(),
    }
}
