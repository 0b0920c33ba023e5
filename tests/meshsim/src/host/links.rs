//! Links: dialling, the handshake, messages, and how an end is noticed.
//!
//! When two Nodes dial each other at the same time, the dial of the smaller id stands, as in the shell.

use std::net::SocketAddr;

use bytes::Bytes;
use masq_core::identity::NodeId;
use masq_core::neighborhood::DialFailure;

use super::{Context, Host};
use crate::event::{Dial, LinkId, Refusal, What};
use crate::time::{Micros, SECOND};

/// How long a dial may take.
const DIAL_TIMEOUT: Micros = 5 * SECOND;
/// A peer that lets packets go unanswered for this long, or for eight round trips, is gone.
const SILENCE: Micros = 800_000;
/// How far apart the packets are that go unanswered.
const PULSE: Micros = 100_000;
/// Bytes before a message that tell its length.
const LENGTH: u64 = 4;

/// Our end of a link that is up.
#[derive(Debug)]
pub(super) struct End {
    pub(super) peer: u32,
    pub(super) id: NodeId,
    pub(super) link: LinkId,
}

/// A dial under way.
#[derive(Debug)]
pub(super) struct Pending {
    attempt: u32,
    peer: NodeId,
    address: SocketAddr,
}

/// After how long a dead peer is missed.
pub(super) fn silence(latency: Micros) -> Micros {
    PULSE + SILENCE.max(16 * latency)
}

impl Host {
    pub(super) fn dial(&mut self, peer: NodeId, address: SocketAddr, context: &mut Context<'_>) {
        let Some(life) = &mut self.life else {
            return;
        };
        if life.link_with(&peer).is_some() || life.dials.iter().any(|dial| dial.peer == peer) {
            return;
        }
        let own = life.own;
        let attempt = self.next_attempt;
        self.next_attempt += 1;
        life.dials.push(Pending {
            attempt,
            peer,
            address,
        });
        self.tally.dials += 1;
        let timeout = What::DialTimeout { attempt };
        self.emit(context, DIAL_TIMEOUT, self.number, timeout);
        let Some(to) = context.shared.plan.member_at(address) else {
            return;
        };
        let latency = context.shared.plan.latency(self.number, to);
        let dial = Dial {
            link: LinkId {
                dialler: self.number,
                attempt,
            },
            wanted: peer,
            to: address,
            from: own,
        };
        self.emit(context, latency, to, What::Dial(Box::new(dial)));
    }

    /// Somebody's first packet.
    pub(super) fn dialled_by(&mut self, dial: Dial, context: &mut Context<'_>) {
        let plan = &context.shared.plan;
        let clock = context.clock();
        let own = &plan.members[self.number as usize];
        let Some(life) = &mut self.life else {
            return;
        };
        if life.own != dial.to || !own.accepts() {
            return;
        }
        let peer = plan.members[dial.link.dialler as usize].id;
        let crossing = life.dials.iter().position(|pending| pending.peer == peer);
        let refused = if own.id != dial.wanted {
            Some(Refusal::Stranger)
        } else if !life.core.may_link(&peer, dial.from.ip(), clock) {
            Some(Refusal::Unwanted)
        } else {
            None
        };
        if let (Some(place), None) = (crossing, refused) {
            if own.id < peer {
                return;
            }
            life.dials.swap_remove(place);
        }
        let latency = plan.latency(self.number, dial.link.dialler);
        let attempt = dial.link.attempt;
        let answer = What::Dialled { attempt, refused };
        self.emit(context, latency, dial.link.dialler, answer);
    }

    pub(super) fn answered(
        &mut self,
        attempt: u32,
        refused: Option<Refusal>,
        context: &mut Context<'_>,
    ) {
        let clock = context.clock();
        let Some(pending) = self.take_dial(attempt) else {
            return;
        };
        let Some(life) = &mut self.life else {
            return;
        };
        let failure = match refused {
            Some(Refusal::Stranger) => Some(DialFailure::WrongIdentity),
            Some(Refusal::Unwanted) => Some(DialFailure::Refused),
            None => None,
        };
        if let Some(failure) = failure {
            let Pending { peer, address, .. } = pending;
            return life.core.handle_dial_failed(peer, address, failure, clock);
        }
        let Some(to) = context.shared.plan.member_of(&pending.peer) else {
            return;
        };
        let link = LinkId {
            dialler: self.number,
            attempt,
        };
        life.take_link(End {
            peer: to,
            id: pending.peer,
            link,
        });
        let remote = life.own;
        life.core
            .handle_link_up(pending.peer, pending.address, true, clock);
        let latency = context.shared.plan.latency(self.number, to);
        self.emit(context, latency, to, What::Established { link, remote });
    }

