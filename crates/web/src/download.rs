//! Streamed downloads: a blocking reader as a body, a few pieces in memory.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::poll_fn;
use std::io::{self, Read};
use tokio::sync::mpsc;

/// Pieces between the reader and the connection.
const PIECES: usize = 4;
/// Bytes of a piece at most.
const PIECE: usize = 64 * 1024;

/// Makes a body of a reader, which is read on a blocking thread. A reader that fails breaks the answer off: it never looks whole.
pub fn body(mut reader: impl Read + Send + 'static) -> Body {
    let (sender, mut pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => Ok(Bytes::copy_from_slice(&buffer[..n])),
                Err(e) => Err(e),
            };
            let last = piece.is_err();
            // A connection that went away needs no more.
            if sender.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    Body::from_stream(poll_fn(move |context| pieces.poll_recv(context)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(buffer.len()) }
        }
    }

    #[tokio::test]
    async fn a_reader_arrives_whole_or_breaks_off() {
        let bytes: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8).collect();
        let read = body(io::Cursor::new(bytes.clone())).collect().await.unwrap().to_bytes();
        assert!(read == bytes);
        assert!(body(Broken(0)).collect().await.is_err());
    }
}
