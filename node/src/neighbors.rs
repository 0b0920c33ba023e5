//! Takes the links of others, and keeps one with each configured neighbor of a
//! static mesh (`nodes-file`), where nobody looks for others.

use crate::link::quic::{QuicEndpoint, QuicLink};
use crate::link::{Link, LinkError};
use crate::outside::Outside;
use crate::serve::{self, Services};
use masq_core::failure::Code;
use masq_core::identity::NodeId;
use rand::Rng;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A link that lived this long makes the next dial start without a pause.
const STEADY: Duration = Duration::from_secs(10);
/// Links that others may have with us at one time.
const MAX_LINKS: usize = 1_024;

/// How long we wait for a neighbor that probably dials us: of two Nodes that
/// both accept links, the one with the smaller id dials first, so that there is
/// one link between them and not two.
pub fn patience(own: &NodeId, peer: &NodeId, listens: bool) -> Duration {
    if listens && own > peer {
        Duration::from_millis(150)
    } else {
        Duration::ZERO
    }
}

/// Dials `peer` whenever there is no link with it, after some first `patience`.
pub async fn keep<O: Outside>(
    services: Rc<Services<QuicLink, O>>,
    endpoint: QuicEndpoint,
    peer: NodeId,
    address: SocketAddr,
    patience: Duration,
) {
    sleep(patience).await;
    let mut pause = FIRST_PAUSE;
    loop {
        let mut changes = services.mesh.changes();
        while services.mesh.link(&peer).is_some() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        let start = Instant::now();
        let dialled = timeout(DIAL_TIMEOUT, endpoint.dial(peer, address)).await;
        match dialled.unwrap_or_else(|_| Err(LinkError::NoAnswer)) {
            Ok(link) => serve_link(services.clone(), link).await,
            Err(error) => {
                tracing::warn!(
                    code = %Code::LinkRefused,
                    peer = %peer.short(),
                    %address,
                    %error,
                    retry_ms = pause.as_millis() as u64,
                    "no link with the neighbor"
                );
            }
        }
        if start.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        let jitter = rand::rng().random_range(0.5..1.0);
        sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Takes the links of others until the endpoint is closed; `serve` carries each
/// to its end.
pub async fn accept<O: Outside, F: Future<Output = ()> + 'static>(
    services: Rc<Services<QuicLink, O>>,
    endpoint: QuicEndpoint,
    serve: impl Fn(QuicLink) -> F + Clone + 'static,
) {
    // Every link that others began counts, also those whose handshake is under
    // way and several with one peer.
    let open = Rc::new(());
    while let Some(incoming) = endpoint.accept().await {
        if Rc::strong_count(&open) > MAX_LINKS {
            services.troubles.note(Code::Overloaded, "link refused");
            incoming.refuse();
            continue;
        }
        let (services, open, serve) = (services.clone(), open.clone(), serve.clone());
        spawn_local(async move {
            let _open = open;
            match timeout(DIAL_TIMEOUT, QuicEndpoint::handshake(incoming)).await {
                Ok(Ok(link)) => serve(link).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a link was not made");
                    services
                        .troubles
                        .note(Code::LinkRefused, "handshake failed");
                }
                Err(_) => services
                    .troubles
                    .note(Code::LinkRefused, "handshake too slow"),
            }
        });
    }
}

/// Carries a link of a static mesh.
pub async fn serve_link<O: Outside>(services: Rc<Services<QuicLink, O>>, link: QuicLink) {
    let peer = link.peer();
    tracing::info!(event = "link-up", peer = %peer.short(), address = %link.remote_address());
    services.mesh.insert(link.clone());
    share_windows(&services);
    tokio::select! {
        () = serve::link(services.clone(), link.clone()) => {}
        () = link.silent() => link.close("silent"),
        _ = link.closed() => {}
    }
    services.mesh.remove(&link);
    share_windows(&services);
    let reason = link.closed().await;
    tracing::info!(event = "link-down", peer = %peer.short(), %reason);
}

fn share_windows<O: Outside>(services: &Services<QuicLink, O>) {
    let links = services.mesh.links();
    for link in &links {
        link.share_window(links.len());
    }
}
