//! A certificate by ACME from a real ACME server (Debian's `pebble`), proved by TLS-ALPN-01.

use crate::support::{Server, skip};
use crate::transport::{Authority, client, connect, status, talk};
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Pebble(Child);

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free just now; whoever is told of it before it is bound has no other way to learn it.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn pebble(folder: &Path, ca: &Authority, ports: (u16, u16), served: u16) -> Option<Pebble> {
    let (certificate, key) = ca.files(folder, "pebble", &["localhost", "127.0.0.1"]);
    let config = json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{}", ports.0),
        "managementListenAddress": format!("127.0.0.1:{}", ports.1),
        "certificate": certificate, "privateKey": key,
        "httpPort": free_port(), "tlsPort": served,
        "ocspResponderURL": "", "externalAccountBindingRequired": false,
    }});
    let file = folder.join("pebble.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new("pebble");
    command.arg("-config").arg(&file).args(["-strict", "true"]).env("PEBBLE_VA_NOSLEEP", "1");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok().map(Pebble)
}

#[tokio::test]
async fn a_certificate_comes_from_an_acme_server() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("directory");
    let ca_file = folder.path().join("directory.pem");
    std::fs::write(&ca_file, &ca.pem).unwrap();
    let ports = (free_port(), free_port());
    let directory = format!("https://localhost:{}/dir", ports.0);
    let settings = [
        ("LISTEN__TLS__ACME__DOMAINS", "localhost"),
        ("LISTEN__TLS__ACME__CONTACT", "mailto:ops@example.com"),
        ("LISTEN__TLS__ACME__DIRECTORY", directory.as_str()),
        ("LISTEN__TLS__ACME__CA", ca_file.to_str().unwrap()),
        ("LISTEN__TLS__ACME__ACCEPT_TERMS", "true"),
    ];
    let data = folder.path().join("data");
    // The server comes first: an ACME server that is not there yet is asked again.
    let server = Server::start_with(&data, &settings);
    assert!(server.url.starts_with("https://localhost:"), "{}", server.url);
    let served = server.url.rsplit(':').next().unwrap().parse().unwrap();
    let Some(_pebble) = pebble(folder.path(), &ca, ports, served) else {
        return skip("a_certificate_comes_from_an_acme_server", "pebble");
    };
    let file = data.join("tls/acme/certificate.pem");
    let end = Instant::now() + Duration::from_secs(60);
    while !file.is_file() {
        assert!(Instant::now() < end, "no certificate: {}", log(&data));
        tokio::task::yield_now().await;
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(ca.pem.as_bytes()).unwrap()])
        .build()
        .unwrap();
    let root = http.get(format!("https://localhost:{}/roots/0", ports.1)).send().await.unwrap();
    let root = root.text().await.unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let stream = loop {
        match connect(&format!("localhost:{served}"), client(&root, None, &["http/1.1"])).await {
            Ok(stream) => break stream,
            Err(e) => assert!(Instant::now() < end, "{e}: {}", log(&data)),
        }
    };
    let answer = talk(stream, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    server.kill();
    // Kept: a second start serves it at once, and asks for no other.
    let first = std::fs::read(&file).unwrap();
    let again = Server::start_with(&data, &settings);
    let address = format!("localhost:{}", again.url.rsplit(':').next().unwrap());
    assert!(connect(&address, client(&root, None, &[])).await.is_ok());
    assert_eq!(std::fs::read(&file).unwrap(), first);
}

fn log(data: &Path) -> String {
    std::fs::read_to_string(data.join("logs/server.log")).unwrap_or_default()
}
