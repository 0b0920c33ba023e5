//! Circuits made by hand at an exit: what takes a flow over, and what does not.

use super::world::{World, address, unix_time};
use super::{echo, simulate};
use bytes::BytesMut;
use masq_core::failure::Code;
use masq_core::frame::{Backward, Forward, Kind, Opener, Sealer, Target};
use masq_core::onion::{self, Hop};
use masq_core::random::SystemRandom;
use masq_core::resume::Token;
use masq_node::circuit::{CircuitError, Receiver, Sender};
use masq_node::link::Link;
use masq_node::link::memory::{MemoryLink, MemoryRecv, MemorySend};
use std::time::Duration;
use tokio::time::sleep;

const ECHO: &str = "203.0.113.10:7";

/// One hop from an originator to an exit.
fn world() -> (World, MemoryLink) {
    let mut world = World::new(Duration::from_millis(5));
    let originator = world.add(false, false);
    let exit = world.add(false, true);
    world.join(originator, exit);
    world.internet.serve(ECHO, echo);
    let link = world.nodes[originator].links[0].clone();
    (world, link)
}

struct Circuit {
    sender: Sender<MemorySend>,
    receiver: Receiver<MemoryRecv>,
    token: Token,
}

/// A circuit that begins with `first`.
async fn circuit(world: &World, link: &MemoryLink, first: &Forward<'_>) -> Circuit {
    let exit = world.nodes[1].services.identity();
    let hop = Hop::from((exit.id(), exit.onion_secrets()[0].public()));
    let (setup, keys) = onion::build(&[hop], unix_time(), &mut SystemRandom).unwrap();
    let (send, recv) = link.open().await.unwrap();
    let layers = keys.stream_layers();
    let sealer = Sealer::new(&keys.exit.frame.forward);
    let mut sender = Sender::new(send, sealer, layers.forward);
    sender.preamble(setup.as_bytes());
    sender.forward(first).unwrap();
    sender.flush().await.unwrap();
    let opener = Opener::new(&keys.exit.frame.backward);
    Circuit {
        sender,
        receiver: Receiver::new(recv, opener, layers.backward, BytesMut::new()),
        token: keys.exit.resume.clone(),
    }
}

impl Circuit {
    async fn say(&mut self, message: &Forward<'_>) {
        self.sender.forward(message).unwrap();
        self.sender.flush().await.unwrap();
    }

    /// The next frame that is no acknowledgement.
    async fn hear(&mut self) -> Result<(Kind, BytesMut), CircuitError> {
        loop {
            let frame = self.receiver.next().await?;
            let frame = frame.ok_or(CircuitError::Unexpected)?;
            if frame.0 != Kind::Ack {
                return Ok(frame);
            }
        }
    }
}

/// A flow that has sent and received three bytes.
async fn flow(world: &World, link: &MemoryLink) -> Circuit {
    let open = Forward::Open(Target::Tcp(address(ECHO).into()));
    let mut flow = circuit(world, link, &open).await;
    flow.say(&Forward::Data(b"one")).await;
    assert_eq!(flow.hear().await.unwrap().0, Kind::Opened);
    let (kind, bytes) = flow.hear().await.unwrap();
    assert_eq!((kind, &bytes[..]), (Kind::Data, &b"one"[..]));
    flow
}

#[test]
fn a_token_of_no_flow_is_refused_and_the_flows_live_on() {
    simulate(async || {
        let (world, link) = world();
        let mut flow = flow(&world, &link).await;
        let resume = Forward::Resume {
            token: Token::new([7; 32]),
            received: 0,
        };
        let mut other = circuit(&world, &link, &resume).await;
        let (kind, payload) = other.hear().await.unwrap();
        let failed = Backward::Failed {
            code: Code::FlowForgotten,
            detail: "",
        };
        assert_eq!(Backward::decode(kind, &payload), Ok(failed));
        flow.say(&Forward::Data(b"two")).await;
        assert_eq!(&flow.hear().await.unwrap().1[..], b"two");
    });
}

#[test]
fn a_resumption_takes_the_flow_from_a_circuit_that_lives() {
    simulate(async || {
        let (world, link) = world();
        let mut flow = flow(&world, &link).await;
        // Of the three bytes that came back, one is said to be missing.
        let resume = Forward::Resume {
            token: flow.token.clone(),
            received: 2,
        };
        let mut next = circuit(&world, &link, &resume).await;
        let (kind, payload) = next.hear().await.unwrap();
        assert_eq!(Backward::decode(kind, &payload), Ok(Backward::Resumed(3)));
        assert_eq!(&next.hear().await.unwrap().1[..], b"e");
        next.say(&Forward::Data(b"two")).await;
        assert_eq!(&next.hear().await.unwrap().1[..], b"two");
        assert!(flow.hear().await.is_err(), "the old circuit still speaks");
        assert_eq!(world.internet.held.get(), 1);
    });
}

#[test]
fn a_count_that_cannot_be_ends_the_flow() {
    for received in [4, u64::MAX] {
        simulate(async || {
            let (world, link) = world();
            let flow = flow(&world, &link).await;
            let resume = Forward::Resume {
                token: flow.token.clone(),
                received,
            };
            let mut next = circuit(&world, &link, &resume).await;
            let error = next.hear().await.unwrap_err();
            assert_eq!(error.code(), Code::BadFrame);
            assert_eq!(world.internet.held.get(), 0);
        });
    }
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_ends_the_flow() {
    simulate(async || {
        let (world, link) = world();
        let mut flow = flow(&world, &link).await;
        flow.say(&Forward::Ack(4)).await;
        let error = flow.hear().await.unwrap_err();
        assert_eq!(error.code(), Code::BadFrame);
        assert_eq!(world.internet.held.get(), 0);
    });
}

#[test]
fn bytes_after_the_end_of_an_earlier_circuit_end_the_flow() {
    simulate(async || {
        let (world, link) = world();
        let mut flow = flow(&world, &link).await;
        flow.say(&Forward::Fin).await;
        sleep(Duration::from_millis(1)).await;
        let resume = Forward::Resume {
            token: flow.token.clone(),
            received: 3,
        };
        let mut next = circuit(&world, &link, &resume).await;
        next.say(&Forward::Data(b"more")).await;
        let code = loop {
            match next.hear().await {
                Ok(_) => {}
                Err(error) => break error.code(),
            }
        };
        assert_eq!(code, Code::BadFrame);
    });
}
