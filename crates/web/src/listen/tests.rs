//! The listener against raw sockets.

mod rest;

use super::*;
use bytes::Bytes;
use domain::Span;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers `METHOD PATH LENGTH` with the length of the body it read; `/unread` reads nothing, `/stream` streams.
#[derive(Clone)]
struct Echo;

impl Service for Echo {
    async fn call(&self, request: Request<RequestBody>, _: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == "/unread" {
            return Response::builder().status(StatusCode::UNAUTHORIZED).body("no".into()).unwrap();
        }
        if parts.uri.path() == "/stream" {
            let pieces = ["ab", "cd"].map(Ok::<_, std::io::Error>);
            let stream = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
            return Response::new(Body::Stream(stream));
        }
        match body.collect().await {
            Ok(all) => {
                let text = format!("{} {} {}", parts.method, parts.uri.path(), all.to_bytes().len());
                Response::new(text.into())
            }
            Err(e) => {
                let text = e.to_string();
                Response::builder().status(StatusCode::REQUEST_TIMEOUT).body(text.into()).unwrap()
            }
        }
    }
}

fn limits() -> HttpLimits {
    let span = |ms| Span(Duration::from_millis(ms));
    HttpLimits {
        connections: 100,
        head_timeout: span(20_000),
        body_timeout: span(20_000),
        idle_timeout: span(20_000),
        rest_after: span(20_000),
        engines: 100,
        head_bytes: 4096,
        streams: 10,
        pending_resets: 20,
        error_resets: 20,
        given_up: 20,
        window_bytes: 1 << 20,
        send_buffer_bytes: 1 << 16,
        shutdown_grace: span(2000),
    }
}

async fn server(limits: HttpLimits) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    (address, stop, tokio::spawn(serve(listener, None, Echo, limits, stopped)))
}

/// Sends bytes and reads until the server closes.
async fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn bodies(answer: &str) -> Vec<&str> {
    answer.split("\r\n\r\n").skip(1).map(|part| part.split("HTTP/1").next().unwrap()).collect()
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let (address, _stop, _task) = server(limits()).await;
    let answer = talk(
        address,
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz\
        POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n\
        GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(bodies(&answer), ["GET /a 0", "POST /b 3", "POST /c 4", "GET /d 0"]);
}

#[tokio::test]
async fn a_bad_head_gets_400_after_the_answers_before_it_and_closes() {
    let (address, _stop, _task) = server(limits()).await;
    let good = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    for bad in [
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET /x HTTP/1.1\nHost: a\n\n",
        "GET /x HTTP/1.1\r\nHost : a\r\n\r\n",
        "REFUSED /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        for before in ["", good] {
            let answer = talk(address, format!("{before}{bad}{good}").as_bytes()).await;
            assert_eq!(
                answer.matches("HTTP/1.1 ").count(),
                1 + usize::from(!before.is_empty()),
                "{bad}\n{answer}"
            );
            assert!(
                answer.contains("HTTP/1.1 400 Bad Request") && answer.contains("connection: close"),
                "{bad}\n{answer}"
            );
            assert!(answer.contains("application/problem+json") && !answer.contains("/x"), "{answer}");
        }
    }
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(5000));
    assert!(talk(address, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert!(talk(address, b"GET / HTTP/3.0\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 505 "));
}

#[tokio::test]
async fn a_split_head_before_a_bad_one_is_answered() {
    let (address, _stop, _task) = server(limits()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHo").await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(b"st: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.contains("GET /a 0") && answer.contains("400 Bad Request"), "{answer}");
}

#[tokio::test]
async fn http_1_0_gets_a_length_and_may_keep_alive() {
    let (address, _stop, _task) = server(limits()).await;
    let answer = talk(address, b"POST /score HTTP/1.0\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\n{}GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(bodies(&answer), ["POST /score 2", "GET / 0"]);
    assert!(answer.contains("content-length: 13") && answer.contains("connection: keep-alive"), "{answer}");
    assert!(!answer.contains("chunked"));
    let streamed = talk(address, b"GET /stream HTTP/1.0\r\n\r\n").await;
    assert!(streamed.ends_with("\r\n\r\nabcd") && !streamed.contains("chunked"), "{streamed}");
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go() {
    let short = Span(Duration::from_millis(300));
    let hurried = HttpLimits { head_timeout: short, body_timeout: short, idle_timeout: short, ..limits() };
    let (address, _stop, _task) = server(hurried).await;
    assert_eq!(talk(address, b"").await, "");
    assert!(talk(address, b"GET / HTTP/1.1\r\nHost").await.starts_with("HTTP/1.1 408 "));
    assert!(
        talk(address, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            .await
            .starts_with("HTTP/1.1 408 ")
    );
    assert_eq!(bodies(&talk(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await), ["GET / 0"]);
}

#[tokio::test]
async fn an_answer_survives_an_unread_body() {
    let (address, _stop, _task) = server(limits()).await;
    let mut request = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n".to_vec();
    request.resize(request.len() + 200_000, b'x');
    let answer = talk(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn a_broken_chunk_never_reaches_the_next_request() {
    let (address, _stop, _task) = server(limits()).await;
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer =
        talk(address, format!("{head}3\nabc\r\n0\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
    assert!(!answer.contains(" 200 ") && !answer.contains("/y"), "{answer}");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let (address, _stop, _task) = server(limits()).await;
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    for n in 0..3 {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://a/{n}"))
            .body(http_body_util::Full::new(Bytes::from_static(b"abc")))
            .unwrap();
        let response = send.send_request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), format!("POST /{n} 3"));
    }
}

#[tokio::test]
async fn stopping_lets_go_of_idle_connections_and_ends() {
    let mut long = limits();
    long.idle_timeout = Span(Duration::from_secs(60));
    let (address, stop, task) = server(long).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut some = [0; 12];
    stream.read_exact(&mut some).await.unwrap();
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn at_the_cap_further_connections_wait() {
    let mut few = limits();
    few.connections = 1;
    let (address, _stop, _task) = server(few).await;
    let first = TcpStream::connect(address).await.unwrap();
    let waiting = talk(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    drop(first);
    assert_eq!(bodies(&waiting.await), ["GET / 0"]);
}