    pub(super) fn dial_timed_out(&mut self, attempt: u32, context: &mut Context<'_>) {
        let clock = context.clock();
        let Some(pending) = self.take_dial(attempt) else {
            return;
        };
        if let Some(life) = &mut self.life {
            let Pending { peer, address, .. } = pending;
            life.core
                .handle_dial_failed(peer, address, DialFailure::TimedOut, clock);
        }
    }

    pub(super) fn established(
        &mut self,
        link: LinkId,
        remote: SocketAddr,
        context: &mut Context<'_>,
    ) {
        let clock = context.clock();
        let plan = &context.shared.plan;
        let id = plan.members[link.dialler as usize].id;
        let latency = plan.latency(self.number, link.dialler);
        let Some(life) = &mut self.life else {
            let reason = "silent";
            let what = What::LinkDown { link, reason };
            return self.emit(context, silence(latency), link.dialler, what);
        };
        life.take_link(End {
            peer: link.dialler,
            id,
            link,
        });
        life.core.handle_link_up(id, remote, false, clock);
    }

    pub(super) fn send(&mut self, peer: NodeId, message: Bytes, context: &mut Context<'_>) {
        let Some(life) = &mut self.life else {
            return;
        };
        let Some(end) = life.links.iter().find(|end| end.id == peer) else {
            return;
        };
        let (to, link) = (end.peer, end.link);
        let young = context.now < life.began + crate::measure::YOUNG;
        let messages = match &mut life.adversary {
            Some(adversary) => adversary.change(message, &context.shared.plan, context.now),
            None => vec![message],
        };
        let latency = context.shared.plan.latency(self.number, to);
        for message in messages {
            let bytes = LENGTH + message.len() as u64;
            self.tally.sent(bytes, young, context.steady());
            if !self.malicious {
                context.series.sent(context.now, bytes);
            }
            self.emit(context, latency, to, What::Message { link, message });
        }
    }

    pub(super) fn message(&mut self, link: LinkId, message: &Bytes, context: &mut Context<'_>) {
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        let Some(end) = life.links.iter().find(|end| end.link == link) else {
            // The other end does not know yet that the link is gone.
            return;
        };
        self.tally
            .received(LENGTH + message.len() as u64, context.steady());
        life.core.handle_message(end.id, message, clock);
    }

    pub(super) fn link_down(
        &mut self,
        link: LinkId,
        reason: &'static str,
        context: &mut Context<'_>,
    ) {
        let clock = context.clock();
        let Some(life) = &mut self.life else {
            return;
        };
        let Some(place) = life.links.iter().position(|end| end.link == link) else {
            return;
        };
        let end = life.links.swap_remove(place);
        life.core.handle_link_down(end.id, reason, clock);
    }

    pub(super) fn close(&mut self, peer: NodeId, context: &mut Context<'_>) {
        let Some(life) = &mut self.life else {
            return;
        };
        life.dials.retain(|dial| dial.peer != peer);
        let Some(place) = life.links.iter().position(|end| end.id == peer) else {
            return;
        };
        let end = life.links.swap_remove(place);
        let latency = context.shared.plan.latency(self.number, end.peer);
        let what = What::LinkDown {
            link: end.link,
            reason: "closed",
        };
        self.emit(context, latency, end.peer, what);
    }

    fn take_dial(&mut self, attempt: u32) -> Option<Pending> {
        let dials = &mut self.life.as_mut()?.dials;
        let place = dials.iter().position(|dial| dial.attempt == attempt)?;
        Some(dials.swap_remove(place))
    }
}

impl super::Life {
    pub(super) fn link_with(&self, peer: &NodeId) -> Option<&End> {
        self.links.iter().find(|end| end.id == *peer)
    }

    /// There is one link with each peer; a new one takes the place of the old.
    fn take_link(&mut self, end: End) {
        self.links.retain(|old| old.id != end.id);
        self.links.push(end);
    }
}
