//! How a failure looks to the app: refused before the handshake, or a page, an
//! alert or a reset after it.

use crate::app::AppTcp;
use masq_core::destination::{Destination, HostName};
use masq_core::failure::Failure;
use masq_core::impersonate::{self, Ending, IcmpKind};
use masq_stack::Refusal;
use std::future::poll_fn;
use std::time::Duration;

/// How long an app gets to say something that can be answered.
const FIRST_BYTES: Duration = Duration::from_millis(500);
/// How much of it decides the answer.
const ENOUGH: usize = 512;

/// The answer to a SYN, or to a datagram, that goes nowhere.
pub(super) fn refusal(failure: &Failure) -> Refusal {
    match impersonate::icmp_kind(failure.code) {
        IcmpKind::NetUnreachable => Refusal::NetUnreachable,
        IcmpKind::HostUnreachable => Refusal::HostUnreachable,
        IcmpKind::AdminProhibited => Refusal::AdminProhibited,
        // For TCP this is what a RST says.
        IcmpKind::PortUnreachable => Refusal::Reset,
    }
}

/// Ends a flow that was not accepted yet.
pub(super) async fn before_accept(app: &AppTcp, to: &Destination, failure: &Failure) {
    if matches!(impersonate::ending(to.port(), &[], failure), Ending::Reset) {
        app.refuse(refusal(failure));
        return;
    }
    app.accept();
    after_accept(app, to, &[], failure).await;
}

/// Ends a flow of which the app has sent `first` and received nothing.
pub(super) async fn after_accept(app: &AppTcp, to: &Destination, first: &[u8], failure: &Failure) {
    let mut first = first.to_vec();
    if first.is_empty() {
        let read = poll_fn(|cx| {
            app.poll_recv(cx, |data| {
                let amount = data.len().min(ENOUGH);
                (data.len(), data[..amount].to_vec())
            })
        });
        match tokio::time::timeout(FIRST_BYTES, read).await {
            Ok(Ok(Some(bytes))) => first = bytes,
            Ok(Ok(None) | Err(_)) => return app.abort(),
            Err(_) => {}
        }
    }
    let name = to.name().map(HostName::as_str);
    let answer = match impersonate::ending_for(name, to.port(), &first, failure) {
        Ending::Page(page) => page,
        Ending::TlsAlert(alert) => alert.to_vec(),
        Ending::Reset => return app.abort(),
    };
    if app.send_all(&answer).await.is_ok() {
        app.finish();
        drain(app).await;
        app.release();
    }
}

/// Takes what the app still sends, so that the answer is not lost to a reset.
async fn drain(app: &AppTcp) {
    let all = async {
        while let Ok(Some(())) = poll_fn(|cx| app.poll_recv(cx, |data| (data.len(), ()))).await {}
    };
    // An app that goes on sending has had its answer.
    let _ = tokio::time::timeout(FIRST_BYTES * 4, all).await;
}
