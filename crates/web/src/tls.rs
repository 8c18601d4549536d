//! TLS of our own: a certificate from files, made for development, or by ACME; certificates of clients; change while serving.
//!
//! TLS 1.2 and 1.3 by rustls over aws-lc-rs, HTTP/1.1 and HTTP/2 by ALPN. What is served is one value behind an atomic
//! pointer: a connection that is open keeps what it began with, the next one gets what is current.

mod acme;
mod clients;
mod config;
mod generate;
mod pair;

use crate::error::Error;
use arc_swap::ArcSwapOption;
use config::Source;
use http::HeaderValue;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

pub use clients::ClientCertificate;
pub use config::{AcmeConfig, ClientMode, ClientsConfig, TlsConfig};

const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";
/// The protocol of ACME's proof (RFC 8737).
const ACME_TLS: &[u8] = b"acme-tls/1";
/// The first byte of a TLS record that begins a handshake; no HTTP request begins so.
const HANDSHAKE: u8 = 22;

/// TLS of one listener.
pub struct Tls {
    config: TlsConfig,
    source: Source,
    folder: PathBuf,
    names: Vec<String>,
    provider: Arc<CryptoProvider>,
    /// What new connections get; nothing before ACME's first certificate.
    current: ArcSwapOption<ServerConfig>,
    fingerprint: Mutex<String>,
    /// Proofs that an ACME server may ask for just now, by name.
    challenges: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
    hsts: Option<HeaderValue>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The folder of a data directory that holds certificates made or fetched, and their keys.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("tls")
}

/// The certificate that a data directory's server made for itself, if it made one.
pub fn generated(data_dir: &Path) -> Option<PathBuf> {
    Some(generate::certificate_file(&folder(data_dir))).filter(|file| file.is_file())
}

impl Tls {
    /// Reads what the settings name; `names` (DNS names, addresses) are what a generated certificate is for. Nothing when
    /// the settings name no certificate. What is made or fetched is kept in the data directory.
    pub fn open(config: &TlsConfig, data_dir: &Path, names: Vec<String>) -> Result<Option<Arc<Self>>, Error> {
        let Some(source) = config.source()? else { return Ok(None) };
        let age = config.hsts.0.as_secs();
        let tls = Self {
            config: config.clone(),
            source,
            folder: folder(data_dir),
            names,
            provider: Arc::new(aws_lc_rs::default_provider()),
            current: ArcSwapOption::empty(),
            fingerprint: Mutex::default(),
            challenges: Mutex::default(),
            hsts: (age > 0).then(|| HeaderValue::try_from(format!("max-age={age}")).ok()).flatten(),
        };
        match tls.reload() {
            // The first certificate by ACME comes while serving.
            Err(Error::Tls { .. }) if tls.source == Source::Acme => {}
            read => read?,
        }
        Ok(Some(Arc::new(tls)))
    }

    /// Reads certificate, key and client CA anew. When they are of no use, the old ones go on.
    pub fn reload(&self) -> Result<(), Error> {
        let pair = match &self.source {
            Source::Files { certificate, key } => pair::load(certificate, key)?,
            Source::Generated => generate::kept_or_made(&self.folder, &self.names)?,
            Source::Acme => {
                let (certificate, key) = acme::files(&self.folder);
                pair::load(&certificate, &key)?
            }
        };
        let fingerprint = pair.cert.first().map(|der| pair::fingerprint(der)).unwrap_or_default();
        let serve = self.server_config(pair)?;
        self.current.store(Some(Arc::new(serve)));
        *self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner) = fingerprint;
        Ok(())
    }

    /// The file of the certificate, and its SHA-256 fingerprint; what clients of a generated certificate trust.
    pub fn certificate(&self) -> (PathBuf, String) {
        let file = match &self.source {
            Source::Files { certificate, .. } => certificate.clone(),
            Source::Generated => generate::certificate_file(&self.folder),
            Source::Acme => acme::files(&self.folder).0,
        };
        (file, self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Whether the certificate was made here, so that clients must be told to trust it.
    pub fn is_generated(&self) -> bool {
        self.source == Source::Generated
    }

    /// The value of `Strict-Transport-Security` (RFC 6797), if any.
    pub(crate) fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    fn server_config(&self, pair: CertifiedKey) -> Result<ServerConfig, Error> {
        let verifier = clients::verifier(&self.config.clients, &self.provider)?;
        let unusable = |e: rustls::Error| Error::TlsSetting(format!("TLS: {e}"));
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?;
        let asks = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP11.to_vec()];
        if asks {
            // A resumed session would not be judged again: neither a withdrawn CA nor an expired certificate would show.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            // Sessions are kept by the clients, so their number costs nothing here.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
            config.send_tls13_tickets = 1;
        }
        Ok(config)
    }

    /// Keeps the certificate current, for as long as it is polled: watches the files, renews by ACME.
    pub(crate) async fn keep(&self) {
        match self.source {
            Source::Acme => drop(tokio::join!(self.watch(), acme::keep(self))),
            _ => self.watch().await,
        }
    }

    async fn watch(&self) {
        let pause = self.config.watch.0;
        if pause.is_zero() {
            return;
        }
        let mut seen = self.stamps();
        loop {
            tokio::time::sleep(pause).await;
            let now = self.stamps();
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => tracing::info!(fingerprint = %self.certificate().1, "a new certificate is served"),
                Err(e) => tracing::error!(error = %e, "certificate not taken, the one before goes on"),
            }
        }
    }

    /// What tells that a watched file was changed.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let mut files: Vec<PathBuf> = match &self.source {
            Source::Files { certificate, key } => vec![certificate.clone(), key.clone()],
            Source::Generated | Source::Acme => Vec::new(),
        };
        files.extend(Some(&self.config.clients.ca).filter(|ca| !ca.is_empty()).map(PathBuf::from));
        let stamp = |file: &PathBuf| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        files.iter().map(stamp).collect()
    }

    /// Begins a connection: looks at its first byte, and shakes hands when it is TLS.
    pub(crate) async fn greet(&self, stream: TcpStream) -> io::Result<Greeting> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(Greeting::Done);
        }
        if first[0] != HANDSHAKE {
            return Ok(Greeting::Plain(stream));
        }
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(proof) = self.proof(&begun.client_hello()) {
            begun.into_stream(proof).await?.shutdown().await?;
            return Ok(Greeting::Done);
        }
        let current = self.current.load_full();
        let config = current.ok_or_else(|| io::Error::other("there is no certificate yet"))?;
        let stream = begun.into_stream(config).await?;
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate =
            shown.map(|der| ClientCertificate::of(der)).transpose().map_err(io::Error::other)?;
        Ok(Greeting::Secure { stream: Box::new(stream), certificate: certificate.map(Arc::new) })
    }

    /// What an ACME server that asks for a proof is shown.
    fn proof(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let asked = self.source == Source::Acme && hello.alpn()?.eq([ACME_TLS]);
        let name = hello.server_name().filter(|_| asked)?;
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// What became of the first bytes of a connection.
pub(crate) enum Greeting {
    /// It does not speak TLS; nothing was read.
    Plain(TcpStream),
    /// It does.
    Secure { stream: Box<TlsStream<TcpStream>>, certificate: Option<Arc<ClientCertificate>> },
    /// There is nothing more to say.
    Done,
}
