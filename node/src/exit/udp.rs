//! UDP at an exit: one socket that talks with one destination.
//!
//! Datagrams take the link's unreliable ones where they fit and frames on the
//! circuit's stream where they do not.

use super::kept::Mail;
use super::{Circuit, End, abandon, idle, next_circuit};
use crate::circuit::{CircuitError, Receiver};
use crate::link::{Link, LinkRecv, StreamError};
use crate::mesh::{CircuitPort, send_datagram};
use crate::outside::{self, Outside, OutsideUdp};
use crate::serve::{Meter, Services};
use bytes::BytesMut;
use masq_core::datagram::ExitDatagrams;
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::Code;
use masq_core::frame::{Backward, Forward};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// As long as the longest that the originator's stack keeps a UDP flow.
const UDP_IDLE: Duration = Duration::from_secs(330);

pub(super) async fn run<L: Link, O: Outside>(
    services: &Services<L, O>,
    circuit: &mut Circuit<L, O>,
    to: Destination,
) -> Result<(), End> {
    let outside = &*services.outside;
    let found = outside::addresses(outside, &services.policy, &to, Protocol::Udp)
        .await
        .map_err(End::Failed)?;
    let address = *found
        .first()
        .ok_or(End::Failed(Code::NameHasNoAddress.into()))?;
    let socket = Rc::new(outside.udp(address).await.map_err(End::Failed)?);
    let sender = &mut circuit.ends.0;
    sender.backward(&Backward::Opened(Some(socket.peer())))?;
    let place = services.flows.register(&circuit.keys.resume);
    loop {
        let next = tokio::select! {
            result = carry(services, circuit, &socket) => match result {
                Err(End::Circuit(error)) if error.is_loss() => {
                    let next = Box::pin(next_circuit(&place, circuit, &error, 0)).await;
                    next.ok_or(End::Circuit(error))?
                }
                ended => return ended,
            },
            Mail::Circuit(next) = place.mail() => {
                abandon(&mut circuit.ends, Code::LinkLost);
                next
            }
        };
        *circuit = next.circuit;
        circuit.ends.0.backward(&Backward::Resumed(0))?;
    }
}

/// Moves datagrams, as long as the circuit lives.
async fn carry<L: Link, O: Outside>(
    services: &Services<L, O>,
    circuit: &mut Circuit<L, O>,
    socket: &Rc<O::Udp>,
) -> Result<(), End> {
    let (sender, receiver) = &mut circuit.ends;
    let link = &circuit.link;
    sender.flush().await?;
    let id = sender.id();
    let activity = Rc::new(Cell::new(0_u64));
    let datagrams = Rc::new(RefCell::new(ExitDatagrams::new(&circuit.keys)));
    let sink = {
        let (socket, activity) = (socket.clone(), activity.clone());
        let datagrams = datagrams.clone();
        let meter = services.meter.clone();
        move |mut datagram: BytesMut| {
            if let Ok(payload) = datagrams.borrow_mut().open(&mut datagram) {
                activity.set(activity.get() + 1);
                meter.forward(payload.len());
                // What ICMP said of an earlier datagram shows when receiving.
                let _ = socket.send(payload);
            }
        }
    };
    let _registration = services
        .mesh
        .register(CircuitPort::new(link, id), Rc::new(sink));
    let stopped = sender.stopped();
    let up = upward(&services.meter, receiver, &**socket, &activity);
    let down = async {
        let mut sealed = BytesMut::new();
        // Never ends but with the error that ends it.
        loop {
            let payload = socket.recv().await.map_err(End::Failed)?;
            activity.set(activity.get() + 1);
            services.meter.backward(payload.len());
            sealed.clear();
            let seal = datagrams.borrow_mut().seal(&payload, &mut sealed);
            let fits = seal.is_ok() && send_datagram(link, id, &sealed).is_ok();
            if !fits {
                sender.backward(&Backward::Datagram(&payload))?;
                sender.flush().await?;
            }
        }
        #[expect(unreachable_code, reason = "names the error type of the block")]
        Ok::<(), End>(())
    };
    tokio::select! {
        result = up => result?,
        result = down => result?,
        error @ (StreamError::Stopped(1..) | StreamError::LinkLost) = stopped => {
            return Err(End::Circuit(error.into()));
        }
        () = idle(&activity, UDP_IDLE) => return Err(End::Reset(Code::Idle)),
    }
    sender.backward(&Backward::Fin)?;
    sender.flush().await?;
    sender.finish();
    Ok(())
}

async fn upward<R: LinkRecv, U: OutsideUdp>(
    meter: &Meter,
    receiver: &mut Receiver<R>,
    socket: &U,
    activity: &Cell<u64>,
) -> Result<(), End> {
    while let Some((kind, payload)) = receiver.next().await? {
        match Forward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
            Forward::Datagram(payload) => {
                activity.set(activity.get() + 1);
                meter.forward(payload.len());
                let _ = socket.send(payload);
            }
            Forward::Fin => break,
            Forward::Reset(_) => return Err(End::Aborted),
            Forward::KeepAlive | Forward::Padding(_) => {}
            Forward::Open(_)
            | Forward::Data(_)
            | Forward::Query(_)
            | Forward::Ack(_)
            | Forward::Resume { .. } => return Err(CircuitError::Unexpected.into()),
        }
    }
    Ok(())
}
