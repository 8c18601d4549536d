//! TLS over the running binary: certificates made and given, their change, client certificates, strictness inside.

use crate::support::{Road, Server, binary, skip};
use crate::transport::{Authority, assert_secure, client, connect, status, talk};
use rustls::ProtocolVersion;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GENERATE: (&str, &str) = ("LISTEN__TLS__GENERATE", "true");
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn certificate(server: &Server) -> String {
    std::fs::read_to_string(server.certificate.as_ref().unwrap()).unwrap()
}

/// The certificate a new connection is shown.
async fn shown(server: &Server, trusted: &str) -> Vec<u8> {
    let stream = connect(&server.address(), client(trusted, None, &[])).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Asks again until a condition holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < end, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_generated_certificate_serves_both_protocols_and_the_own_commands() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[GENERATE]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let pem = certificate(&server);
    for (offered, spoken) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["http/1.1", "h2"], Some("h2")),
        (&[], None),
    ] {
        let stream = connect(&server.address(), client(&pem, None, offered)).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), spoken.map(str::as_bytes), "{offered:?}");
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        if spoken == Some("h2") {
            let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
            let driven = tokio::spawn(connection);
            let health = http::Request::get("https://localhost/health").body(()).unwrap();
            let answer = send.send_request(health, true).unwrap().0.await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
            driven.abort();
        } else {
            assert_eq!(status(&talk(stream, HEALTH).await), 200);
        }
    }
    let answer = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get("strict-transport-security").is_none(), "loopback is not bound to https");
    let key = folder.path().join("tls/key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // A command on the same data directory finds the server and trusts what it made.
    let found =
        binary().args(["endpoint", "list", "--json", "--data-dir"]).arg(folder.path()).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    // Without the file nobody trusts it.
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(stranger.get(format!("{}/health", server.url)).send().await.is_err());
    server.kill();
    let again = Server::start_with(folder.path(), &[GENERATE]);
    assert_eq!(certificate(&again), pem, "kept from start to start");
}

#[tokio::test]
async fn plain_http_at_a_port_of_tls_is_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[GENERATE]);
    let ask = format!(
        "GET /api/v1/endpoints HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        server.token
    );
    let answer = talk(TcpStream::connect(server.address()).await.unwrap(), ask.as_bytes()).await;
    assert_eq!(status(&answer), 426, "{answer}");
    // Neither TLS nor HTTP: the connection just ends.
    let noise =
        talk(TcpStream::connect(server.address()).await.unwrap(), &[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]).await;
    assert!(!noise.contains("HTTP"), "{noise:?}");
    assert!(server.http().get(format!("{}/health", server.url)).send().await.unwrap().status() == 200);
}

#[tokio::test]
async fn heads_are_as_strict_inside_tls() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [GENERATE, ("LIMITS__HTTP__HEAD_TIMEOUT", "400ms")];
    let server = Server::start_with(folder.path(), &settings);
    let pem = certificate(&server);
    let post = "POST /health HTTP/1.1\r\nHost: localhost\r\n";
    for (head, wanted) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        ("Host: other\r\n\r\n", 400),
        ("X: a\r\n b\r\n\r\n", 400),
        ("X: a\rb\r\n\r\n", 400),
        ("X-Slow: ", 408),
    ] {
        let stream = connect(&server.address(), client(&pem, None, &["http/1.1"])).await.unwrap();
        let answer = talk(stream, format!("{post}{head}").as_bytes()).await;
        assert_eq!(status(&answer), wanted, "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "closed after it: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
    // A handshake that never ends is ended.
    assert_eq!(talk(TcpStream::connect(server.address()).await.unwrap(), &[22]).await, "");
}

#[tokio::test]
async fn the_whole_road_goes_over_tls() {
    let road = Road::walk_with(&[GENERATE]);
    let body = json!({ "data": [Road::row()] });
    let (code, text) = road.server.post("/endpoints/small/score", Some(road.key()), &body).await;
    assert_eq!(code, 200, "{text}");
    let token = road.server.token_for(&road.principal).await;
    let (code, text) = road.server.post("/team/small/score", Some(&token), &body).await;
    assert_eq!(code, 200, "{text}");
}

fn signal(pid: u32, name: &str) {
    assert!(
        std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success()
    );
}

/// Settings of a server with a pair of files.
fn pair<'a>((certificate, key): (&'a Path, &'a Path), watch: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("LISTEN__TLS__CERTIFICATE", certificate.to_str().unwrap()),
        ("LISTEN__TLS__KEY", key.to_str().unwrap()),
        ("LISTEN__TLS__WATCH", watch),
    ]
}

#[tokio::test]
async fn a_changed_certificate_is_taken_and_a_bad_one_refused_while_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("test CA");
    let (certificate, key) = ca.files(folder.path(), "server", &["127.0.0.1"]);
    let data = folder.path().join("data");
    let server = Server::start_with(&data, &pair((&certificate, &key), "50ms"));
    let first = shown(&server, &ca.pem).await;
    let mut open = connect(&server.address(), client(&ca.pem, None, &["http/1.1"])).await.unwrap();
    let keep = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    open.write_all(keep).await.unwrap();
    assert!(open.read(&mut [0; 1024]).await.unwrap() > 0);
    // The certificate of another key: refused by name, the old one goes on.
    let (other, other_key) = ca.sign("server", &["127.0.0.1"]);
    std::fs::write(&certificate, &other).unwrap();
    let log = data.join("logs/server.log");
    until("the log names the key that does not fit", async || {
        std::fs::read_to_string(&log)
            .is_ok_and(|text| text.contains("this key is not that of the certificate"))
    })
    .await;
    assert_eq!(shown(&server, &ca.pem).await, first);
    // With its key: taken by itself.
    std::fs::write(&key, &other_key).unwrap();
    until("the new certificate is shown", async || shown(&server, &ca.pem).await != first).await;
    open.write_all(keep).await.unwrap();
    assert!(open.read(&mut [0; 1024]).await.unwrap() > 0, "the open connection stayed");
    let bad = folder.path().join("bad");
    let refused = binary()
        .args(["serve", "--data-dir"])
        .arg(&bad)
        .env("PORTCULLIS__LISTEN__TLS__CERTIFICATE", &certificate)
        .env("PORTCULLIS__LISTEN__TLS__KEY", &certificate)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("server.pem: no private key"), "{told}");
}

