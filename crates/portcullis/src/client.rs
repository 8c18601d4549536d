//! The typed HTTP client of the control plane that every command uses.

use bytes::Bytes;
use domain::{ErrorCode, Fault};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio_util::io::ReaderStream;

/// What stays as it is in a path segment besides letters and digits.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// An API path keeps its slashes.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%');

/// A client bound to one server and one token.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What a client trusts and shows besides the system's authorities.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// PEM files of certificates that are trusted.
    pub trusted: Vec<PathBuf>,
    /// A PEM file with the client's own certificate and key.
    pub identity: Option<PathBuf>,
}

/// Encodes one path segment.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Encodes a path of several segments.
pub fn path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

impl Client {
    /// A client for a server's base URL.
    pub fn new(base: &str, token: String, tls: &ClientTls) -> Result<Self, Fault> {
        let mut http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        for file in &tls.trusted {
            let wrong = |e: &dyn std::fmt::Display| Fault::invalid(format!("{}: {e}", file.display()));
            let text = std::fs::read(file).map_err(|e| wrong(&e))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&text).map_err(|e| wrong(&e))?;
            if certificates.is_empty() {
                return Err(wrong(&"no certificate in it: expected -----BEGIN CERTIFICATE-----"));
            }
            http = http.tls_certs_merge(certificates);
        }
        if let Some(file) = &tls.identity {
            let wrong = |e: &dyn std::fmt::Display| Fault::invalid(format!("{}: {e}", file.display()));
            let text = std::fs::read(file).map_err(|e| wrong(&e))?;
            let identity = reqwest::Identity::from_pem(&text)
                .map_err(|e| wrong(&format!("no certificate and key in one PEM file: {e}")))?;
            http = http.identity(identity);
        }
        let http = http.build().map_err(|e| Fault::internal(format!("building the HTTP client: {e}")))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// The server's base URL without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bare HTTP client, for calls as an outsider makes them.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    fn request(&self, method: Method, route: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{route}", self.base)).bearer_auth(&self.token)
    }

    /// GET, JSON answer.
    pub async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Fault> {
        json(send(self.request(Method::GET, route)).await?).await
    }

    /// GET of a whole URL without credentials, JSON answer.
    pub async fn open<T: DeserializeOwned>(&self, url: &str) -> Result<T, Fault> {
        json(send(self.http.get(url)).await?).await
    }

    /// POST of a form to a whole URL without a bearer, JSON answer: a call of a token service.
    pub async fn form(&self, url: &str, form: &[(&str, String)]) -> Result<serde_json::Value, Fault> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        json(send(request.body(body)).await?).await
    }

    /// GET, the bytes.
    pub async fn bytes(&self, route: &str) -> Result<Bytes, Fault> {
        send(self.request(Method::GET, route)).await?.bytes().await.map_err(broken)
    }

    /// A call with a JSON body and a JSON answer.
    pub async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        route: &str,
        body: &B,
    ) -> Result<T, Fault> {
        json(send(self.request(method, route).json(body)).await?).await
    }

    /// POST with a JSON body and a JSON answer.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, route: &str, body: &B) -> Result<T, Fault> {
        self.send(Method::POST, route, body).await
    }

    /// A call whose answer has no body.
    pub async fn quiet<B: Serialize>(
        &self,
        method: Method,
        route: &str,
        body: Option<&B>,
    ) -> Result<(), Fault> {
        let request = self.request(method, route);
        send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
        .map(|_| ())
    }

    /// POST of a stream of bytes, JSON answer.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        route: &str,
        stream: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<T, Fault> {
        let request = self.request(Method::POST, route).header("content-type", "application/octet-stream");
        json(send(request.body(reqwest::Body::wrap_stream(stream))).await?).await
    }

    /// A call without a body, the answer as a stream of chunks.
    pub async fn download(
        &self,
        method: Method,
        route: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let answer = send(self.request(method, route)).await?;
        Ok(answer.bytes_stream().map(|chunk| chunk.map_err(broken)).boxed())
    }

    /// GET of JSON lines, handed over one by one.
    pub async fn lines(&self, route: &str, each: impl FnMut(serde_json::Value)) -> Result<(), Fault> {
        self.lines_of(Method::GET, route, each).await
    }

    /// JSON lines of any call without a body, handed over one by one.
    pub async fn lines_of(
        &self,
        method: Method,
        route: &str,
        mut each: impl FnMut(serde_json::Value),
    ) -> Result<(), Fault> {
        let mut stream = self.download(method, route).await?;
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = stream.next().await {
            rest.extend_from_slice(&chunk?);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                each(
                    serde_json::from_slice(&line)
                        .map_err(|e| Fault::internal(format!("reading an event: {e}")))?,
                );
            }
        }
        Ok(())
    }
}

