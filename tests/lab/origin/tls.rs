//! The origin's TLS: one certificate of the laboratory's authority, HTTP/1.1.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::Options;

pub(super) fn acceptor(options: &Options) -> Result<TlsAcceptor> {
    let certificate = fs::read(&options.certificate).context("Failed to read the certificate")?;
    let key = fs::read(&options.key).context("Failed to read the key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivatePkcs8KeyDer::from(key).into(),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
