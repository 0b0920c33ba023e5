//! Flows: a route out of the Node's own view, and the circuit along it, which meets the truth at each hop.
//!
//! A relay that has no link with the next Node says so; one whose next Node has died misses it after the
//! silence time; a malicious one says nothing, and the originator waits for its time-out. What the entry of
//! the Node does with a failure happens here too: it notes the suspects and tries another route.

use std::time::Duration;

use masq_core::identity::NodeId;
use masq_core::route::{self, RouteRequest};
use rand::Rng;

use super::{Context, HOPS, Host, links};
use crate::event::{Circuit, Fate, What};
use crate::measure::FlowEnd;
use crate::options::Attack;
use crate::plan;
use crate::time::{Micros, SECOND, seconds};

/// Routes that are tried for one flow.
const ATTEMPTS: u8 = 5;
/// How long the originator waits for a circuit.
const OPEN_TIMEOUT: Micros = 20 * SECOND;
/// The longest that a flow may take to open or to fail.
pub(crate) const LONGEST_FLOW: Micros = ATTEMPTS as Micros * OPEN_TIMEOUT;

#[derive(Debug)]
pub(super) struct Flow {
    number: u32,
    attempt: u8,
    began: Micros,
    /// When its latest route was tried.
    tried: Micros,
    path: Vec<NodeId>,
}

impl Host {
    pub(super) fn look(&mut self, session: u32, context: &mut Context<'_>) {
        if session != self.session {
            return;
        }
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        life.looking = false;
        if life.found || life.neighbors.is_empty() || life.directory.len() < usize::from(HOPS) {
            return;
        }
        let request = request(context);
        life.directory.prepare(clock.unix(), &mut self.rng);
        let chosen = route::choose(&life.directory, &request, clock.instant, &mut self.rng);
        if chosen.is_err() {
            return;
        }
        life.found = true;
        life.core.set_route_found(true, clock);
        self.tally.found(context.now);
        if !self.malicious {
            self.next_flow(context);
        }
    }

    fn next_flow(&mut self, context: &mut Context<'_>) {
        let options = &context.shared.plan.options;
        let drawn: f64 = self.rng.random_range(f64::MIN_POSITIVE..1.0);
        let pause = seconds(-drawn.ln() * options.flow_every);
        // A first flow in the steady state comes at any moment of an interval.
        let begin = options.steady().saturating_sub(context.now);
        let session = self.session;
        self.emit(context, begin + pause, self.number, What::Flow { session });
    }

    pub(super) fn flow(&mut self, session: u32, context: &mut Context<'_>) {
        if session != self.session || self.life.is_none() {
            return;
        }
        self.next_flow(context);
        let Some(life) = &mut self.life else {
            return;
        };
        let number = life.next_flow;
        life.next_flow += 1;
        let flow = Flow {
            number,
            attempt: 0,
            began: context.now,
            tried: context.now,
            path: Vec::new(),
        };
        self.try_flow(flow, context);
    }

    fn try_flow(&mut self, mut flow: Flow, context: &mut Context<'_>) {
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        let end = |succeeded| FlowEnd {
            began: flow.began,
            attempts: flow.attempt,
            succeeded,
        };
        if flow.attempt == ATTEMPTS {
            return context.series.flow(end(false));
        }
        let request = request(context);
        life.directory.prepare(clock.unix(), &mut self.rng);
        let chosen = route::choose(&life.directory, &request, clock.instant, &mut self.rng);
        let Ok(hops) = chosen else {
            self.tally.no_route += 1;
            return context.series.flow(end(false));
        };
        flow.attempt += 1;
        flow.tried = context.now;
        flow.path = hops.iter().map(|hop| hop.id).collect();
        let plan = &context.shared.plan;
        let path: Vec<u32> = flow
            .path
            .iter()
            .filter_map(|id| plan.member_of(id))
            .collect();
        let Some((&first, true)) = path.first().map(|first| (first, path.len() == hops.len()))
        else {
            return context.series.invented();
        };
        let circuit = Circuit {
            originator: self.number,
            session: self.session,
            flow: flow.number,
            attempt: flow.attempt,
            path,
            place: 0,
            travelled: 0,
        };
        let overdue = What::Overdue {
            session: self.session,
            flow: flow.number,
            attempt: flow.attempt,
        };
        life.flows.push(flow);
        self.emit(context, OPEN_TIMEOUT, self.number, overdue);
        self.pass_on(Box::new(circuit), first, context);
    }

