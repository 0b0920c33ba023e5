//! UDP flows: one circuit each, or one socket each with zero hops.

use super::record::{Flow, Kind};
use super::{Entry, Way, circuit, ending};
use crate::app::{AppUdp, AppUdpSender};
use crate::circuit::CircuitError;
use crate::link::Link;
use crate::mesh::{CircuitPort, send_datagram};
use crate::outside::{self, Outside, OutsideUdp};
use bytes::BytesMut;
use masq_core::datagram::OriginatorDatagrams;
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Target};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const LARGEST_DATAGRAM: usize = 65_535;
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn run<L: Link, O: Outside>(entry: &Rc<Entry<L, O>>, mut app: AppUdp) {
    let tuple = app.tuple();
    let flow = entry.begin(Kind::Udp, tuple.source, tuple.destination);
    let end = match entry.target(tuple.destination) {
        Ok(target) => {
            flow.named(&target.destination);
            match entry.way {
                Way::Direct => direct(entry, &mut app, &flow, &target.destination).await,
                Way::Mesh { hops } => {
                    over_mesh(entry, &mut app, &flow, &target.destination, hops).await
                }
            }
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &end {
        app.refuse(ending::refusal(failure));
    }
    drop(app);
    entry.log.ended(flow, end);
}

async fn direct<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    app: &mut AppUdp,
    flow: &Flow,
    destination: &Destination,
) -> Result<(), Failure> {
    let outside = &*entry.services.outside;
    let policy = &entry.direct_policy;
    let found = outside::addresses(outside, policy, destination, Protocol::Udp).await?;
    let address = *found.first().ok_or(Code::NameHasNoAddress)?;
    let socket = outside.udp(address).await?;
    let to_app = app.sender();
    let up = async {
        while let Some(payload) = app.recv().await {
            flow.sent(payload.len());
            // What ICMP says of it shows when receiving.
            let _ = socket.send(&payload);
        }
        Ok(())
    };
    let down = async {
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let size = socket.recv(&mut buffer).await?;
            flow.received(size);
            give(&to_app, &buffer[..size])?;
        }
    };
    tokio::select! {
        result = up => result,
        result = down => result,
    }
}

async fn over_mesh<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    app: &mut AppUdp,
    flow: &Rc<Flow>,
    destination: &Destination,
    hops: u8,
) -> Result<(), Failure> {
    let target = Target::Udp(destination.clone());
    let mut circuit = circuit::open(entry, hops, &[], target).await?;
    flow.routed(&circuit.path);
    let (link, id) = (circuit.link, circuit.sender.id());
    let (sender, receiver) = (&mut circuit.sender, &mut circuit.receiver);
    let datagrams = RefCell::new(OriginatorDatagrams::new(&circuit.keys));
    let datagrams = Rc::new(datagrams);
    let to_app = app.sender();
    let sink = {
        let (datagrams, to_app) = (datagrams.clone(), to_app.clone());
        let flow = flow.clone();
        move |mut datagram: BytesMut| {
            if let Ok(payload) = datagrams.borrow_mut().open(&mut datagram) {
                flow.received(payload.len());
                let _ = to_app.send(payload);
            }
        }
    };
    let port = CircuitPort::new(&link, id);
    let registration = entry.services.mesh.register(port, Rc::new(sink));

    let up = async {
        // The first datagram rides with the set-up; the others follow it as
        // frames until the exit is there to take unreliable ones.
        if let Some(payload) = app.recv().await {
            flow.sent(payload.len());
            sender.forward(&Forward::Datagram(&payload))?;
        }
        if let Some(preamble) = circuit.preamble.take() {
            sender.flush_after(preamble).await?;
        }
        let mut sealed = BytesMut::new();
        while let Some(payload) = app.recv().await {
            flow.sent(payload.len());
            sealed.clear();
            let fits = datagrams.borrow_mut().seal(&payload, &mut sealed).is_ok()
                && send_datagram(&link, id, &sealed).is_ok();
            if !fits {
                sender.forward(&Forward::Datagram(&payload))?;
                sender.flush().await?;
            }
        }
        sender.forward(&Forward::Fin)?;
        sender.flush().await?;
        sender.finish();
        Ok::<(), Failure>(())
    };
    let down = async {
        let mut opened = false;
        loop {
            let next = if opened {
                receiver.next().await
            } else {
                let next = tokio::time::timeout(OPEN_TIMEOUT, receiver.next()).await;
                next.map_err(|_| Failure::from(Code::CircuitTimedOut))?
            };
            let Some((kind, payload)) = next? else {
                return Ok::<(), Failure>(());
            };
            match Backward::decode(kind, &payload).map_err(|_| CircuitError::Unexpected)? {
                Backward::Opened(_) => opened = true,
                Backward::Datagram(payload) => {
                    flow.received(payload.len());
                    give(&to_app, payload)?;
                }
                Backward::Failed { code, detail } => {
                    return Err(Failure::new(code, detail.to_string()));
                }
                Backward::Reset(code) => return Err(code.into()),
                Backward::Fin => return Ok(()),
                Backward::KeepAlive | Backward::Padding(_) => {}
                Backward::Data(_) | Backward::Answer(_) => {
                    return Err(CircuitError::Unexpected.into());
                }
            }
        }
    };
    let result = tokio::select! {
        result = up => result,
        result = down => result,
    };
    drop(registration);
    result
}

fn give(to_app: &AppUdpSender, payload: &[u8]) -> Result<(), Failure> {
    to_app.send(payload).map_err(|_| Code::Idle.into())
}
