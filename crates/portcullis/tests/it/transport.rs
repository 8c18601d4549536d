//! Limits and deadlines of connections and bodies, over the running binary; and what the tests of TLS share.

use crate::support::{Road, Server, binary};
use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate authority of a test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM.
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key in PEM.
    pub fn sign(&self, name: &str, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// The same as two files.
    pub fn files(&self, folder: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign(name, names);
        let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&files.0, certificate).unwrap();
        std::fs::write(&files.1, key).unwrap();
        files
    }
}

/// What a client of TLS offers and trusts.
pub fn client(trusted: &str, identity: Option<&(String, String)>, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots.add(der.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    config
}

/// Shakes hands.
pub async fn connect(address: &str, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(address.rsplit_once(':').unwrap().0.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Sends bytes and reads until the server closes; the answer as text.
pub async fn talk<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer of HTTP/1.
pub fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A figure of a process in KiB, as `VmRSS` or `VmHWM`.
pub fn memory(pid: u32, figure: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What every answer carries, whatever it says.
pub fn assert_secure(headers: &reqwest::header::HeaderMap) {
    for name in ["x-content-type-options", "referrer-policy", "content-security-policy"] {
        assert!(headers.contains_key(name), "{name} in {headers:?}");
    }
}

const HTTP: &str = "LIMITS__HTTP__";

fn http(name: &str) -> String {
    format!("{HTTP}{name}")
}

#[tokio::test]
async fn slow_heads_slow_bodies_and_silence_end_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (head, body, idle) = (http("HEAD_TIMEOUT"), http("BODY_TIMEOUT"), http("IDLE_TIMEOUT"));
    let settings = [(head.as_str(), "300ms"), (&body, "400ms"), (&idle, "500ms")];
    let server = Server::start_with(folder.path(), &settings);
    let stream = || async { TcpStream::connect(server.address()).await.unwrap() };
    let slow_head = talk(stream().await, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    assert_eq!(status(&slow_head), 408, "{slow_head}");
    let start = format!(
        "POST /api/v1/principals HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"name\":",
        server.token
    );
    let slow_body = talk(stream().await, start.as_bytes()).await;
    assert_eq!(status(&slow_body), 408, "{slow_body}");
    assert_eq!(talk(stream().await, b"").await, "", "a silent connection ends");
    let idle = talk(stream().await, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(status(&idle), 200, "answered, then ended: {idle}");
}

#[tokio::test]
async fn bodies_and_heads_beyond_a_limit_have_their_status() {
    let road = Road::walk_with(&[("LIMITS__BODY_BYTES", "100000")]);
    let url = format!("{}/endpoints/small/score", road.server.url);
    let post = |coding: &'static str, body: Vec<u8>| {
        let call = road.server.http().post(&url).bearer_auth(road.key()).body(body);
        let call = call.header("content-type", "application/json");
        if coding.is_empty() { call } else { call.header("content-encoding", coding) }
    };
    let rows = serde_json::to_vec(&json!({ "data": vec![Road::row(); 50] })).unwrap();
    for (coding, body, wanted) in [
        ("", rows.clone(), 200),
        ("gzip", gzip(&rows), 200),
        ("gzip", rows.clone(), 400),
        ("gzip", gzip(&rows)[..40].to_vec(), 400),
        ("br", rows.clone(), 415),
        ("gzip, gzip", gzip(&gzip(&rows)), 415),
        ("", vec![b' '; 100_001], 413),
        ("gzip", gzip(&vec![b' '; 30_000_000]), 413),
        ("", b"{\"data\":[{}]}".to_vec(), 422),
        ("", [vec![b'['; 70_000], vec![b']'; 20_000]].concat(), 400),
    ] {
        let answer = post(coding, body).send().await.unwrap();
        assert_eq!(answer.status(), wanted, "{coding}");
        assert_secure(answer.headers());
        let accepted = answer.headers().get("accept-encoding").cloned();
        assert_eq!(accepted.is_some(), wanted == 415, "{coding}: {accepted:?}");
    }
    let bomb = post("gzip", gzip(&vec![b' '; 30_000_000])).send().await.unwrap().text().await.unwrap();
    assert!(bomb.contains("more than 100 times its size"), "{bomb}");
    let long = post("", rows).header("x-long", "x".repeat(70_000)).send().await.unwrap();
    assert_eq!(long.status(), 431);
    assert_secure(long.headers());
}

#[tokio::test]
async fn the_control_plane_inflates_within_the_same_limits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let post = |coding: &'static str, body: Vec<u8>| {
        let call = server.http().post(format!("{}/api/v1/principals", server.url)).bearer_auth(&server.token);
        call.header("content-type", "application/json").header("content-encoding", coding).body(body).send()
    };
    let body = json!({ "name": "packed", "role": "reader" }).to_string();
    assert_eq!(post("gzip", gzip(body.as_bytes())).await.unwrap().status(), 201);
    let unknown = post("zstd", body.into_bytes()).await.unwrap();
    assert_eq!(unknown.status(), 415);
    assert_eq!(unknown.headers()["accept-encoding"], "gzip, deflate, identity");
    let bomb = post("gzip", gzip(&vec![b' '; 90 << 20])).await.unwrap();
    assert_eq!(bomb.status(), 413);
    assert!(memory(server.pid(), "VmHWM") < 200 << 10, "{} KiB", memory(server.pid(), "VmHWM"));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let connections = http("CONNECTIONS");
    let server = Server::start_with(folder.path(), &[(&connections, "3")]);
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        held.push(stream);
    }
    let mut next = TcpStream::connect(server.address()).await.unwrap();
    next.write_all(request).await.unwrap();
    assert_eq!(next.try_read(&mut [0; 512]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(held.pop());
    assert!(next.read(&mut [0; 512]).await.unwrap() > 0);
}

#[tokio::test]
async fn the_end_of_file_descriptors_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let program = binary().get_program().to_owned();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 96; exec \"$0\" \"$@\""]).arg(program);
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let server = Server::ready(command, folder.path());
    let mut held = Vec::new();
    for _ in 0..200 {
        // The kernel's queue takes them; the server has not enough descriptors for all.
        held.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let log = folder.path().join("logs/server.log");
    let end = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("could not be accepted")) {
        assert!(Instant::now() < end, "the limit was not reached");
        tokio::task::yield_now().await;
    }
    drop(held);
    let answer = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