    /// A circuit arrives at a Node of its path.
    pub(super) fn circuit(&mut self, mut circuit: Box<Circuit>, context: &mut Context<'_>) {
        let before = match circuit.place.checked_sub(1) {
            Some(place) => circuit.path[place],
            None => circuit.originator,
        };
        let plan = &context.shared.plan;
        let linked = self
            .life
            .as_ref()
            .map(|life| life.links.iter().any(|end| end.peer == before));
        let Some(linked) = linked else {
            // The one before us waits for an answer in vain.
            let delay = links::silence(plan.latency(self.number, before));
            return self.end(circuit, Fate::LinkLost, delay, context);
        };
        if self.malicious && plan.options.attack == Some(Attack::Blackhole) {
            self.tally.swallowed += 1;
            return;
        }
        if !linked {
            return self.end(circuit, Fate::LinkLost, 0, context);
        }
        self.tally.carried += 1;
        circuit.place += 1;
        match circuit.path.get(circuit.place).copied() {
            None => self.end(circuit, Fate::Opened, 0, context),
            Some(next) => self.pass_on(circuit, next, context),
        }
    }

    fn pass_on(&mut self, mut circuit: Box<Circuit>, next: u32, context: &mut Context<'_>) {
        let linked = self
            .life
            .as_ref()
            .is_some_and(|life| life.links.iter().any(|end| end.peer == next));
        if !linked {
            return self.end(circuit, Fate::NoNextHop, 0, context);
        }
        let latency = context.shared.plan.latency(self.number, next);
        circuit.travelled += latency;
        self.emit(context, latency, next, What::Circuit(circuit));
    }

    fn end(&mut self, circuit: Box<Circuit>, fate: Fate, delay: Micros, context: &mut Context<'_>) {
        let back = circuit.travelled.max(plan::LEAST_LATENCY);
        let originator = circuit.originator;
        self.emit(
            context,
            delay + back,
            originator,
            What::Ended(circuit, fate),
        );
    }

    pub(super) fn ended(&mut self, circuit: &Circuit, fate: Fate, context: &mut Context<'_>) {
        let Some(flow) = self.take_flow(circuit.session, circuit.flow, circuit.attempt) else {
            return;
        };
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        let suspects = match fate {
            Fate::Opened => {
                for node in &flow.path {
                    life.directory.forgive(*node);
                }
                let took = Duration::from_micros(context.now - flow.tried);
                life.directory.opened(&flow.path, took);
                return context.series.flow(FlowEnd {
                    began: flow.began,
                    attempts: flow.attempt,
                    succeeded: true,
                });
            }
            Fate::NoNextHop => &flow.path[1..],
            Fate::LinkLost => &flow.path[..],
        };
        for node in suspects {
            life.directory.penalize(*node, clock.instant);
        }
        context.series.failed(fate == Fate::NoNextHop);
        self.try_flow(flow, context);
    }

    pub(super) fn overdue(
        &mut self,
        session: u32,
        flow: u32,
        attempt: u8,
        context: &mut Context<'_>,
    ) {
        let Some(flow) = self.take_flow(session, flow, attempt) else {
            return;
        };
        let clock = context.clock();
        if let Some(life) = &mut self.life {
            for node in &flow.path {
                life.directory.penalize(*node, clock.instant);
            }
        }
        context.series.overdue();
        self.try_flow(flow, context);
    }

    fn take_flow(&mut self, session: u32, flow: u32, attempt: u8) -> Option<Flow> {
        if session != self.session {
            return None;
        }
        let flows = &mut self.life.as_mut()?.flows;
        let waits = |known: &Flow| known.number == flow && known.attempt == attempt;
        let place = flows.iter().position(waits)?;
        Some(flows.swap_remove(place))
    }
}

fn request(context: &Context<'_>) -> RouteRequest {
    RouteRequest {
        hops: HOPS,
        unix_time: Some(context.clock().unix()),
        ..RouteRequest::default()
    }
}
