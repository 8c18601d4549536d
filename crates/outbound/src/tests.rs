//! The client against a real server on loopback.

use crate::{Client, Config, Error, Limits};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

/// Loopback allowed; the caps small enough for a test.
fn config(allow: &str) -> Config {
    toml::from_str(&format!(
        "allow = [{allow}]\nconnect_timeout = \"2s\"\nidle_timeout = \"5s\"\ntimeout = \"10s\"\nmax_bytes = 1000000\nmax_redirects = 3"
    ))
    .unwrap()
}

fn client() -> Client {
    Client::new(&config("\"127.0.0.0/8\", \"::1\"")).unwrap()
}

/// Answers each connection with what `answer` makes of the request's path, then closes it, unless the
/// answer lacks `connection: close`. `None` answers nothing.
fn server(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap();
            let text = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            match answer(path) {
                Some(text) => {
                    drop(stream.write_all(text.as_bytes()));
                    if !text.contains("connection: close") {
                        silent.push(stream);
                    }
                }
                None => silent.push(stream),
            }
        }
    });
    address
}

fn ok(body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

fn to(location: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
}

#[tokio::test]
async fn a_listed_address_is_read() {
    let address = server(|_| ok("a,b\n1,2\n"));
    let body = client().get(&format!("http://{address}/a.csv")).await.unwrap();
    assert_eq!(body.content_type(), Some("text/csv"));
    assert_eq!(body.length(), Some(8));
    assert_eq!(body.bytes().await.unwrap(), "a,b\n1,2\n");
}

#[tokio::test]
async fn loopback_is_refused_by_default_before_any_connection() {
    let (send, seen) = mpsc::channel();
    let address = server(move |path| {
        send.send(path.to_owned()).unwrap();
        ok("secret")
    });
    let closed = Client::new(&config("")).unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let error = closed.get(&format!("http://{host}:{}/", address.port())).await.unwrap_err();
        assert!(matches!(error, Error::Refused { what: "loopback", .. }), "{host}: {error:?}");
        assert!(error.to_string().contains("outbound.allow"), "{error}");
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_name_works_when_its_address_is_listed() {
    let address = server(|_| ok("x"));
    let only_v4 = Client::new(&config("\"127.0.0.1\"")).unwrap();
    let body = only_v4.get(&format!("http://localhost:{}/", address.port())).await.unwrap();
    assert_eq!(body.bytes().await.unwrap(), "x");
}

#[tokio::test]
async fn redirects_stay_on_their_host() {
    let address = server(|path| match path {
        "/1" => to("/2"),
        "/2" => to("three"),
        "/three" => ok("here"),
        "/port" => to("http://127.0.0.1:1/"),
        "/file" => to("file:///etc/passwd"),
        "/credentials" => to("http://me:secret@127.0.0.1/"),
        "/private" => to("http://10.0.0.1/"),
        "/nowhere" => to(""),
        _ => to("http://127.0.0.2/"),
    });
    let client = client();
    let get = |path: &'static str| {
        let client = client.clone();
        async move { client.get(&format!("http://{address}{path}")).await }
    };
    assert_eq!(get("/1").await.unwrap().bytes().await.unwrap(), "here");
    for path in ["/other", "/port"] {
        let error = get(path).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{path}: {error:?}");
    }
    assert!(matches!(get("/file").await, Err(Error::Scheme(_))));
    assert!(matches!(get("/credentials").await, Err(Error::Credentials(_))));
    assert!(matches!(get("/private").await, Err(Error::Refused { .. })));
    assert!(matches!(get("/nowhere").await, Err(Error::Redirects { limit: 3, .. })));
}

#[tokio::test]
async fn sizes_are_capped_announced_or_not() {
    let address = server(|path| match path {
        "/announced" => ok(&"x".repeat(2000)),
        _ => Some(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(2000))),
    });
    let limits = Limits { max_bytes: 1999, ..client().limits() };
    let announced = client().get_with(&format!("http://{address}/announced"), limits).await;
    assert!(matches!(announced, Err(Error::TooLarge { limit: 1999, .. })));
    let body = client().get_with(&format!("http://{address}/"), limits).await.unwrap();
    assert!(matches!(body.bytes().await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let address = server(|path| match path {
        "/starts" => Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx".to_owned()),
        _ => None,
    });
    let limits = Limits { timeout: Duration::from_millis(100), ..client().limits() };
    let error = client().get_with(&format!("http://{address}/silent"), limits).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "outbound.timeout", .. }), "{error:?}");
    assert!(error.to_string().contains("100ms"), "{error}");
    let limits = Limits { idle_timeout: Duration::from_millis(100), ..client().limits() };
    let body = client().get_with(&format!("http://{address}/starts"), limits).await.unwrap();
    let error = body.bytes().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { setting: "outbound.idle_timeout", .. }), "{error:?}");
}

#[tokio::test]
async fn other_answers_and_broken_ones_are_errors() {
    let address = server(|path| match path {
        "/gone?key=secret" => {
            Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned())
        }
        "/short" => Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc".to_owned()),
        _ => Some("nonsense\r\n\r\n".to_owned()),
    });
    let gone = client().get(&format!("http://{address}/gone?key=secret")).await.unwrap_err();
    assert!(matches!(gone, Error::Status { status: 404, .. }), "{gone:?}");
    assert!(!gone.to_string().contains("secret"));
    let short = client().get(&format!("http://{address}/short")).await.unwrap().bytes().await;
    assert!(matches!(short, Err(Error::Broken { .. })), "{short:?}");
    assert!(matches!(client().get(&format!("http://{address}/")).await, Err(Error::Broken { .. })));
}

#[tokio::test]
async fn a_thread_reads_the_body_and_sees_its_errors() {
    let big: String = (0..100_000).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
    let expected = big.clone();
    let address = server(move |path| match path {
        "/short" => Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc".to_owned()),
        _ => ok(&big),
    });
    let mut whole = client().get(&format!("http://{address}/")).await.unwrap().into_reader();
    let mut short = client().get(&format!("http://{address}/short")).await.unwrap().into_reader();
    let (text, error) = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        whole.read_to_string(&mut text).unwrap();
        (text, short.read_to_end(&mut Vec::new()).unwrap_err())
    })
    .await
    .unwrap();
    assert_eq!(text, expected);
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    assert!(matches!(inner, Some(Error::Broken { .. })), "{error:?}");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let good = config("");
    let endless = Config { max_redirects: 11, ..good.clone() };
    let never = Config { timeout: "0s".parse().unwrap(), ..good };
    for bad in [endless, never] {
        assert!(matches!(Client::new(&bad), Err(Error::Setting(_))));
    }
}
