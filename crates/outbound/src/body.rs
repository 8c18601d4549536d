//! Reading an answer under its caps, from async code or from a thread.

use crate::client::{Limits, innermost};
use crate::error::{Error, Result};
use crate::guard::shown;
use bytes::{Buf, Bytes};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use std::io::{self, Read};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Pieces that may wait between the network and a reading thread.
const PIECES_AHEAD: usize = 16;

/// The body of an answer, not yet read.
#[derive(Debug)]
pub struct Body {
    response: Response,
    url: String,
    limits: Limits,
    deadline: Instant,
    read: u64,
}

impl Body {
    pub(crate) fn new(url: &Url, response: Response, limits: Limits, deadline: Instant) -> Result<Self> {
        let body = Self { response, url: shown(url), limits, deadline, read: 0 };
        match body.length() {
            Some(length) if length > limits.max_bytes => Err(body.too_large()),
            _ => Ok(body),
        }
    }

    /// The length the server announced, in bytes.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The media type the server announced.
    pub fn content_type(&self) -> Option<&str> {
        self.response.headers().get(CONTENT_TYPE)?.to_str().ok()
    }

    /// The next piece; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let idle = Instant::now() + self.limits.idle_timeout;
        let piece = match timeout_at(idle.min(self.deadline), self.response.chunk()).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(e)) => {
                return Err(Error::Broken { url: self.url.clone(), reason: innermost(&e) });
            }
            Err(_) => return Err(self.too_slow(idle)),
        };
        self.read += piece.as_ref().map_or(0, |p| p.len() as u64);
        if self.read > self.limits.max_bytes { Err(self.too_large()) } else { Ok(piece) }
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(piece) = self.chunk().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// The body as a blocking [`Read`] for a thread that is not an async worker. Call it within the runtime: a task there
    /// fetches ahead. A read's error carries the [`Error`] inside ([`io::Error::get_ref`]).
    pub fn into_reader(mut self) -> BodyReader {
        let (send, pieces) = mpsc::channel(PIECES_AHEAD);
        tokio::spawn(async move {
            loop {
                let piece = self.chunk().await.transpose();
                let last = !matches!(piece, Some(Ok(_)));
                let message = piece.unwrap_or(Ok(Bytes::new()));
                if send.send(message).await.is_err() || last {
                    return;
                }
            }
        });
        BodyReader { pieces, current: Bytes::new(), ended: false }
    }

    fn too_large(&self) -> Error {
        let limit = self.limits.max_bytes;
        Error::TooLarge { url: self.url.clone(), limit, setting: "outbound.max_bytes" }
    }

    fn too_slow(&self, idle: Instant) -> Error {
        let (what, limit, setting) = if self.deadline <= idle {
            ("be read", self.limits.timeout, "outbound.timeout")
        } else {
            ("go on", self.limits.idle_timeout, "outbound.idle_timeout")
        };
        Error::Timeout { url: self.url.clone(), what, limit, setting }
    }
}

/// A body read from a thread. Dropping it ends the fetch.
#[derive(Debug)]
pub struct BodyReader {
    pieces: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                // An empty piece says that the body came to its end; a closed channel alone does not.
                Some(Ok(piece)) => {
                    self.ended = piece.is_empty();
                    self.current = piece;
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Err(io::Error::other(error));
                }
                None => return Err(io::Error::other("the fetch was stopped")),
            }
        }
        let count = self.current.len().min(out.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
