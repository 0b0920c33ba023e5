//! Pings: an app gets an echo reply only for an address that answered one.

use super::course::{Course, What};
use super::{Entry, circuit, ending};
use crate::app::AppEcho;
use crate::link::Link;
use crate::outside::{self, Outside};
use masq_capture::Protocol;
use masq_core::destination::Destination;
use masq_core::exit_policy;
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
            let reach = reach(entry, &echo, &target.destination);
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
    echo: &AppEcho,
    destination: &Destination,
) -> Result<(), Failure> {
    let ends = (echo.source(), SocketAddr::new(echo.destination(), 0));
    let owner = entry.owner(Protocol::Icmp, ends).await?;
    let (course, _) = entry.decide(&owner, Protocol::Icmp, destination, What::Flow)?;
    let terms = match course {
        Course::Mesh(terms) => terms,
        Course::Direct => {
            let outside = &*entry.services.outside;
            let policy = &entry.direct_policy;
            let echo_protocol = exit_policy::Protocol::Echo;
            let found = outside::addresses(outside, policy, destination, echo_protocol).await?;
            let address = found.first().ok_or(Code::NameHasNoAddress)?;
            return outside.echo(address.ip(), echo.payload()).await.map(drop);
        }
    };
    let host = match destination {
        Destination::Name { name, .. } => Host::Name(name.clone()),
        Destination::Address(address) => Host::Ip(address.ip()),
    };
    let circuit = circuit::open(entry, &terms, &[], Target::Echo(host)).await?;
    let question = [Forward::Datagram(echo.payload())];
    let replied = |message: &Backward<'_>| matches!(message, Backward::Datagram(_)).then_some(());
    let reply = circuit::ask(circuit, &question, replied).await?;
    reply.ok_or_else(|| Code::TimedOut.into())
}
