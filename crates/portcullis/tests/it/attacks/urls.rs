//! Data by URL: whatever leads to this machine, its network or a file is refused, however it is written (SSRF).

use super::wire::{Answer, request, talk};
use crate::support::binary;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server with settings of its own; killed when dropped.
struct Running {
    child: Child,
    url: String,
    token: String,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary();
        command
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"));
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let token = std::fs::read_to_string(ready["admin_token_file"].as_str().unwrap()).unwrap();
        let (url, token) = (ready["url"].as_str().unwrap().to_owned(), token.trim().to_owned());
        Self { child, url, token, _folder: folder }
    }

    fn register(&self, url: &str) -> Answer {
        let encoded: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let line = format!("Authorization: Bearer {}", self.token);
        let bytes = request("POST", &format!("/api/v1/data/t/versions?url={encoded}"), &[&line], b"");
        talk(&self.url, &bytes).remove(0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that counts who comes, and answers each path with what is fixed for it.
struct Target {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Target {
    fn start(redirects: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = hits.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                answer(stream, redirects, port);
            }
        });
        Self { port, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: std::net::TcpStream, redirects: &[(&str, &str)], port: u16) {
    let mut head = [0; 4096];
    let Ok(n) = stream.read(&mut head) else { return };
    let head = String::from_utf8_lossy(&head[..n]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let target =
        redirects.iter().find(|(from, _)| *from == path).map(|(_, to)| to.replace("PORT", &port.to_string()));
    let text = match target {
        Some(to) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        None => {
            "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\na,b\n1,2\n3,4\n5,6\n".into()
        }
    };
    let _ = stream.write_all(text.as_bytes());
}

#[test]
fn addresses_that_are_not_public_are_never_asked() {
    let server = Running::start(&[]);
    let target = Target::start(&[]);
    let p = target.port;
    let mut breaches = Vec::new();
    let urls: Vec<String> = vec![
        "file:///etc/passwd".into(),
        "file://localhost/etc/passwd".into(),
        "FILE:///etc/passwd".into(),
        "/etc/passwd".into(),
        "../../etc/passwd".into(),
        "ftp://127.0.0.1/a".into(),
        "gopher://127.0.0.1:6379/_INFO".into(),
        "dict://127.0.0.1:11211/stats".into(),
        "ldap://127.0.0.1/a".into(),
        "jar:http://127.0.0.1!/a".into(),
        "data:text/csv,a,b".into(),
        "unix:///var/run/docker.sock".into(),
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info".into(),
        "s3://bucket/key".into(),
        "".into(),
        " ".into(),
        "http://".into(),
        "http:///a".into(),
        "javascript:alert(1)".into(),
        format!("http://127.0.0.1:{p}/a.csv"),
        format!("HTTP://127.0.0.1:{p}/a.csv"),
        format!("http:127.0.0.1:{p}/a.csv"),
        format!("http:\\\\127.0.0.1:{p}\\a.csv"),
        format!("http://127.0.0.1:{p}@127.0.0.1:{p}/a.csv"),
        format!("http://example.org@127.0.0.1:{p}/a.csv"),
        format!("http://example.org:80@127.0.0.1:{p}/a.csv"),
        format!("http://127.0.0.1:{p}#@example.org/"),
        format!("http://127.0.0.1:{p}?@example.org/"),
        format!("http://127.0.0.1:{p}\\@example.org/"),
        format!("http://localhost:{p}/a.csv"),
        format!("http://LOCALHOST:{p}/a.csv"),
        format!("http://localhost.:{p}/a.csv"),
        format!("http://127.1:{p}/a.csv"),
        format!("http://127.0.1:{p}/a.csv"),
        format!("http://2130706433:{p}/a.csv"),
        format!("http://0x7f000001:{p}/a.csv"),
        format!("http://0x7f.0.0.1:{p}/a.csv"),
        format!("http://0177.0.0.1:{p}/a.csv"),
        format!("http://017700000001:{p}/a.csv"),
        format!("http://127.0.0.1.:{p}/a.csv"),
        format!("http://127.9.9.9:{p}/a.csv"),
        format!("http://0.0.0.0:{p}/a.csv"),
        format!("http://0:{p}/a.csv"),
        format!("http://[::1]:{p}/a.csv"),
        format!("http://[::]:{p}/a.csv"),
        format!("http://[0:0:0:0:0:0:0:1]:{p}/a.csv"),
        format!("http://[::ffff:127.0.0.1]:{p}/a.csv"),
        format!("http://[::ffff:7f00:1]:{p}/a.csv"),
        format!("http://[::127.0.0.1]:{p}/a.csv"),
        format!("http://[64:ff9b::7f00:1]:{p}/a.csv"),
        format!("http://[2002:7f00:1::]:{p}/a.csv"),
        format!("http://\u{2460}\u{2461}\u{2466}.0.0.1:{p}/a.csv"),
        format!("http://\u{ff11}27.0.0.1:{p}/a.csv"),
        format!("http://127\u{3002}0\u{3002}0\u{3002}1:{p}/a.csv"),
        format!("http://%31%32%37.0.0.1:{p}/a.csv"),
        format!("http://127.0.0.1%00.example.org:{p}/a.csv"),
        format!("https://127.0.0.1:{p}/a.csv"),
        format!("http://127.0.0.1:{p}/a.csv\r\nX: y"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://169.254.170.2/v2/credentials".into(),
        "http://[fd00:ec2::254]/latest/meta-data/".into(),
        "http://0xa9fea9fe/".into(),
        "http://2852039166/".into(),
        "http://100.100.100.200/latest/meta-data/".into(),
        "http://10.0.0.1/a".into(),
        "http://10.1/a".into(),
        "http://172.16.0.1/a".into(),
        "http://172.31.255.255/a".into(),
        "http://192.168.0.1/a".into(),
        "http://100.64.0.1/a".into(),
        "http://192.0.2.1/a".into(),
        "http://198.18.0.1/a".into(),
        "http://224.0.0.1/a".into(),
        "http://255.255.255.255/a".into(),
        "http://[fe80::1]/a".into(),
        "http://[fc00::1]/a".into(),
        "http://[fec0::1]/a".into(),
        "http://[ff02::1]/a".into(),
        "http://[2001:db8::1]/a".into(),
        "http://[fe80::1%25eth0]/a".into(),
    ];
    for url in &urls {
        let answer = server.register(url);
        let text = answer.text();
        // What a name server does not know leads nowhere either.
        let unknown = answer.status == 503 && text.contains("cannot be resolved");
        let right = matches!(answer.status, 400 | 403 | 422) || unknown;
        breaches.extend((!right).then(|| format!("{url:?}: {} {text}", answer.status)));
    }
    eprintln!("data by URL: {} cases, {} breaches", urls.len(), breaches.len());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    assert_eq!(target.hits(), 0, "nobody came");
    let own = server.register(&format!("{}/api/v1/server", server.url));
    assert!(matches!(own.status, 400 | 403 | 422), "nor the server itself: {}", own.status);
}

#[test]
fn a_redirect_leads_to_no_other_place() {
    let server = Running::start(&[("PORTCULLIS__OUTBOUND__ALLOW", "127.0.0.0/8")]);
    let target = Target::start(&[
        ("/same", "/a.csv"),
        ("/private", "http://10.0.0.1/a.csv"),
        ("/metadata", "http://169.254.169.254/latest/meta-data/"),
        ("/file", "file:///etc/passwd"),
        ("/port", "http://127.0.0.1:1/a.csv"),
        ("/host", "http://127.0.0.2:PORT/a.csv"),
        ("/name", "http://localhost:PORT/a.csv"),
        ("/relative-host", "//127.0.0.2:PORT/a.csv"),
        ("/userinfo", "http://a:b@127.0.0.1:PORT/a.csv"),
        ("/loop", "/loop"),
        ("/long", "/longer"),
        ("/longer", "/even-longer"),
        ("/even-longer", "/longest"),
        ("/longest", "/a.csv"),
        ("/data", "data:text/csv,a"),
        ("/bad", "http://[::1"),
    ]);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", target.port);
    for good in ["/a.csv", "/same"] {
        let answer = server.register(&url(good));
        assert!(
            matches!(answer.status, 200 | 201),
            "{good}, the control: {} {}",
            answer.status,
            answer.text()
        );
    }
    let refused = [
        "/private",
        "/metadata",
        "/file",
        "/port",
        "/host",
        "/name",
        "/relative-host",
        "/userinfo",
        "/loop",
        "/long",
        "/data",
        "/bad",
    ];
    for path in refused {
        let answer = server.register(&url(path));
        assert!(
            (400..500).contains(&answer.status) || answer.status == 502,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    for inside in ["http://10.0.0.1/a", "http://[::1]:9/a", "http://169.254.169.254/a"] {
        let answer = server.register(inside);
        assert!(
            matches!(answer.status, 400 | 403 | 422),
            "{inside}: only the listed range is open: {}",
            answer.status
        );
    }
    let userinfo = server.register(&format!("http://me:secret@127.0.0.1:{}/a.csv", target.port));
    assert!(
        (400..500).contains(&userinfo.status) && !userinfo.text().contains("secret"),
        "{}",
        userinfo.text()
    );
    eprintln!("redirects: {} cases", refused.len() + 4);
}
