//! Connections of the load: TCP, with TLS for https.

use crate::client::ClientTls;
use bytes::Bytes;
use domain::Fault;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_platform_verifier::Verifier;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Opens connections to one place; cheap to clone.
#[derive(Clone)]
pub struct Connector(Option<TlsConnector>);

impl Connector {
    /// For a URL of http or https; of the latter with what the client trusts and shows.
    pub fn new(uri: &Uri, tls: &ClientTls) -> Result<Self, Fault> {
        match uri.scheme_str() {
            Some("https") => Ok(Self(Some(Arc::new(config(tls)?).into()))),
            Some("http") => Ok(Self(None)),
            _ => Err(Fault::invalid(format!("{uri}: write http:// or https://"))),
        }
    }

    /// One connection of HTTP/1.1, ready for a request; else what broke.
    pub async fn connect(&self, uri: &Uri) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = uri.host().unwrap_or("127.0.0.1").trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if self.0.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|e| failed(&e.kind()))?;
        stream.set_nodelay(true).map_err(|e| failed(&e.kind()))?;
        let Some(tls) = &self.0 else { return speak(stream).await };
        let name = ServerName::try_from(host).map_err(|e| failed(&e))?;
        speak(tls.connect(name, stream).await.map_err(|e| failed(&e))?).await
    }
}

fn failed(why: &dyn std::fmt::Display) -> String {
    format!("connecting: {why}")
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender.ready().await.map_err(|e| failed(&e))?;
    Ok(sender)
}

fn config(tls: &ClientTls) -> Result<ClientConfig, Fault> {
    let wrong = |e: rustls::Error| Fault::invalid(format!("TLS: {e}"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut trusted = Vec::new();
    for file in &tls.trusted {
        trusted.extend(certificates(file)?);
    }
    let verifier = Verifier::new_with_extra_roots(trusted, provider.clone()).map_err(wrong)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(file) => {
            let key = PrivateKeyDer::from_pem_file(file)
                .map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
            builder.with_client_auth_cert(certificates(file)?, key).map_err(wrong)
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let wrong = |e: &dyn std::fmt::Display| Fault::invalid(format!("{}: {e}", file.display()));
    let all = CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?;
    all.collect::<Result<_, _>>().map_err(|e| wrong(&e))
}
