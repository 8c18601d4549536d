//! HTTP/1 connections in a pause: their engine is given up, and nothing that was said is lost.

use super::*;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A stream that tells how much room its reader has: an engine offers 2 KiB, then more, a stream that waits by itself at
/// least 4 KiB.
struct Watched(DuplexStream, watch::Sender<usize>);

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.1.send_replace(buffer.remaining());
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A client of one connection, and sight of its other end.
struct Client {
    stream: DuplexStream,
    room: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    talk: tokio::task::JoinHandle<()>,
}

const PATIENCE: Duration = Duration::from_secs(20);
/// The room of a stream without an engine.
const REST: usize = 4096;

impl Client {
    fn new(limits: HttpLimits) -> Self {
        let (stream, far) = tokio::io::duplex(1 << 20);
        let (told, room) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let engines = Engines::new(&limits);
        let front = Front { service: Echo, limits: Arc::new(limits), tls: None, engines };
        let peer = Peer::new("127.0.0.1:1".parse().unwrap(), Link::Plain);
        let talk =
            tokio::spawn(async move { super::super::talk(&front, Watched(far, told), peer, stopped).await });
        Self { stream, room, stop, talk }
    }

    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads the next answers, as far as that of `body`.
    async fn read(&mut self, body: &str) -> String {
        let mut answer = Vec::new();
        let reading = async {
            while !answer.ends_with(body.as_bytes()) {
                assert!(self.stream.read_buf(&mut answer).await.unwrap() > 0, "closed before {body}");
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        let text = String::from_utf8(answer).unwrap();
        assert!(read.is_ok(), "{text}");
        text
    }

    /// Until the connection has no engine.
    async fn rests(&mut self) {
        let rested = self.room.wait_for(|room| *room == REST);
        tokio::time::timeout(PATIENCE, rested).await.expect("the engine was kept").unwrap();
    }

    fn has_engine(&self) -> bool {
        *self.room.borrow() < REST
    }
}

fn resting(rest_after: u64) -> HttpLimits {
    HttpLimits { rest_after: Span(Duration::from_millis(rest_after)), ..limits() }
}

/// Lets the other side work for a while.
async fn a_while(millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[tokio::test]
async fn a_connection_goes_on_after_each_pause() {
    let mut client = Client::new(resting(20));
    client.rests().await;
    for round in 0..3 {
        let chunked =
            "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
        client.send(&format!("{}{chunked}{}", get("/a"), get("/b"))).await;
        let answer = client.read("GET /b 0").await;
        assert_eq!(bodies(&answer), ["GET /a 0", "POST /c 4", "GET /b 0"], "{round}");
        assert!(client.has_engine());
        client.rests().await;
    }
}

#[tokio::test]
async fn requests_at_the_very_moment_of_the_rest_are_answered() {
    let mut client = Client::new(resting(1));
    for n in 0..400_u64 {
        let path = format!("/{n}");
        // In one piece, in two, or two requests at once.
        let request = get(&path);
        match n % 3 {
            0 => client.send(&request).await,
            1 => {
                let (head, tail) = request.split_at(n as usize % request.len());
                client.send(head).await;
                tokio::task::yield_now().await;
                client.send(tail).await;
            }
            _ => client.send(&format!("{}{request}", get("/before"))).await,
        }
        let answer = client.read(&format!("GET {path} 0")).await;
        assert_eq!(answer.matches(" 200 OK").count(), if n % 3 == 2 { 2 } else { 1 }, "{answer}");
        let pause = Instant::now() + Duration::from_micros(n * 37 % 2000);
        while Instant::now() < pause {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn too_many_engines_are_given_up_at_once() {
    // The long pause of the settings is for those that may be kept: here none.
    let mut client = Client::new(HttpLimits { engines: 0, ..limits() });
    for round in 0..3 {
        client.send(&get("/a")).await;
        client.read("GET /a 0").await;
        client.rests().await;
        let large = format!("POST /{round} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        client.send(&large).await;
        client.send(&"x".repeat(100_000)).await;
        client.read(&format!("POST /{round} 100000")).await;
    }
}

#[tokio::test]
async fn half_a_head_waits_at_rest_and_is_completed_there() {
    let mut client = Client::new(resting(10));
    client.send(&get("/first")).await;
    client.read("GET /first 0").await;
    client.rests().await;
    for piece in ["GET /se", "cond HTTP/1.1\r\nHo", "st: a\r\n"] {
        client.send(piece).await;
        a_while(30).await;
    }
    client.send(&format!("\r\n{}", get("/third"))).await;
    assert_eq!(bodies(&client.read("GET /third 0").await), ["GET /second 0", "GET /third 0"]);
}

#[tokio::test]
async fn a_call_in_hand_keeps_its_engine() {
    let mut client = Client::new(resting(1));
    client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
    client.room.wait_for(|room| *room < REST).await.unwrap();
    a_while(60).await;
    assert!(client.has_engine());
    client.send("def").await;
    client.read("POST /slow 6").await;
    client.rests().await;
}

#[tokio::test]
async fn an_unread_body_is_not_taken_for_a_rest() {
    let mut client = Client::new(resting(1));
    client.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
    client.read("no").await;
    a_while(30).await;
    // The engine has closed the connection, or reads the rest of the body away: both are right, a second answer is not.
    drop(client.stream.write_all(format!("def{}", get("/x")).as_bytes()).await);
    let mut answer = String::new();
    drop(tokio::time::timeout(Duration::from_secs(2), client.stream.read_to_string(&mut answer)).await);
    assert!(!answer.contains("400"), "{answer}");
}

#[tokio::test]
async fn a_bad_or_late_head_after_the_rest_is_refused() {
    let hurried = HttpLimits { head_timeout: Span(Duration::from_millis(200)), ..resting(10) };
    for (bytes, status) in [("GET / HTTP/1.1\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: a\r\n", "408")] {
        let mut client = Client::new(hurried.clone());
        client.send(&get("/a")).await;
        client.read("GET /a 0").await;
        client.rests().await;
        client.send(bytes).await;
        let mut answer = String::new();
        client.stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_rest_ends_with_the_idle_time_or_the_server() {
    let idle = HttpLimits { idle_timeout: Span(Duration::from_millis(300)), ..resting(50) };
    let mut client = Client::new(idle);
    client.send(&get("/a")).await;
    client.read("GET /a 0").await;
    client.rests().await;
    assert_eq!(client.stream.read(&mut [0; 9]).await.unwrap(), 0);

    let mut client = Client::new(resting(10));
    client.send(&get("/a")).await;
    client.read("GET /a 0").await;
    client.rests().await;
    client.stop.send(true).unwrap();
    assert_eq!(client.stream.read(&mut [0; 9]).await.unwrap(), 0);
    client.talk.await.unwrap();
}

#[tokio::test]
async fn a_line_end_behind_a_body_does_not_hold_back_the_answer() {
    let mut client = Client::new(resting(10));
    for _ in 0..2 {
        client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz\r\n").await;
        client.read("POST /a 3").await;
        a_while(30).await;
        client.send(&get("/b")).await;
        client.read("GET /b 0").await;
    }
}
