//! What a command says, line by line into one file, within a bound.

use crate::error::{Error, Result};
use crate::feed::Feed;
use std::path::Path;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

/// Bytes of a line that are waited for; a longer one is cut.
const LINE_MAX: usize = 64 * 1024;
const CHUNK: usize = 16 * 1024;

/// The log of a running job.
#[derive(Debug)]
pub struct Log {
    state: Mutex<State>,
    feed: Arc<Feed>,
    most: u64,
}

#[derive(Debug)]
struct State {
    file: File,
    written: u64,
    full: bool,
}

impl Log {
    /// Begins the log.
    pub async fn create(path: &Path, most: u64, feed: Arc<Feed>) -> Result<Self> {
        let file = File::create(path).await.map_err(|e| Error::io(path, e))?;
        Ok(Self { state: Mutex::new(State { file, written: 0, full: false }), feed, most })
    }

    /// A line of ours.
    pub async fn say(&self, text: &str) {
        self.append(format!("portcullis: {text}\n").as_bytes(), false).await;
    }

    /// Takes everything a stream says, whatever becomes of the file: a full disk stops no job.
    pub async fn take(&self, mut stream: impl AsyncRead + Unpin) {
        let mut rest = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            rest.extend_from_slice(&chunk[..read]);
            let end = match rest.iter().rposition(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None if rest.len() >= LINE_MAX => {
                    rest.push(b'\n');
                    rest.len()
                }
                None => continue,
            };
            self.append(&rest[..end], true).await;
            rest.drain(..end);
        }
        if !rest.is_empty() {
            rest.push(b'\n');
            self.append(&rest, true).await;
        }
    }

    async fn append(&self, lines: &[u8], bounded: bool) {
        let mut state = self.state.lock().await;
        let over = bounded && state.written + lines.len() as u64 > self.most;
        if state.full && bounded {
            return;
        }
        let lines = if over {
            state.full = true;
            "portcullis: the log has reached runs.command.log_bytes, what comes is left out\n".as_bytes()
        } else {
            lines
        };
        let written = async {
            state.file.write_all(lines).await?;
            state.file.flush().await
        };
        match written.await {
            Ok(()) => state.written += lines.len() as u64,
            Err(error) => {
                tracing::warn!(%error, "a line of a job's log cannot be written");
                state.full = true;
            }
        }
        drop(state);
        self.feed.touch();
    }
}
