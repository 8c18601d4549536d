//! Floods of HTTP/2 against the running binary: it ends the connection, keeps its memory, and serves others.

use crate::support::{Road, Server};
use crate::transport::{client, connect, memory};
use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames a flood sends at most; each is ended long before.
const FLOOD: usize = 200_000;

async fn open(server: &Server) -> TlsStream<TcpStream> {
    let pem = std::fs::read_to_string(server.certificate.as_ref().unwrap()).unwrap();
    connect(&server.address(), client(&pem, None, &["h2"])).await.unwrap()
}

/// One frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of header fields that is sent again and again: a POST, literal and without indexing (RFC 7541 §6.2.2).
fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x87];
    for (index, value) in [(0x04, path), (0x01, "localhost")] {
        block.push(index);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    block
}

/// Writes frames until the server ends the connection; how many it took, and whether it was ended.
async fn flood(stream: TlsStream<TcpStream>, mut next: impl FnMut(usize) -> Vec<u8>) -> (usize, bool) {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let drained = tokio::spawn(async move {
        let mut buffer = [0; 16 << 10];
        while reading.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    });
    let mut sent = 0;
    while sent < FLOOD {
        let mut batch = Vec::new();
        for _ in 0..100 {
            batch.extend(next(sent));
            sent += 1;
        }
        if writing.write_all(&batch).await.is_err() || writing.flush().await.is_err() || drained.is_finished()
        {
            return (sent, true);
        }
    }
    (sent, false)
}

async fn begin(server: &Server) -> TlsStream<TcpStream> {
    let mut stream = open(server).await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    stream
}

#[tokio::test]
async fn floods_end_their_connection_and_nothing_else() {
    // Rows that wait for a busy disk take room of their own, which is bounded by this setting.
    let settings = [("LISTEN__TLS__GENERATE", "true"), ("TELEMETRY__REQUEST_LOG__QUEUE_ROWS", "1024")];
    let road = Road::walk_with(&settings);
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let scores = async || server.post("/endpoints/small/score", Some(road.key()), &body).await.0;
    assert_eq!(scores().await, 200);
    let before = memory(server.pid(), "VmRSS");
    let block = head("/endpoints/small/score");
    // Opened and reset, over and over (CVE-2023-44487).
    let (sent, ended) = flood(begin(server).await, |n| {
        let id = u32::try_from(n).unwrap() * 2 + 1;
        [frame(1, 4, id, &block), frame(3, 0, id, &8u32.to_be_bytes())].concat()
    })
    .await;
    assert!(ended, "rapid reset went on for {sent} streams");
    assert_eq!(scores().await, 200);
    // A head that never ends (CVE-2024-27316).
    let (sent, ended) = flood(begin(server).await, |n| match n {
        0 => frame(1, 1, 1, &block),
        _ => frame(9, 0, 1, &[[0x00, 0x01, b'x', 0x7f, 0x80].as_slice(), &[b'y'; 200]].concat()),
    })
    .await;
    assert!(ended, "a head went on for {sent} frames");
    assert_eq!(scores().await, 200);
    // More streams than were allowed, each refused by us.
    let (sent, ended) =
        flood(begin(server).await, |n| frame(1, 4, u32::try_from(n).unwrap() * 2 + 1, &block)).await;
    assert!(ended, "streams beyond the limit went on for {sent}");
    assert_eq!(scores().await, 200);
    // Pings and settings want an answer each; what is read goes no faster than what is answered.
    flood(begin(server).await, |_| frame(6, 0, 0, &[7; 8])).await;
    flood(begin(server).await, |_| frame(4, 0, 0, &[])).await;
    flood(begin(server).await, |_| frame(4, 0, 0, &[0, 4, 0, 0, 255, 255])).await;
    assert_eq!(scores().await, 200);
    let peak = memory(server.pid(), "VmHWM");
    println!("resident: {before} KiB before, at most {peak} KiB");
    assert!(peak < before + (64 << 10), "{before} KiB grew to {peak} KiB");
}

#[tokio::test]
async fn a_client_that_never_waits_for_an_answer_is_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LISTEN__TLS__GENERATE", "true"), ("LIMITS__HTTP__GIVEN_UP", "50")];
    let server = Server::start_with(folder.path(), &settings);
    let (mut send, connection) = h2::client::handshake(open(&server).await).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut given_up = 0;
    // A call whose body never comes is in hand until it is reset.
    while let Ok(mut ready) = send.ready().await {
        let request = http::Request::post("https://localhost/api/v1/principals")
            .header("authorization", format!("Bearer {}", server.token))
            .header("content-type", "application/json")
            .body(())
            .unwrap();
        let Ok((answer, mut stream)) = ready.send_request(request, false) else { break };
        if stream.send_data(Bytes::from_static(b"{"), false).is_err() {
            break;
        }
        // The server has taken it up when it has answered a ping; polled here by letting the connection run.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
        given_up += 1;
        assert!(given_up < 5000, "never sent away");
        send = ready;
    }
    let _ = driven.await;
    assert!(given_up >= 20, "sent away only after {given_up}");
    let answer = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
