//! What the laboratory's users reach: an origin with many services, and the zone's name server.
//!
//! | port | service |
//! |---|---|
//! | 80, 443 | HTTP/1.1, see [`http`] |
//! | 7 | TCP and UDP echo |
//! | 9 | reads until the peer's half-close, then answers `LENGTH SHA256` and closes |
//! | 19 | sends the deterministic content without end |
//! | 21 | speaks first: a greeting, then echoes |
//! | 8443 | takes connections and answers nothing, neither TLS nor text |

pub mod dns;
pub mod http;
mod services;
mod tls;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What an origin needs to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// DER.
    pub certificate: PathBuf,
    /// PKCS #8 DER.
    pub key: PathBuf,
}

/// Serves on every address of the host until the process ends.
pub async fn run(options: Options) -> Result<()> {
    let acceptor = tls::acceptor(&options)?;
    let state = Arc::new(http::State::default());
    let plain = state.clone();
    serve(80, move |stream| http::serve(stream, plain.clone())).await?;
    serve(443, move |stream| {
        let (acceptor, state) = (acceptor.clone(), state.clone());
        async move {
            let stream = acceptor.accept(stream).await?;
            http::serve(stream, state).await
        }
    })
    .await?;
    serve(7, services::echo).await?;
    serve(9, services::digest).await?;
    serve(19, services::source).await?;
    serve(21, services::speak_first).await?;
    serve(8443, services::silence).await?;
    let udp = UdpSocket::bind(any(7))
        .await
        .context("Failed to listen on UDP port 7")?;
    services::udp_echo(udp).await
}

async fn serve<F, R>(port: u16, handle: F) -> Result<()>
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(any(port))
        .await
        .with_context(|| format!("Failed to listen on port {port}"))?;
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                // A peer that leaves in the middle is part of the tests.
                let _ = stream.set_nodelay(true);
                tokio::spawn(handle(stream));
            }
        }
    });
    Ok(())
}

/// Every IPv6 address, and by the kernel's default every IPv4 one.
fn any(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}
