//! Pings: an app gets an echo reply only for an address that answered one.

use super::{Entry, Way, circuit, ending};
use crate::app::AppEcho;
use crate::link::Link;
use crate::outside::{self, Outside};
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{Backward, Forward, Host, Target};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn run<L: Link, O: Outside>(entry: &Rc<Entry<L, O>>, echo: AppEcho) {
    let address = SocketAddr::new(echo.destination(), 0);
    let result = match entry.target(address) {
        Ok(target) => {
            let reach = reach(entry, &target.destination, echo.payload());
            let timeout = tokio::time::timeout(TIMEOUT, reach).await;
            timeout.unwrap_or_else(|_| Err(Code::TimedOut.into()))
        }
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => echo.reply(),
        Err(failure) => {
            tracing::debug!(code = %failure.code, detail = %failure.detail, "no echo reply");
            echo.unreachable(ending::refusal(&failure));
        }
    }
}

async fn reach<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    destination: &Destination,
    payload: &[u8],
) -> Result<(), Failure> {
    let hops = match entry.way.get() {
        Way::Mesh { hops } => hops,
        Way::Direct => {
            let outside = &*entry.services.outside;
            let policy = &entry.direct_policy;
            let found = outside::addresses(outside, policy, destination, Protocol::Echo).await?;
            let address = found.first().ok_or(Code::NameHasNoAddress)?;
            return outside.echo(address.ip(), payload).await.map(|_| ());
        }
    };
    let host = match destination {
        Destination::Name { name, .. } => Host::Name(name.clone()),
        Destination::Address(address) => Host::Ip(address.ip()),
    };
    let circuit = circuit::open(entry, hops, &[], Target::Echo(host)).await?;
    let question = [Forward::Datagram(payload)];
    let replied = |message: &Backward<'_>| matches!(message, Backward::Datagram(_)).then_some(());
    let reply = circuit::ask(circuit, &question, replied).await?;
    reply.ok_or_else(|| Code::TimedOut.into())
}