/// A file (or standard input for `-`) as a stream of chunks that tells how far it is.
pub async fn file_stream(
    file: &Path,
    mut told: impl FnMut(u64) + Send + 'static,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Fault> {
    const CHUNK: usize = 256 * 1024;
    let mut sum = 0;
    let count = move |chunk: std::io::Result<Bytes>| {
        if let Ok(bytes) = &chunk {
            sum += bytes.len() as u64;
            told(sum);
        }
        chunk
    };
    if file.as_os_str() == "-" {
        return Ok(ReaderStream::with_capacity(tokio::io::stdin(), CHUNK).map(count).boxed());
    }
    let opened =
        tokio::fs::File::open(file).await.map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
    Ok(ReaderStream::with_capacity(opened, CHUNK).map(count).boxed())
}

async fn json<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, Fault> {
    let body = answer.bytes().await.map_err(broken)?;
    serde_json::from_slice(&body)
        .map_err(|e| Fault::internal(format!("the server's answer is not what was expected: {e}")))
}

async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, Fault> {
    let answer = request.send().await.map_err(broken)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let body = answer.bytes().await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = ["detail", "message", "title", "error_description"]
        .iter()
        .find_map(|member| problem.get(member)?.as_str());
    let message = said.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    Err(Fault::new(code_of(status.as_u16()), message))
}

fn code_of(status: u16) -> ErrorCode {
    match status {
        400 => ErrorCode::InvalidInput,
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        413 => ErrorCode::TooLarge,
        415 => ErrorCode::UnsupportedMedia,
        422 => ErrorCode::Unprocessable,
        429 => ErrorCode::TooManyRequests,
        503 => ErrorCode::Unavailable,
        507 => ErrorCode::StorageFull,
        _ => ErrorCode::Internal,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err by name")]
fn broken(error: reqwest::Error) -> Fault {
    if error.is_connect() && refused(&error) {
        let server = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        return Fault::new(
            ErrorCode::Unavailable,
            format!("no server at {server}: start `portcullis serve`, or name another with --server"),
        );
    }
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        source = inner.source();
    }
    Fault::new(ErrorCode::Unavailable, format!("{message}{}", tls_help(&message)))
}

/// Whether nobody listens there.
fn refused(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
        {
            return true;
        }
        source = inner.source();
    }
    false
}

/// Which flag helps against a fault of TLS.
fn tls_help(message: &str) -> &'static str {
    let said = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if said(&["CertificateRequired", "certificate required", "HandshakeFailure"]) {
        "; the server asks for a client certificate: name a PEM file of certificate and key with --client-certificate"
    } else if said(&["invalid peer certificate", "UnknownIssuer", "CaUsedAsEndEntity"]) {
        "; if you trust this server, name a PEM file of its certificate or of its authority with --ca-file"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::tls_help;

    #[test]
    fn faults_of_tls_name_the_flag_that_helps() {
        let unknown = "client error (Connect): invalid peer certificate: UnknownIssuer";
        assert!(tls_help(unknown).contains("--ca-file"));
        let asked = "received fatal alert: CertificateRequired";
        assert!(tls_help(asked).contains("--client-certificate"));
        assert_eq!(tls_help("connection refused"), "");
    }
}
