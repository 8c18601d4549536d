//! Certificates that clients show (mutual TLS).

use super::config::{ClientMode, ClientsConfig};
use super::pair::{self, Facts};
use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// A verified certificate of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject as text, as `CN=scorer, O=Bank`.
    pub subject: String,
    /// Its alternative names: DNS names, addresses, URIs, mail addresses.
    pub names: Vec<String>,
    /// The SHA-256 of its DER bytes in base64url without padding: `x5t#S256` of a token's `cnf` claim (RFC 8705 §3.1).
    pub thumbprint: String,
}

impl ClientCertificate {
    /// Reads a certificate that was verified before.
    pub(super) fn of(der: &[u8]) -> Result<Self, String> {
        let Facts { subject, names, .. } = Facts::of(der)?;
        Ok(Self { subject, names, thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(der)) })
    }
}

/// Who judges certificates of clients; nobody when they are not asked for any.
pub(super) fn verifier(
    config: &ClientsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    if config.mode == ClientMode::Off {
        return Ok(None);
    }
    let file = Path::new(&config.ca);
    let mut roots = RootCertStore::empty();
    for certificate in pair::certificates(file)? {
        roots.add(certificate).map_err(|e| Error::tls(file, format!("no CA certificate: {e}")))?;
    }
    let judge = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let judge = match config.mode {
        ClientMode::Optional => judge.allow_unauthenticated(),
        _ => judge,
    };
    judge.build().map(Some).map_err(|e| Error::tls(file, format!("no CA for client certificates: {e}")))
}