#[tokio::test]
async fn a_hangup_reads_the_certificate_anew() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("test CA");
    let (certificate, key) = ca.files(folder.path(), "server", &["127.0.0.1"]);
    let server = Server::start_with(&folder.path().join("data"), &pair((&certificate, &key), "0s"));
    let first = shown(&server, &ca.pem).await;
    ca.files(folder.path(), "server", &["127.0.0.1", "localhost"]);
    assert_eq!(shown(&server, &ca.pem).await, first, "nothing is watched");
    signal(server.pid(), "HUP");
    until("the new certificate is shown", async || shown(&server, &ca.pem).await != first).await;
}

/// One request over TLS; what went wrong when there is no answer.
async fn ask(server: &Server, config: rustls::ClientConfig) -> Result<u16, String> {
    let mut stream = connect(&server.address(), config).await.map_err(|e| e.to_string())?;
    stream.write_all(HEALTH).await.map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    // With TLS 1.3 a refused client learns it only when it reads.
    stream.read_to_end(&mut answer).await.map_err(|e| e.to_string())?;
    Ok(status(&String::from_utf8_lossy(&answer)))
}

#[tokio::test]
async fn client_certificates_are_asked_for_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, people, strangers) =
        (Authority::new("test CA"), Authority::new("people"), Authority::new("strangers"));
    let (certificate, key) = ca.files(folder.path(), "server", &["127.0.0.1"]);
    let authorities = folder.path().join("people.pem");
    std::fs::write(&authorities, &people.pem).unwrap();
    let good = people.sign("scorer", &["scorer.example"]);
    let bad = strangers.sign("scorer", &["scorer.example"]);
    for (mode, nobody) in [("required", false), ("optional", true)] {
        let mut settings = pair((&certificate, &key), "10s").to_vec();
        settings.extend([
            ("LISTEN__TLS__CLIENTS__MODE", mode),
            ("LISTEN__TLS__CLIENTS__CA", authorities.to_str().unwrap()),
        ]);
        let data = folder.path().join(mode);
        let server = Server::start_with(&data, &settings);
        for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
            let config = |identity| {
                let mut config = client(&ca.pem, identity, &["http/1.1"]);
                let provider = config.crypto_provider().clone();
                let narrowed = rustls::ClientConfig::builder_with_provider(provider)
                    .with_protocol_versions(versions)
                    .unwrap()
                    .with_root_certificates(roots(&ca.pem))
                    .with_no_client_auth();
                let resolver = config.client_auth_cert_resolver.clone();
                config = narrowed;
                config.client_auth_cert_resolver = resolver;
                config
            };
            assert_eq!(ask(&server, config(Some(&good))).await, Ok(200), "{mode}");
            assert_eq!(ask(&server, config(None)).await.is_ok(), nobody, "{mode}: no certificate");
            assert!(ask(&server, config(Some(&bad))).await.is_err(), "{mode}: another CA's");
        }
        // The command line shows its own by a flag.
        let identity = folder.path().join("identity.pem");
        std::fs::write(&identity, format!("{}{}", good.0, good.1)).unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &ca.pem).unwrap();
        let command = |shows: bool| {
            let mut command = binary();
            command.args(["endpoint", "list", "--json", "--ca-file"]).arg(&ca_file);
            if shows {
                command.arg("--client-certificate").arg(&identity);
            }
            let output = command.arg("--data-dir").arg(&data).output().unwrap();
            output.status.success()
        };
        assert_eq!((command(true), command(false)), (true, nobody), "{mode}");
    }
}

fn roots(pem: &str) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for der in rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(der.unwrap()).unwrap();
    }
    roots
}

/// An address of this machine that is not loopback; asking for a route sends nothing.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn other_machines_are_served_over_tls_only_and_told_to_stay_there() {
    let Some(own) = own_address() else {
        return skip("other_machines_are_served_over_tls_only", "an address besides loopback");
    };
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("{own}:0");
    let refused =
        binary().args(["serve", "--listen", &listen, "--data-dir"]).arg(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("set listen.tls"), "{told}");
    let mut command = binary();
    command.env("PORTCULLIS__LISTEN__TLS__GENERATE", "true");
    command.args(["serve", "--json", "--listen", &listen, "--data-dir"]).arg(folder.path());
    let server = Server::ready(command, folder.path());
    let answer = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    assert_secure(answer.headers());
    let ask = "GET /health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n";
    let plain = talk(TcpStream::connect(server.address()).await.unwrap(), ask.as_bytes()).await;
    assert_eq!(status(&plain), 426);
    let listed: Value = server.cli(&["endpoint", "list"]);
    assert!(listed.is_array() || listed.is_object());
}
