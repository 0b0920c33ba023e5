//! A relay: moves the bytes of a circuit between two links and changes each
//! byte with its own key stream, without knowing what they are.
//!
//! Back-pressure needs no code here: a direction is read only after what was
//! read before has been taken by the next link's window.

use crate::link::{Link, LinkRecv, LinkSend, StreamError};
use crate::mesh::{CircuitPort, Registration, send_datagram};
use crate::outside::Outside;
use crate::serve::{Meter, Services};
use bytes::BytesMut;
use masq_core::datagram::{DatagramError, RelayDatagrams};
use masq_core::failure::Code;
use masq_core::layer::StreamLayer;
use masq_core::onion::{RelayKeys, Setup};
use std::cell::OnceCell;
use std::pin::pin;
use std::rc::Rc;

/// One of the two links of a circuit.
pub(crate) struct Side<L: Link> {
    pub(crate) link: L,
    pub(crate) port: CircuitPort,
    pub(crate) send: L::Send,
    pub(crate) recv: L::Recv,
}

/// Carries the circuit on to `next` until both directions ended.
pub(crate) async fn run<L: Link, O: Outside>(
    services: &Services<L, O>,
    mut before: Side<L>,
    next: L,
    setup: Setup,
    keys: RelayKeys,
    early: BytesMut,
) {
    let Ok((send, recv)) = next.open().await else {
        let code = u64::from(Code::NoNextHop.number());
        before.send.reset(code);
        before.recv.stop(code);
        return;
    };
    let port = CircuitPort::new(&next, send.id());
    let after = Side {
        link: next,
        port,
        send,
        recv,
    };
    let (mut forward_layer, backward_layer) = boxed_layers(&keys);
    let _datagrams = datagrams(services, &before, &after, keys);
    let (mut first, mut first_recv) = (after.send, before.recv);
    let (mut second, mut second_recv) = (before.send, after.recv);

    let mut head = BytesMut::with_capacity(setup.as_bytes().len() + early.len());
    head.extend_from_slice(setup.as_bytes());
    let start = head.len();
    head.extend_from_slice(&early);
    forward_layer.apply(&mut head[start..]);
    services.meter.forward(early.len());
    drop(early);
    drop(setup);

    // Pinned where they stand: a future that is moved takes its room twice.
    let forward = pin!(async {
        match first.write(head.freeze()).await {
            Ok(()) => {
                carry(&mut first_recv, &mut first, forward_layer, |bytes| {
                    services.meter.forward(bytes);
                })
                .await;
            }
            Err(error) => first_recv.stop(code(error)),
        }
    });
    let backward = pin!(carry(
        &mut second_recv,
        &mut second,
        backward_layer,
        |bytes| services.meter.backward(bytes),
    ));
    tokio::join!(forward, backward);
}

fn boxed_layers(keys: &RelayKeys) -> (Box<StreamLayer>, Box<StreamLayer>) {
    let layers = keys.stream_layers();
    (Box::new(layers.forward), Box::new(layers.backward))
}

/// Moves the circuit's datagrams as long as the registrations live. Most
/// circuits have none, so their ciphers are made when the first one comes.
fn datagrams<L: Link, O: Outside>(
    services: &Services<L, O>,
    before: &Side<L>,
    after: &Side<L>,
    keys: RelayKeys,
) -> [Registration<L>; 2] {
    let ciphers = Rc::new(OnceCell::new());
    let keys = Rc::new(keys);
    let carry = |to: &Side<L>, step: Step, count: fn(&Meter, usize)| {
        let meter = services.meter.clone();
        let (link, id) = (to.link.clone(), to.send.id());
        let (ciphers, keys) = (ciphers.clone(), keys.clone());
        let sink = move |mut datagram: BytesMut| {
            let ciphers = ciphers.get_or_init(|| RelayDatagrams::new(&keys));
            if step(ciphers, &mut datagram).is_ok() {
                count(&meter, datagram.len());
                // What does not fit or comes too fast is lost, as UDP may be.
                let _ = send_datagram(&link, id, &datagram);
            }
        };
        Rc::new(sink)
    };
    let mesh = &services.mesh;
    [
        mesh.register(
            before.port,
            carry(after, RelayDatagrams::forward, Meter::forward),
        ),
        mesh.register(
            after.port,
            carry(before, RelayDatagrams::backward, Meter::backward),
        ),
    ]
}

type Step = fn(&RelayDatagrams, &mut [u8]) -> Result<(), DatagramError>;

/// Moves one direction to its end and passes on how it ended.
async fn carry<R: LinkRecv, S: LinkSend>(
    recv: &mut R,
    send: &mut S,
    mut layer: Box<StreamLayer>,
    meter: impl Fn(usize),
) {
    let mut stopped = pin!(send.stopped());
    loop {
        let read = tokio::select! {
            biased;
            read = recv.read() => read,
            // Told before there is anything to write: the reader is gone.
            error = &mut stopped => {
                recv.stop(code(error));
                return;
            }
        };
        match read {
            Ok(Some(mut bytes)) => {
                meter(bytes.len());
                layer.apply(&mut bytes);
                if let Err(error) = send.write(bytes.freeze()).await {
                    recv.stop(code(error));
                    return;
                }
            }
            Ok(None) => {
                send.finish();
                return;
            }
            Err(error) => {
                send.reset(code(error));
                return;
            }
        }
    }
}

/// The code that the other link hears: what the first one said, or that it
/// was lost.
fn code(error: StreamError) -> u64 {
    match error {
        StreamError::Reset(code) | StreamError::Stopped(code) => code,
        StreamError::LinkLost => u64::from(Code::LinkLost.number()),
    }
}
