//! What goes over the Unix socket between this process and a worker: frames of a JSON head and a body.
//!
//! A frame is the head's length (four bytes, big-endian), the head, the body's length (the same), the body. On each connection
//! the worker, which listens, begins with a ready frame once `init()` has ended; then every frame of ours is answered by one of its.

use super::worker::Worker;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The largest head of a worker's frame: that of a ready frame, with its documents.
const HEAD_MAX: usize = 8 << 20;
/// A buffer larger than this is given back after its frame.
const BUFFER_KEPT: usize = 64 << 10;

/// What a worker tells first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Ready {
    pub ready: bool,
    /// Why not, with its traceback.
    #[serde(default)]
    pub error: String,
    /// Whether `run` asks for the request's headers.
    #[serde(default)]
    pub wants_headers: bool,
    /// Documents by their version: `2`, `3`, `3.1`.
    #[serde(default)]
    pub swagger: Option<BTreeMap<String, serde_json::Value>>,
    /// What it takes and answers.
    #[serde(default)]
    pub metadata: Described,
}

/// What a worker's model takes and answers, as far as that is known; in the words of Open Inference.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Described {
    /// The platform: `python_script`, `mlflow_pyfunc`.
    pub platform: String,
    /// The inputs; none where nothing says which.
    pub inputs: Vec<DescribedTensor>,
    /// The outputs; likewise.
    pub outputs: Vec<DescribedTensor>,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescribedTensor {
    /// Its name.
    pub name: String,
    /// The datatype of its elements.
    pub datatype: String,
    /// Its sizes; -1 where calls decide.
    pub shape: Vec<i64>,
}

/// What a worker is asked.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
    pub headers: Headers<'a>,
    pub timeout_ms: u64,
    /// What answers call the model.
    pub model: &'a str,
    pub version: &'a str,
    /// How long the JSON part of a body with binary tensors is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_bytes: Option<u64>,
}

/// The request's headers as an object; repeated ones are joined, as RFC 9110 section 5.3 allows. None when nobody asks for them.
#[derive(Debug)]
pub(super) struct Headers<'a>(pub Option<&'a HeaderMap>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for name in self.0.iter().flat_map(|headers| headers.keys()) {
            let values = self.0.iter().flat_map(|headers| headers.get_all(name));
            let texts: Vec<_> = values.map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
            map.serialize_entry(name.as_str(), &texts.join(", "))?;
        }
        map.end()
    }
}

/// A question whether the worker lives.
#[derive(Debug, Serialize)]
pub(super) struct Ping {
    pub ping: u64,
}

/// The answer to it.
#[derive(Debug, Deserialize)]
pub(super) struct Pong {
    pub pong: u64,
}

/// What a worker answers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Answer {
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub content_type: Option<String>,
    #[serde(default)]
    pub failed: bool,
    #[serde(default)]
    pub exec_ms: Option<f64>,
    /// How long the JSON part of an answer with binary tensors is.
    #[serde(default)]
    pub json_bytes: Option<u32>,
    /// Rows scored, where the protocol says how many.
    #[serde(default)]
    pub rows: u32,
}

/// A frame as bytes.
pub(super) fn frame(head: &impl Serialize, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(256 + body.len());
    bytes.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut bytes, head)?;
    let length = size(bytes.len() - 4)?;
    bytes[..4].copy_from_slice(&length);
    bytes.extend_from_slice(&size(body.len())?);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

fn size(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_be_bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// One connection of a worker. What is sent on it is answered before anything else is sent.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    buffer: BytesMut,
    pub worker: Arc<Worker>,
}

impl Link {
    pub(super) fn new(stream: UnixStream, worker: Arc<Worker>) -> Self {
        worker.linked();
        Self { stream, buffer: BytesMut::new(), worker }
    }

    /// The number of the worker's process as this process sees it; its own may be another (namespaces).
    pub(super) fn pid(&self) -> Option<u32> {
        self.stream.peer_cred().ok()?.pid().and_then(|pid| u32::try_from(pid).ok())
    }

    /// Sends a whole frame. When it fails, the worker has not got the frame whole, so it has not begun on it.
    pub(super) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await
    }

    /// Receives a frame whose body has at most `limit` bytes.
    pub(super) async fn receive<H: DeserializeOwned>(&mut self, limit: u64) -> io::Result<(H, Bytes)> {
        let head = self.part(HEAD_MAX as u64).await?;
        let body = self.part(limit).await?;
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = BytesMut::new();
        }
        Ok((serde_json::from_slice(&head)?, body.freeze()))
    }

    async fn part(&mut self, limit: u64) -> io::Result<BytesMut> {
        self.filled(4).await?;
        let length = self.buffer.get_u32();
        if u64::from(length) > limit {
            let text = format!("{length} bytes at once, {limit} are allowed");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.filled(length).await?;
        Ok(self.buffer.split_to(length))
    }

    async fn filled(&mut self, length: usize) -> io::Result<()> {
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.unlinked();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_cross_whole_and_no_larger_than_allowed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut ours = Link::new(ours, Worker::new(1));
        let mut theirs = Link::new(theirs, Worker::new(2));
        let mut headers = HeaderMap::new();
        headers.append("accept", "a".parse().unwrap());
        headers.append("accept", "b".parse().unwrap());
        let head = Request {
            id: "1",
            method: "GET",
            path: "/score",
            query: Some("a=1"),
            content_type: None,
            headers: Headers(Some(&headers)),
            timeout_ms: 5,
            model: "m",
            version: "1",
            json_bytes: None,
        };
        let bytes = frame(&head, b"body").unwrap();
        // Byte by byte at first: a frame may come in any pieces.
        for byte in &bytes[..20] {
            ours.send(&[*byte]).await.unwrap();
        }
        ours.send(&bytes[20..]).await.unwrap();
        let (seen, body): (serde_json::Value, Bytes) = theirs.receive(4).await.unwrap();
        assert_eq!(seen["headers"]["accept"], "a, b");
        assert_eq!((seen["query"].as_str(), &body[..]), (Some("a=1"), &b"body"[..]));
        ours.send(&bytes).await.unwrap();
        assert!(theirs.receive::<serde_json::Value>(3).await.is_err());
        drop(ours);
        let mut theirs = theirs;
        theirs.buffer.clear();
        assert!(theirs.receive::<serde_json::Value>(9).await.is_err());
    }
}
