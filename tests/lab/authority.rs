//! The laboratory's certificate authority, made anew for each laboratory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Files of the authority: its certificate for clients, the origin's chain and key for the server.
#[derive(Clone, Debug)]
pub struct Files {
    /// PEM, for `curl --cacert`.
    pub authority: PathBuf,
    /// DER of the origin's certificate.
    pub certificate: PathBuf,
    /// PKCS #8 DER of the origin's key.
    pub key: PathBuf,
}

/// Makes an authority and a certificate of it for `names`, and writes both into `folder`.
pub fn create(folder: &Path, names: &[String]) -> Result<Files> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "MASQ laboratory");
    let authority = params.self_signed(&authority_key)?;
    let issuer = Issuer::new(params, authority_key);

    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(names.to_vec())?.signed_by(&key, &issuer)?;

    let files = Files {
        authority: folder.join("authority.pem"),
        certificate: folder.join("origin.der"),
        key: folder.join("origin.key"),
    };
    fs::write(&files.authority, pem(authority.der())).context("Failed to write the authority")?;
    fs::write(&files.certificate, leaf.der()).context("Failed to write the certificate")?;
    fs::write(&files.key, key.serialize_der()).context("Failed to write the key")?;
    Ok(files)
}

/// RFC 7468, section 2.
fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
