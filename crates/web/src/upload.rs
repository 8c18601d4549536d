//! Streamed uploads: a body of the control plane as a blocking reader, a few frames in memory.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::io::{self, ErrorKind, Read};
use tokio::sync::mpsc;

/// Frames between the connection and the reader.
const FRAMES: usize = 8;

/// Makes a reader of a body; must be called within the runtime, and read on a blocking thread.
///
/// More than `limit` bytes end in an error of kind [`ErrorKind::FileTooLarge`], a broken or stalled connection in
/// [`ErrorKind::ConnectionAborted`] or [`ErrorKind::TimedOut`]: never in a short read that looks like the end.
pub fn reader(body: Body, limit: u64) -> impl Read + Send + 'static {
    let (sender, frames) = mpsc::channel(FRAMES);
    tokio::spawn(pump(body, limit, sender));
    Upload { frames, current: Bytes::new(), done: false }
}

async fn pump(mut body: Body, limit: u64, sender: mpsc::Sender<io::Result<Option<Bytes>>>) {
    let mut total = 0u64;
    loop {
        let next = match body.frame().await {
            None => Ok(None),
            Some(Err(e)) => Err(io::Error::new(kind_of(&e), e)),
            Some(Ok(frame)) => match frame.into_data() {
                Err(_) => continue,
                Ok(data) => {
                    total += data.len() as u64;
                    if total > limit {
                        Err(io::Error::new(
                            ErrorKind::FileTooLarge,
                            format!("the upload is longer than {limit} bytes"),
                        ))
                    } else {
                        Ok(Some(data))
                    }
                }
            },
        };
        let last = !matches!(next, Ok(Some(_)));
        // A reader that went away needs no more.
        if sender.send(next).await.is_err() || last {
            return;
        }
    }
}

fn kind_of(error: &axum::Error) -> ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(crate::BodyError::Stalled(_)) = e.downcast_ref() {
            return ErrorKind::TimedOut;
        }
        cause = e.source();
    }
    ErrorKind::ConnectionAborted
}

struct Upload {
    frames: mpsc::Receiver<io::Result<Option<Bytes>>>,
    current: Bytes,
    done: bool,
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.done {
            match self.frames.blocking_recv() {
                Some(Ok(Some(data))) => self.current = data,
                Some(Ok(None)) => self.done = true,
                Some(Err(e)) => return Err(e),
                None => return Err(ErrorKind::ConnectionAborted.into()),
            }
        }
        let n = self.current.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(limit: u64) -> io::Result<Vec<u8>> {
        let frames = (0..50u8).map(|i| Ok::<_, io::Error>(Bytes::from(vec![i; 1000])));
        let mut reader = reader(Body::from_stream(futures_util::stream::iter(frames)), limit);
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_body_arrives_whole_or_not_at_all() {
        let all = read(50_000).await.unwrap();
        assert!(all.len() == 50_000 && all[49_999] == 49);
        assert_eq!(read(49_999).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
