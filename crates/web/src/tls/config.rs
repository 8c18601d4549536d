//! Settings of TLS: section `listen.tls`.

use crate::error::Error;
use domain::Span;
use serde::Deserialize;
use std::path::PathBuf;

/// Section `listen.tls`. Defaults stand in `config.default.toml`; without a certificate the listener speaks plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The PEM file of the certificate and its chain, the server's own first; empty: none.
    pub certificate: String,
    /// The PEM file of its private key.
    pub key: String,
    /// A self-signed certificate for development, made and kept in the data directory.
    pub generate: bool,
    /// How often certificate, key and client CA are looked at for a change.
    pub watch: Span,
    /// How long browsers are told to come back over https only; 0 tells them nothing.
    pub hsts: Span,
    /// Client certificates.
    pub clients: ClientsConfig,
    /// Certificates by ACME.
    pub acme: AcmeConfig,
}

/// Section `listen.tls.clients`: certificates of clients (mutual TLS).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsConfig {
    /// Whether a client is asked for a certificate.
    pub mode: ClientMode,
    /// The PEM file of the authorities that sign them.
    pub ca: String,
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientMode {
    /// They are not asked.
    Off,
    /// They may; one that is shown must be good.
    Optional,
    /// No connection without a good one.
    Required,
}

/// Section `listen.tls.acme`: certificates from an ACME server (RFC 8555), proved by TLS-ALPN-01 (RFC 8737).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// The names the certificate is for; empty switches ACME off.
    pub domains: Vec<String>,
    /// Contacts of the account, as `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// The directory's URL.
    pub directory: String,
    /// The PEM file of the CA behind a private directory's own https; empty: the system's.
    pub ca: String,
    /// Whether the terms of the directory are agreed to; without it no account is made.
    pub accept_terms: bool,
    /// How long before its end a certificate is renewed; at most a third of its life.
    pub renew_before: Span,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Files { certificate: PathBuf, key: PathBuf },
    Generated,
    Acme,
}

impl TlsConfig {
    /// Whether the listener speaks TLS. Settings that contradict each other are refused.
    pub fn is_on(&self) -> Result<bool, Error> {
        self.source().map(|source| source.is_some())
    }

    /// Makes the listener speak plain HTTP, whatever was set.
    pub fn turn_off(&mut self) {
        self.certificate.clear();
        self.key.clear();
        self.generate = false;
        self.acme.domains.clear();
        self.clients.mode = ClientMode::Off;
    }

    pub(super) fn source(&self) -> Result<Option<Source>, Error> {
        let wrong = |text: &str| Err(Error::TlsSetting(text.to_owned()));
        let files = !self.certificate.is_empty() || !self.key.is_empty();
        let acme = !self.acme.domains.is_empty();
        if u8::from(files) + u8::from(self.generate) + u8::from(acme) > 1 {
            return wrong(
                "only one of listen.tls.certificate, listen.tls.generate and listen.tls.acme.domains",
            );
        }
        if files && (self.certificate.is_empty() || self.key.is_empty()) {
            return wrong("listen.tls.certificate and listen.tls.key belong together: name both files");
        }
        if acme && self.acme.directory.is_empty() {
            return wrong("listen.tls.acme.directory is empty: name the URL of the ACME server's directory");
        }
        if acme && !self.acme.accept_terms {
            return wrong(
                "an ACME account needs its server's terms: read them, then set listen.tls.acme.accept_terms",
            );
        }
        if self.clients.mode != ClientMode::Off && self.clients.ca.is_empty() {
            return wrong(
                "listen.tls.clients.ca is empty: name the PEM file of the CA that signs client certificates",
            );
        }
        let source = if files {
            let [certificate, key] = [&self.certificate, &self.key].map(PathBuf::from);
            Some(Source::Files { certificate, key })
        } else if self.generate {
            Some(Source::Generated)
        } else {
            acme.then_some(Source::Acme)
        };
        if source.is_none() && self.clients.mode != ClientMode::Off {
            return wrong("client certificates need TLS: set listen.tls.certificate and listen.tls.key");
        }
        Ok(source)
    }
}
