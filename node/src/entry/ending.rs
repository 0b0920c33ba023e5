//! How a failure looks to the app: refused before the handshake, or a page, an
//! alert or a reset after it.

use crate::app::AppTcp;
use masq_core::failure::{Code, Failure};
use masq_core::impersonate::{self, Ending};
use masq_stack::Refusal;
use std::future::poll_fn;
use std::time::Duration;

/// How long an app gets to say something that can be answered.
const FIRST_BYTES: Duration = Duration::from_millis(500);
/// How much of it decides the answer.
const ENOUGH: usize = 512;

/// The answer to a SYN, or to a datagram, that goes nowhere.
pub(super) fn refusal(failure: &Failure) -> Refusal {
    match failure.code {
        Code::Policy | Code::Blocked => Refusal::AdminProhibited,
        Code::Unreachable | Code::TimedOut | Code::NoRoute => Refusal::HostUnreachable,
        _ => Refusal::Reset,
    }
}

/// Ends a flow that was not accepted yet.
pub(super) async fn before_accept(app: &AppTcp, port: u16, failure: &Failure) {
    if matches!(impersonate::ending(port, &[], failure), Ending::Reset) {
        app.refuse(refusal(failure));
        return;
    }
    app.accept();
    after_accept(app, port, &[], failure).await;
}

/// Ends a flow of which the app has sent `first` and received nothing.
pub(super) async fn after_accept(app: &AppTcp, port: u16, first: &[u8], failure: &Failure) {
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
    let answer = match impersonate::ending(port, &first, failure) {
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
