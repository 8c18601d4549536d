//! What idle connections cost: 10,000 of them over TLS at the running binary, its resident memory before and after; fresh
//! from the handshake, after one call of HTTP/1.1, and after one of HTTP/2. The calls come when all connections are open,
//! 64 at once, so that nothing is given back before the last one. The goal is 300 MiB for each kind.
//! `PORTCULLIS_BENCH_CONNECTIONS` says how many.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use futures_util::{StreamExt, TryStreamExt, stream};
use h2::client::SendRequest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
/// Handshakes at once.
const AT_ONCE: usize = 64;

/// Memory that did not fall for so long falls no more.
const SETTLED: Duration = Duration::from_secs(6);

type Fail = Box<dyn std::error::Error + Send + Sync>;

/// How far a connection goes before it idles.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Handshake,
    Http1,
    Http2,
}

/// A connection that is held open.
#[expect(dead_code, reason = "what it holds is only kept")]
enum Held {
    Stream(Box<TlsStream<TcpStream>>),
    Driven(SendRequest<bytes::Bytes>, JoinHandle<()>),
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::main]
async fn main() -> Result<(), Fail> {
    let count: usize =
        std::env::var("PORTCULLIS_BENCH_CONNECTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    for kind in [Kind::Http1, Kind::Http2, Kind::Handshake] {
        measure(kind, count).await?;
    }
    Ok(())
}

async fn measure(kind: Kind, count: usize) -> Result<(), Fail> {
    let folder = tempfile::tempdir()?;
    let (server, ready) = serve(folder.path(), count)?;
    let text =
        |member: &str| ready[member].as_str().map(str::to_owned).ok_or("the first line lacks a member");
    let address = text("url")?.trim_start_matches("https://").to_owned();
    let tls = client(&std::fs::read(text("certificate_file")?)?, kind)?;
    // One call before, so that what is made once is not counted.
    drop(call(connect(&address, &tls).await?, kind).await?);
    let before = resident(server.0.id())?;
    let open: Vec<_> = stream::iter(0..count)
        .map(|_| connect(&address, &tls))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let held: Vec<Held> =
        stream::iter(open).map(|stream| call(stream, kind)).buffer_unordered(AT_ONCE).try_collect().await?;
    let called = resident(server.0.id())?;
    let after = at_rest(server.0.id()).await?;
    let each = after.saturating_sub(before) * 1024 / held.len() as u64;
    let [before, called, after] = [before, called, after].map(|kib| kib as f64 / 1024.0);
    println!(
        "{count} idle TLS connections, {kind:?}: {after:.0} MiB resident, {called:.0} right after the calls, {before:.0} \
         before; {each} bytes each",
    );
    Ok(())
}

fn serve(dir: &Path, count: usize) -> Result<(Serving, Value), Fail> {
    let mut child = Command::new(BINARY)
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir)
        .env("PORTCULLIS__LISTEN__TLS__GENERATE", "true")
        .env("PORTCULLIS__LIMITS__HTTP__IDLE_TIMEOUT", "1h")
        .env("PORTCULLIS__LIMITS__HTTP__HEAD_TIMEOUT", "1h")
        .env("PORTCULLIS__LIMITS__HTTP__CONNECTIONS", (count + 10).to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok((Serving(child), serde_json::from_str(&line)?))
}

fn client(certificate: &[u8], kind: Kind) -> Result<TlsConnector, Fail> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate)?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = match kind {
        Kind::Http2 => vec![b"h2".to_vec()],
        _ => vec![b"http/1.1".to_vec()],
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(address: &str, tls: &TlsConnector) -> Result<Box<TlsStream<TcpStream>>, Fail> {
    let stream = TcpStream::connect(address).await?;
    Ok(Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?))
}

async fn call(mut stream: Box<TlsStream<TcpStream>>, kind: Kind) -> Result<Held, Fail> {
    match kind {
        Kind::Handshake => Ok(Held::Stream(stream)),
        Kind::Http1 => {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
            stream.flush().await?;
            let n = stream.read(&mut [0; 1024]).await?;
            if n == 0 { Err("no answer".into()) } else { Ok(Held::Stream(stream)) }
        }
        Kind::Http2 => {
            let (send, connection) = h2::client::handshake(stream).await?;
            let driven = tokio::spawn(async move { drop(connection.await) });
            let mut send = send.ready().await?;
            let request = http::Request::get("https://localhost/health").body(())?;
            send.send_request(request, true)?.0.await?;
            Ok(Held::Driven(send, driven))
        }
    }
}

/// Resident memory of a process in KiB once it falls no more.
async fn at_rest(pid: u32) -> Result<u64, Fail> {
    let (mut lowest, mut since) = (resident(pid)?, Instant::now());
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    while since.elapsed() < SETTLED {
        looks.tick().await;
        let now = resident(pid)?;
        if now < lowest {
            (lowest, since) = (now, Instant::now());
        }
    }
    resident(pid)
}

/// Resident memory of a process in KiB.
fn resident(pid: u32) -> Result<u64, Fail> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}
